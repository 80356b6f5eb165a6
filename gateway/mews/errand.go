package mews

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"bellhop/gateway"
)

const (
	loadWindow = 84 * 24 * time.Hour // of reservations, read at one go
	// echoAfter is how much after a socket's opening is read again.
	echoAfter = 5 * time.Second
)

// errandKind says what an errand is for.
type errandKind string

const (
	errandLoad  errandKind = "load"  // the present state
	errandEcho  errandKind = "echo"  // what was said around a socket's opening
	errandLeft  errandKind = "left"  // what could not be read when it was wanted
	errandAgain errandKind = "again" // what was updated lately, again and again
)

// errand is something to be read while nothing presses: one at a time, piece by
// piece, so that a short one need not wait for all of a long one.
type errand struct {
	kind   errandKind
	pieces []piece
	made   time.Time
	due    time.Time
	pace   retry
	begun  bool

	since, until time.Time // of one that comes again and again: from when on it has to read, and up to when it does now

	put     bool    // it was put off: what is left of the load the token may not read
	refused []piece // which those are
	tally   tally
}

// plan adds an errand.
func (d *desk) plan(e *errand) {
	e.made = time.Now()
	d.errands = append(d.errands, e)
}

// nextErrand returns the errand that is due first, nil for none.
func (d *desk) nextErrand() *errand {
	if d.errand != nil || len(d.errands) == 0 {
		return nil
	}
	return slices.MinFunc(d.errands, func(a, b *errand) int { return a.due.Compare(b.due) })
}

// startErrand reads the next piece of the errand that is due.
func (d *desk) startErrand(ctx context.Context, now time.Time) {
	e := d.nextErrand()
	if e == nil || e.due.After(now) {
		return
	}
	if len(e.pieces) == 0 { // of one that comes again and again
		if !d.connected.Load() {
			e.due = now.Add(time.Minute)
			return
		}
		e.until = now
		e.pieces = d.updatedPieces(e.since, now)
	}
	d.errand, e.begun = e, true
	p := e.pieces[0]
	d.start(ctx, func(ctx context.Context) {
		left, err := d.read(ctx, p, idle, &e.tally)
		_ = d.ask(ctx, func() error { // otherwise it is over
			d.errand = nil
			d.errandRead(ctx, e, left, err)
			return nil
		})
	})
}

// errandRead takes what came of the errand's first piece, of which left is left.
func (d *desk) errandRead(ctx context.Context, e *errand, left piece, err error) {
	e.due = time.Now() // behind those that are due
	switch {
	case err == nil:
		e.pace = retry{}
		e.pieces = e.pieces[1:]
	case errors.Is(err, errUnauthorized), errors.Is(err, errRefused):
		d.metrics.forbidden(left.typ)
		d.log.Warn("not to be read", "errand", e.kind, "type", left.typ, "err", err)
		e.refused = append(e.refused, e.pieces[0])
		e.pieces = e.pieces[1:]
	default:
		d.troubles.Do(func() { d.log.Warn("not read yet", "errand", e.kind, "type", left.typ, "err", err) })
		e.pieces[0] = left
		e.due = e.due.Add(e.pace.next())
		if e.kind == errandEcho { // every opening has one
			d.leave(e.pieces)
			e.pieces = nil
		}
	}
	if len(e.pieces) == 0 {
		d.endErrand(ctx, e)
	}
	d.publish()
}

// endErrand settles an errand of which no piece is left.
func (d *desk) endErrand(ctx context.Context, e *errand) {
	refused := e.refused
	e.refused = nil
	switch {
	case e.kind == errandAgain:
		e.since, e.due = e.until, time.Now().Add(d.reread)
		return
	case e.kind == errandLoad && len(refused) > 0:
		e.pieces, e.put, e.due = refused, true, time.Now().Add(d.reread)
		return
	case e.kind == errandLoad:
		d.log.Info("present state loaded", "rows", e.tally.rows, "logged", e.tally.logged)
		d.doubt(e)
		d.start(ctx, d.keepLoaded)
	}
	d.cancel(e)
}

// doubt has those rooms read by their ids that are known, and were not among all
// that are active.
func (d *desk) doubt(load *errand) {
	for _, e := range d.sink.Present(typeResource) {
		if key, _ := e.Key(); !load.tally.seen[key] {
			d.settleLater(key, e.ID, load.made)
		}
	}
}

func (d *desk) cancel(e *errand) {
	d.errands = slices.DeleteFunc(d.errands, func(other *errand) bool { return other == e })
}

