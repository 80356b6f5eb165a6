//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What happens in a storm: so many events flow while all streams are there, and
// then the streams have missed from the fewest to the most of them, evenly
// spread.
const (
	stormEvents = 6400
	missedLeast = 100
	missedMost  = 5000
)

// A storm is how all streams lose their connection at once.
type storm struct {
	name    string
	load    load
	restart bool // the gateway is killed, and started again
}

// storm has the streams show every twentieth event, as pages do: the rooms but
// not the reservations, one hotel's and not the other's. When they show all,
// what is measured is how fast the kernel copies; see stormAll.
func (b *bench) storm(ctx context.Context) ([]figure, error) {
	return b.run(ctx, storm{name: "storm", load: b.rooms()})
}

func (b *bench) stormRestart(ctx context.Context) ([]figure, error) {
	return b.run(ctx, storm{name: "storm-restart", load: b.rooms(), restart: true})
}

func (b *bench) stormAll(ctx context.Context) ([]figure, error) {
	return b.run(ctx, storm{name: "storm-all", load: b.stormLoad(entities)})
}

func (b *bench) stormFeeds(ctx context.Context) ([]figure, error) {
	l := b.stormLoad(b.streams(10000))
	l.subscribe = func(i int) subscription {
		return subscription{query: "&id=" + string(appendEntity(nil, uint32(i))), first: uint32(i), step: uint32(l.entities)}
	}
	return b.run(ctx, storm{name: "storm-feeds", load: l})
}

func (b *bench) stormLoad(entities int) load {
	return load{sources: 1, entities: entities, streams: b.streams(10000), pace: pace{batch: 10, events: b.count(stormEvents)}}
}

func (b *bench) rooms() load {
	l := b.stormLoad(entities)
	l.subscribe = func(int) subscription { return subscription{query: "&type=Resource", step: resourceShare} }
	return l
}

func (b *bench) run(ctx context.Context, s storm) (figures []figure, err error) {
	err = b.try(ctx, b.gateway, s.name, s.load, func(ctx context.Context, t *trial) error {
		figures, err = t.storm(ctx, s)
		return err
	})
	return figures, err
}

func (t *trial) storm(ctx context.Context, s storm) ([]figure, error) {
	fresh, err := t.connect(ctx, t.settle())
	if err != nil {
		return nil, err
	}
	position, err := parsePosition(t.loop.streams[0].id)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.feed(ctx, t.load.pace), t.drain(ctx)); err != nil {
		return nil, err
	}
	if err := t.breakOff(ctx, s.restart); err != nil {
		return nil, err
	}
	want := t.rewind(position)
	delivered, bytes, reads := t.loop.delivered, t.loop.bytes, t.logReads()
	profiled := t.profile(2 * fresh.took)
	resumed, err := t.gather(ctx, t.loop.reopen, delivered+want, 0)
	if err == nil {
		err = t.exact(delivered + want)
	}
	if err != nil {
		return nil, errors.Join(err, profiled())
	}
	t.say("%-8s %-7s %d streams: connected in %.2f s (%.1f us CPU each), resumed in %.2f s (%.1f us CPU each) with %d events, %.0f MB/s, exact; generator %.0f %% busy%s",
		t.name, t.server.kind.name, t.load.streams, fresh.took.Seconds(), micros(fresh.cpu)/float64(t.load.streams),
		resumed.took.Seconds(), micros(resumed.cpu)/float64(t.load.streams), want, float64(t.loop.bytes-bytes)/resumed.took.Seconds()/1e6,
		resumed.busy*100, readsSince(reads, t.logReads()))
	// What comes next must come to all, each once.
	if err := errors.Join(t.feed(ctx, pace{batch: 10, events: 2 * resourceShare}), t.drain(ctx), profiled()); err != nil {
		return nil, err
	}
	return []figure{
		{"until all are caught up", "s", resumed.took.Seconds(), fresh.took.Seconds(), "fresh connects", "3 x"},
		{"CPU of a stream", "us", micros(resumed.cpu) / float64(t.load.streams), micros(fresh.cpu) / float64(t.load.streams), "fresh connects", ""},
	}, nil
}

// breakOff ends all connections at once, from this side or by killing the
// gateway, which is then started again.
func (t *trial) breakOff(ctx context.Context, restart bool) error {
	if !restart {
		t.loop.cut()
		return nil
	}
	t.server.kill()
	t.loop.cut()
	began := time.Now()
	if err := t.server.start(ctx); err != nil {
		return err
	}
	t.say("%-8s %-7s ready again after %.2f s", t.name, t.server.kind.name, time.Since(began).Seconds())
	return t.upstream.wait(ctx)
}

// rewind has the streams ask for what came after positions in the past, and
// returns how many events they are owed then. The event with the number 0 came
// next after the position.
func (t *trial) rewind(at position) (want int) {
	least, most := t.missed()
	for i, s := range t.loop.streams {
		number := t.feeder.next - uint32(least+(most-least)*i/len(t.loop.streams))
		s.resume = at.appendAfter(s.resume[:0], number)
		s.startAt(number)
		want += s.owed(t.feeder.next)
	}
	return want
}

// missed returns the fewest and the most events that a stream has missed.
func (t *trial) missed() (least, most int) {
	fed := int(t.feeder.next)
	return fed * missedLeast / stormEvents, fed * missedMost / stormEvents
}

// A position is a place in the log, as clients see it: an epoch and a sequence.
type position struct {
	epoch    string
	sequence uint64
}

func parsePosition(id []byte) (p position, err error) {
	epoch, sequence, _ := strings.Cut(string(id), ".")
	if p.sequence, err = strconv.ParseUint(sequence, 10, 64); err != nil {
		return p, fmt.Errorf("no position: %q", id)
	}
	p.epoch = epoch
	return p, nil
}

// appendAfter appends the position so many records after p.
func (p position) appendAfter(dst []byte, records uint32) []byte {
	dst = append(append(dst, p.epoch...), '.')
	return strconv.AppendUint(dst, p.sequence+uint64(records), 10)
}

// logReads returns the server's counters that tell of reads of the log, by name.
func (t *trial) logReads() map[string]float64 {
	counters := make(map[string]float64)
	text, err := t.server.get("/metrics")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "bellhop_log_read") {
			counters[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return counters
}

// readsSince says by how much counters have grown; nothing where there are none.
func readsSince(before, now map[string]float64) string {
	var b strings.Builder
	for name, value := range now {
		fmt.Fprintf(&b, "; %s +%v", name, value-before[name])
	}
	return b.String()
}
