package gateway

import (
	"encoding/json"
	"time"
)

// Encoder appends one event-stream block to dst and returns the longer slice: a
// retry line when retry is not zero, an id line when id is not empty, an event
// line when name is not empty, and one line of data.
type Encoder func(dst []byte, retry time.Duration, id, name string, data []byte) []byte

// The names of the control events.
const (
	nameReady     = "bellhop.ready"
	nameHeartbeat = "bellhop.heartbeat"
	nameSource    = "bellhop.source"
	nameLeft      = "bellhop.left"
	nameGap       = "bellhop.gap"
	nameSnapshot  = "bellhop.snapshot"
	nameReset     = "bellhop.reset"
	nameExpiring  = "bellhop.expiring"
	nameBye       = "bellhop.bye"
)

// The forms of RFC 3339 that streams bear: an event's always with milliseconds,
// a control event's only where it has some.
const (
	eventTime   = "2006-01-02T15:04:05.000Z07:00"
	controlTime = "2006-01-02T15:04:05.999Z07:00"
)

// appendEvent appends the data of an event, cut down by its mask.
func appendEvent(dst []byte, e *Event, m *mask) []byte {
	dst = append(dst, `{"source":`...)
	dst = appendString(dst, e.Source)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, e.Type)
	dst = append(dst, `,"id":`...)
	dst = appendString(dst, e.ID)
	dst = append(dst, `,"origin":`...)
	dst = appendString(dst, string(e.Origin))
	dst = append(dst, `,"received":"`...)
	dst = e.Received.UTC().AppendFormat(dst, eventTime)
	dst = append(dst, `","event":`...)
	dst, shown := m.appendVisible(dst, "event", e.Object)
	if !shown {
		dst = append(dst, "{}"...)
	}
	if len(e.Entity) > 0 {
		mark := len(dst)
		dst = append(dst, `,"entity":`...)
		if dst, shown = m.appendVisible(dst, "entity", e.Entity); !shown {
			dst = dst[:mark]
		}
	}
	return append(dst, '}')
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// stamp is a time as control events show it.
type stamp time.Time

func (t stamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, controlTime), nil
}

func (t stamp) IsZero() bool { return time.Time(t).IsZero() }

// marshal returns v as JSON. Only values of this package's own come here, which
// cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

type statusData struct {
	Source    string `json:"source"`
	State     State  `json:"state"`
	Since     stamp  `json:"since,omitzero"`
	Confirmed stamp  `json:"confirmed,omitzero"`
	Reason    Reason `json:"reason,omitempty"`
	Backfill  any    `json:"backfill,omitempty"`
}

// MarshalJSON gives the form in which bellhop.ready, bellhop.source and the
// admin's /sources show a status.
func (s Status) MarshalJSON() ([]byte, error) {
	data := statusData{s.Source, s.State, stamp(s.Since), stamp(s.Confirmed), s.Reason, nil}
	if b := s.Backfill; b != nil {
		data.Backfill = backfillData{b.Types, stamp(b.From), stamp(b.To), b.Rows, b.Logged, b.Held}
	}
	return json.Marshal(data)
}

type backfillData struct {
	Types  []string `json:"types"`
	From   stamp    `json:"from,omitzero"`
	To     stamp    `json:"to,omitzero"`
	Rows   int      `json:"rows"`
	Logged int      `json:"logged"`
	Held   int      `json:"held"`
}

type gapData struct {
	Source string    `json:"source"`
	Types  []string  `json:"types"`
	From   stamp     `json:"from"`
	To     stamp     `json:"to"`
	Reason GapReason `json:"reason"`
}

type leftData struct {
	Source string `json:"source"`
	Type   string `json:"type"`
	ID     string `json:"id"`
}

type countData struct {
	Count int `json:"count"`
}

type reasonData struct {
	Reason string `json:"reason"`
}

type expiresData struct {
	Expires stamp `json:"expires"`
}
