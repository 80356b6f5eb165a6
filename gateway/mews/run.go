package mews

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/gateway"
)

const (
	keepTimeout = 5 * time.Second // for what is kept after Run's end
	// setBack is how long ago a confirmed moment is taken to be that is yet to
	// come: the clock was set back, nobody knows by how much.
	setBack = 24 * time.Hour
)

// run is one Run of a source. Its fields are owned by the goroutine of Run, unless
// they are safe for all.
type run struct {
	*Source
	sink       gateway.Sink
	progress   *progress
	queue      chan batch
	tickets    *tickets
	keep       chan struct{} // one token: the confirmed moment may have moved
	retry      retry
	enterprise string // its id; empty until it is learnt
	loaded     bool   // the present state was loaded once, or need not be
	unread     time.Time
	keptPlan   int64 // as planned; owned by the keeper
	opened     bool  // the upstream was reached once
	reported   gateway.Status

	connected atomic.Bool                      // a socket is open
	shown     atomic.Pointer[gateway.Backfill] // what is read of the past; nil when nothing is
	trusted   trust
	planned   atomic.Int64 // from when on updates are to be read still, in Unix nanoseconds; 0 for none
}

// Run holds the socket until ctx ends, which is no error, or the log is closed.
func (s *Source) Run(ctx context.Context, to gateway.Sink) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{
		Source: s, sink: to, progress: newProgress(), queue: make(chan batch),
		tickets: newTickets(s.metrics.inboxHolds), keep: make(chan struct{}, 1),
		trusted: trust{changed: make(chan struct{}, 1)},
	}
	r.report(gateway.StateDown, gateway.ReasonDial)
	defer r.report(gateway.StateDown, gateway.ReasonStopped)
	kept, err := r.recall(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	r.progress.answer(kept)

	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop()
		err = newDesk(r).run(ctx)
	})
	var forgotten uint64
	wg.Go(func() { kept, forgotten = r.keepUp(ctx, kept) })
	for ctx.Err() == nil {
		r.connect(ctx)
	}
	wg.Wait()
	if s.api != nil {
		s.api.close()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	r.keepMoment(last, kept)
	r.forget(last, forgotten)
	return err
}

// recall returns the confirmed moment that an earlier process kept, and recalls
// its notes. Without knowing these there is no telling what the first connection
// must begin with, so they are asked for until they are known, ctx ends (no error)
// or the log is closed.
func (r *run) recall(ctx context.Context) (kept time.Time, err error) {
	var pace retry
	for {
		kept, err = r.recallOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return time.Time{}, nil
		case errors.Is(err, gateway.ErrClosed):
			return time.Time{}, fmt.Errorf("confirmed moment: %w", err)
		case err == nil:
			if now := time.Now(); kept.After(now) {
				r.log.Warn("confirmed moment in the future, the clock was set back", "confirmed", kept)
				kept = now.Add(-setBack)
				if r.backfill {
					r.Load()
				}
			}
			return kept.UTC(), nil
		}
		r.log.Warn("confirmed moment not readable", "err", err)
		r.report(gateway.StateDown, gateway.ReasonLog)
		r.pause(ctx, pace.next())
	}
}

func (r *run) recallOnce(ctx context.Context) (kept time.Time, err error) {
	if r.api != nil {
		enterprise, err := r.sink.Note(ctx, r.name, noteEnterprise)
		if err != nil {
			return kept, err
		}
		loaded, err := r.sink.Note(ctx, r.name, gateway.NoteLoaded)
		if err != nil {
			return kept, err
		}
		if err := r.recallUnread(ctx); err != nil {
			return kept, err
		}
		r.enterprise, r.loaded = string(enterprise), bytes.Equal(loaded, r.loadedWith()) || !r.backfill
	}
	return r.sink.Confirmed(ctx, r.name)
}

// connect is one connection: dial, hold, and wait until the next one may be
// tried.
func (r *run) connect(ctx context.Context) {
	known := r.enterprise != ""
	f := r.learn(ctx)
	if f == nil {
		f = r.hold(ctx, known)
	}
	if ctx.Err() != nil {
		return
	}
	wait := r.retry.wait(f)
	r.metrics.failed(f.reason)
	r.troubles.Do(func() {
		r.log.Warn("not connected", "reason", f.reason, "err", f.err, "lived", f.lived, "retry", wait)
	})
	r.report(gateway.StateDown, f.reason)
	r.pause(ctx, wait)
}

