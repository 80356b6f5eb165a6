package web

import (
	"container/list"
	"net/netip"
	"sync"
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

	// cut makes a write that waits for the client fail. It may be called from
	// anywhere.
	cut func()
	// live is closed once the stream has reached the log's end: from then on it
	// may lag only so far.
	live chan struct{}

	element *list.Element // its place among the subject's
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

// add takes in a stream, or says why not. A subject that has as many as it may,
// or any while the gateway is full, loses its oldest one instead: a tablet on bad
// Wi-Fi must not lock itself out.
func (g *registry) add(s *openStream) *problem {
	g.mu.Lock()
	defer g.mu.Unlock()
	address := limitKey(s.address)
	if g.limits.PerAddress > 0 && g.addresses[address] >= g.limits.PerAddress {
		return new(problemTooManyStreams())
	}
	who := subject{s.token.Issuer, s.token.Subject}
	own := g.subjects[who]
	full := len(g.streams) >= g.limits.Streams
	switch {
	case own != nil && (full || g.limits.PerSubject > 0 && own.Len() >= g.limits.PerSubject):
		oldest := own.Front().Value.(*openStream)
		g.removeLocked(oldest) // its place is free from now on, not when its client has taken the last block
		oldest.End(gateway.ByeBusy, replacedRetry)
		own = g.subjects[who]
	case full:
		return new(problemBusy("the gateway has as many streams open as it may"))
	}
	if own == nil {
		own = list.New()
		g.subjects[who] = own
	}
	s.element = own.PushBack(s)
	g.streams[s] = struct{}{}
	g.addresses[address]++
	return nil
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

// lag returns how many blocks the stream is behind, once it has reached the
// log's end.
func (o *openStream) lag() uint64 {
	select {
	case <-o.live:
		return o.Lag()
	default:
		return 0
	}
}
