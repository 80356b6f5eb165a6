package mews

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bellhop/gateway"
)

// keepTimeout bounds the keeping of the confirmed moment after Run's end.
const keepTimeout = 5 * time.Second

// run is one Run of a source. Its fields are owned by the goroutine of Run.
type run struct {
	*Source
	sink     gateway.Sink
	progress *progress
	queue    chan batch
	keep     chan struct{} // one token: the confirmed moment may have moved
	retry    retry
	opened   bool // the upstream was reached once
	reported gateway.Status
}

// Run holds the socket until ctx ends, which is no error, or the log is closed.
func (s *Source) Run(ctx context.Context, to gateway.Sink) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{Source: s, sink: to, progress: newProgress(), queue: make(chan batch), keep: make(chan struct{}, 1)}
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
		err = (&appender{source: s, sink: to, queue: r.queue}).run(ctx)
	})
	wg.Go(func() { kept = r.keepConfirmed(ctx, kept) })
	for ctx.Err() == nil {
		r.connect(ctx)
	}
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	r.keepMoment(last, kept)
	return err
}

// recall returns the confirmed moment that an earlier process kept. Without
// knowing it there is no telling whether the first connection must begin with a
// gap, so it is asked for until it is known, ctx ends (no error) or the log is
// closed.
func (r *run) recall(ctx context.Context) (time.Time, error) {
	var pace retry
	for {
		kept, err := r.sink.Confirmed(ctx, r.name)
		switch {
		case ctx.Err() != nil:
			return time.Time{}, nil
		case errors.Is(err, gateway.ErrClosed):
			return time.Time{}, fmt.Errorf("confirmed moment: %w", err)
		case err == nil:
			if now := time.Now(); kept.After(now) { // the clock was set back
				kept = now
			}
			return kept.UTC(), nil
		}
		r.log.Warn("confirmed moment not readable", "err", err)
		r.report(gateway.StateDown, gateway.ReasonLog)
		r.pause(ctx, pace.next())
	}
}

// connect is one connection: dial, hold, and wait until the next one may be
// tried.
func (r *run) connect(ctx context.Context) {
	dialed := time.Now().UTC()
	socket, f := r.dialer.dial(ctx)
	if f == nil {
		opened := time.Now().UTC()
		r.metrics.connected(true)
		r.log.Info("connected")
		s := &session{source: r.Source, socket: socket, progress: r.progress, queue: r.queue}
		f = ended(s.serve(ctx, r.open(dialed, opened), r.report), opened)
		r.metrics.connected(false)
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

// open moves the confirmed moment to the beginning of the handshake. It returns
// the announcement of what may have been said since the moment before, which
// holds the new one back until it is stored; nil at the very first start.
func (r *run) open(dialed, opened time.Time) *batch {
	r.opened = true
	from := r.progress.confirmed()
	if from.IsZero() {
		r.progress.answer(dialed)
		return nil
	}
	release := r.progress.hold(from)
	r.progress.answer(dialed)
	gap := r.gap(from, opened, gateway.GapUpstream)
	return &batch{records: []*gateway.Record{gap}, at: opened, release: release}
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
	status := gateway.Status{Source: r.name, State: state, Reason: reason}
	if r.opened {
		status.Confirmed = r.progress.confirmed()
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

// keepConfirmed keeps the confirmed moment as it moves, until ctx ends, and
// returns what is kept then.
func (r *run) keepConfirmed(ctx context.Context, kept time.Time) time.Time {
	for {
		select {
		case <-ctx.Done():
			return kept
		case <-r.keep:
			kept = r.keepMoment(ctx, kept)
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
	if err := r.sink.KeepConfirmed(ctx, r.name, moment); err != nil {
		r.troubles.Do(func() { r.log.Warn("confirmed moment not kept", "err", err) })
		return kept
	}
	return moment
}

// gap is a gap over all of the source's types.
func (s *Source) gap(from, to time.Time, reason gateway.GapReason) *gateway.Record {
	return &gateway.Record{Gap: &gateway.Gap{Source: s.name, Types: s.types, From: from, To: to, Reason: reason}}
}
