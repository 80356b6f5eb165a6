package web_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"bellhop/gateway"
)

// A due is a block that all streams of a view are given. It is written down only
// when somebody has got that far.
type due struct {
	*entry
	text string
}

func (v *view) written(d *due) string {
	if d.text == "" {
		d.text = v.block(d.entry)
	}
	return d.text
}

// An account is what the model knows when all is over.
type account struct {
	entries  []*entry // the one with the sequence 1 comes first
	first    uint64   // those before it have been trimmed in the end
	patient  bool     // nobody is cut for being slow
	statuses map[string][]gateway.Status
	revoked  map[string]bool // tokens
	closed   map[string]bool // subjects whose streams an operator closed
	dues     map[*view][]due
	digests  map[*view]string // as ready has them
	streams  map[string]bool  // their names
	counts   map[string]int   // of what happened at all
}

// duesOf returns all that a view's streams are given of the log.
func (a *account) duesOf(v *view) []due {
	if known, ok := a.dues[v]; ok {
		return known
	}
	list := []due{}
	for _, e := range a.entries {
		if v.shows(e) {
			list = append(list, due{entry: e})
		}
	}
	a.dues[v] = list
	return list
}

// snapshotAt returns the blocks of the present state at a place in the log,
// sorted.
func (a *account) snapshotAt(v *view, at uint64) []string {
	latest := make(map[string]*entry)
	for _, e := range a.entries[:at] {
		if e.lasts() {
			latest[e.source+" "+e.typ+" "+e.id] = e
		}
	}
	var blocks []string
	for _, e := range latest {
		if text := v.snapshotBlock(e); text != "" {
			blocks = append(blocks, text)
		}
	}
	slices.Sort(blocks)
	return blocks
}

// A judge follows a visit block by block.
type judge struct {
	*account
	*visit
	dues []due
	next int    // of the dues
	at   uint64 // up to here everything was given
	told map[string]int
	skip map[string]bool // the sources of which something was told since ready
	warn bool            // bellhop.expiring was heard
	snap []string        // of the snapshot under way; nil when there is none
}

// judge returns what is wrong with a visit.
func (a *account) judge(v *visit) error {
	late := v.short || a.revoked[v.token] // the token may have been no good any more when it came
	if v.status != 0 && v.status != http.StatusOK && (v.status != http.StatusUnauthorized || !late) {
		return fmt.Errorf("got %d", v.status)
	}
	j := &judge{account: a, visit: v, dues: a.duesOf(v.view), told: make(map[string]int), skip: make(map[string]bool)}
	rest, err := j.begin(v.blocks)
	if err != nil {
		return err
	}
	for i, h := range rest {
		if err := j.hear(h, i == len(rest)-1); err != nil {
			return fmt.Errorf("block %d of %d: %w", len(v.blocks)-len(rest)+i, len(v.blocks), err)
		}
	}
	if n := len(v.blocks); n > 0 && (v.caught || a.patient) && !v.left && v.blocks[n-1].event != "bellhop.bye" {
		return fmt.Errorf("ends without a farewell behind %q: %w", v.blocks[n-1].text.Value(), v.err)
	}
	return j.tear()
}

// hear judges the next block.
func (j *judge) hear(h heard, last bool) error {
	switch h.event {
	case "bellhop.source":
		return j.hearSource(h)
	case "bellhop.heartbeat":
		return j.hearHeartbeat(h)
	case "bellhop.expiring":
		if j.warn || !j.short || h.id != "" {
			return fmt.Errorf("unexpected %q", h.text.Value())
		}
		j.warn = true
		return nil
	case "bellhop.bye":
		return j.hearBye(h, last)
	case "bellhop.snapshot":
		return j.hearSnapshot(h)
	case "bellhop.reset":
		return j.hearReset(h)
	}
	if j.snap != nil {
		j.snap = append(j.snap, h.text.Value())
		return nil
	}
	if j.next == len(j.dues) {
		return fmt.Errorf("behind all that there is: %.200q", h.text.Value())
	}
	want := &j.dues[j.next]
	if text := j.view.written(want); h.text.Value() != text {
		return fmt.Errorf("got %.300q, want %.300q", h.text.Value(), text)
	}
	j.counts[cmp.Or(map[string]string{"bellhop.gap": "gap", "bellhop.left": "left"}[h.event], "event")]++
	j.at = want.seq()
	j.next++
	return nil
}

// hearSource wants each source's statuses one after another. What changed before
// the stream was in its feed, it is told at once.
func (j *judge) hearSource(h heard) error {
	var s status
	if err := h.read(&s); err != nil {
		return err
	}
	n, err := j.nth(s)
	before, known := j.told[s.Source]
	if err != nil || !known || h.id != "" || n <= before || j.skip[s.Source] && n != before+1 {
		return fmt.Errorf("after status %d (known %v), status %d: %q: %w", before, known, n, h.text.Value(), err)
	}
	j.told[s.Source], j.skip[s.Source] = n, true
	return nil
}

