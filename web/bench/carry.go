//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A result is what came of a load on one server.
type result struct {
	connected connected
	fed       int
	delivered int
	bytes     int
	took      time.Duration // from the first event fed to the last one delivered
	cpu       time.Duration // meanwhile
	grown     int64         // what the memory grew by meanwhile, at its peak; KiB
	latency   *histogram
	busy      float64 // the share of its core that the generator took meanwhile
}

// each returns the CPU time of one delivery, in microseconds.
func (r *result) each() float64 { return micros(r.cpu) / float64(max(r.delivered, 1)) }

// rate returns the deliveries in a second.
func (r *result) rate() float64 { return float64(r.delivered) / r.took.Seconds() }

func (r *result) p99() float64 { return millis(r.latency.quantile(.99)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *result) String() string {
	return fmt.Sprintf("fed %d, delivered %d in %.2f s (%.0f/s, %.0f MB/s), exact; %.3f us CPU each; p50 %.2f p90 %.2f p99 %.2f max %.2f ms; memory +%.1f MiB; generator %.0f %% busy",
		r.fed, r.delivered, r.took.Seconds(), r.rate(), float64(r.bytes)/r.took.Seconds()/1e6, r.each(),
		millis(r.latency.quantile(.5)), millis(r.latency.quantile(.9)), r.p99(), millis(r.latency.quantile(1)), float64(r.grown)/1024, r.busy*100)
}

// carry puts a load on a server of a kind and measures it. What is not delivered
// exactly is an error.
func (b *bench) carry(ctx context.Context, k kind, name string, l load) (r result, err error) {
	err = b.try(ctx, k, name, l, func(ctx context.Context, t *trial) error {
		if r.connected, err = t.connect(ctx, t.settle()); err != nil {
			return err
		}
		return t.measure(ctx, &r)
	})
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	b.say("%-8s %-7s %v", name, k.name, &r)
	return r, nil
}

// measure feeds what the load says, and measures until all of it is delivered.
func (t *trial) measure(ctx context.Context, r *result) error {
	if err := forgetPeak(t.server.pid()); err != nil {
		return err
	}
	before, err := t.server.usage()
	if err != nil {
		return err
	}
	delivered, bytes, fed := t.loop.delivered, t.loop.bytes, t.feeder.next
	r.latency = new(histogram)
	t.loop.latency = r.latency
	profiled := t.profile(t.load.pace.time)
	own, err := beginSpell()
	if err != nil {
		return err
	}
	if err := errors.Join(t.feed(ctx, t.load.pace), t.drain(ctx)); err != nil {
		return errors.Join(err, profiled())
	}
	after, err := t.server.usage()
	if err != nil {
		return err
	}
	if r.busy, err = own.busy(); err != nil {
		return err
	}
	t.loop.latency = nil
	r.took, r.cpu, r.grown = t.loop.last.Sub(own.start), after.cpu-before.cpu, after.peak-before.rss
	r.delivered, r.bytes, r.fed = t.loop.delivered-delivered, t.loop.bytes-bytes, int(t.feeder.next-fed)
	return profiled()
}
