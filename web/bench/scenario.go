//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// A scenario is one question asked of the gateway. Its run puts the gateway and
// what stands beside it one after the other, and returns the figures.
type scenario struct {
	name, what string
	run        func(b *bench, ctx context.Context) ([]figure, error)
}

// A figure is one result of a run. Beside it stands that of something else under
// the same load, a moment before.
type figure struct {
	name, unit string
	value      float64
	beside     float64 // NaN for nothing
	what       string  // it is that stands beside
	aim        string
}

// alone returns a figure with nothing beside it.
func alone(name, unit string, value float64, aim string) figure {
	return figure{name: name, unit: unit, value: value, beside: math.NaN(), aim: aim}
}

// scenarios are all scenarios, in the order in which all of them run.
func scenarios() []scenario {
	return []scenario{
		{"steady", "1 000 streams, one source, 30 events/s, beside the floor", (*bench).steady},
		{"burst", "the same, 300 events/s in frames of ten", (*bench).burst},
		{"flood", "500 streams, as fast as the feed goes, nobody is cut; beside the floor", (*bench).flood},
		{"flood-default", "the same with the default limits: who is cut comes back and misses nothing", (*bench).floodDefault},
		{"many", "2 000 streams over 200 sources, 2 000 events/s, beside the same without the event log", (*bench).many},
		{"idle", "10 000 streams, each its own subject, nothing said", (*bench).idle},
		{"slow", "200 streams of which 20 never read, 1 000 events/s, beside the 180 alone", (*bench).slow},
		{"feeds", "events that ten feeds show, among as many feeds as descriptors allow, beside the ten alone", (*bench).feeds},
		{"growth", "1 000, 5 000 and 15 000 streams at as many deliveries a second", (*bench).growth},
		{"storm", "10 000 streams on one feed of every twentieth event, cut and resumed at once, beside their first connecting", (*bench).storm},
		{"storm-feeds", "the same on 10 000 feeds, of one entity each", (*bench).stormFeeds},
		{"storm-restart", "the same as storm, but the gateway is killed and started again", (*bench).stormRestart},
		{"storm-all", "the same on one feed of every event: more than 10 GB; not part of all", (*bench).stormAll},
	}
}

// against carries a load on another kind of server and then on the gateway.
func (b *bench) against(ctx context.Context, other kind, name string, l load) (beside, gateway result, err error) {
	if beside, err = b.carry(ctx, other, name, l); err != nil {
		return beside, gateway, err
	}
	gateway, err = b.carry(ctx, b.gateway, name, l)
	return beside, gateway, err
}

func (b *bench) steady(ctx context.Context) ([]figure, error) {
	return b.fanOut(ctx, "steady", pace{rate: 30, time: b.time(8 * time.Second)}, "1.1 x")
}

func (b *bench) burst(ctx context.Context) ([]figure, error) {
	return b.fanOut(ctx, "burst", pace{rate: 300, batch: 10, time: b.time(8 * time.Second)}, "1.3 x")
}

// fanOut is one source's events to a thousand streams.
func (b *bench) fanOut(ctx context.Context, name string, p pace, aim string) ([]figure, error) {
	floor, gateway, err := b.against(ctx, b.floor, name, load{sources: 1, entities: entities, streams: b.count(1000), pace: p})
	if err != nil {
		return nil, err
	}
	return []figure{
		{"CPU of a delivery", "us", gateway.each(), floor.each(), "floor", aim},
		{"p99", "ms", gateway.p99(), floor.p99(), "floor", "1.2 x"},
	}, nil
}

// entities are the reservations of most scenarios.
const entities = 5000

func (b *bench) flood(ctx context.Context) ([]figure, error) {
	floor, gateway, err := b.against(ctx, b.floor, "flood", load{
		sources: 1, entities: entities, streams: b.count(500), pace: pace{time: b.time(4 * time.Second)},
		config: "max_lag: 100000000, write_timeout: 120s", // nobody is cut for lagging
	})
	if err != nil {
		return nil, err
	}
	return []figure{
		{"deliveries a second", "M/s", gateway.rate() / 1e6, floor.rate() / 1e6, "floor", ""},
		{"CPU of a delivery", "us", gateway.each(), floor.each(), "floor", "0.2 us"},
		alone("memory grown by", "MiB", float64(gateway.grown)/1024, ""),
	}, nil
}

