package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Grant is one permission of a token: which events may be seen and which of
// their members. A nil list does not narrow; "*" stands alone and means all, in
// Sources, Types and Threads. Fields and Redact are dotted paths that begin with
// "event." or "entity.".
type Grant struct {
	Sources, Types                                           []string
	States, IDs, Resources, Threads, Conversations, Channels []string
	Fields, Redact                                           []string
}

// Query is what a request asks for. A nil list and a zero time do not narrow.
type Query struct {
	Sources, Types, IDs, States, Resources []string
	Rates, Categories                      []string
	Threads, Conversations, Channels       []string
	From, To                               time.Time
}

// Subscription is what a stream shows: its grants and its query. It is
// immutable, and canonical: grants and queries that mean the same give equal
// ones.
type Subscription struct {
	rules []rule
	query query
	view  string
	text  string // the query, in canonical form
	// keys are where events that it may show are found.
	keys []key
	// names are the sources that grants and query name and that it can show.
	names []string
}

// A set of values, nil for no restriction.
type set map[string]struct{}

func (s set) allows(v string) bool {
	if s == nil {
		return true
	}
	_, ok := s[v]
	return ok
}

// has reports whether v is one of the values; an event that lacks the attribute
// has none of them.
func (s set) has(v string) bool {
	_, ok := s[v]
	return ok && v != ""
}

func newSet(values []string) set {
	if values == nil {
		return nil
	}
	s := make(set, len(values))
	for _, v := range values {
		s[v] = struct{}{}
	}
	return s
}

// all, standing alone in some lists of a grant, means every value. In a query it
// is a value like any other: what is mistyped must not become everything.
var all = []string{"*"}

// A rule is a grant, ready to be asked.
type rule struct {
	sources, types, ids set
	attrs               [attrCount]set
	mask                *mask
	live                bool // whether the query leaves anything that it can let in
}

type query struct {
	sources, types, ids set
	attrs               [attrCount]set
	from, to            time.Time
}

// NewSubscription returns the intersection of grants and q. It returns a
// [Forbidden] that names the parameter when no grant can give what q asks for.
func NewSubscription(grants []Grant, q Query) (*Subscription, error) {
	canonicalGrants := make([]Grant, len(grants))
	for i, g := range grants {
		canonicalGrants[i] = canonicalGrant(g)
	}
	q = canonicalQuery(q)
	s := &Subscription{query: compileQuery(q)}
	for _, g := range canonicalGrants {
		s.rules = append(s.rules, compileRule(g))
	}
	if err := s.permits(q); err != nil {
		return nil, err
	}
	for i := range s.rules {
		r := &s.rules[i]
		r.live = slices.ContainsFunc(s.shapesUnder(r), func(sh *shape) bool { return s.fits(r, sh) })
	}
	s.keys, s.names = s.keysOf(), s.named()
	s.view = s.digest(canonicalGrants, q)
	s.text = queryText(q)
	return s, nil
}

// digest returns the view of canonical grants and query. The order of grants
// counts only where it decides what an event shows.
func (s *Subscription) digest(grants []Grant, q Query) string {
	alternatives := make([]string, len(grants))
	for i, g := range grants {
		alternatives[i] = string(marshal(g))
	}
	if !slices.ContainsFunc(s.rules, func(r rule) bool { return !r.mask.same(s.rules[0].mask) }) {
		slices.Sort(alternatives)
		alternatives = slices.Compact(alternatives)
	}
	from, to := q.From.Format(time.RFC3339Nano), q.To.Format(time.RFC3339Nano)
	q.From, q.To = time.Time{}, time.Time{} // JSON cannot write all that RFC 3339 can say in another zone
	digest := sha256.Sum256(marshal(struct {
		Grants   []string
		Query    Query
		From, To string
	}{alternatives, q, from, to}))
	return hex.EncodeToString(digest[:16])
}

// View is a digest of grants and query, equal wherever and whenever they mean
// the same.
func (s *Subscription) View() string { return s.view }

// Query returns the query's filters in canonical form, as a URL would bear them.
func (s *Subscription) Query() string { return s.text }

func queryText(q Query) string {
	values := make(url.Values)
	for _, f := range filtersOf(q) {
		if f.values != nil {
			values.Set(f.parameter, strings.Join(f.values, ","))
		}
	}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			values.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	return values.Encode()
}

func canonicalGrant(g Grant) Grant {
	return Grant{
		Sources: unlessAll(canonical(g.Sources, nil)), Types: unlessAll(canonical(g.Types, nil)),
		States: canonical(g.States, canonicalState), IDs: canonical(g.IDs, lowerASCII),
		Resources: canonical(g.Resources, lowerASCII), Threads: unlessAll(canonical(g.Threads, lowerASCII)),
		Conversations: canonical(g.Conversations, lowerASCII), Channels: canonical(g.Channels, lowerASCII),
		Fields: canonical(g.Fields, nil), Redact: canonical(g.Redact, lowerASCII),
	}
}

func canonicalQuery(q Query) Query {
	return Query{
		Sources: canonical(q.Sources, nil), Types: canonical(q.Types, nil), IDs: canonical(q.IDs, lowerASCII),
		States: canonical(q.States, canonicalState), Resources: canonical(q.Resources, lowerASCII),
		Rates: canonical(q.Rates, lowerASCII), Categories: canonical(q.Categories, lowerASCII),
		Threads: canonical(q.Threads, lowerASCII), Conversations: canonical(q.Conversations, lowerASCII),
		Channels: canonical(q.Channels, lowerASCII),
		From:     q.From.UTC(), To: q.To.UTC(),
	}
}

// canonical returns the values, each put through f, sorted and without repeats;
// nil stays nil.
func canonical(values []string, f func(string) string) []string {
	if values == nil {
		return nil
	}
	out := slices.Clone(values)
	if f != nil {
		for i := range out {
			out[i] = f(out[i])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unlessAll returns values, nil when they are all there are.
func unlessAll(values []string) []string {
	if slices.Equal(values, all) {
		return nil
	}
	return values
}

func compileRule(g Grant) rule {
	r := rule{sources: newSet(g.Sources), types: newSet(g.Types), ids: newSet(g.IDs), mask: newMask(g.Fields, g.Redact)}
	r.attrs[attrState] = newSet(g.States)
	r.attrs[attrResource] = newSet(g.Resources)
	r.attrs[attrThread] = newSet(g.Threads)
	r.attrs[attrConversation] = newSet(g.Conversations)
	r.attrs[attrChannel] = newSet(g.Channels)
	return r
}

func compileQuery(q Query) query {
	c := query{sources: newSet(q.Sources), types: newSet(q.Types), ids: newSet(q.IDs), from: q.From, to: q.To}
	c.attrs[attrState] = newSet(q.States)
	c.attrs[attrResource] = newSet(q.Resources)
	c.attrs[attrRate] = newSet(q.Rates)
	c.attrs[attrCategory] = newSet(q.Categories)
	c.attrs[attrThread] = newSet(q.Threads)
	c.attrs[attrConversation] = newSet(q.Conversations)
	c.attrs[attrChannel] = newSet(q.Channels)
	return c
}
