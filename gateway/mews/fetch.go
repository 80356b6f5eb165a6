package mews

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"bellhop/gateway"
)

const (
	gatherLeast  = 50 * time.Millisecond // that ids are gathered before they are asked for
	askAgain     = 500 * time.Millisecond
	maxDoublings = 4           // of askAgain
	barredFor    = time.Minute // that an operation is not asked again which the token may not use
)

// want is an entity that is to be read by its id.
type want struct {
	id    string
	due   time.Time
	rides bool // it may be read earlier, with others that are due
	tries int
	guest *guest // whose events wait for it; nil when it is to be judged like a backfilled row
}

// fetch reads the entities of one type by their ids, one call at a time, each for
// all that is wanted by then.
type fetch struct {
	typ    string
	wanted []want
	busy   bool
	barred time.Time // until when the token is taken not to be permitted
}

func (f *fetch) want(w want) { f.wanted = append(f.wanted, w) }

// due returns when the next call is to be made; the zero time for not at all.
func (f *fetch) due() time.Time {
	if f.busy || len(f.wanted) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(f.wanted, func(a, b want) int { return a.due.Compare(b.due) }).due
}

// take returns what the next call is for, up to a batch: what is due, and what may
// ride along. A call that took what is due alone would be followed by one for what
// is due next, and so on without a pause.
func (f *fetch) take(now time.Time) (taken []want) {
	f.wanted = slices.DeleteFunc(f.wanted, func(w want) bool {
		if len(taken) == idBatch || w.due.After(now) && !w.rides {
			return false
		}
		taken = append(taken, w)
		return true
	})
	return taken
}

// gather returns how long ids are gathered before they are asked for: the fewer
// calls are left, the longer.
func (d *desk) gather() time.Duration { return max(gatherLeast, d.api.pace(urgent)) }

// startFetches makes the calls that are due.
func (d *desk) startFetches(ctx context.Context, now time.Time) {
	for _, f := range d.fetches {
		if due := f.due(); due.IsZero() || due.After(now) {
			continue
		}
		wants := f.take(now)
		f.busy = true
		d.start(ctx, func(ctx context.Context) {
			begun := time.Now()
			rows, err := d.byIDs(ctx, f.typ, wants)
			_ = d.ask(ctx, func() error { // otherwise it is over
				f.busy = false
				d.fetched(f, wants, rows, begun, err)
				return nil
			})
		})
	}
}

func (d *desk) byIDs(ctx context.Context, typ string, wants []want) ([]row, error) {
	c, ids := catchUp, make([]string, len(wants))
	for i, w := range wants {
		if ids[i] = w.id; w.guest != nil {
			c = urgent
		}
	}
	switch typ {
	case typeResource:
		return d.api.resources(ctx, c, ids)
	case typeReservation:
		return d.api.reservations(ctx, c, ids)
	}
	return d.api.commands(ctx, c, ids)
}

// fetched takes the answer to one call.
func (d *desk) fetched(f *fetch, wants []want, rows []row, begun time.Time, err error) {
	if forbids(err) {
		f.barred = time.Now().Add(barredFor)
		d.metrics.forbidden(f.typ)
		d.log.Warn("entities not to be read, events go without", "type", f.typ, "err", err)
	} else if err != nil {
		d.troubles.Do(func() { d.log.Warn("entities not read", "type", f.typ, "err", err) })
	}
	settling := make(map[string]bool)
	for _, w := range wants {
		if w.guest == nil {
			settling[fold(w.id)] = true
		}
	}
	for _, r := range rows {
		if settling[fold(r.id)] {
			d.merge(r, reading{begun: begun, settled: true})
		} else {
			d.know(r, begun)
		}
	}
	for _, w := range wants {
		d.follow(f, w, begun, err)
	}
}

// follow decides how it goes on with what one call was for.
func (d *desk) follow(f *fetch, w want, begun time.Time, err error) {
	now := time.Now()
	key := d.key(f.typ, w.id)
	if w.guest == nil {
		if err != nil && !forbids(err) && !errors.Is(err, errRefused) {
			d.settleLater(key, w.id, d.settling.since)
		}
		d.settling.settled()
		return
	}
	g := w.guest
	if d.guests[key] != g {
		return
	}
	g.wanting = false
	for i, v := range g.line {
		switch {
		case v.ready:
		case now.Before(f.barred):
			d.goWithout(v, forbidden)
		case !g.wanting:
			// It came after the read began, or the API does not know it yet.
			g.wanting = true
			w.due, w.rides, w.tries = now.Add(askAgain<<min(w.tries, maxDoublings)), false, w.tries+1
			if i == 0 && v.arrived.After(begun) {
				w.due, w.rides, w.tries = now.Add(d.gather()), true, 0
			}
			f.want(w)
		}
	}
	d.advance(g)
}

// know takes a row that was read: events that wait for it have it, and those that
// came before the read but have not been taken yet shall.
func (d *desk) know(r row, begun time.Time) {
	key := d.key(r.typ, r.id)
	if d.enriches(r.typ) {
		d.remember(key, r, begun)
	}
	if g := d.guests[key]; g != nil {
		d.attend(g, r, begun)
		d.advance(g)
	}
}

// remember remembers a row that was read, unless a later version is known.
func (d *desk) remember(key gateway.EntityKey, r row, begun time.Time) {
	known, ok := d.recent.get(key)
	if !ok || !r.updated.Before(known.updated) && !begun.Before(known.begun) {
		d.recent.put(key, readRow{r, reading{begun: begun}})
	}
}

// key returns the key of one of the source's entities.
func (d *desk) key(typ, id string) gateway.EntityKey {
	key, _ := (&gateway.Event{Source: d.name, Type: typ, ID: id}).Key()
	return key
}

// forbids reports whether err says that the token may not use an operation at
// all, rather than that there is something wrong with an id.
func forbids(err error) bool {
	if errors.Is(err, errUnauthorized) {
		return true
	}
	failed, ok := errors.AsType[*callError](err)
	return ok && errors.Is(err, errRefused) && failed.status != http.StatusBadRequest && failed.outcome != callLarge
}