func (b *bench) many(ctx context.Context) ([]figure, error) {
	memory, gateway, err := b.against(ctx, b.memory, "many", load{
		sources: b.count(200), entities: entities, streams: b.count(2000), pace: pace{rate: 2000, time: b.time(8 * time.Second)},
	})
	if err != nil {
		return nil, err
	}
	return []figure{
		{"CPU of a delivery", "us", gateway.each(), memory.each(), "no event log", "1.4 x"},
		{"p50", "ms", millis(gateway.latency.quantile(.5)), millis(memory.latency.quantile(.5)), "no event log", ""},
		{"p99", "ms", gateway.p99(), memory.p99(), "no event log", ""},
	}, nil
}

func (b *bench) idle(ctx context.Context) (figures []figure, err error) {
	l := load{sources: 1, streams: b.streams(10000)}
	err = b.try(ctx, b.gateway, "idle", l, func(ctx context.Context, t *trial) error {
		rest := b.time(4 * time.Second)
		profiled := t.profile(rest)
		c, err := t.connect(ctx, rest)
		if err != nil {
			return err
		}
		n := float64(l.streams)
		b.say("%-8s %-7s %d streams connected in %.2f s; %.1f us CPU and %.2f KiB each", t.name, t.server.kind.name,
			l.streams, c.took.Seconds(), micros(c.cpu)/n, float64(c.rss)/n)
		figures = []figure{
			alone("memory of a stream", "KiB", float64(c.rss)/n, "1.5"),
			alone("CPU of a connect", "us", micros(c.cpu)/n, "80"),
		}
		return profiled()
	})
	return figures, err
}

func (b *bench) slow(ctx context.Context) ([]figure, error) {
	streams, deaf := b.count(200), b.count(20)
	l := load{sources: 1, entities: entities, streams: streams - deaf, pace: pace{rate: 1000, time: b.time(8 * time.Second)}}
	calm, err := b.carry(ctx, b.gateway, "calm", l)
	if err != nil {
		return nil, err
	}
	l.streams, l.deaf = streams, deaf
	slow, err := b.carry(ctx, b.gateway, "slow", l)
	if err != nil {
		return nil, err
	}
	return []figure{
		{"p99 of those who read", "ms", slow.p99(), calm.p99(), "calm", "1.2 x"},
		{"memory grown by", "MiB", float64(slow.grown) / 1024, float64(calm.grown) / 1024, "calm", "bounded"},
		{"CPU of a delivery", "us", slow.each(), calm.each(), "calm", ""},
	}, nil
}

// quietStreams keeps streams that nothing is said to from being said that: what
// heartbeats cost is not the question.
const quietStreams = "heartbeat: 1h"

func (b *bench) feeds(ctx context.Context) ([]figure, error) {
	const shown = 10
	l := load{
		sources: 1, entities: shown, streams: shown, config: quietStreams, pace: pace{rate: 2000, time: b.time(5 * time.Second)},
		subscribe: func(i int) subscription {
			s := subscription{query: "&id=" + string(appendEntity(nil, uint32(i))), first: uint32(i), step: shown}
			if i >= shown {
				s.first = never
			}
			return s
		},
	}
	few, err := b.carry(ctx, b.gateway, "feeds", l)
	if err != nil {
		return nil, err
	}
	l.streams = b.streams(100_000)
	all, err := b.carry(ctx, b.gateway, "feeds", l)
	if err != nil {
		return nil, err
	}
	return []figure{{
		fmt.Sprintf("CPU of an event, %d feeds", l.streams), "us",
		micros(all.cpu) / float64(all.fed), micros(few.cpu) / float64(few.fed), "10 feeds", "1.5 x",
	}}, nil
}

// never is the number of the first event of a stream that shows none.
const never = math.MaxUint32

func (b *bench) growth(ctx context.Context) (figures []figure, err error) {
	const deliveries, events = 30_000, 30 // a second; of each stream
	var first result
	for i, n := range []int{1000, 5000, 15000} {
		streams := b.streams(n)
		r, err := b.carry(ctx, b.gateway, "growth", load{
			sources: 1, entities: entities, streams: streams, pace: pace{rate: max(1, deliveries/n), events: b.count(events)},
		})
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = r
			continue
		}
		figures = append(figures, figure{
			fmt.Sprintf("CPU of a delivery, %d streams", streams), "us", r.each(), first.each(), "the fewest", "1.15 x",
		})
	}
	return figures, nil
}
