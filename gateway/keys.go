package gateway

import (
	"hash/maphash"
	"math/bits"
)

// A key is something that an event can be found by: the value of one of its
// attributes, or its source and type, of which "*" stands for every one.
type key struct {
	by    dimension
	value string // for byPair the source
	typ   string // for byPair only
}

type dimension int

// The dimensions of keys, the most selective first.
const (
	byID dimension = iota
	byThread
	byConversation
	byResource
	byChannel
	byPair
	byGap // of no subscription: every gap concerns every one
)

// maxPairs bounds the pairs of one rule; beyond them it is found under all types
// of its sources.
const maxPairs = 1024

// keysOf returns all keys of the subscription, each once: what it may show is
// found under one of them.
func (s *Subscription) keysOf() (keys []key) {
	known := make(map[key]struct{})
	for i := range s.rules {
		for _, k := range s.keysFor(&s.rules[i]) {
			if _, repeated := known[k]; !repeated {
				known[k] = struct{}{}
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// keysFor returns where to find what r lets in: under the values of its most
// selective attribute, or under pairs of source and type.
func (s *Subscription) keysFor(r *rule) (keys []key) {
	q := &s.query
	for by, sets := range [...][2]set{
		byID:           {r.ids, q.ids},
		byThread:       {r.attrs[attrThread], q.attrs[attrThread]},
		byConversation: {r.attrs[attrConversation], q.attrs[attrConversation]},
		byResource:     {r.attrs[attrResource], q.attrs[attrResource]},
		byChannel:      {r.attrs[attrChannel], q.attrs[attrChannel]},
	} {
		if values, narrowed := intersect(sets[0], sets[1]); narrowed {
			for _, v := range values {
				keys = append(keys, key{by: dimension(by), value: v})
			}
			return keys
		}
	}
	return s.pairs(r)
}

func (s *Subscription) pairs(r *rule) []key {
	sources, narrowed := intersect(r.sources, s.query.sources)
	if !narrowed {
		sources = all
	}
	types, narrowed := intersect(r.types, s.query.types)
	if !narrowed || len(sources)*len(types) > maxPairs {
		types = all
	}
	keys := make([]key, 0, len(sources)*len(types))
	for _, source := range sources {
		for _, t := range types {
			keys = append(keys, key{byPair, source, t})
		}
	}
	return keys
}

// intersect returns the values that both sets allow, and whether either of them
// restricts at all.
func intersect(a, b set) ([]string, bool) {
	if a == nil {
		a, b = b, a
	}
	if a == nil {
		return nil, false
	}
	var out []string
	for v := range a {
		if b.allows(v) {
			out = append(out, v)
		}
	}
	return out, true
}

// A hasher gives keys the numbers that index and ring know them by. What two
// keys have in common by chance costs a look more: whoever is found is asked.
type hasher struct {
	seed maphash.Seed
	star uint64 // the hash of "*"
	// everything is the hash of the pair of both stars, gap that of all gaps.
	everything, gap uint64
}

func newHasher() hasher {
	h := hasher{seed: maphash.MakeSeed()}
	h.star = h.text("*")
	h.everything = mix(byPair, h.star, h.star)
	h.gap = mix(byGap, 0, 0)
	return h
}

func (h *hasher) text(s string) uint64 { return maphash.String(h.seed, s) }

func (h *hasher) of(k key) uint64 {
	if k.by == byPair {
		return mix(byPair, h.text(k.value), h.text(k.typ))
	}
	return mix(k.by, h.text(k.value), 0)
}

func mix(by dimension, a, b uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15
	hi, lo := bits.Mul64(a+uint64(by)*odd^bits.RotateLeft64(b, 31), odd)
	return hi ^ lo
}

// appendKeys appends the hashes of all keys under which what shows e, or may have
// shown what was before it, can stand, but for everything.
func (h *hasher) appendKeys(dst []uint64, e *Event, id string) []uint64 {
	dst = append(dst, mix(byID, h.text(id), 0))
	dst = h.appendAttributes(dst, &e.Attributes, &Attributes{})
	if e.Before != nil && e.Before != &e.Attributes {
		dst = h.appendAttributes(dst, e.Before, &e.Attributes)
	}
	source, typ := h.text(e.Source), h.text(e.Type)
	return append(dst, mix(byPair, source, typ), mix(byPair, source, h.star), mix(byPair, h.star, typ))
}

// appendAttributes leaves out what is the same in other.
func (h *hasher) appendAttributes(dst []uint64, a, other *Attributes) []uint64 {
	for by, v := range [...][2]string{
		byThread: {a.Thread, other.Thread}, byConversation: {a.Conversation, other.Conversation},
		byResource: {a.Resource, other.Resource}, byChannel: {a.Channel, other.Channel},
	} {
		if v[0] != "" && v[0] != v[1] {
			dst = append(dst, mix(dimension(by), h.text(v[0]), 0))
		}
	}
	return dst
}
