package mews

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gateTimeout is how long what a new socket says is kept back while the
	// enterprise is asked for.
	gateTimeout = 10 * time.Second

	// Bounds of what is kept back. Beyond them nothing is taken from the reader.
	maxLobby      = 4096
	maxLobbyBytes = 32 << 20
)

// gate is what a socket's batches pass once it is known whose they are, or has
// been asked for long enough. Its methods may be called concurrently.
type gate struct {
	decided chan struct{} // closed once it is open or shut
	barred  chan struct{} // closed when the socket is another's, be it after it was open
	once    sync.Once
	passes  bool  // valid once decided is closed
	why     error // valid once barred is closed
}

func newGate() *gate { return &gate{decided: make(chan struct{}), barred: make(chan struct{})} }

// decide opens the gate for good, or shuts it. The first call counts.
func (g *gate) decide(passes bool) {
	g.once.Do(func() {
		g.passes = passes
		close(g.decided)
	})
}

// bar shuts the gate, unless it was open, and says why the socket has to be
// closed. It is called at most once.
func (g *gate) bar(why error) {
	g.decide(false)
	g.why = why
	close(g.barred)
}

// open reports whether the gate, which is decided, lets batches pass still.
func (g *gate) open() bool {
	select {
	case <-g.barred:
		return false
	default:
		return g.passes
	}
}

// guard decides the gate by the answer to whose the socket is, for which it waits
// until ctx ends, though not with the gate undecided for long.
func (r *run) guard(ctx context.Context, g *gate) {
	patience := time.AfterFunc(gateTimeout, func() { g.decide(true) })
	defer patience.Stop()
	err := r.verify(ctx)
	switch {
	case err != nil:
		g.bar(err)
	case ctx.Err() == nil:
		g.decide(true)
	}
}

// trust says whether what the API says may be believed: not before it has said
// that it speaks of the right enterprise. Its methods may be called concurrently.
type trust struct {
	on      atomic.Bool
	changed chan struct{} // one token
}

func (t *trust) set(on bool) {
	if t.on.Swap(on) == on || t.changed == nil {
		return
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// receive takes a batch, once it has passed its socket's gate.
func (d *desk) receive(ctx context.Context, b batch) error {
	d.lobby = append(d.lobby, b)
	d.lobbyBytes += b.bytes
	return d.clearLobby(ctx)
}

// clearLobby takes the batches whose gates are open, and drops those whose gates
// are shut.
func (d *desk) clearLobby(ctx context.Context) error {
	for len(d.lobby) > 0 {
		b := d.lobby[0]
		select {
		case <-b.gate.decided:
		default:
			return nil
		}
		d.lobby[0] = batch{}
		d.lobby = d.lobby[1:]
		d.lobbyBytes -= b.bytes
		if !b.gate.open() {
			d.drop(b)
		} else if err := d.take(ctx, b); err != nil {
			return err
		}
	}
	d.lobby = nil
	return nil
}

// drop forgets a batch as if it had not been heard: what was missed before its
// socket is still missing when the next one opens.
func (d *desk) drop(b batch) {
	o := b.opening
	switch {
	case o == nil:
		d.progress.lose(b.at)
		b.release()
	case o.release == nil:
	case d.unheard == nil:
		d.unheard = o
	case o.missed.from.Before(d.unheard.missed.from):
		d.unheard.release()
		d.unheard = o
	default:
		o.release()
	}
}

// recollect adds to what was missed before a socket what was missed before those
// that were dropped.
func (d *desk) recollect(o *opening) {
	u, release := d.unheard, o.release
	if u == nil {
		return
	}
	d.unheard = nil
	o.missed.from = earlier(o.missed.from, u.missed.from)
	o.release = func() { u.release(); release() }
}

// lobbyGate is closed when the first in the lobby may be taken or dropped; nil
// when none is there.
func (d *desk) lobbyGate() <-chan struct{} {
	if len(d.lobby) == 0 {
		return nil
	}
	return d.lobby[0].gate.decided
}

// lobbyFull reports whether no more may be kept back.
func (d *desk) lobbyFull() bool { return len(d.lobby) >= maxLobby || d.lobbyBytes >= maxLobbyBytes }
