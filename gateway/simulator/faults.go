package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// FaultKind is what the API does wrong.
type FaultKind string

// The kinds of faults.
const (
	FaultSlow         FaultKind = "slow"         // answers after Fault.Delay
	FaultHang         FaultKind = "hang"         // never answers; the connection stays
	FaultCut          FaultKind = "cut"          // ends the connection without an answer
	FaultCutShort     FaultKind = "cutShort"     // ends the connection within the answer
	FaultError        FaultKind = "error"        // 500
	FaultGateway      FaultKind = "gateway"      // 502 or 503 with an HTML body, as edges answer
	FaultTimeout      FaultKind = "timeout"      // 408
	FaultHeavy        FaultKind = "heavy"        // 408 for calls above Fault.MaxCount or MaxWork
	FaultTooLarge     FaultKind = "tooLarge"     // 413 for bodies above Fault.MaxBytes
	FaultConflict     FaultKind = "conflict"     // 403 that passes, with the text that is known of it
	FaultLimited      FaultKind = "limited"      // 429, as if others had used up the limit
	FaultUnauthorized FaultKind = "unauthorized" // 401: no permission or, for all operations, disabled
)

// Fault is one thing that the API does wrong with calls that are right. Which
// calls it befalls follows from the seed.
type Fault struct {
	Kind        FaultKind
	Operations  []string      // that it befalls, such as "resources/getAll"; none means all
	Probability float64       // 0 to 1 for each call; 0 means 1, every call
	Calls       int           // how many calls it befalls; 0 means any number
	Delay       time.Duration // of FaultSlow
	MaxCount    int           // of FaultHeavy: Limitation.Count; 0 means any
	MaxWork     float64       // of FaultHeavy: rows of the answer times seconds of the longest interval; 0 means any
	MaxBytes    int           // of FaultTooLarge
	Sockets     bool          // of FaultUnauthorized: closes sockets with 1008, and refuses new ones like bad tokens
}

// Faults befall each call in turn, until one answers it.
type Faults []Fault

func (f Faults) validate(known map[string]method) error {
	for i, fault := range f {
		if err := fault.validate(known); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	return nil
}

func (f Fault) validate(known map[string]method) error {
	if _, ok := f.Kind.reply(false); !ok {
		return fmt.Errorf("kind %q is not known", f.Kind)
	}
	for _, operation := range f.Operations {
		if known[operation] == nil {
			return fmt.Errorf("operation %q is not known", operation)
		}
	}
	switch {
	case !(f.Probability >= 0 && f.Probability <= 1): // NaN too
		return fmt.Errorf("probability %v is not between 0 and 1", f.Probability)
	case f.Calls < 0 || f.Delay < 0 || f.MaxCount < 0 || f.MaxWork < 0 || f.MaxBytes < 0:
		return errors.New("a number is negative")
	case f.Kind == FaultSlow && f.Delay == 0:
		return errors.New("slow needs a delay")
	case f.Kind == FaultHeavy && f.MaxCount == 0 && f.MaxWork == 0:
		return errors.New("heavy needs a maximum")
	}
	return nil
}

// conflict is what Mews says when a call meets another one at the same thing.
const conflict = "Conflicting operation is being performed at this time. Please try again in a few seconds."

// reply is what a call gets that a fault of this kind befalls, and whether
// there is such a kind. A slow one gets its own.
func (k FaultKind) reply(odd bool) (reply, bool) {
	switch k {
	case FaultSlow:
		return reply{}, true
	case FaultHang:
		return reply{end: never}, true
	case FaultCut:
		return reply{end: cut}, true
	case FaultCutShort:
		return reply{end: cutShort}, true
	case FaultError:
		return reply{status: http.StatusInternalServerError, message: "Something went wrong on our end."}, true
	case FaultGateway:
		return edge(odd), true
	case FaultTimeout, FaultHeavy:
		return reply{status: http.StatusRequestTimeout, message: "The request took too long."}, true
	case FaultTooLarge:
		return reply{status: http.StatusRequestEntityTooLarge, message: "The request is too large."}, true
	case FaultConflict:
		return reply{status: http.StatusForbidden, message: conflict}, true
	case FaultLimited:
		return reply{status: http.StatusTooManyRequests}, true
	case FaultUnauthorized:
		return reply{status: http.StatusUnauthorized, message: "The token gives no access."}, true
	}
	return reply{}, false
}

func edge(odd bool) reply {
	status := http.StatusBadGateway
	if odd {
		status = http.StatusServiceUnavailable
	}
	page := fmt.Appendf(nil, "<html><head><title>%d</title></head><body><h1>%[1]d %s</h1></body></html>\n", status, http.StatusText(status))
	return reply{status: status, page: page}
}

// fault is a Fault at work.
type fault struct {
	Fault
	struck int // calls
}

func (f Faults) start() []fault {
	var started []fault
	for _, one := range f {
		one.Operations = slices.Clone(one.Operations)
		started = append(started, fault{Fault: one})
	}
	return started
}

func (f *fault) spent() bool { return f.Calls > 0 && f.struck >= f.Calls }

// concerns reports whether a call is one that the fault may befall.
func (f *fault) concerns(c *call) bool {
	if f.spent() || len(f.Operations) > 0 && !slices.Contains(f.Operations, c.operation) {
		return false
	}
	q := c.request
	switch f.Kind {
	case FaultTooLarge:
		return c.size > f.MaxBytes
	case FaultHeavy:
		work := float64(q.rows) * q.window.Seconds()
		return f.MaxCount > 0 && q.count > f.MaxCount || f.MaxWork > 0 && work > f.MaxWork
	}
	return true
}

// befallLocked is what the faults make of a call: with a status, an ending or
// only a delay, or nothing.
func (h *Hotel) befallLocked(c *call) reply {
	var r reply
	decided := false
	for i := range h.faults {
		// All are drawn for every call, as quirks are for frames.
		f, luck := &h.faults[i], h.luck.Float64()
		if decided || f.Probability > 0 && luck >= f.Probability || !f.concerns(c) {
			continue
		}
		f.struck++
		delay := r.delay + f.Delay
		r, _ = f.Kind.reply(f.struck%2 == 0)
		r.delay = delay
		decided = f.Kind != FaultSlow
		if f.Kind == FaultLimited {
			r = limited(h.window.retryAfter())
			h.calls.over++
		}
	}
	return r
}

// SetFaults changes what the API does wrong from now on; none is nothing.
func (h *Hotel) SetFaults(faults Faults) error {
	if err := faults.validate(methods()); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = faults.start()
	if h.disabledLocked() {
		for _, s := range h.sockets {
			s.bye(websocket.ClosePolicyViolation, "")
		}
	}
	return nil
}

// disabledLocked reports whether sockets are not let in for a fault.
func (h *Hotel) disabledLocked() bool {
	return slices.ContainsFunc(h.faults, func(f fault) bool { return f.Sockets && !f.spent() })
}

func (h *Hotel) disabled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.disabledLocked()
}
