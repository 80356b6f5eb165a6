package mews

import (
	"context"
	"fmt"
	"time"
)

// noteUnread is the note that says from when on what was updated is to be read
// still. The confirmed moment does not say it: what was missed has been read by
// then, but some of it too early for the API to show it.
const noteUnread = "unread"

// plans says from when on something that was updated is still to be read.
func (d *desk) plans() {
	var first time.Time
	consider := func(from time.Time) {
		if !from.IsZero() && (first.IsZero() || from.Before(first)) {
			first = from
		}
	}
	consider(d.unread)
	if d.recovery != nil {
		consider(d.recovery.since)
	}
	consider(d.settling.since)
	for _, e := range d.errands {
		consider(e.since)
		for _, p := range e.pieces {
			if p.what == updated {
				consider(earlier(p.from, d.clock.ours(p.from)))
			}
		}
	}
	if first.IsZero() {
		d.planned.Store(0)
	} else {
		d.planned.Store(first.Truncate(d.settle).UnixNano()) // so that it changes seldom
	}
}

// keepUnread keeps from when on something is to be read still.
func (r *run) keepUnread(ctx context.Context) error {
	planned := r.planned.Load()
	if planned == r.keptPlan {
		return nil
	}
	var note []byte
	if planned != 0 {
		note = []byte(time.Unix(0, planned).UTC().Format(time.RFC3339Nano))
	}
	if err := r.sink.KeepNote(ctx, r.name, noteUnread, note); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	r.keptPlan = planned
	return nil
}

// recallUnread recalls what an earlier process kept so.
func (r *run) recallUnread(ctx context.Context) error {
	note, err := r.sink.Note(ctx, r.name, noteUnread)
	if err != nil || note == nil {
		return err
	}
	if t, err := time.Parse(time.RFC3339Nano, string(note)); err == nil {
		r.unread, r.keptPlan = t, t.UnixNano()
		r.planned.Store(r.keptPlan)
	}
	return nil
}
