package mews

import (
	"cmp"
	"context"
	"slices"
	"time"

	"bellhop/gateway"
)

// Bounds of what waits at the desk. Beyond them nothing is taken from the
// reader, as when the log takes nothing.
const (
	maxVisits     = 100_000
	maxVisitBytes = 128 << 20
)

// visit is an event on its way from the socket to the log that cannot go straight
// on: it waits for its entity, for the end of a recovery, or behind an earlier
// event of the same entity.
type visit struct {
	record  *gateway.Record
	key     gateway.EntityKey
	arrived time.Time // with the monotonic reading, unless an earlier process left it
	ticket  uint64    // of the inbox's entry that it is in
	number  uint64    // in order of arrival
	ready   bool      // it waits for its entity no more
}

func newVisit(rec *gateway.Record, arrived time.Time) *visit {
	key, _ := rec.Event.Key()
	return &visit{record: rec, key: key, arrived: arrived}
}

// guest is an entity some of whose events wait at the desk.
type guest struct {
	line    []*visit // those that wait for the entity, or behind one that does
	left    int      // all that are not on their way to the log
	wanting bool     // its entity is being asked for
	row     *readRow // what a backfill read of it meanwhile; its turn is last
}

// admit takes a visit in. It is given its entity, where its type has one, and goes
// on once all earlier events of its entity have gone.
func (d *desk) admit(v *visit) {
	d.numbers++
	v.number = d.numbers
	g := d.guests[v.key]
	if g == nil {
		g = &guest{}
		d.guests[v.key] = g
	}
	g.line = append(g.line, v)
	g.left++
	d.visits++
	d.visitBytes += len(v.record.Event.Object)
	d.enrich(g, v)
	d.advance(g)
}

// advance lets those at the head of the line go on that wait no more.
func (d *desk) advance(g *guest) {
	n := 0
	for n < len(g.line) && g.line[n].ready {
		n++
	}
	ready := g.line[:n]
	g.line = g.line[n:]
	for _, v := range ready {
		if d.holding() {
			d.held = append(d.held, v)
		} else {
			d.dispatch(v)
		}
	}
}

// dispatch sends a visit to the log. What was read of its entity meanwhile is judged
// behind the last of them.
func (d *desk) dispatch(v *visit) {
	d.out = append(d.out, outgoing{v.record, v.ticket, v.number})
	d.leaving[v.key] = true
	d.visits--
	d.visitBytes -= len(v.record.Event.Object)
	g := d.guests[v.key]
	if g.left--; g.left > 0 {
		return
	}
	delete(d.guests, v.key)
	if g.row != nil {
		d.due = append(d.due, *g.row)
	}
}

// holding reports whether live events wait for the end of a recovery.
func (d *desk) holding() bool { return d.recovery != nil && !d.recovery.flowing }

// release lets all go that were held.
func (d *desk) release() {
	held := d.held
	d.held = nil
	for _, v := range held {
		d.dispatch(v)
	}
}

// full reports whether no more can wait.
func (d *desk) full() bool { return d.visits >= maxVisits || d.visitBytes >= maxVisitBytes }

// outgoing is an event on its way to the log, and the ticket of the inbox's entry
// that it was in, 0 for none.
type outgoing struct {
	record *gateway.Record
	ticket uint64
	number uint64 // in order of arrival
}

const outgoingPage = 256 // events of one append

// flush gives the log what is on its way, in the order in which it came, and then
// judges the rows that waited for that.
func (d *desk) flush(ctx context.Context) error {
	for len(d.out) > 0 || len(d.due) > 0 {
		out, due := d.out, d.due
		d.out, d.due = nil, nil
		clear(d.leaving)
		slices.SortStableFunc(out, func(a, b outgoing) int { return cmp.Compare(a.number, b.number) })
		for page := range slices.Chunk(out, outgoingPage) {
			if err := d.send(ctx, page); err != nil {
				return err
			}
		}
		slices.SortStableFunc(due, func(a, b readRow) int { return a.updated.Compare(b.updated) })
		for _, r := range due {
			d.merge(r.row, r.reading)
		}
	}
	return nil
}

func (d *desk) send(ctx context.Context, page []outgoing) error {
	records := make([]*gateway.Record, len(page))
	var finished []uint64
	for i, o := range page {
		records[i] = o.record
		if o.ticket != 0 {
			finished = append(finished, o.ticket)
		}
	}
	return d.store(ctx, records, func() {
		for _, ticket := range finished {
			d.tickets.stored(ticket)
		}
	})
}

// store appends records that leave together.
func (d *desk) store(ctx context.Context, records []*gateway.Record, done func()) error {
	link(records)
	for _, rec := range records {
		d.inherit(rec.Event)
	}
	return d.sink.Append(ctx, records, done)
}

// inherit gives an event the latest ticket that its entity has had: all that came
// in entries up to that one has been logged before it.
func (d *desk) inherit(e *gateway.Event) {
	if d.api == nil || e == nil || !gateway.Lasts(e.Type) {
		return
	}
	if last := d.last(d.key(e.Type, e.ID)); last != nil {
		e.Ticket = max(e.Ticket, last.Ticket)
	}
}
