package web

import (
	"net/netip"
	"slices"
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

	mu   sync.Mutex
	wire wire // what its blocks are written to, while a goroutine does; guarded by mu

	// Guarded by the registry.
	place        int         // in its streams
	older, newer *openStream // of the same subject
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
	if !o.Live() {
		return 0
	}
	return o.Lag()
}

// A subject is who a token speaks of; subjects count for each issuer.
type subject struct{ issuer, name string }

// own are a subject's open streams, a list through their older and newer.
type own struct {
	oldest, newest *openStream
	count          int
}

// A registry holds all open streams and counts them against the limits.
type registry struct {
	limits Limits

	mu        sync.Mutex
	streams   []*openStream // in no order
	subjects  map[subject]own
	addresses map[netip.Prefix]int
}

func newRegistry(l Limits) *registry {
	return &registry{limits: l, subjects: make(map[subject]own), addresses: make(map[netip.Prefix]int)}
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
	s.place = len(g.streams)
	g.streams = append(g.streams, s)
	g.subjects[who] = g.subjects[who].with(s)
	g.addresses[address]++
	return nil
}

// with returns the list with s as the newest.
func (l own) with(s *openStream) own {
	if l.count++; l.newest == nil {
		l.oldest, l.newest = s, s
		return l
	}
	s.older, l.newest.newer = l.newest, s
	l.newest = s
	return l
}

// without returns the list without s, which is one of it.
func (l own) without(s *openStream) own {
	l.count--
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		l.oldest = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		l.newest = s.older
	}
	s.older, s.newer = nil, nil
	return l
}

// replacedLocked returns the stream that has to go for another one of the
// subject, nil when the subject may have one more.
func (g *registry) replacedLocked(who subject) *openStream {
	l := g.subjects[who]
	if g.limits.PerSubject == 0 || l.count < g.limits.PerSubject {
		return nil
	}
	return l.oldest
}

// remove takes out a stream; it may have been taken out before.
func (g *registry) remove(s *openStream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(s)
}

func (g *registry) removeLocked(s *openStream) {
	if s.place >= len(g.streams) || g.streams[s.place] != s {
		return
	}
	last := len(g.streams) - 1
	g.streams[s.place], g.streams[last].place = g.streams[last], s.place
	g.streams[last] = nil
	g.streams = g.streams[:last]
	who := subject{s.token.Issuer, s.token.Subject}
	if l := g.subjects[who].without(s); l.count > 0 {
		g.subjects[who] = l
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
	return slices.Clone(g.streams)
}

func (g *registry) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.streams)
}
