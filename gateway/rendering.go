package gateway

import (
	"strings"
	"sync"
	"time"
)

// sharedRenderings bounds what is kept in memory of encoded records, beside the
// ring.
const sharedRenderings = 64 << 20

// A rendering is a record with its blocks, each of which is encoded once for all
// who are shown it alike, when it comes and for as long as it is in the ring.
type rendering struct {
	hub   *Hub
	rec   *Record
	id    string // the event's, in ASCII lower case
	links []link // the ring's
	few   [6]link

	mu     sync.Mutex // held while a block is encoded, which others wait for
	stage  stage
	blocks []rendered
}

// A stage says which blocks of a rendering are kept.
type stage int

const (
	passing stage = iota // none: nobody else will ask, or no more
	coming               // all, while the record is brought to the feeds
	staying              // those that there is room for
)

// A class is all who are shown a record alike.
type class struct {
	form    form
	unnamed bool
	by      string // the mask's key, or the types of a gap
}

type form byte

const (
	formEvent form = iota
	formLeft
	formGap
)

type rendered struct {
	class class
	data  []byte
	kept  bool // is counted
}

// A block is what a subscription is shown of a record.
type block struct {
	data     []byte    // nil for nothing
	received time.Time // when an event was received; zero for anything else, whose delivery nobody times
	shared   bool      // the rendering keeps data, too
}

func newRendering(h *Hub, rec *Record, s stage) *rendering {
	r := &rendering{hub: h, rec: rec, stage: s}
	if rec.Event != nil {
		r.id = lowerASCII(rec.Event.ID)
	}
	return r
}

// show returns the record as sub's streams are shown it.
func (r *rendering) show(sub *Subscription, v Variant) block {
	if g := r.rec.Gap; g != nil {
		return r.gap(sub.gapTypes(g))
	}
	e := r.rec.Event
	m, ok := sub.match(e, &e.Attributes, r.id)
	switch {
	case ok && !e.Gone:
		return r.event(m, v)
	case sub.loses(e, r.id):
		return r.once(class{form: formLeft}, r.left)
	}
	return block{}
}

func (r *rendering) event(m *mask, v Variant) block {
	c := class{form: formEvent, unnamed: v.Unnamed}
	if m != nil {
		c.by = m.key
	}
	b := r.once(c, func() []byte { return r.hub.encodeEvent(r.rec, m, v) })
	b.received = r.rec.Event.Received
	return b
}

func (r *rendering) left() []byte {
	e := r.rec.Event
	return r.hub.encode(nil, 0, r.hub.position(r.rec.Seq), nameLeft, marshal(leftData{e.Source, e.Type, e.ID}))
}

func (r *rendering) gap(types []string) block {
	if types == nil {
		return block{}
	}
	return r.once(class{form: formGap, by: strings.Join(types, "\x00")}, func() []byte {
		g := r.rec.Gap
		to := g.To.Add(time.Millisecond - 1) // what is cut off where it is shown must not shorten the gap
		data := marshal(gapData{g.Source, types, stamp(g.From), stamp(to), g.Reason})
		return r.hub.encode(nil, 0, r.hub.position(r.rec.Seq), nameGap, data)
	})
}

// once returns the block of a class, which is made by encode if it is not there.
func (r *rendering) once(c class, encode func() []byte) block {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.blocks {
		if have := &r.blocks[i]; have.class == c {
			return block{data: have.data, shared: have.kept}
		}
	}
	data := encode()
	kept := r.stage != passing && r.hub.rendered.take(len(data))
	if kept || r.stage == coming {
		r.blocks = append(r.blocks, rendered{c, data, kept})
	}
	return block{data: data, shared: kept}
}

// stay says that the record has been brought to all feeds.
func (r *rendering) stay() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stage = staying
	kept := r.blocks[:0]
	for _, b := range r.blocks {
		if b.kept {
			kept = append(kept, b)
		}
	}
	clear(r.blocks[len(kept):])
	r.blocks = kept
}

// drop forgets the blocks, for good.
func (r *rendering) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blocks {
		if b.kept {
			r.hub.rendered.take(-len(b.data))
		}
	}
	r.stage, r.blocks = passing, nil
}

// same reports whether both masks hide the same.
func (m *mask) same(other *mask) bool {
	return m == other || m != nil && other != nil && m.key == other.key
}

func (h *Hub) encodeEvent(rec *Record, m *mask, v Variant) []byte {
	name := rec.Event.Type
	if v.Unnamed {
		name = ""
	}
	body := appendEvent(make([]byte, 0, len(rec.Event.Object)+len(rec.Event.Entity)+256), rec.Event, m)
	return h.encode(make([]byte, 0, len(body)+len(name)+64), 0, h.position(rec.Seq), name, body)
}

func (h *Hub) position(seq uint64) string { return string(h.log.AppendPosition(nil, seq)) }