// hold dials and holds the socket. Where the enterprise was known before, it is
// verified beside it.
func (r *run) hold(ctx context.Context, verify bool) *failure {
	dialed := time.Now()
	socket, f := r.dialer.dial(ctx)
	if f != nil {
		return f
	}
	opened := time.Now()
	r.opened = true
	r.connected.Store(true)
	r.metrics.connected(true)
	r.log.Info("connected")
	defer r.metrics.connected(false)
	defer r.connected.Store(false)
	s := &session{
		source: r.Source, socket: socket, progress: r.progress, queue: r.queue, dialed: dialed,
		expected: r.backfill && (!r.progress.confirmed().IsZero() || !r.loaded),
		gate:     newGate(),
	}
	defer s.gate.decide(false)
	guarding, cancel := context.WithCancel(ctx)
	var guard sync.WaitGroup
	defer guard.Wait()
	defer cancel()
	if verify {
		guard.Go(func() { r.guard(guarding, s.gate) })
	} else {
		s.gate.decide(true)
	}
	return ended(s.serve(ctx, r.connectedAs), opened)
}

// connectedAs reports the state of an open socket, of which the session knows
// nothing but how it answers.
func (r *run) connectedAs(state gateway.State, reason gateway.Reason) {
	if state == gateway.StateLive && r.shown.Load() != nil {
		state = gateway.StateCatchingUp
	}
	r.report(state, reason)
}

// pause waits for d or ctx, and passes on what the log stores meanwhile.
func (r *run) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-r.progress.changed:
			r.report(r.reported.State, r.reported.Reason)
		}
	}
}

// report says the source's state when it, or the confirmed moment, is new.
func (r *run) report(state gateway.State, reason gateway.Reason) {
	status := gateway.Status{Source: r.name, State: state, Reason: reason, Backfill: r.shown.Load()}
	if r.opened {
		status.Confirmed = r.progress.confirmed().UTC()
	}
	if status == r.reported {
		return
	}
	if !status.Confirmed.Equal(r.reported.Confirmed) {
		select {
		case r.keep <- struct{}{}:
		default:
		}
	}
	r.reported = status
	r.sink.Report(status)
}

// keepUp keeps the confirmed moment as it moves, and clears the inbox of what has
// been logged, until ctx ends. It returns what is kept, and up to where the inbox
// is clear, then.
func (r *run) keepUp(ctx context.Context, kept time.Time) (_ time.Time, forgotten uint64) {
	pace := time.NewTimer(0)
	defer pace.Stop()
	var finished <-chan struct{} // nil while the pace runs
	for {
		select {
		case <-ctx.Done():
			return kept, forgotten
		case <-r.keep:
			kept = r.keepMoment(ctx, kept)
		case <-finished:
			finished = nil
			pace.Reset(forgetEvery)
		case <-pace.C:
			var done bool
			if forgotten, done = r.forget(ctx, forgotten); done {
				finished = r.tickets.changed
			} else {
				pace.Reset(forgetAgain)
			}
		}
	}
}

// keepMoment keeps the confirmed moment when it is later than kept, and returns
// what is kept then.
func (r *run) keepMoment(ctx context.Context, kept time.Time) time.Time {
	moment := r.progress.confirmed()
	if !moment.After(kept) {
		return kept
	}
	err := r.keepUnread(ctx) // first: what the moment passes over must not be forgotten
	if err == nil {
		err = r.sink.KeepConfirmed(ctx, r.name, moment.UTC())
	}
	if err != nil {
		r.troubles.Do(func() { r.log.Warn("confirmed moment not kept", "err", err) })
		return kept
	}
	return moment
}

// gapOf is a gap over types. Where the clock was set back meanwhile the earlier
// moment is the later one.
func (s *Source) gapOf(types []string, from, to time.Time, reason gateway.GapReason) *gateway.Record {
	from, to = from.UTC(), to.UTC()
	return &gateway.Record{Gap: &gateway.Gap{
		Source: s.name, Types: types, From: earlier(from, to), To: latter(from, to), Reason: reason,
	}}
}
