//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// How the gateway is looked at once the flood is over.
const (
	calmAfter = 5 * time.Second // the memory has gone back by then, as far as it does
	calmTime  = 2 * time.Second
)

// floodDefault floods streams under the default limits. Whoever lags too far is
// cut, comes back after its retry with its last id, and must have been given
// everything in the end.
func (b *bench) floodDefault(ctx context.Context) (figures []figure, err error) {
	l := load{sources: 1, entities: entities, streams: b.count(500), pace: pace{time: b.time(4 * time.Second)}}
	err = b.try(ctx, b.gateway, "flood-default", l, func(ctx context.Context, t *trial) error {
		if _, err := t.connect(ctx, t.settle()); err != nil {
			return err
		}
		before, err := t.server.usage()
		if err != nil {
			return err
		}
		t.loop.reconnect = true
		var r result
		if err := t.measure(ctx, &r); err != nil {
			return err
		}
		after, share, err := t.calm(ctx)
		if err != nil {
			return err
		}
		b.say("%-8s %-7s %v; %d streams cut, %v; afterwards %.1f %% CPU, memory +%.1f MiB", t.name, t.server.kind.name, &r,
			t.loop.returns, t.loop.byes, share*100, float64(after-before.rss)/1024)
		figures = []figure{
			alone("memory grown by, at its peak", "MiB", float64(r.grown)/1024, "bounded"),
			alone("memory grown by, afterwards", "MiB", float64(after-before.rss)/1024, "bounded"),
			alone("CPU afterwards", "%", share*100, "1"),
			alone("streams cut", "", float64(t.loop.returns), ""),
			alone("deliveries a second", "M/s", r.rate()/1e6, ""),
		}
		return nil
	})
	return figures, err
}

// calm returns the server's memory, and the share of a core that it takes, when
// nothing has been fed for a while.
func (t *trial) calm(ctx context.Context) (rss int64, share float64, err error) {
	if err := t.rest(ctx, t.time(calmAfter)); err != nil {
		return 0, 0, err
	}
	start, err1 := t.server.usage()
	began := time.Now()
	err2 := t.rest(ctx, t.time(calmTime))
	end, err3 := t.server.usage()
	return end.rss, (end.cpu - start.cpu).Seconds() / time.Since(began).Seconds(), errors.Join(err1, err2, err3)
}
