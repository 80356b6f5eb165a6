package gateway

import "slices"

// Shows reports whether the subscription can show anything of the source.
func (s *Subscription) Shows(source string) bool {
	return s.query.sources.allows(source) && slices.ContainsFunc(s.rules, func(r rule) bool {
		return r.live && r.sources.allows(source)
	})
}

// gapTypes returns those of a gap's types of which the subscription can show
// anything.
func (s *Subscription) gapTypes(g *Gap) []string {
	if !s.query.sources.allows(g.Source) {
		return nil
	}
	var types []string
	for _, t := range g.Types {
		if s.query.types.allows(t) && slices.ContainsFunc(s.rules, func(r rule) bool {
			return r.sources.allows(g.Source) && r.types.allows(t) && s.fits(&r, shapeOf(t))
		}) {
			types = append(types, t)
		}
	}
	return types
}

// fits reports whether rule and query can let in any event of a type that they
// allow and that has the shape.
func (s *Subscription) fits(r *rule, sh *shape) bool {
	q := &s.query
	if disjoint(r.ids, q.ids) || q.dated() && unreadable(sh, attrInterval, r.mask) {
		return false
	}
	for a := range attrCount {
		if r.attrs[a] != nil && len(sh[a]) == 0 || q.attrs[a] != nil && unreadable(sh, a, r.mask) {
			return false
		}
		if disjoint(r.attrs[a], q.attrs[a]) {
			return false
		}
	}
	return true
}

// unreadable reports an attribute that events of the shape cannot have, or that
// the mask hides: no filter on it holds.
func unreadable(sh *shape, a attribute, m *mask) bool {
	return len(sh[a]) == 0 || hidesAny(m, sh[a])
}

func disjoint(a, b set) bool {
	both, narrowed := intersect(a, b)
	return narrowed && len(both) == 0
}

// shapesUnder returns the shapes of the types that the rule and the query allow.
func (s *Subscription) shapesUnder(r *rule) []*shape {
	var out []*shape
	narrowest := r.types
	if narrowest == nil {
		narrowest = s.query.types
	}
	if narrowest == nil {
		for _, sh := range shapes {
			out = append(out, sh)
		}
		return append(out, genericShape)
	}
	for t := range narrowest {
		if r.types.allows(t) && s.query.types.allows(t) {
			out = append(out, shapeOf(t))
		}
	}
	return out
}

// named returns the sources that the subscription names and can show, sorted:
// those of the query, or else those of the grants.
func (s *Subscription) named() []string {
	names := make(set)
	for i := range s.rules {
		for source := range s.rules[i].sources {
			names[source] = struct{}{}
		}
	}
	if s.query.sources != nil {
		names = s.query.sources
	}
	var out []string
	for source := range names {
		if s.Shows(source) {
			out = append(out, source)
		}
	}
	slices.Sort(out)
	return out
}
