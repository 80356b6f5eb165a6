package mews

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bellhop/gateway"
)

const (
	// forgetEvery is the time between two calls that drop what has been logged
	// from the inbox, for as long as there is more of it.
	forgetEvery = 100 * time.Millisecond
	forgetAgain = time.Second // where it failed
	// fullPause is the time between two attempts at an inbox that is full.
	fullPause = 100 * time.Millisecond
)

// tickets knows which entries of the inbox have events that are not in the log
// yet. Its methods may be called concurrently; none blocks.
type tickets struct {
	changed chan struct{} // one token: entries have been finished
	size    func(entries int)

	mu   sync.Mutex
	open []openEntry // by ticket
	last uint64      // the latest ticket
}

type openEntry struct {
	ticket uint64
	left   int // events that are not in the log
}

func newTickets(size func(entries int)) *tickets {
	return &tickets{changed: make(chan struct{}, 1), size: size}
}

// add takes over an entry of n events, later than all before.
func (t *tickets) add(ticket uint64, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = ticket
	t.open = append(t.open, openEntry{ticket, n})
	t.size(len(t.open))
	t.finishLocked()
}

// stored says that an event of the entry is in the log.
func (t *tickets) stored(ticket uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, found := slices.BinarySearchFunc(t.open, ticket, func(e openEntry, ticket uint64) int {
		return cmp.Compare(e.ticket, ticket)
	})
	if found {
		t.open[at].left--
		t.finishLocked()
	}
}

func (t *tickets) finishLocked() {
	n := 0
	for n < len(t.open) && t.open[n].left <= 0 {
		n++
	}
	if n == 0 {
		return
	}
	t.open = slices.Delete(t.open, 0, n)
	t.size(len(t.open))
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// finished returns the ticket below which all entries have been logged.
func (t *tickets) finished() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) > 0 {
		return t.open[0].ticket
	}
	return t.last + 1
}

// forget drops from the inbox what has been logged. It returns the ticket below
// which that is done; done is false where it has to be tried again.
func (r *run) forget(ctx context.Context, forgotten uint64) (_ uint64, done bool) {
	before := r.tickets.finished()
	if before <= forgotten || r.api == nil {
		return forgotten, true
	}
	if err := r.sink.Forget(ctx, before); err != nil {
		if ctx.Err() == nil {
			r.troubles.Do(func() { r.log.Warn("inbox not cleared", "err", err) })
		}
		return forgotten, false
	}
	return before, true
}

// shelve puts the visits' events into the inbox, where they count as taken. No
// entry holds two events of one entity: a restart tells by the ticket of what was
// logged last of an entity which events are still to be logged. Waited says that
// there was no room at first.
func (d *desk) shelve(ctx context.Context, visits []*visit) (waited bool, err error) {
	for _, round := range rounds(visits) {
		records := make([]*gateway.Record, len(round))
		for i, v := range round {
			records[i] = v.record
		}
		ticket, late, err := d.put(ctx, records)
		if err != nil {
			return waited, fmt.Errorf("inbox: %w", err)
		}
		waited = waited || late
		for _, v := range round {
			v.ticket, v.record.Event.Ticket = ticket, ticket
		}
		d.tickets.add(ticket, len(round))
	}
	return waited, nil
}

// put puts an entry into the inbox. While there is no room the desk goes on: it
// alone can log what fills the inbox.
func (d *desk) put(ctx context.Context, records []*gateway.Record) (ticket uint64, waited bool, err error) {
	for {
		full := false
		err = d.insist(ctx, "inbox", func() (err error) {
			ticket, err = d.sink.Put(ctx, records)
			if full = errors.Is(err, gateway.ErrInboxFull); full {
				return nil
			}
			return err
		})
		if err != nil || !full {
			return ticket, waited, err
		}
		waited = true
		d.troubles.Do(func() { d.log.Warn("inbox full, nothing is taken until events of it are logged") })
		if err := d.pause(ctx, fullPause); err != nil {
			return 0, waited, err
		}
	}
}

// rounds deals visits out: the first of each entity, the second of each, and so on.
func rounds(visits []*visit) (dealt [][]*visit) {
	had := make(map[gateway.EntityKey]int, len(visits))
	for _, v := range visits {
		n := had[v.key]
		if had[v.key]++; n == len(dealt) {
			dealt = append(dealt, nil)
		}
		dealt[n] = append(dealt[n], v)
	}
	return dealt
}

// takeBack takes what an earlier process left in the inbox, but for what it had
// logged already. Of an entity that has gone the log does not tell what that was:
// entries that were not dropped in time before a crash bring it back, until what
// is read next says again that it has gone.
func (d *desk) takeBack(ctx context.Context) error {
	if d.api == nil {
		return nil
	}
	var entries []gateway.Entry
	err := d.insist(ctx, "inbox", func() (err error) {
		entries, err = d.sink.Entries(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	for _, entry := range entries {
		var left []*visit
		for _, rec := range entry.Records {
			if rec.Event == nil {
				continue
			}
			latest := d.sink.Latest(rec.Event.Type, rec.Event.ID)
			if latest != nil && latest.Ticket >= entry.Ticket {
				continue
			}
			v := newVisit(rec, earlier(rec.Event.Received, time.Now()))
			v.ticket, rec.Event.Ticket = entry.Ticket, entry.Ticket
			left = append(left, v)
		}
		d.tickets.add(entry.Ticket, len(left))
		for _, v := range left {
			d.admit(v)
		}
	}
	return d.tick(ctx)
}

// insist calls f until it succeeds, ctx ends or the log is closed.
func (s *Source) insist(ctx context.Context, what string, f func() error) error {
	var pace retry
	for {
		err := f()
		if err == nil || ctx.Err() != nil || errors.Is(err, gateway.ErrClosed) {
			return err
		}
		s.troubles.Do(func() { s.log.Warn("not to be had, trying again", "what", what, "err", err) })
		if err := sleep(ctx, pace.next()); err != nil {
			return err
		}
	}
}
