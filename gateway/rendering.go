package gateway

import (
	"slices"
	"time"
)

// A rendering has a record encoded at most once for each class of permission.
type rendering struct {
	hub  *Hub
	rec  *Record
	made []rendered
	left []byte // the entity's leaving, the same for all who are told
}

type rendered struct {
	mask    *mask
	variant Variant
	data    []byte
}

// frame returns the record as sub's streams are shown it, nil if they are not,
// and when an event that they are shown was received; the zero time for anything
// else, whose delivery nobody times.
func (r *rendering) frame(sub *Subscription, v Variant) (data []byte, received time.Time) {
	if g := r.rec.Gap; g != nil {
		return r.gap(sub), time.Time{}
	}
	e := r.rec.Event
	m, ok := sub.match(e, &e.Attributes)
	switch {
	case ok && !e.Gone:
		return r.event(m, v), e.Received
	case sub.loses(e):
		return r.leaving(), time.Time{}
	}
	return nil, time.Time{}
}

func (r *rendering) gap(sub *Subscription) []byte {
	g := r.rec.Gap
	types := sub.gapTypes(g)
	if types == nil {
		return nil
	}
	to := g.To.Add(time.Millisecond - 1) // what is cut off where it is shown must not shorten the gap
	data := marshal(gapData{g.Source, types, stamp(g.From), stamp(to), g.Reason})
	return r.hub.encode(nil, 0, r.hub.position(r.rec.Seq), nameGap, data)
}

func (r *rendering) event(m *mask, v Variant) []byte {
	v.Snapshot = false // an event is the same for both
	i := slices.IndexFunc(r.made, func(made rendered) bool { return made.mask.same(m) && made.variant == v })
	if i < 0 {
		i = len(r.made)
		r.made = append(r.made, rendered{m, v, r.hub.encodeEvent(r.rec, m, v)})
	}
	return r.made[i].data
}

func (r *rendering) leaving() []byte {
	if r.left == nil {
		e := r.rec.Event
		r.left = r.hub.encode(nil, 0, r.hub.position(r.rec.Seq), nameLeft, marshal(leftData{e.Source, e.Type, e.ID}))
	}
	return r.left
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
