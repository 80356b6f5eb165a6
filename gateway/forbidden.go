package gateway

import "slices"

// Forbidden says that no grant can give what a query asks for.
type Forbidden struct {
	Parameter string // of the query; empty when there is no grant at all
	Reason    string // fit for the client
}

func (f *Forbidden) Error() string {
	if f.Parameter == "" {
		return f.Reason
	}
	return f.Parameter + ": " + f.Reason
}

// permits returns why the canonical query q is refused, or nil: a mistyped or
// overreaching filter is said at once instead of giving an empty stream.
func (s *Subscription) permits(q Query) error {
	if len(s.rules) == 0 {
		return &Forbidden{Reason: "no grant of this token has a source that its issuer may give"}
	}
	filters := filtersOf(q)
	for _, f := range filters {
		for _, v := range f.values {
			if !slices.ContainsFunc(s.rules, func(r rule) bool { return f.of(&r).allows(v) }) {
				return &Forbidden{Parameter: f.parameter, Reason: "no grant allows one of the values"}
			}
		}
	}
	if !slices.ContainsFunc(s.rules, func(r rule) bool { return allowsSome(&r, filters) }) {
		return &Forbidden{Parameter: lastNarrowed(s.rules, filters), Reason: "no single grant allows a value of each parameter"}
	}
	for _, f := range filters {
		if s.hiddenFrom(f) {
			return &Forbidden{Parameter: f.parameter, Reason: "it reads only members that every grant hides"}
		}
	}
	return nil
}

// A filter is one parameter of a query.
type filter struct {
	parameter string
	values    []string
	attr      attribute // attrCount for source, type and id
	of        func(*rule) set
}

// filtersOf returns the parameters that q has, in the order of the contract.
func filtersOf(q Query) []filter {
	attr := func(name string, values []string, a attribute) filter {
		return filter{name, values, a, func(r *rule) set { return r.attrs[a] }}
	}
	given := []filter{
		{"source", q.Sources, attrCount, func(r *rule) set { return r.sources }},
		{"type", q.Types, attrCount, func(r *rule) set { return r.types }},
		{"id", q.IDs, attrCount, func(r *rule) set { return r.ids }},
		attr("state", q.States, attrState),
		attr("resource", q.Resources, attrResource),
		attr("rate", q.Rates, attrRate),
		attr("category", q.Categories, attrCategory),
		attr("thread", q.Threads, attrThread),
		attr("conversation", q.Conversations, attrConversation),
		attr("channel", q.Channels, attrChannel),
	}
	given = slices.DeleteFunc(given, func(f filter) bool { return f.values == nil })
	if !q.From.IsZero() {
		given = append(given, attr("from", nil, attrInterval))
	}
	if !q.To.IsZero() {
		given = append(given, attr("to", nil, attrInterval))
	}
	return given
}

func allowsSome(r *rule, filters []filter) bool {
	return !slices.ContainsFunc(filters, func(f filter) bool {
		return f.values != nil && !slices.ContainsFunc(f.values, f.of(r).allows)
	})
}

// lastNarrowed names the last parameter that some grant narrows, the likeliest
// to be at fault.
func lastNarrowed(rules []rule, filters []filter) string {
	for _, f := range slices.Backward(filters) {
		if f.values != nil && slices.ContainsFunc(rules, func(r rule) bool { return f.of(&r) != nil }) {
			return f.parameter
		}
	}
	return ""
}

// hiddenFrom reports whether every member that the filter can read, of any type
// that grants and query allow, is hidden by the grant.
func (s *Subscription) hiddenFrom(f filter) bool {
	if f.attr == attrCount {
		return false
	}
	reads := false
	for i := range s.rules {
		for _, sh := range s.shapesUnder(&s.rules[i]) {
			for _, path := range sh[f.attr] {
				if !s.rules[i].mask.hides(path) {
					return false
				}
				reads = true
			}
		}
	}
	return reads
}
