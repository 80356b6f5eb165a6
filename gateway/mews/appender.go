package mews

import (
	"context"
	"fmt"
	"time"

	"bellhop/gateway"
)

// frameGapEvery is the least time between two gaps that broken frames caused.
const frameGapEvery = time.Minute

// batch is what one message of the socket gives to the log.
type batch struct {
	records []*gateway.Record
	broken  bool      // it could not be decoded whole
	at      time.Time // its arrival
	release func()    // ends the hold on the confirmed moment; never nil
}

// appender gives batches to the log in the order of the queue. It announces the
// first broken frame with its batch, and those of the next minute together when
// the minute is over. Until then, and across restarts, it is the hold of the
// oldest of them that keeps their loss from being forgotten.
type appender struct {
	source *Source
	sink   gateway.Sink
	queue  <-chan batch

	notBefore time.Time // of the next gap
	gathered  *batch    // the oldest broken one that has not been announced
	last      time.Time // arrival of the newest such
	due       *time.Timer
}

// run appends until ctx ends, which is no error, or the log ends.
func (a *appender) run(ctx context.Context) error {
	a.due = time.NewTimer(0)
	a.due.Stop()
	defer a.due.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case b := <-a.queue:
			err = a.take(ctx, b)
		case <-a.due.C:
			err = a.announce(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("append: %w", err)
		}
	}
}

func (a *appender) take(ctx context.Context, b batch) error {
	done := b.release
	if b.broken {
		switch now := time.Now(); {
		case a.gathered != nil:
			a.last = b.at
		case now.Before(a.notBefore):
			a.gathered, a.last = &b, b.at
			a.due.Reset(a.notBefore.Sub(now))
			done = nil // until announced
		default:
			a.notBefore = now.Add(frameGapEvery)
			b.records = append(b.records, a.gap(b.at, b.at))
		}
	}
	if len(b.records) == 0 {
		if done != nil {
			done()
		}
		return nil
	}
	return a.sink.Append(ctx, b.records, done)
}

// announce logs the gap of the gathered broken frames.
func (a *appender) announce(ctx context.Context) error {
	gap, release := a.gap(a.gathered.at, a.last), a.gathered.release
	a.gathered = nil
	a.notBefore = time.Now().Add(frameGapEvery)
	return a.sink.Append(ctx, []*gateway.Record{gap}, release)
}

func (a *appender) gap(from, to time.Time) *gateway.Record {
	return a.source.gap(from, to, gateway.GapFrame)
}