// loadAnew has the present state loaded that was loaded before, now or at the next
// start.
func (d *desk) loadAnew(ctx context.Context) {
	err := d.insist(ctx, "note", func() error { return d.sink.KeepNote(ctx, d.name, gateway.NoteLoaded, nil) })
	if err != nil {
		return // it is over
	}
	_ = d.ask(ctx, func() error {
		d.load()
		d.publish()
		return nil
	})
}

func (d *desk) keepLoaded(ctx context.Context) {
	_ = d.insist(ctx, "note", func() error { return d.sink.KeepNote(ctx, d.name, gateway.NoteLoaded, d.loadedWith()) })
}

// loadedWith is what the note says of a load: which members entities have in it.
func (s *Source) loadedWith() []byte {
	said, _ := json.Marshal(s.fields) // maps of strings cannot fail; their keys are sorted
	digest := sha256.Sum256(said)
	return []byte(hex.EncodeToString(digest[:]))
}

// find returns the last errand of a kind that was planned, nil for none.
func (d *desk) find(kind errandKind) *errand {
	for _, e := range slices.Backward(d.errands) {
		if e.kind == kind {
			return e
		}
	}
	return nil
}

// loading returns the errand that loads the present state, nil for none.
func (d *desk) loading() *errand { return d.find(errandLoad) }

// load has the present state loaded: what is active, and the reservations that
// touch the time from keep ago to the horizon. Live events go on meanwhile, and
// what the rows say that is older is dropped.
func (d *desk) load() {
	now := time.Now()
	if e := d.loading(); e != nil {
		if e.put { // perhaps the token may by now
			e.put, e.due = false, now
		}
		return
	}
	pieces := []piece{{typ: typeResource, what: active}, {typ: typeDeviceCommand, what: active}}
	at := d.clock.at(now)
	for from, end := at.Add(-d.keep), at.Add(d.horizon); from.Before(end); from = from.Add(loadWindow) {
		pieces = append(pieces, piece{typeReservation, colliding, span{from, earlier(from.Add(loadWindow), end)}})
	}
	d.plan(&errand{kind: errandLoad, pieces: pieces, due: now, tally: tally{seen: make(map[gateway.EntityKey]bool)}})
}

// echo reads the time around a socket's opening once more when what was said then
// is certain to show: before it may not have when what was missed was read.
func (d *desk) echo(opened time.Time) {
	now := time.Now()
	pieces := d.updatedPieces(opened, opened.Add(min(echoAfter, d.settle)))
	e := d.find(errandEcho)
	switch {
	case e == nil || e.begun:
		d.plan(&errand{kind: errandEcho, pieces: pieces, due: now.Add(d.settle)})
		return
	case now.Sub(e.made) >= 5*d.settle: // it must not be put off for ever
		d.cancel(e)
		d.leave(e.pieces)
		d.plan(&errand{kind: errandEcho, pieces: pieces, due: now.Add(d.settle)})
		return
	}
	for i := range e.pieces { // one for many openings that follow each other
		e.pieces[i].to = latter(e.pieces[i].to, pieces[i].to)
	}
	e.due = now.Add(d.settle)
}

// leave has pieces read some time, which could not be read when they were wanted.
func (d *desk) leave(pieces []piece) {
	e := d.find(errandLeft)
	if e == nil {
		d.plan(&errand{kind: errandLeft, pieces: pieces, due: time.Now().Add(firstBackoff)})
		return
	}
	kept := 0
	if e == d.errand {
		kept = 1 // it is being read
	}
	e.pieces = append(e.pieces[:kept:kept], join(append(e.pieces[kept:], pieces...))...)
}

// join returns the pieces of updates with those as one that touch, or all of a
// type where there are many or time means nothing to it.
func join(pieces []piece) (joined []piece) {
	times := make(map[string]spans)
	for _, p := range pieces {
		times[p.typ] = times[p.typ].add(p.span)
	}
	for _, typ := range rowTypes {
		all := times[typ]
		if len(all) > maxMissed || len(all) > 0 && typ == typeDeviceCommand {
			all = spans{all.whole()}
		}
		for _, s := range all {
			joined = append(joined, piece{typ, updated, s})
		}
	}
	return joined
}

// readAgain has the last hour, or what is configured, read again and again while
// the socket is live: it promises no delivery, and says nothing of rooms that are
// taken out of service for good.
func (d *desk) readAgain() {
	if d.find(errandAgain) == nil {
		now := time.Now()
		d.plan(&errand{kind: errandAgain, since: now, due: now.Add(d.reread)})
	}
}

// updatedPieces are the reads of what was updated in a time by our clock, and of
// commands, of which the API does not know when that was.
func (d *desk) updatedPieces(from, to time.Time) []piece {
	s := d.window(from, to)
	return []piece{{typeResource, updated, s}, {typeReservation, updated, s}, {typeDeviceCommand, updated, s}}
}
