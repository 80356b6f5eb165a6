package mews

import (
	"context"
	"errors"
	"slices"
	"time"

	"bellhop/gateway"
)

const (
	// giveUpAfter is how long a recovery goes on without anything being read.
	giveUpAfter = 2 * time.Minute
	// holdMost is how long live events wait for the end of a recovery. One that
	// takes longer goes on beside them: boards that stand still are worse than
	// changes of the past that come among those of the present.
	holdMost  = 2 * time.Minute
	maxMissed = 16             // spans that are announced one by one
	maxPiece  = 24 * time.Hour // of updates, read at one go
)

// rowTypes are the types of which the API has the present state, in the order in
// which they are read.
var rowTypes = []string{typeResource, typeReservation, typeDeviceCommand}

// goneTypes returns the types of the source's events that the API does not have
// once they were missed. It has the present state of commands, but none that came
// and went.
func (s *Source) goneTypes() []string {
	return slices.DeleteFunc(s.Types(), func(typ string) bool { return typ == typeResource || typ == typeReservation })
}

// recovery is the making up for what was not heard. While it is under way live
// events of the types that it reads are held.
type recovery struct {
	begun    time.Time
	flowing  bool               // live events are held no more
	missed   spans              // by our clock
	since    time.Time          // from when on it reads, by our clock
	releases []func()           // let the confirmed moment pass
	todo     map[string]spans   // by type, by the server's clock
	reading  *piece             // that is being read; it is not among todo
	failed   map[string][]piece // given up for now
	refused  map[string]bool    // types that the token may not read
	tally    tally
	pace     retry
	due      time.Time // of the next read
	success  time.Time // of the last read, or of the beginning
	stop     context.CancelFunc
}

// recover makes up for what was not heard before a socket opened. What comes while
// that is under way is only added.
func (d *desk) recover(o *opening) {
	from, now := o.missed.from, time.Now()
	if !d.unread.IsZero() {
		from, d.unread = earlier(from, d.unread), time.Time{}
	}
	r := d.recovery
	if r == nil {
		r = &recovery{
			begun: now, since: from, todo: make(map[string]spans), failed: make(map[string][]piece), refused: make(map[string]bool),
			success: now, due: now, stop: func() {},
		}
		d.recovery = r
	}
	r.since = earlier(r.since, from)
	r.releases = append(r.releases, o.release)
	if r.missed = r.missed.add(o.missed); len(r.missed) > maxMissed {
		r.missed = spans{r.missed.whole()}
	}
	window := d.window(from, o.missed.to)
	for _, typ := range rowTypes {
		if !r.refused[typ] {
			r.todo[typ] = r.todo[typ].add(window)
		}
	}
}

// next takes the piece out of what is to be read that is read next; nil when
// nothing is left.
func (r *recovery) next() *piece {
	for _, typ := range rowTypes {
		todo := r.todo[typ]
		if len(todo) == 0 {
			continue
		}
		p := piece{typ: typ, what: updated, span: todo[0]}
		switch {
		case typ == typeDeviceCommand: // they are not read by time
			todo = nil
		case p.to.Sub(p.from) > maxPiece:
			p.to = p.from.Add(maxPiece)
			todo[0].from = p.to
		default:
			todo = todo[1:]
		}
		r.todo[typ] = todo
		return &p
	}
	return nil
}

// startRecovery begins the next read of the recovery when it is time, gives up
// when nothing has been read for long, and ends the recovery when all is read.
func (d *desk) startRecovery(ctx context.Context, now time.Time) error {
	r := d.recovery
	if r == nil {
		return nil
	}
	if d.holding() && now.Sub(r.begun) >= holdMost {
		r.flowing = true
		d.release()
		return d.flush(ctx)
	}
	if !now.Before(r.patience()) {
		r.giveUp()
		r.stop()
		return d.recovered(ctx)
	}
	if r.reading != nil || r.due.After(now) || !d.trusted.on.Load() {
		return nil
	}
	if r.reading = r.next(); r.reading == nil {
		return d.recovered(ctx)
	}
	p := *r.reading
	d.publish()
	ctx, stop := context.WithCancel(ctx)
	r.stop = stop
	d.start(ctx, func(ctx context.Context) {
		defer stop()
		read, err := d.read(ctx, p, catchUp, &r.tally)
		_ = d.ask(ctx, func() error { // otherwise it is over
			if d.recovery == r {
				d.recoveredPiece(r, read, err)
			}
			return nil
		})
	})
	return nil
}

// recoveredPiece takes what came of a read: p is what is left of it.
func (d *desk) recoveredPiece(r *recovery, p piece, err error) {
	now := time.Now()
	r.reading = nil
	switch {
	case err == nil:
		r.pace, r.success = retry{}, now
	case errors.Is(err, errUnauthorized), errors.Is(err, errRefused):
		r.refused[p.typ] = true
		delete(r.todo, p.typ)
		r.success = now
		d.metrics.forbidden(p.typ)
		d.log.Warn("what was missed may not be read", "type", p.typ, "err", err)
	default:
		r.todo[p.typ] = r.todo[p.typ].add(p.span)
		r.due = now.Add(r.pace.next())
		d.troubles.Do(func() { d.log.Warn("what was missed is not read yet", "type", p.typ, "err", err) })
	}
}

// patience returns when the recovery is given up unless something is read.
func (r *recovery) patience() time.Time { return latter(r.success, r.tally.last).Add(giveUpAfter) }

// giveUp leaves what is not read yet for later.
func (r *recovery) giveUp() {
	if p := r.reading; p != nil {
		r.todo[p.typ] = r.todo[p.typ].add(p.span)
	}
	for p := r.next(); p != nil; p = r.next() {
		r.failed[p.typ] = append(r.failed[p.typ], *p)
	}
}

// recovered ends a recovery: what was held is let go, and what could not be had is
// announced.
func (d *desk) recovered(ctx context.Context) error {
	r := d.recovery
	d.recovery = nil
	d.release()
	if err := d.flush(ctx); err != nil {
		return err
	}
	var lost []string
	var later []piece
	for _, typ := range rowTypes {
		if pieces := r.failed[typ]; r.refused[typ] || len(pieces) > 0 {
			lost = append(lost, typ)
			later = append(later, pieces...)
		}
	}
	if len(later) > 0 {
		d.log.Warn("what was missed is left for later", "types", lost)
		d.leave(later)
	}
	d.log.Info("made up for what was missed", "from", r.missed.whole().from, "to", r.missed.whole().to,
		"rows", r.tally.rows, "logged", r.tally.logged)
	d.publish()
	done := func() {
		for _, release := range r.releases {
			release()
		}
	}
	gaps := d.announcements(r.missed, lost)
	if len(gaps) == 0 {
		done()
		return nil
	}
	return d.store(ctx, gaps, done)
}

// announcements are the gaps over what was missed and cannot be had: of types that
// the API does not have at all, and of those that it did not give.
func (d *desk) announcements(missed spans, lost []string) (gaps []*gateway.Record) {
	for _, s := range missed {
		if types := d.goneTypes(); len(types) > 0 {
			gaps = append(gaps, d.gapOf(types, s.from, s.to, gateway.GapUpstream))
		}
		if len(lost) > 0 {
			gaps = append(gaps, d.gapOf(slices.Sorted(slices.Values(lost)), s.from, s.to, gateway.GapAPI))
		}
	}
	return gaps
}
