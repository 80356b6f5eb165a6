//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A load is what one server under test has to carry.
type load struct {
	sources  int
	entities int
	streams  int
	deaf     int // of the streams, those that never read
	// subscribe returns what stream i asks for; nil is all events of the source
	// whose turn it is.
	subscribe func(i int) subscription
	config    string // the gateway's stream section, the defaults where empty
	pace      pace
}

// A subscription is what a stream asks for, and which events that is: those
// whose numbers are first, first+step and so on.
type subscription struct {
	source      int
	query       string // besides the source
	first, step uint32
}

func (l load) subscription(i int) subscription {
	if l.subscribe != nil {
		return l.subscribe(i)
	}
	source := i % l.sources
	return subscription{source: source, first: uint32(source), step: uint32(l.sources)}
}

// A trial is one server under test between its upstream and its streams.
type trial struct {
	*bench
	name     string
	load     load
	upstream *upstream
	server   *server
	loop     *loop
	feeder   *feeder
}

// try starts a server of a kind with its upstream, has f try it under a load,
// and ends all of it. The context that f is given ends in time.
func (b *bench) try(ctx context.Context, k kind, name string, l load, f func(context.Context, *trial) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTimeout, errors.New("it took too long"))
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	u, err := openUpstream(l.sources)
	if err != nil {
		return err
	}
	defer u.close()
	s, err := newServer(k, b.cores, dir, b.hosts.next(), u, l.config)
	if err != nil {
		return err
	}
	defer s.kill()
	streams, err := newLoop(s.public())
	if err != nil {
		return err
	}
	defer streams.close()
	t := &trial{b, name, l, u, s, streams, &feeder{upstream: u, hotel: newHotel(max(l.entities, 1))}}
	if err := s.start(ctx); err != nil {
		return s.complaint(err)
	}
	if err := errors.Join(u.wait(ctx), sleep(ctx, b.settle())); err != nil {
		return s.complaint(err)
	}
	if err := f(ctx, t); err != nil {
		return fmt.Errorf("%s: %w", k.name, s.complaint(err))
	}
	return nil
}

// trialTimeout is longer than any trial on a machine that is worth trying.
const trialTimeout = 10 * time.Minute

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rest has the streams be served for a while.
func (t *trial) rest(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	return t.loop.run(ctx, func() bool { return time.Now().After(end) })
}

// prepare makes the load's streams, with their tokens, of which each is another
// subject's.
func (t *trial) prepare() ([]*stream, error) {
	streams := make([]*stream, t.load.streams)
	for i := range streams {
		sub := t.load.subscription(i)
		token, err := mint(fmt.Sprintf("bench-%d", i), sourceName(sub.source))
		if err != nil {
			return nil, err
		}
		source := t.server.host
		source[3] = byte(2 + i%250) // so that no address runs out of ports
		streams[i] = &stream{
			request: fmt.Appendf(nil, "GET /events?source=%s%s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n",
				sourceName(sub.source), sub.query, token),
			source: source, deaf: i < t.load.deaf, next: sub.first, step: sub.step,
		}
	}
	return streams, nil
}

// A connected is what it cost to have the streams connected.
type connected struct {
	took time.Duration
	cpu  time.Duration
	rss  int64   // what the memory has grown by, KiB
	busy float64 // the share of its core that the generator took until all were there
}

// connect opens all streams and waits until each has its first block. CPU and
// memory are those of a while of rest, too.
func (t *trial) connect(ctx context.Context, rest time.Duration) (c connected, err error) {
	streams, err := t.prepare()
	if err != nil {
		return c, err
	}
	return t.gather(ctx, func() { t.loop.open(streams) }, 0, rest)
}

// gather has open open all streams and waits until each has its first block and
// so many events have been delivered.
func (t *trial) gather(ctx context.Context, open func(), delivered int, rest time.Duration) (c connected, err error) {
	before, err := t.server.usage()
	if err != nil {
		return c, err
	}
	own, err := beginSpell()
	if err != nil {
		return c, err
	}
	l := t.loop
	open()
	waitErr := t.await(ctx, func() bool { return l.ready == t.load.streams && l.delivered >= delivered })
	c.took = time.Since(own.start)
	if l.ready < t.load.streams {
		return c, fmt.Errorf("%d of %d streams connected: %s: %w", l.ready, t.load.streams, l.fault, cmp.Or(waitErr, errors.New("nothing more comes")))
	}
	c.busy, err = own.busy()
	if err := errors.Join(waitErr, err, t.rest(ctx, rest)); err != nil {
		return c, err
	}
	after, err := t.server.usage()
	c.cpu, c.rss = after.cpu-before.cpu, after.rss-before.rss
	return c, err
}

// quiet is how long nothing may come of what is waited for.
const quiet = 15 * time.Second

// await serves the streams until done reports true, something is wrong or nothing
// has come for a while; what is missing then is the caller's to find.
func (t *trial) await(ctx context.Context, done func() bool) error {
	seen, since := -1, time.Now()
	return t.loop.run(ctx, func() bool {
		if now := t.loop.ready + t.loop.lost + t.loop.delivered; now != seen {
			seen, since = now, time.Now()
		}
		return done() || t.loop.faults+t.loop.lost > 0 || time.Since(since) > quiet
	})
}

// feed feeds the load's events while the streams are served.
func (t *trial) feed(ctx context.Context, p pace) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fed := make(chan error, 1)
	go func() { fed <- t.feeder.feed(ctx, p) }()
	var feedErr error
	over := false
	err := t.loop.run(ctx, func() bool {
		select {
		case feedErr = <-fed:
			over = true
		default:
		}
		return over
	})
	if !over {
		cancel()
		feedErr = <-fed
	}
	return errors.Join(err, feedErr)
}

// drain serves the streams until they have got all they are owed, and returns an
// error unless each got exactly that.
func (t *trial) drain(ctx context.Context) error {
	want := t.loop.delivered + t.owed()
	if err := t.await(ctx, func() bool { return t.loop.delivered >= want }); err != nil {
		return err
	}
	return t.exact(want)
}

// owed returns how many events the streams have still to be given.
func (t *trial) owed() (n int) {
	for _, s := range t.loop.streams {
		n += s.owed(t.feeder.next)
	}
	return n
}

// exact returns what is wrong with what the streams were given, where they were
// to be given so many events.
func (t *trial) exact(want int) error {
	l := t.loop
	if l.delivered == want && l.faults == 0 && l.lost == 0 && t.owed() == 0 {
		return nil
	}
	return fmt.Errorf("NOT EXACT: %d of %d events delivered, %d out of order, %d streams ended (%v): %s",
		l.delivered, want, l.faults, l.lost, l.byes, l.fault)
}

// profile fetches a CPU profile of the server over so long, and calls wait once
// nothing is under way any more.
func (t *trial) profile(during time.Duration) (wait func() error) {
	if t.profiles == "" || t.server.kind.name != t.gateway.name {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		data, err := t.server.get(fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(during.Seconds()))))
		if err == nil {
			err = os.WriteFile(filepath.Join(t.profiles, fmt.Sprintf("%s-%d.prof", t.name, t.load.streams)), data, 0o600)
		}
		done <- err
	}()
	return func() error { return <-done }
}
