package web

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bellhop/gateway"
)

// Limits of a query.
const (
	maxQuery  = 8 << 10 // bytes
	maxValues = 200     // of one parameter
)

// The parameters that may stand for the header Last-Event-ID.
const (
	resumeName         = "last_event_id"
	resumeNamePolyfill = "lastEventId"
)

// notFilters are the parameters that say how a stream begins and what form its
// events have, not which they are.
var notFilters = []string{resumeName, resumeNamePolyfill, "since", "snapshot", "as"}

// streamQuery is what the query of GET /events says.
type streamQuery struct {
	filter   gateway.Query
	text     string // what of the raw query filter comes from: equal texts, equal filters
	snapshot bool
	since    time.Time
	unnamed  bool
	resume   string
}

// parseQuery reads a raw query. The parameter named ignore, that of the token,
// is passed over. A parameter that is not known, or a value that is not right, is
// a problem that names the parameter: a mistyped filter must not become
// "everything".
func parseQuery(raw, ignore string) (streamQuery, *problem) {
	q := queryParser{values: make(map[string][]string)}
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(piece, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !utf8.ValidString(name) {
			return streamQuery{}, new(problemQuery("", "a parameter's name is malformed"))
		}
		if name == ignore && ignore != "" {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) {
			if name != resumeName && name != resumeNamePolyfill {
				return streamQuery{}, new(problemQuery(name, "the value is malformed"))
			}
			value = rawValue // not a position, which is no error
		}
		q.values[name] = append(q.values[name], value)
		q.names = append(q.names, name)
		if !slices.Contains(notFilters, name) {
			q.filters = append(append(q.filters, piece...), '&')
		}
	}
	return q.parse()
}

// queryParser takes the parameters out of values, one after another.
type queryParser struct {
	values  map[string][]string
	names   []string // as they came
	filters []byte   // the pieces that are filters, as they came
	fault   *problem
}

func (q *queryParser) parse() (streamQuery, *problem) {
	known := streamQuery{
		resume: firstNonEmpty(q.take(resumeName), q.take(resumeNamePolyfill)),
		filter: gateway.Query{
			Sources: q.list("source"), Types: q.list("type"), IDs: q.list("id"), States: q.list("state"),
			Resources: q.list("resource"), Rates: q.list("rate"), Categories: q.list("category"),
			Threads: q.list("thread"), Conversations: q.list("conversation"), Channels: q.list("channel"),
			From: q.time("from"), To: q.time("to"),
		},
		since:    q.time("since"),
		snapshot: q.oneOf("snapshot", "true", "false") == "true",
		unnamed:  q.oneOf("as", "message") != "",
		text:     string(q.filters),
	}
	for _, name := range q.names {
		if _, left := q.values[name]; left {
			q.fail(tellable(name), "there is no such parameter")
		}
	}
	if f := known.filter; !f.From.IsZero() && !f.To.IsZero() && f.From.After(f.To) {
		q.fail("from", "it is after to")
	}
	if known.snapshot && !known.since.IsZero() {
		q.fail("since", "it cannot go with snapshot")
	}
	return known, q.fault
}

// tellable returns a parameter's name as an answer may repeat it; what is no
// name may be a token at the wrong place.
func tellable(name string) string {
	plain := func(r rune) bool { return r == '_' || r == '-' || 'a' <= r|0x20 && r|0x20 <= 'z' }
	if len(name) > 32 || strings.TrimFunc(name, plain) != "" {
		return ""
	}
	return name
}

func (q *queryParser) fail(name, detail string) {
	if q.fault == nil {
		q.fault = new(problemQuery(name, detail))
	}
}

func (q *queryParser) take(name string) []string {
	values := q.values[name]
	delete(q.values, name)
	return values
}

// list returns the values of a parameter that may repeat, and may list several
// by commas.
func (q *queryParser) list(name string) []string {
	var out []string
	for _, value := range q.take(name) {
		for v := range strings.SplitSeq(value, ",") {
			if v == "" {
				q.fail(name, "a value is empty")
			}
			out = append(out, v)
		}
	}
	if len(out) > maxValues {
		q.fail(name, "there are more than 200 values")
	}
	return out
}

// one returns the value of a parameter that takes one.
func (q *queryParser) one(name string) (string, bool) {
	values := q.take(name)
	switch {
	case len(values) == 0:
		return "", false
	case len(values) > 1:
		q.fail(name, "it takes one value")
	case values[0] == "":
		q.fail(name, "the value is empty")
	}
	return values[0], true
}

// dateTime is the grammar of RFC 3339, section 5.6, from which package time
// strays: it takes an hour of one digit, a decimal comma and any offset.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func (q *queryParser) time(name string) time.Time {
	value, ok := q.one(name)
	if !ok {
		return time.Time{}
	}
	value = strings.ToUpper(value) // the letters' case does not matter
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || !dateTime.MatchString(value) {
		q.fail(name, "it wants a time like 2026-11-21T08:00:00Z (RFC 3339)")
	}
	if t.IsZero() {
		return t.Add(1) // the zero time means that there is none
	}
	return t
}

func (q *queryParser) oneOf(name string, allowed ...string) string {
	value, ok := q.one(name)
	if !ok {
		return ""
	}
	if slices.Contains(allowed, value) {
		return value
	}
	q.fail(name, "it wants "+strings.Join(allowed, " or "))
	return ""
}

func firstNonEmpty(lists ...[]string) string {
	for _, list := range lists {
		for _, v := range list {
			if v != "" {
				return v
			}
		}
	}
	return ""
}
