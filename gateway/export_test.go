package gateway

import (
	"slices"
	"time"
)

// The limits that tests count with.
const (
	FeedLife    = feedLife
	GatherFrame = gatherFrame
	ShelfPage   = shelfPage
)

// NewHubWithRing returns a hub that keeps at most n records in memory.
func NewHubWithRing(o HubOptions, n int) *Hub {
	h := NewHub(o)
	h.ring.maxLen = n
	return h
}

// SetPiece has snapshots come in pieces of about n bytes. It is to be called
// before any stream is opened.
func (h *Hub) SetPiece(n int) { h.snapshots.piece = n }

// SetShared bounds what is kept of encoded snapshots. It is to be called before
// any stream is opened.
func (h *Hub) SetShared(n int) { h.snapshots.room.limit = n }

// Shared returns how much is kept of encoded snapshots.
func (h *Hub) Shared() int {
	r := &h.snapshots.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// List takes the present state as a snapshot of sub would, with all that is done
// under the hub's lock.
func (h *Hub) List(sub *Subscription) { h.snapshot(sub, Variant{Snapshot: true}).release() }

// Places returns how many records the present state holds, superseded ones too.
func (h *Hub) Places() int {
	h.present.mu.Lock()
	defer h.present.mu.Unlock()
	return len(h.present.shelf.places)
}

// Dispatch takes a record as if the log had handed it over.
func (h *Hub) Dispatch(rec *Record) { h.dispatch(rec) }

// IndexKeys returns how many keys the hub's index has.
func (h *Hub) IndexKeys() int { return (&Index{index: h.index}).Keys() }

// Frame returns the block that streams of sub are shown of rec, nil for none.
func (h *Hub) Frame(rec *Record, sub *Subscription) []byte {
	r := rendering{hub: h, rec: rec}
	data, _ := r.frame(sub, Variant{})
	return data
}

// Show returns the data of e as the subscription shows it.
func (s *Subscription) Show(e *Event) (data []byte, ok bool) {
	m, ok := s.match(e, &e.Attributes)
	if !ok {
		return nil, false
	}
	return appendEvent(nil, e, m), true
}

// Matches reports whether the subscription shows e.
func (s *Subscription) Matches(e *Event) bool {
	_, ok := s.match(e, &e.Attributes)
	return ok
}

// GapTypes returns those of the gap's types that the subscription can show.
func (s *Subscription) GapTypes(g *Gap) []string { return s.gapTypes(g) }

// Visible returns what the lists of a grant let out of value.
func Visible(fields, redact []string, root string, value []byte) ([]byte, bool) {
	g := canonicalGrant(Grant{Fields: fields, Redact: redact})
	return newMask(g.Fields, g.Redact).appendVisible(nil, root, value)
}

// Hides reports whether the lists of a grant hide the member at path.
func Hides(fields, redact []string, path string) bool {
	g := canonicalGrant(Grant{Fields: fields, Redact: redact})
	return newMask(g.Fields, g.Redact).hides(path)
}

// The scanners.
var (
	EachMember = eachMember
	Unquote    = unquote
)

// Index is the hub's index, with a feed for each subscription.
type Index struct {
	index *index
	feeds map[*Subscription]*Feed
}

func NewIndex() *Index { return &Index{newIndex(), make(map[*Subscription]*Feed)} }

func (x *Index) Add(s *Subscription) {
	x.feeds[s] = newFeed(s, Variant{})
	x.index.add(x.feeds[s])
}

func (x *Index) Remove(s *Subscription) {
	x.index.remove(x.feeds[s])
	delete(x.feeds, s)
}

// Candidates returns the subscriptions whose feeds may match e, some repeatedly.
func (x *Index) Candidates(e *Event) (subs []*Subscription) {
	x.index.candidates(e, lowerASCII(e.ID), func(f *Feed) { subs = append(subs, f.sub) })
	return subs
}

// Keys returns how many keys the index has.
func (x *Index) Keys() (n int) {
	for _, m := range x.index {
		n += len(m)
	}
	return n
}

// Stands returns how often the feed of s stands in the index.
func (x *Index) Stands(s *Subscription) (n int) {
	for _, m := range x.index {
		for _, feeds := range m {
			n += len(slices.DeleteFunc(slices.Clone(feeds), func(f *Feed) bool { return f != x.feeds[s] }))
		}
	}
	return n
}

// Deadlines are those that a stream drew.
type Deadlines struct{ Warn, Expires, Dies time.Time }

// Deadlines returns the stream's.
func (s *Stream) Deadlines() Deadlines { return Deadlines{s.clock.warn, s.clock.expires, s.clock.dies} }

// MaxIdleFeeds is how many feeds without streams are kept.
const MaxIdleFeeds = maxIdleFeeds
