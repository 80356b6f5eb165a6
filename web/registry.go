package web

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/auth"
	"bellhop/gateway"
)

// replacedRetry is how long a stream whose place a newer one took is told to
// stay away.
const replacedRetry = time.Minute

// An openStream is a stream that a client holds open.
type openStream struct {
	*gateway.Stream
	id      string
	token   *auth.Token
	address netip.Addr
	since   time.Time
	query   string // in canonical form

	// live is set once the stream has reached the log's end: from then on it may
	// lag only so far.
	live atomic.Bool

	mu   sync.Mutex
	wire wire // what its blocks are written to, while a goroutine does; guarded by mu

	element *list.Element // its place among the subject's; guarded by the registry
}

// attach says what the stream's blocks are written to, and takes it back with nil
// before that is closed.
func (o *openStream) attach(w wire) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wire = w
}

// cut makes a write that waits for the client fail. It may be called from
// anywhere, at any time.
func (o *openStream) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wire != nil {
		o.wire.SetWriteDeadline(time.Unix(1, 0))
	}
}

// lag returns how many blocks the stream is behind, once it has reached the
// log's end.
func (o *openStream) lag() uint64 {
	if !o.live.Load() {
		return 0
	}
	return o.Lag()
}

// A subject is who a token speaks of; subjects count for each issuer.
type subject struct{ issuer, name string }

// A registry holds all open streams and counts them against the limits.
type registry struct {
	limits Limits

	mu        sync.Mutex
	streams   map[*openStream]struct{}
	subjects  map[subject]*list.List // of *openStream, the oldest first
	addresses map[netip.Prefix]int
}

func newRegistry(l Limits) *registry {
	return &registry{
		limits:    l,
		streams:   make(map[*openStream]struct{}),
		subjects:  make(map[subject]*list.List),
		addresses: make(map[netip.Prefix]int),
	}
}

// add takes in a stream, or says why not. A subject that has as many as it may
// loses its oldest one instead, also while the gateway is full: a tablet on bad
// Wi-Fi must not lock itself out.
func (g *registry) add(s *openStream) *problem {
	g.mu.Lock()
	defer g.mu.Unlock()
	who, address := subject{s.token.Issuer, s.token.Subject}, limitKey(s.address)
	oldest := g.replacedLocked(who)
	taken := g.addresses[address]
	if oldest != nil && limitKey(oldest.address) == address {
		taken--
	}
	switch {
	case g.limits.PerAddress > 0 && taken >= g.limits.PerAddress:
		return new(problemTooManyStreams())
	case oldest != nil:
		g.removeLocked(oldest) // its place is free from now on, not when its client has taken the last block
		oldest.End(gateway.ByeBusy, replacedRetry)
	case len(g.streams) >= g.limits.Streams:
		return new(problemBusy("the gateway has as many streams open as it may"))
	}
	if g.subjects[who] == nil {
		g.subjects[who] = list.New()
	}
	s.element = g.subjects[who].PushBack(s)
	g.streams[s] = struct{}{}
	g.addresses[address]++
	return nil
}

// replacedLocked returns the stream that has to go for another one of the
// subject, nil when the subject may have one more.
func (g *registry) replacedLocked(who subject) *openStream {
	own := g.subjects[who]
	if own == nil || g.limits.PerSubject == 0 || own.Len() < g.limits.PerSubject {
		return nil
	}
	return own.Front().Value.(*openStream)
}

// remove takes out a stream; it may have been taken out before.
func (g *registry) remove(s *openStream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(s)
}

func (g *registry) removeLocked(s *openStream) {
	if _, ok := g.streams[s]; !ok {
		return
	}
	delete(g.streams, s)
	who := subject{s.token.Issuer, s.token.Subject}
	if own := g.subjects[who]; own.Len() > 1 {
		own.Remove(s.element)
	} else {
		delete(g.subjects, who)
	}
	address := limitKey(s.address)
	if g.addresses[address]--; g.addresses[address] == 0 {
		delete(g.addresses, address)
	}
}

// all returns the open streams, in no order.
func (g *registry) all() []*openStream {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*openStream, 0, len(g.streams))
	for s := range g.streams {
		out = append(out, s)
	}
	return out
}

func (g *registry) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.streams)
}
