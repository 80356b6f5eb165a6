package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	longestBody = 64 << 20 // of a frame to be sent
	longestSkip = 366 * 24 * time.Hour
)

var errNoHotel = errors.New("no such hotel")

// operation does what a control request asks of a hotel, and returns the
// number of sockets.
type operation func(h *Hotel, r *http.Request) (int, error)

func (s *Simulator) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/hotels", s.listHotels)
	mux.HandleFunc("GET /control/layout", s.show(func(h *Hotel, _ *http.Request) (any, error) { return h.Layout(), nil }))
	mux.HandleFunc("GET /control/state", s.show(func(h *Hotel, _ *http.Request) (any, error) { return h.State(), nil }))
	mux.HandleFunc("GET /control/events", s.show(events))
	mux.HandleFunc("GET /control/facts", s.show(func(h *Hotel, _ *http.Request) (any, error) { return h.Facts(), nil }))
	mux.HandleFunc("GET /control/calls", s.show(listCalls))
	mux.HandleFunc("GET /control/violations", s.show(func(h *Hotel, _ *http.Request) (any, error) { return list(h.Violations()), nil }))
	for name, do := range map[string]operation{
		"pause":      func(h *Hotel, r *http.Request) (int, error) { h.Pause(); return h.Sockets(), nil },
		"resume":     func(h *Hotel, r *http.Request) (int, error) { h.Resume(); return h.Sockets(), nil },
		"say":        func(h *Hotel, r *http.Request) (int, error) { return h.Say(), nil },
		"unstall":    func(h *Hotel, r *http.Request) (int, error) { return h.Unstall(), nil },
		"admit":      func(h *Hotel, r *http.Request) (int, error) { h.Admit(); return h.Sockets(), nil },
		"skip":       with(skip),
		"room":       with(setRoom),
		"rename":     with(renameRoom),
		"deactivate": with(func(h *Hotel, b idBody) (int, error) { return h.Sockets(), h.DeactivateRoom(b.ID) }),
		"reactivate": with(func(h *Hotel, b idBody) (int, error) { return h.Sockets(), h.ReactivateRoom(b.ID) }),
		"link":       with(link),
		"drop":       with(drop),
		"stall":      with(stall),
		"unplug":     with(unplug),
		"refuse":     with(func(h *Hotel, b Refusal) (int, error) { return h.Sockets(), h.Refuse(b) }),
		"manner":     with(manner),
		"quirks":     with(func(h *Hotel, b Quirks) (int, error) { return h.Sockets(), h.SetQuirks(b) }),
		"send":       send,
		"faults":     with(setFaults),
		"limiter":    with(setLimiter),
		"lag":        with(func(h *Hotel, b spanBody) (int, error) { return h.Sockets(), h.SetLag(time.Duration(b.For)) }),
		"dialect":    with(func(h *Hotel, b Dialect) (int, error) { h.SetDialect(b); return h.Sockets(), nil }),
		"enterprise": with(func(h *Hotel, b idBody) (int, error) { return h.Sockets(), h.SetEnterprise(b.ID) }),
		"portfolio":  with(setPortfolio),
	} {
		mux.HandleFunc("POST /control/"+name, s.show(func(h *Hotel, r *http.Request) (any, error) {
			n, err := do(h, r)
			return map[string]int{"sockets": n}, err
		}))
	}
	return mux
}

