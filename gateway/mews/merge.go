package mews

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"bellhop/gateway"
)

// clockMargin is what the difference between the server's clock and ours is not
// known by: half a call and, with times cut to seconds, a second.
const clockMargin = 2 * time.Second

// reading is what a row comes from.
type reading struct {
	begun   time.Time // by our clock
	settled bool      // it was read again, to see whether a contradiction stays
	tally   *tally    // counts the rows; nil for none
}

// tally counts what a backfill has read.
type tally struct {
	rows, logged int
	last         time.Time // when rows came
}

// decision is what becomes of a row.
type decision int

const (
	dropRow   decision = iota // it says nothing new
	logRow                    // it becomes an event
	buryRow                   // its entity has gone
	settleRow                 // it contradicts a live event that may be later: to be read again
)

// decide judges a row, of which e is the event that it would become, by the event
// that was logged last of its entity, nil for none.
func (s *Source) decide(r row, e, latest *gateway.Event, from reading) decision {
	switch {
	case latest == nil:
		if since, done := e.DoneSince(e.Received); !r.active || done && e.Received.Sub(since) > s.keep {
			return dropRow
		}
		return logRow
	case !r.active:
		return buryRow
	case s.saysTheSame(e, latest):
		return dropRow
	case s.isLater(r, latest, from):
		return logRow
	}
	return settleRow
}

// isLater reports whether the row is certainly later than the event: by its last
// update, because the event is itself of an earlier read, or because the row was
// read so long after the event that the API must have known what the event tells
// of. The last is asked of rows without the time of an update, and of those that
// were read again.
func (s *Source) isLater(r row, latest *gateway.Event, from reading) bool {
	switch {
	case r.updated.After(s.clock.at(latest.Received).Add(clockMargin)):
		return true
	case latest.Origin == gateway.OriginBackfill:
		return from.begun.After(latest.Received)
	}
	return (from.settled || r.updated.IsZero()) && from.begun.Sub(latest.Received) >= s.settle
}

// saysTheSame reports whether two events of an entity say the same in what the
// socket tells and, where the type is enriched, in the listed members.
func (s *Source) saysTheSame(e, latest *gateway.Event) bool {
	a, b := e.Attributes, latest.Attributes
	return a.State == b.State && a.Resource == b.Resource && a.Start.Equal(b.Start) && a.End.Equal(b.End) &&
		(!s.enriches(e.Type) || sameJSON(e.Entity, latest.Entity))
}

// sameJSON reports whether two compact JSON texts are the same values.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return reflect.DeepEqual(valueOf(a), valueOf(b))
}

func valueOf(text json.RawMessage) (v any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	_ = decoder.Decode(&v) // it has been read before
	return v
}

// eventOf returns the event that the row becomes at now.
func (s *Source) eventOf(r row, now time.Time) *gateway.Event {
	e := &gateway.Event{
		Source: s.name, Type: r.typ, ID: r.id, Origin: gateway.OriginBackfill, Received: now.UTC(),
		Object: r.event(), Entity: s.members(r),
	}
	e.Attributes = gateway.ReadAttributes(e.Type, e.ID, e.Object)
	if e.Final() {
		e.Done = doneAt(r)
	}
	return e
}

// doneAt returns when a final state was reached, by the row's own account; the
// zero time when it does not say.
func doneAt(r row) time.Time {
	switch {
	case !r.canceled.IsZero():
		return r.canceled
	case r.end.IsZero() || r.updated.Before(r.end): // it ended before its time
		return r.updated
	}
	return r.end
}

// merge has the log say what a row says, if that is news. A row of an entity of
// which events wait waits behind them.
func (d *desk) merge(r row, from reading) {
	key := d.key(r.typ, r.id)
	if g := d.guests[key]; g != nil {
		if g.row == nil || !r.updated.Before(g.row.updated) {
			g.row = &readRow{r, from}
		}
		d.know(r, from.begun)
		return
	}
	if d.leaving[key] {
		d.due = append(d.due, readRow{r, from})
		return
	}
	d.know(r, from.begun)
	e := d.eventOf(r, time.Now())
	latest := d.sink.Latest(r.typ, r.id)
	switch d.decide(r, e, latest, from) {
	case buryRow:
		e = &gateway.Event{Source: e.Source, Type: e.Type, ID: latest.ID, Origin: e.Origin, Received: e.Received, Gone: true}
		fallthrough
	case logRow:
		d.numbers++
		d.out = append(d.out, outgoing{record: &gateway.Record{Event: e}, number: d.numbers})
		d.leaving[key] = true
		d.metrics.logged(r.typ)
		if from.tally != nil {
			from.tally.logged++
		}
	case settleRow:
		d.settleLater(key, r.id)
	}
}
