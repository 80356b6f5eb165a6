package gateway

import "slices"

// A selector says where the index keeps a subscription for one of its rules:
// under the values of its most selective attribute, or under pairs of source
// and type.
type selector struct {
	by     dimension
	values []string // for byPair: source, a NUL, type
}

type dimension int

// The dimensions of the index, the most selective first.
const (
	byID dimension = iota
	byThread
	byConversation
	byResource
	byChannel
	byPair
	dimensions
)

// maxPairs bounds the pairs of one selector; beyond them it stands under all
// types of its sources.
const maxPairs = 1024

func pair(source, typ string) string { return source + "\x00" + typ }

// selector returns where to find the subscription for what r lets in.
func (s *Subscription) selector(r *rule) selector {
	q := &s.query
	for by, sets := range [...][2]set{
		byID:           {r.ids, q.ids},
		byThread:       {r.attrs[attrThread], q.attrs[attrThread]},
		byConversation: {r.attrs[attrConversation], q.attrs[attrConversation]},
		byResource:     {r.attrs[attrResource], q.attrs[attrResource]},
		byChannel:      {r.attrs[attrChannel], q.attrs[attrChannel]},
	} {
		if values, narrowed := intersect(sets[0], sets[1]); narrowed {
			return selector{dimension(by), values}
		}
	}
	return selector{byPair, pairs(s, r)}
}

func pairs(s *Subscription, r *rule) []string {
	sources, narrowed := intersect(r.sources, s.query.sources)
	if !narrowed {
		sources = all
	}
	types, narrowed := intersect(r.types, s.query.types)
	if !narrowed || len(sources)*len(types) > maxPairs {
		types = all
	}
	out := make([]string, 0, len(sources)*len(types))
	for _, source := range sources {
		for _, t := range types {
			out = append(out, pair(source, t))
		}
	}
	return out
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

// An index finds the feeds that may match an event without asking every feed.
// It is not safe for concurrent use.
type index [dimensions]map[string][]*Feed

func newIndex() *index {
	var x index
	for i := range x {
		x[i] = make(map[string][]*Feed)
	}
	return &x
}

func (x *index) add(f *Feed) {
	for i := range f.sub.rules {
		keys := &f.sub.rules[i].keys
		for _, v := range keys.values {
			feeds := x[keys.by][v]
			if n := len(feeds); n == 0 || feeds[n-1] != f { // else it stands there for another rule
				x[keys.by][v] = append(feeds, f)
			}
		}
	}
}

func (x *index) remove(f *Feed) {
	for i := range f.sub.rules {
		keys := &f.sub.rules[i].keys
		for _, v := range keys.values {
			x.removeAt(keys.by, v, f)
		}
	}
}

func (x *index) removeAt(by dimension, v string, f *Feed) {
	feeds := x[by][v]
	i := slices.Index(feeds, f)
	if i < 0 {
		return
	}
	last := len(feeds) - 1
	feeds[i], feeds[last] = feeds[last], nil
	if last == 0 {
		delete(x[by], v)
		return
	}
	x[by][v] = feeds[:last]
}

// candidates calls f with every feed that may match e, or may have matched what
// was before it, some of them repeatedly.
func (x *index) candidates(e *Event, id string, f func(*Feed)) {
	each(x[byID][id], f)
	x.byAttributes(&e.Attributes, f)
	if e.Before != nil && *e.Before != e.Attributes {
		x.byAttributes(e.Before, f)
	}
	for _, source := range [...]string{e.Source, "*"} {
		for _, typ := range [...]string{e.Type, "*"} {
			each(x[byPair][pair(source, typ)], f)
		}
	}
}

func (x *index) byAttributes(a *Attributes, f func(*Feed)) {
	for by, v := range [...]string{byThread: a.Thread, byConversation: a.Conversation, byResource: a.Resource, byChannel: a.Channel} {
		if v != "" {
			each(x[by][v], f)
		}
	}
}

func each(feeds []*Feed, f func(*Feed)) {
	for _, feed := range feeds {
		f(feed)
	}
}