// nth returns which of its source's statuses this is, by its time.
func (j *judge) nth(s status) (int, error) {
	n := slices.IndexFunc(j.statuses[s.Source], func(was gateway.Status) bool { return was.Confirmed.Equal(s.Confirmed) })
	if n < 0 {
		return 0, fmt.Errorf("%+v was never said", s)
	}
	if was := j.statuses[s.Source][n]; string(was.State) != s.State || string(was.Reason) != s.Reason {
		return 0, fmt.Errorf("%+v is not %+v", s, was)
	}
	return n, nil
}

// hearReset judges a reset that comes when trimming was faster than the stream.
func (j *judge) hearReset(h heard) error {
	j.counts["overtaken"]++
	if j.snap != nil || j.at+1 >= j.first || !strings.Contains(h.text.Value(), `{"reason":"trimmed"}`) {
		return fmt.Errorf("at %d, trimmed up to %d: %q", j.at, j.first, h.text.Value())
	}
	if j.snapshot {
		j.snap = []string{}
		return nil
	}
	return j.goOn(h, j.at+1, uint64(len(j.entries)))
}

// hearHeartbeat wants that everything up to its position was given.
func (j *judge) hearHeartbeat(h heard) error {
	j.counts["heartbeat"]++
	if j.snap != nil {
		if h.id != "" {
			return fmt.Errorf("within a snapshot: %q", h.text.Value())
		}
		return nil
	}
	seq, ok := seqOf(h.id)
	if !ok || seq < j.at || seq > uint64(len(j.entries)) {
		return fmt.Errorf("at %d: %q", j.at, h.text.Value())
	}
	if j.next < len(j.dues) && j.dues[j.next].seq() <= seq {
		return fmt.Errorf("%q without %.200q", h.text.Value(), j.view.written(&j.dues[j.next]))
	}
	j.at = seq
	return nil
}

func (j *judge) hearSnapshot(h heard) error {
	var data struct{ Count int }
	if j.snap == nil || h.read(&data) != nil || data.Count != len(j.snap) {
		return fmt.Errorf("behind %d events: %q", len(j.snap), h.text.Value())
	}
	if err := j.goOn(h, j.from, uint64(len(j.entries))); err != nil {
		return err
	}
	j.counts["snapshot"]++
	slices.Sort(j.snap)
	want := j.snapshotAt(j.view, j.at)
	for i, text := range j.snap {
		if i >= len(want) || text != want[i] {
			return fmt.Errorf("the snapshot at %d has %.300q, of %d where there are %d", j.at, text, len(j.snap), len(want))
		}
	}
	if len(j.snap) != len(want) {
		return fmt.Errorf("the snapshot at %d has %d events, not %d", j.at, len(j.snap), len(want))
	}
	j.snap = nil
	return nil
}

// hearBye wants a cause for the end, and the end.
func (j *judge) hearBye(h heard, last bool) error {
	var data struct{ Reason string }
	if err := h.read(&data); err != nil {
		return err
	}
	j.counts["bye "+data.Reason]++
	caused := map[string]bool{
		gateway.ByeSlow: true, gateway.ByeLifetime: true,
		gateway.ByeExpired:  j.short,
		gateway.ByeBusy:     j.subject == crowd,
		gateway.ByeRevoked:  j.revoked[j.token],
		gateway.ByeClosed:   j.closed[j.subject],
		gateway.ByeShutdown: j.caught, // it is drained when all are
	}
	stays := data.Reason == gateway.ByeBusy || data.Reason == gateway.ByeShutdown
	switch {
	case !caused[data.Reason]:
		return fmt.Errorf("no cause for %q", h.text.Value())
	case h.id != "" || (h.retry != "") != stays:
		return fmt.Errorf("got %q", h.text.Value())
	case !last || j.torn != "":
		return fmt.Errorf("something behind %q", h.text.Value())
	case !errors.Is(j.err, io.EOF) && !j.left:
		return fmt.Errorf("behind %q: %w", h.text.Value(), j.err)
	}
	return nil
}

// tear wants that what a cut left of a block is the beginning of the one that was
// due, or of one that is due at any time.
func (j *judge) tear() error {
	if j.torn == "" {
		return nil
	}
	j.counts["torn"]++
	if j.next < len(j.dues) && strings.HasPrefix(j.view.written(&j.dues[j.next]), j.torn) {
		return nil
	}
	if j.snap != nil && (begins(j.torn, "event: ") || begins(j.torn, "data: ")) || begunControl(j.torn) {
		return nil
	}
	return fmt.Errorf("torn %.300q is not of what was due", j.torn)
}

// begunControl reports whether text may be the beginning of a control event.
func begunControl(text string) bool {
	for _, field := range []string{"retry: ", "id: e1."} {
		if begins(text, field) {
			_, rest, whole := strings.Cut(text, "\n")
			if !whole {
				return true
			}
			text = rest
		}
	}
	return begins(text, "event: bellhop.")
}

// begins reports whether one of the two begins with the other.
func begins(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
