package gateway

import "slices"

// match reports whether the subscription shows e and, if so, behind which mask.
// Which grant lets an event in is settled before the query is looked at.
func (s *Subscription) match(e *Event) (*mask, bool) {
	id := lowerASCII(e.ID)
	for i := range s.rules {
		if r := &s.rules[i]; r.allows(e, id) {
			return r.mask, s.query.holds(e, id, r.mask)
		}
	}
	return nil, false
}

func (r *rule) allows(e *Event, id string) bool {
	if !r.sources.allows(e.Source) || !r.types.allows(e.Type) || !r.ids.allows(id) {
		return false
	}
	for a, values := range r.attrs {
		if values != nil && !values.has(e.attribute(attribute(a))) {
			return false
		}
	}
	return true
}

func (q *query) holds(e *Event, id string, m *mask) bool {
	if !q.sources.allows(e.Source) || !q.types.allows(e.Type) || !q.ids.allows(id) {
		return false
	}
	s := shapeOf(e.Type)
	for a, values := range q.attrs {
		if values == nil {
			continue
		}
		v := e.attribute(attribute(a))
		if hidesAny(m, s[a]) || !values.has(v) && !concernsAll(e, attribute(a), v) {
			return false
		}
	}
	return q.overlaps(e, s, m)
}

// concernsAll reports a price update whose rate or category is null or absent:
// it is about all of them.
func concernsAll(e *Event, a attribute, v string) bool {
	return v == "" && e.Type == "PriceUpdate" && (a == attrRate || a == attrCategory)
}

// overlaps reports whether the event's interval meets [from, to], all ends
// inclusive and a missing one open. A type that bears an interval matches
// without one, an unknown type does not.
func (q *query) overlaps(e *Event, s *shape, m *mask) bool {
	if !q.dated() {
		return true
	}
	start, end := e.Attributes.Start, e.Attributes.End
	if len(s[attrInterval]) == 0 || hidesAny(m, s[attrInterval]) || s == genericShape && start.IsZero() && end.IsZero() {
		return false
	}
	return (q.from.IsZero() || end.IsZero() || !end.Before(q.from)) &&
		(q.to.IsZero() || start.IsZero() || !start.After(q.to))
}

// dated reports whether the query asks for an interval.
func (q *query) dated() bool { return !q.from.IsZero() || !q.to.IsZero() }

func hidesAny(m *mask, paths []string) bool { return m != nil && slices.ContainsFunc(paths, m.hides) }

func (e *Event) attribute(a attribute) string {
	switch a {
	case attrState:
		return e.Attributes.State
	case attrResource:
		return e.Attributes.Resource
	case attrRate:
		return e.Attributes.Rate
	case attrCategory:
		return e.Attributes.Category
	case attrThread:
		return e.Attributes.Thread
	case attrConversation:
		return e.Attributes.Conversation
	case attrChannel:
		return e.Attributes.Channel
	}
	return ""
}
