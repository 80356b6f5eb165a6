package mews

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"bellhop/gateway"
)

// readRow is a row and the reading that it comes from.
type readRow struct {
	row
	reading
}

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
	// seen are the entities of the rows; nil where nobody asks.
	seen map[gateway.EntityKey]bool
}

// decision is what becomes of a row.
type decision int

const (
	dropRow   decision = iota // it says nothing new
	logRow                    // it becomes an event
	buryRow                   // its entity has gone
	settleRow                 // it contradicts a live event that may be later: to be read again
)

// decide judges a row, of which e is the event that it would become, by what was
// logged last of its entity: an event, a tombstone, or nil for nothing that is
// known of.
func (s *Source) decide(r row, e, last *gateway.Event, from reading) decision {
	if last == nil || last.Gone {
		since, done := e.DoneSince(e.Received)
		switch {
		case !r.active, done && e.Received.Sub(since) > s.keep:
			return dropRow
		case last != nil && !s.isLater(r, last, from):
			return settleRow
		}
		return logRow
	}
	switch {
	case r.active && s.saysTheSame(e, last):
		return dropRow
	case !s.isLater(r, last, from):
		return settleRow
	case !r.active:
		return buryRow
	}
	return logRow
}

// isLater reports whether the row is certainly later than the event: by its last
// update, because the event is itself of an earlier read, or because the row was
// read so long after the event that the API must have known what the event tells
// of. The last is asked of rows without the time of an update, and of those that
// were read again.
func (s *Source) isLater(r row, last *gateway.Event, from reading) bool {
	switch {
	case r.updated.After(s.clock.at(last.Received).Add(clockMargin)):
		return true
	case last.Origin == gateway.OriginBackfill:
		return from.begun.After(last.Received)
	}
	return (from.settled || r.updated.IsZero()) && from.begun.Sub(last.Received) >= s.settle
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

// last returns what was logged last of an entity. Of a tombstone the log does not
// say that, but reads that began before it still have the entity, and inbox
// entries may.
func (d *desk) last(key gateway.EntityKey) *gateway.Event {
	if latest := d.sink.Latest(key.Kind, key.ID); latest != nil {
		return latest
	}
	tombstone, _ := d.buried.get(key)
	return tombstone
}

// merge has the log say what a row says, if that is news. A row of an entity of
// which events wait waits behind them.
func (d *desk) merge(r row, from reading) {
	key := d.key(r.typ, r.id)
	if from.tally != nil && from.tally.seen != nil {
		from.tally.seen[key] = true
	}
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
	if len(e.Object) > gateway.MaxObject {
		d.tooLarge(r, key, e.Received)
		return
	}
	last := d.last(key)
	switch d.decide(r, e, last, from) {
	case buryRow:
		e = &gateway.Event{Source: e.Source, Type: e.Type, ID: last.ID, Origin: e.Origin, Received: e.Received, Gone: true}
		d.buried.put(key, e)
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
		since := from.begun
		if !r.updated.IsZero() {
			since = earlier(since, d.clock.ours(r.updated))
		}
		d.settleLater(key, r.id, since)
	}
}

// tooLarge announces, once for each version, a row of which no event can be made.
func (d *desk) tooLarge(r row, key gateway.EntityKey, now time.Time) {
	if said, ok := d.large.get(key); ok && said.Equal(r.updated) {
		return
	}
	d.large.put(key, r.updated)
	d.numbers++
	gap := d.gapOf([]string{r.typ}, now, now, gateway.GapSize)
	d.out = append(d.out, outgoing{record: gap, number: d.numbers})
}
