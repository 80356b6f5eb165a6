package gateway

import "slices"

// match reports whether the subscription shows e, with the attributes at and its
// id in ASCII lower case, and if so behind which mask. Which grant lets an event in
// is settled before the query is looked at.
func (s *Subscription) match(e *Event, at *Attributes, id string) (*mask, bool) {
	for i := range s.rules {
		if r := &s.rules[i]; r.allows(e, at, id) {
			return r.mask, s.query.holds(e, at, id, r.mask)
		}
	}
	return nil, false
}

// loses reports whether the subscription showed the entity that e tells of until
// e, and does so no more. It is not asked where the subscription shows e. Where
// only what the mask hides has changed, nothing is lost: saying so would tell it.
func (s *Subscription) loses(e *Event, id string) bool {
	if e.Before == nil {
		return false
	}
	m, shown := s.match(e, e.Before, id)
	if !shown || e.Gone {
		return shown
	}
	visible := e.Attributes
	visible.hide(m, shapeOf(e.Type), e.Before)
	_, still := s.match(e, &visible, id)
	return !still
}

// hide puts what was known before in place of all that the mask hides. (Of an
// interval, which only queries read, a hidden end never lets anything match.)
func (at *Attributes) hide(m *mask, sh *shape, before *Attributes) {
	if m == nil {
		return
	}
	for a := range attrInterval {
		if hidesAny(m, sh[a]) {
			*at.text(a) = *before.text(a)
		}
	}
}

func (r *rule) allows(e *Event, at *Attributes, id string) bool {
	if !r.sources.allows(e.Source) || !r.types.allows(e.Type) || !r.ids.allows(id) {
		return false
	}
	for a, values := range r.attrs[:attrInterval] {
		if values != nil && !values.has(*at.text(attribute(a))) {
			return false
		}
	}
	return true
}

func (q *query) holds(e *Event, at *Attributes, id string, m *mask) bool {
	if !q.sources.allows(e.Source) || !q.types.allows(e.Type) || !q.ids.allows(id) {
		return false
	}
	s := shapeOf(e.Type)
	for a, values := range q.attrs[:attrInterval] {
		if values == nil {
			continue
		}
		v := *at.text(attribute(a))
		if hidesAny(m, s[a]) || !values.has(v) && !concernsAll(e, attribute(a), v) {
			return false
		}
	}
	return q.overlaps(at, s, m)
}

// concernsAll reports a price update whose rate or category is null or absent:
// it is about all of them.
func concernsAll(e *Event, a attribute, v string) bool {
	return v == "" && e.Type == "PriceUpdate" && (a == attrRate || a == attrCategory)
}

// overlaps reports whether the event's interval meets [from, to], all ends
// inclusive and a missing one open. A type that bears an interval matches
// without one, an unknown type does not.
func (q *query) overlaps(at *Attributes, s *shape, m *mask) bool {
	if !q.dated() {
		return true
	}
	start, end := at.Start, at.End
	if len(s[attrInterval]) == 0 || hidesAny(m, s[attrInterval]) || s == genericShape && start.IsZero() && end.IsZero() {
		return false
	}
	return (q.from.IsZero() || end.IsZero() || !end.Before(q.from)) &&
		(q.to.IsZero() || start.IsZero() || !start.After(q.to))
}

// dated reports whether the query asks for an interval.
func (q *query) dated() bool { return !q.from.IsZero() || !q.to.IsZero() }

func hidesAny(m *mask, paths []string) bool { return m != nil && slices.ContainsFunc(paths, m.hides) }

// text returns the attribute a, any but the interval.
func (at *Attributes) text(a attribute) *string {
	switch a {
	case attrState:
		return &at.State
	case attrResource:
		return &at.Resource
	case attrRate:
		return &at.Rate
	case attrCategory:
		return &at.Category
	case attrThread:
		return &at.Thread
	case attrConversation:
		return &at.Conversation
	case attrChannel:
		return &at.Channel
	}
	panic("gateway: no attribute of one value")
}