// show answers with what view says of the hotel that the query names.
func (s *Simulator) show(view func(*Hotel, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := s.hotels[0]
		if token := r.URL.Query().Get("hotel"); token != "" {
			h = s.Hotel(token)
		}
		if h == nil {
			answer(w, nil, errNoHotel)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, longestBody)
		v, err := view(h, r)
		answer(w, v, err)
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case errors.Is(err, errNoHotel), errors.Is(err, ErrNoRoom):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	}
	if err != nil {
		v = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(w).Encode(v) // a failure to write is the client's
}

func (s *Simulator) listHotels(w http.ResponseWriter, _ *http.Request) {
	type hotel struct {
		Name        string `json:"name"`
		AccessToken string `json:"accessToken"`
		Sockets     int    `json:"sockets"`
	}
	var list []hotel
	for _, h := range s.hotels {
		list = append(list, hotel{h.Name(), h.AccessToken(), h.Sockets()})
	}
	answer(w, list, nil)
}

func events(h *Hotel, r *http.Request) (any, error) {
	var list []Event
	var complete bool
	q := r.URL.Query()
	if q.Has("after") {
		seq, err := strconv.ParseUint(q.Get("after"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("after: %w", err)
		}
		list, complete = h.EventsAfter(seq)
	} else {
		from, err1 := instant(q.Get("from"), time.Time{})
		to, err2 := instant(q.Get("to"), time.Now())
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		list, complete = h.Events(from, to)
	}
	return map[string]any{"events": list, "complete": complete}, nil
}

func instant(text string, def time.Time) (time.Time, error) {
	if text == "" {
		return def, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// with decodes an operation's body, of which none is the zero one.
func with[B any](do func(*Hotel, B) (int, error)) operation {
	return func(h *Hotel, r *http.Request) (int, error) {
		var body B
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil && err != io.EOF {
			return 0, fmt.Errorf("body: %w", err)
		}
		return do(h, body)
	}
}

// span is a duration as JSON has it: "90s".
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err == nil && d < 0 {
		err = errors.New("a duration may not be negative")
	}
	*s = span(d)
	return err
}

type spanBody struct {
	For span `json:"for"`
}

func skip(h *Hotel, b spanBody) (int, error) {
	d := time.Duration(b.For)
	if d == 0 || d > longestSkip {
		return 0, fmt.Errorf("for: %v is not above 0 and up to %v", d, longestSkip)
	}
	h.Skip(d)
	return h.Sockets(), nil
}

func unplug(h *Hotel, b spanBody) (int, error) {
	h.Unplug(time.Duration(b.For))
	return h.Sockets(), nil
}

func stall(h *Hotel, b spanBody) (int, error) { return h.Stall(time.Duration(b.For)), nil }

func setRoom(h *Hotel, b struct {
	ID    string    `json:"id"`
	State RoomState `json:"state"`
}) (int, error) {
	return h.Sockets(), h.SetRoom(b.ID, b.State)
}

func drop(h *Hotel, b struct {
	Code   uint16 `json:"code"`
	Reason string `json:"reason"`
	Reset  bool   `json:"reset"`
}) (int, error) {
	if b.Reset {
		return h.Reset(), nil
	}
	return h.Drop(b.Code, b.Reason), nil
}

func manner(h *Hotel, b struct {
	Delay   span `json:"delay"`
	NoPongs bool `json:"noPongs"`
}) (int, error) {
	h.SetManner(Manner{Delay: time.Duration(b.Delay), NoPongs: b.NoPongs})
	return h.Sockets(), nil
}

func send(h *Hotel, r *http.Request) (int, error) {
	var binary bool
	if text := r.URL.Query().Get("binary"); text != "" {
		var err error
		if binary, err = strconv.ParseBool(text); err != nil {
			return 0, fmt.Errorf("binary: %w", err)
		}
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	return h.Send(binary, data), nil
}

type idBody struct {
	ID string `json:"id"`
}

// list is never null.
func list[T any](items []T) []T { return append([]T{}, items...) }

func listCalls(h *Hotel, _ *http.Request) (any, error) {
	return map[string]any{"calls": list(h.Calls()), "limited": h.Limited()}, nil
}

func renameRoom(h *Hotel, b struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}) (int, error) {
	return h.Sockets(), h.RenameRoom(b.ID, b.Name)
}

func link(h *Hotel, b struct {
	Name string `json:"name"`
}) (int, error) {
	h.LinkDevice(b.Name)
	return h.Sockets(), nil
}

func setPortfolio(h *Hotel, b struct {
	On bool `json:"on"`
}) (int, error) {
	h.SetPortfolio(b.On)
	return h.Sockets(), nil
}

func setLimiter(h *Hotel, b struct {
	Calls      int    `json:"calls"`
	Window     span   `json:"window"`
	RetryAfter string `json:"retryAfter"`
}) (int, error) {
	return h.Sockets(), h.SetLimiter(Limiter{b.Calls, time.Duration(b.Window), b.RetryAfter})
}

func setFaults(h *Hotel, b []struct {
	Kind        FaultKind `json:"kind"`
	Operations  []string  `json:"operations"`
	Probability float64   `json:"probability"`
	Calls       int       `json:"calls"`
	Delay       span      `json:"delay"`
	MaxCount    int       `json:"maxCount"`
	MaxWork     float64   `json:"maxWork"`
	MaxBytes    int       `json:"maxBytes"`
	Sockets     bool      `json:"sockets"`
}) (int, error) {
	var faults Faults
	for _, f := range b {
		faults = append(faults, Fault{
			f.Kind, f.Operations, f.Probability, f.Calls, time.Duration(f.Delay), f.MaxCount, f.MaxWork, f.MaxBytes, f.Sockets,
		})
	}
	return h.Sockets(), h.SetFaults(faults)
}
