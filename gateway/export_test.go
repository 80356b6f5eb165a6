package gateway

import (
	"encoding/json"
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
func (h *Hub) IndexKeys() int { return len(h.index.stands) }

// Frame returns the block that streams of sub are shown of rec, nil for none.
func (h *Hub) Frame(rec *Record, sub *Subscription) []byte {
	return h.FrameAs(rec, sub, Variant{})
}

// Show returns the data of e as the subscription shows it.
func (s *Subscription) Show(e *Event) (data []byte, ok bool) {
	m, ok := s.match(e, &e.Attributes, lowerASCII(e.ID))
	if !ok {
		return nil, false
	}
	return appendEvent(nil, e, m), true
}

// Matches reports whether the subscription shows e.
func (s *Subscription) Matches(e *Event) bool {
	_, ok := s.match(e, &e.Attributes, lowerASCII(e.ID))
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
	x.index.candidates(x.index.appendKeys(nil, e, lowerASCII(e.ID)), func(f *Feed) { subs = append(subs, f.sub) })
	return subs
}

// Keys returns how many keys the index has.
func (x *Index) Keys() int { return len(x.index.stands) }

// Stands returns how often the feed of s stands in the index.
func (x *Index) Stands(s *Subscription) (n int) {
	for _, list := range x.index.stands {
		n += len(slices.DeleteFunc(slices.Clone(list), func(at stand) bool { return at.feed != x.feeds[s] }))
	}
	return n
}

// Deadlines are those that a stream drew.
type Deadlines struct{ Warn, Expires, Dies time.Time }

// Deadlines returns the stream's.
func (s *Stream) Deadlines() Deadlines {
	d := Deadlines{Warn: time.Unix(0, s.clock.warn), Expires: time.Unix(0, s.clock.ends)}
	if s.clock.dies != 0 {
		d.Dies = s.hub.zero.Add(s.clock.dies)
	}
	return d
}

// MaxIdleFeeds is how many feeds without streams are kept.
const MaxIdleFeeds = maxIdleFeeds

// SetPasts bounds what is kept of feeds' lists, and of encoded records. It is to
// be called before anything is dispatched.
func (h *Hub) SetPasts(frames, rendered int) { h.pasts.limit, h.rendered.limit = frames, rendered }

// Floor returns the sequence from which on everything is in memory.
func (h *Hub) Floor() uint64 { return h.floor() }

// Tidy does what is done of time to time, as if it were that late.
func (h *Hub) Tidy(now time.Time) { h.tidy(now) }

// Pasts returns how many feeds have a past, and what the pasts and what is kept of
// encoded records take: as counted, and as it is.
func (h *Hub) Pasts() (pasts, counted, taken, renderedCounted, rendered int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.feeds {
		if f.past != nil {
			pasts++
			for _, frame := range f.past.frames {
				taken += frame.size()
			}
		}
	}
	for _, r := range h.ring.records {
		for _, b := range r.blocks {
			rendered += len(b.data)
		}
	}
	return pasts, h.pasts.taken, taken, h.rendered.taken, rendered
}

// FrameAs returns the block that streams of sub are shown of rec in a form, nil
// for none.
func (h *Hub) FrameAs(rec *Record, sub *Subscription, v Variant) []byte {
	return newRendering(h, rec, passing).show(sub, v).data
}

// Len returns how many subscriptions are kept.
func (s *Subscriptions) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.recent) + len(s.older)
}

// ReadHead reads the head of a stored record.
func ReadHead(head []byte) (any, error) { return readHead(head) }

// ReadHeadAsJSON reads it with encoding/json alone.
func ReadHeadAsJSON(head []byte) (any, error) {
	var h recordHead
	err := json.Unmarshal(head, &h)
	return h, err
}

// HeadAsJSON returns a head as encoding/json writes it.
func HeadAsJSON(head []byte) ([]byte, error) {
	h, err := ReadHeadAsJSON(head)
	if err != nil {
		return nil, err
	}
	return json.Marshal(h)
}

// OlderBytes returns what is kept of pages of the log, as counted.
func (h *Hub) OlderBytes() int {
	h.older.mu.Lock()
	defer h.older.mu.Unlock()
	return h.older.bytes
}

// OlderHeld returns the same, as it is.
func (h *Hub) OlderHeld() (n int) {
	h.older.mu.Lock()
	defer h.older.mu.Unlock()
	for _, p := range h.older.pages {
		for _, r := range p.records {
			n += r.rec.size()
		}
	}
	return n
}
