package mews

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// shelf is an upstream's rows and the manner in which it gives them.
type shelf struct {
	list    string
	filter  string
	rows    []shelved
	most    int                           // rows of a page, whatever is asked for
	tooMuch func(span, count int) bool    // seconds and rows: 408
	turn    func(n int, c apiCall) answer // instead of the n-th answer, nil for none

	sorted bool
	calls  int
	asked  []string // "from to count cursor", in seconds after noon
}

type shelved struct {
	id         string
	start, end time.Time // of what the filter looks at: equal for an update
}

// query is what a request asks of a shelf.
type query struct {
	from, to time.Time
	count    int
	cursor   string
}

func (s *shelf) read(c apiCall) query {
	limitation, _ := c.body["Limitation"].(map[string]any)
	count, _ := limitation["Count"].(float64)
	cursor, _ := limitation["Cursor"].(string)
	q := query{from: noon.AddDate(-10, 0, 0), to: noon.AddDate(10, 0, 0), count: int(count), cursor: cursor}
	if interval, ok := c.body[s.filter].(map[string]any); ok {
		q.from, _ = time.Parse(time.RFC3339, fmt.Sprint(interval["StartUtc"]))
		q.to, _ = time.Parse(time.RFC3339, fmt.Sprint(interval["EndUtc"]))
	}
	return q
}

func (s *shelf) serve(w http.ResponseWriter, c apiCall) {
	q := s.read(c)
	s.asked = append(s.asked, fmt.Sprintf("%.0f %.0f %d %s", q.from.Sub(noon).Seconds(), q.to.Sub(noon).Seconds(), q.count, q.cursor))
	s.calls++
	if s.turn != nil {
		if a := s.turn(s.calls, c); a != nil {
			a(w)
			return
		}
	}
	span := int(q.to.Sub(q.from).Seconds())
	switch {
	case q.count < 1 || q.count > 1000 || s.filter != "" && (q.to.Before(q.from) || q.to.After(q.from.AddDate(0, 3, 0))):
		status(400)(w)
	case s.tooMuch != nil && s.tooMuch(span, q.count):
		status(408)(w)
	default:
		say(200, s.page(q))(w)
	}
}

// page gives rows newest first, from behind the cursor on.
func (s *shelf) page(q query) string {
	if !s.sorted {
		slices.SortFunc(s.rows, func(a, b shelved) int { return cmp.Or(b.end.Compare(a.end), strings.Compare(a.id, b.id)) })
		s.sorted = true
	}
	matching := slices.DeleteFunc(slices.Clone(s.rows), func(r shelved) bool { return r.start.After(q.to) || r.end.Before(q.from) })
	at := slices.IndexFunc(matching, func(r shelved) bool { return r.id == q.cursor }) + 1
	count := q.count
	if s.most > 0 {
		count = min(count, s.most)
	}
	page := matching[at:min(at+count, len(matching))]
	cursor := "null"
	var b strings.Builder
	for i, r := range page {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Id":%q,"UpdatedUtc":%q}`, r.id, r.end.Format(time.RFC3339))
		cursor = fmt.Sprintf("%q", r.id)
	}
	return fmt.Sprintf(`{"%s":[%s],"Cursor":%s}`, s.list, b.String(), cursor)
}

// collect is a read's taker. It holds each part against what is promised of it.
type collect struct {
	t    *testing.T
	ids  []string
	most int // rows of a part
}

func (c *collect) take(rows []row) error {
	c.most = max(c.most, len(rows))
	if !slices.IsSortedFunc(rows, func(a, b row) int { return a.updated.Compare(b.updated) }) {
		c.t.Error("a part is not in order")
	}
	c.ids = append(c.ids, idsOf(rows)...)
	return nil
}

var ample = apiOptions{budget: Budget{Requests: 1_000_000, Per: time.Second}}

func seconds(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
