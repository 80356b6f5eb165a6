package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	mostIDs    = 1000 // of one filter
	mostRows   = 1000 // of one page
	mostMonths = 3    // of one interval
)

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// mistake is why a call is refused: the client's fault.
type mistake struct {
	status int
	text   string
}

// request reads the members of a call's body, and keeps the first mistake it
// comes upon: after one everything reads as absent. Null is absent too.
type request struct {
	members map[string]json.RawMessage // not read yet
	dialect Dialect
	wrong   *mistake

	// How heavy the call is.
	window time.Duration // the longest of its intervals
	count  int           // of rows that it wants
	rows   int           // that it gets
}

// parse reads a body, or a member, that is an object. Names count as they are
// spelt, which is why a struct would not do.
func parse(data []byte) (*request, bool) {
	q := new(request)
	return q, json.Unmarshal(data, &q.members) == nil && q.members != nil
}

func (q *request) refuse(format string, args ...any) {
	if q.wrong == nil {
		q.wrong = &mistake{http.StatusBadRequest, fmt.Sprintf(format, args...)}
	}
}

func (q *request) has(name string) bool {
	raw, ok := q.members[name]
	return ok && string(raw) != "null"
}

// read decodes a member into v, and reports whether it is there.
func (q *request) read(name string, v any) bool {
	if q.wrong != nil || !q.has(name) {
		delete(q.members, name)
		return false
	}
	err := json.Unmarshal(q.members[name], v)
	delete(q.members, name)
	if err != nil {
		q.refuse("Invalid %s.", name)
	}
	return err == nil
}

// object reads a member that is an object.
func (q *request) object(name string, members func(*request)) bool {
	var raw json.RawMessage
	if !q.read(name, &raw) {
		return false
	}
	inner, ok := parse(raw)
	if !ok {
		q.refuse("Invalid %s.", name)
		return false
	}
	inner.dialect = q.dialect
	members(inner)
	inner.end()
	if inner.wrong != nil {
		q.refuse("Invalid %s: %s", name, inner.wrong.text)
	}
	return q.wrong == nil
}

// end refuses what no document knows, so that a misspelt member is noticed.
func (q *request) end() {
	if unknown := slices.Sorted(maps.Keys(q.members)); len(unknown) > 0 && !q.dialect.Lenient {
		q.refuse("Unknown parameter %.40q.", unknown[0])
	}
}

func (q *request) text(name string) string {
	var s string
	q.read(name, &s)
	return s
}

func (q *request) flag(name string) bool {
	var on bool
	q.read(name, &on)
	return on
}

// texts reads a list of up to most; nil when it is absent. An empty one is
// refused: no document says whether it asks for nothing or for everything.
func (q *request) texts(name string, most int) []string {
	var list []string
	if !q.read(name, &list) {
		return nil
	}
	switch {
	case len(list) == 0:
		q.refuse("Invalid %s: it is empty.", name)
	case len(list) > most:
		q.refuse("Invalid %s: more than %d items.", name, most)
	}
	return list
}

// ids reads a list of ids, in lower case.
func (q *request) ids(name string, most int) []string {
	list := q.texts(name, most)
	for i, id := range list {
		if !guid.MatchString(id) {
			q.refuse("Invalid %s: not an identifier.", name)
		}
		list[i] = strings.ToLower(id)
	}
	return list
}

// id reads a single id, in lower case.
func (q *request) id(name string) string {
	id := q.text(name)
	if id != "" && !guid.MatchString(id) {
		q.refuse("Invalid %s: not an identifier.", name)
	}
	return strings.ToLower(id)
}

// own reads ids of which the hotel has only these.
func (q *request) own(name string, most int, known ...string) []string {
	list := q.ids(name, most)
	for _, id := range list {
		if !slices.Contains(known, id) {
			q.refuse("Invalid %s.", name)
		}
	}
	return list
}

// among reads a list of the values of an enumeration.
func (q *request) among(name string, known ...string) []string {
	list := q.texts(name, len(known))
	for _, v := range list {
		if !slices.Contains(known, v) {
			q.refuse("Invalid %s.", name)
		}
	}
	return list
}

// require refuses a call without this member.
func (q *request) require(name string) {
	if !q.has(name) {
		q.refuse("Invalid %s: it is required.", name)
	}
}

// requireAny refuses a call that has none of these members.
func (q *request) requireAny(names ...string) {
	if !slices.ContainsFunc(names, q.has) {
		q.refuse("At least one of %s is required.", strings.Join(names, ", "))
	}
}

// exclude refuses a call that has both members.
func (q *request) exclude(a, b string) {
	if q.has(a) && q.has(b) {
		q.refuse("%s and %s exclude each other.", a, b)
	}
}

// instant reads a time in UTC.
func (q *request) instant(name string) time.Time {
	text := q.text(name)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !strings.HasSuffix(text, "Z") {
		q.refuse("Invalid %s: not a time in UTC.", name)
	}
	return t
}

// interval is closed at both ends, at the lower one by choice.
type interval struct {
	from, to time.Time
	open     bool
}

func (i *interval) holds(t time.Time) bool {
	return !t.Before(i.from) && !t.After(i.to) && !(i.open && t.Equal(i.from))
}

// interval reads one of up to three months; nil when it is absent.
func (q *request) interval(name string) *interval {
	i := &interval{open: q.dialect.ExclusiveStart}
	if !q.object(name, func(inner *request) { i.from, i.to = inner.instant("StartUtc"), inner.instant("EndUtc") }) {
		return nil
	}
	switch {
	case i.to.Before(i.from):
		q.refuse("Invalid %s: it ends before it begins.", name)
	case i.to.After(i.from.AddDate(0, mostMonths, 0)):
		q.refuse("Invalid %s: longer than %d months.", name, mostMonths)
	}
	q.window = max(q.window, i.to.Sub(i.from))
	return i
}

// extent reads the parts of the answer that are wanted.
func (q *request) extent(names ...string) map[string]bool {
	wanted := make(map[string]bool)
	if !q.dialect.Lenient {
		q.require("Extent")
	}
	given := q.object("Extent", func(inner *request) {
		for _, name := range names {
			wanted[name] = inner.flag(name)
		}
	})
	if !given {
		wanted[names[0]] = true
	}
	return wanted
}

// limitation reads which page is wanted.
func (q *request) limitation() (cursor string) {
	q.count = mostRows
	q.object("Limitation", func(inner *request) {
		cursor = inner.id("Cursor")
		inner.require("Count")
		if inner.read("Count", &q.count); q.count < 1 || q.count > mostRows {
			inner.refuse("Count is not between 1 and %d.", mostRows)
		}
	})
	return cursor
}
