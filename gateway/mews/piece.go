package mews

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// what says which entities of a type are read.
type what int

const (
	updated   what = iota // in a time
	colliding             // with a time, however long ago they were updated
	active                // all that are now
)

// piece is what is read from the API at one go. Commands, of which it does not
// know when they changed, are always all the active ones and those that were not
// final when they were last heard of.
type piece struct {
	typ  string
	what what
	span // by the server's clock
}

// read reads a piece and has its rows merged. With an error it returns what is
// left of the piece: rows come oldest update first.
func (d *desk) read(ctx context.Context, p piece, c class, t *tally) (left piece, err error) {
	from := reading{begun: time.Now(), tally: t}
	give := func(rows []row) error {
		if len(rows) == 0 {
			return nil
		}
		err := d.ask(ctx, func() error { d.mergeAll(rows, from); return nil })
		if last := rows[len(rows)-1].updated; err == nil && p.what == updated && last.After(p.from) {
			p.from = last
		}
		return err
	}
	switch {
	case p.typ == typeDeviceCommand:
		err = d.readCommands(ctx, c, give)
	case p.typ == typeResource && p.what == active:
		err = d.api.allResources(ctx, c, give)
	case p.typ == typeResource:
		err = d.api.resourcesUpdated(ctx, c, p.from, p.to, give)
	case p.what == colliding:
		err = d.api.reservationsColliding(ctx, c, p.from, p.to, give)
	default:
		err = d.api.reservationsUpdated(ctx, c, p.from, p.to, give)
	}
	p.from = earlier(p.from, p.to)
	return p, err
}

// readCommands reads the commands that are active, and those that were not final
// when they were last heard of: of their end the API tells only who asks for them.
func (d *desk) readCommands(ctx context.Context, c class, give func([]row) error) error {
	rows, err := d.api.activeCommands(ctx, c)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, r := range rows {
		known[d.key(r.typ, r.id).ID] = true
	}
	var ids []string
	for _, e := range d.sink.Present(typeDeviceCommand) {
		if !e.Final() && !known[d.key(e.Type, e.ID).ID] {
			ids = append(ids, e.ID)
		}
	}
	if err := give(rows); err != nil || len(ids) == 0 {
		return err
	}
	rows, err = d.api.commands(ctx, c, ids)
	if err := give(rows); err != nil {
		return err
	}
	if errors.Is(err, errRefused) && !forbids(err) {
		return nil // ids that Mews takes for none tell of nothing to come
	}
	if err != nil {
		return fmt.Errorf("by their ids: %w", err)
	}
	return nil
}

// mergeAll merges the rows of one answer.
func (d *desk) mergeAll(rows []row, from reading) {
	from.tally.rows += len(rows)
	from.tally.last = time.Now()
	for _, r := range rows {
		d.metrics.row(r.typ)
		d.merge(r, from)
	}
	d.publish()
}
