package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bellhop/gateway"
	"bellhop/web"
)

func day(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }

func TestQueries(t *testing.T) {
	filter := func(q gateway.Query) web.ParsedQuery { return web.ParsedQuery{Filter: q} }
	for raw, want := range map[string]web.ParsedQuery{
		"":                           {},
		"&&":                         {},
		"source=prague":              filter(gateway.Query{Sources: []string{"prague"}}),
		"source=a&source=b,c":        filter(gateway.Query{Sources: []string{"a", "b", "c"}}),
		"source=a%2Cb":               filter(gateway.Query{Sources: []string{"a", "b"}}),
		"source=a&&source=a&":        filter(gateway.Query{Sources: []string{"a", "a"}}),
		"s%6furce=prague":            filter(gateway.Query{Sources: []string{"prague"}}),
		"type=Resource,airy.message": filter(gateway.Query{Types: []string{"Resource", "airy.message"}}),
		"id=a%20b+c;d=e":             filter(gateway.Query{IDs: []string{"a b c;d=e"}}),
		"state=Dirty":                filter(gateway.Query{States: []string{"Dirty"}}),
		"state=%E2%82%AC":            filter(gateway.Query{States: []string{"€"}}),
		"resource=r&rate=x&category=c&thread=t&conversation=v&channel=h": filter(gateway.Query{
			Resources: []string{"r"}, Rates: []string{"x"}, Categories: []string{"c"},
			Threads: []string{"t"}, Conversations: []string{"v"}, Channels: []string{"h"},
		}),
		"from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z": filter(gateway.Query{From: day(8), To: day(9)}),
		"from=2026-11-21T08:00:00Z&to=2026-11-21T08:00:00Z": filter(gateway.Query{From: day(8), To: day(8)}),
		"from=2026-11-21t08:00:00z":                         filter(gateway.Query{From: day(8)}),
		"from=2026-11-21T09:00:00%2B01:00":                  filter(gateway.Query{From: day(8)}),
		"to=2026-11-21T08:00:00.123456789Z":                 filter(gateway.Query{To: day(8).Add(123456789)}),
		"to=0001-01-01T00:00:00Z":                           filter(gateway.Query{To: time.Time{}.Add(1)}), // not "no end"
		"since=2026-11-21T08:00:00Z":                        {Since: day(8)},
		"since=0001-01-01T00:00:00Z":                        {Since: time.Time{}.Add(1)},
		"since=2026-11-21T08:00:00Z&snapshot=false":         {Since: day(8)},
		"snapshot=true":                                     {Snapshot: true},
		"snapshot=false":                                    {},
		"as=message":                                        {Unnamed: true},
		"last_event_id=e1.5":                                {Resume: "e1.5"},
		"lastEventId=e1.6":                                  {Resume: "e1.6"},
		"lastEventId=e1.6&last_event_id=e1.5":               {Resume: "e1.5"},
		"last_event_id=&lastEventId=e1.6":                   {Resume: "e1.6"},
		"last_event_id=&lastEventId=":                       {},
		"last_event_id":                                     {},
		"last_event_id=&last_event_id=e1.7":                 {Resume: "e1.7"},
		"last_event_id=%zz":                                 {Resume: "%zz"}, // foreign, but no error
		"lastEventId=%ff":                                   {Resume: "%ff"},
		"token=a&token=%zz&source=b":                        filter(gateway.Query{Sources: []string{"b"}}),
		"tok%65n=a":                                         {},
	} {
		got, parameter, ok := web.ParseQuery(raw, "token")
		if !ok {
			t.Errorf("%q: refused for %q", raw, parameter)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
	}
}

func TestRefusedQueries(t *testing.T) {
	for raw, want := range map[string]string{
		"sorce=prague":                     "sorce",
		"Source=prague":                    "Source",
		"source=a&x=1&y=2":                 "x",
		"=a":                               "",
		"%zz=a":                            "",
		"%ff=a":                            "",
		"access_token=a":                   "access_token",
		"source=":                          "source",
		"source":                           "source",
		"source=a,":                        "source",
		"source=,a":                        "source",
		"source=a,,b":                      "source",
		"source=a%2C":                      "source",
		"source=a&source=":                 "source",
		"type=%zz":                         "type",
		"id=%":                             "id",
		"state=%c3%28":                     "state",
		"from=":                            "from",
		"from=yesterday":                   "from",
		"from=2026-11-21":                  "from",
		"from=2026-11-21T08:00:00":         "from",
		"from=2026-11-21 08:00:00Z":        "from",
		"from=2026-11-21T8:00:00Z":         "from",
		"from=2026-11-21T08:00Z":           "from",
		"from=2026-11-21T08:00:00+01:00":   "from", // the plus is a space
		"from=2026-11-21T08:00:00,5Z":      "from",
		"from=2026-11-21T24:00:00Z":        "from",
		"from=2026-02-29T08:00:00Z":        "from",
		"from=2026-11-21T08:00:00%2B25:00": "from",
		"from=12026-11-21T08:00:00Z":       "from",
		"to=1763712000":                    "to",
		"since=now":                        "since",
		"since=":                           "since",
		"snapshot=":                        "snapshot",
		"snapshot":                         "snapshot",
		"snapshot=1":                       "snapshot",
		"snapshot=TRUE":                    "snapshot",
		"as=":                              "as",
		"as=Message":                       "as",
		"as=json":                          "as",
		"from=2026-11-21T08:00:01Z&to=2026-11-21T08:00:00Z":                                         "from",
		"from=2026-11-21T08:00:00Z&from=2026-11-21T08:00:00Z":                                       "from",
		"to=2026-11-21T08:00:00Z&to=2026-11-21T08:00:00Z":                                           "to",
		"since=2026-11-21T08:00:00Z&since=2026-11-21T08:00:00Z":                                     "since",
		"snapshot=true&snapshot=true":                                                               "snapshot",
		"as=message&as=message":                                                                     "as",
		"snapshot=true&since=2026-11-21T08:00:00Z":                                                  "since",
		"id=" + strings.Repeat("a,", 200) + "a":                                                     "id",
		strings.Repeat("rate=a&", 200) + "rate=a":                                                   "rate",
		strings.Repeat("channel=a,b&", 100) + "channel=a":                                           "channel",
		"source=a&" + strings.Repeat("thread=t&", 150) + "thread=" + strings.Repeat("t,", 50) + "t": "thread",
	} {
		if _, parameter, ok := web.ParseQuery(raw, ""); ok || parameter != want {
			t.Errorf("%q: ok %v, names %q, want %q", raw, ok, parameter, want)
		}
	}
}

func TestTwoHundredValues(t *testing.T) {
	for _, name := range []string{"source", "type", "id", "state", "resource", "rate", "category", "thread", "conversation", "channel"} {
		if _, parameter, ok := web.ParseQuery(name+"="+strings.Repeat("a,", 199)+"a", ""); !ok {
			t.Errorf("200 values of %s: refused for %q", name, parameter)
		}
	}
}

// TestResumePrecedence asks for several positions at once; the stream shows
// which one it took.
func TestResumePrecedence(t *testing.T) {
	h := build(t)
	for range 9 {
		h.say(t, resource("prague", "r", "Dirty"))
	}
	for _, tt := range []struct {
		query, header, want string
		resumed             bool
	}{
		{"last_event_id=e1.2&lastEventId=e1.3", "Last-Event-ID: e1.1", "id: e1.1\n", true},
		{"lastEventId=e1.3&last_event_id=e1.2", "X-None: 1", "id: e1.2\n", true},
		{"lastEventId=e1.3", "X-None: 1", "id: e1.3\n", true},
		{"lastEventId=e1.3", "Last-Event-ID: ", "id: e1.3\n", true},
		{"", "Last-Event-ID: ", "id: e1.9\n", false},
		{"", "Last-Event-ID: e1.99", `{"reason":"foreign"}`, false},
		{"last_event_id=%zz", "X-None: 1", `{"reason":"foreign"}`, false},
		{"", "Last-Event-ID: e1.4\r\nid: forged", `{"reason":"foreign"}`, false},
		{"since=0001-01-01T00:00:00Z", "X-None: 1", "id: e1.0\n", false},
		{"since=2999-01-01T00:00:00Z", "X-None: 1", "id: e1.9\n", false},
		{"since=0001-01-01T00:00:00Z", "Last-Event-ID: e1.8", "id: e1.8\n", true},
		{"since=0001-01-01T00:00:00Z", "Last-Event-ID: e9.8", "id: e1.0\n", false},
	} {
		a := get("/events?"+tt.query, bearer(mint(t)), tt.header).to(t, h)
		a.wantStatus(t, http.StatusOK)
		if !strings.Contains(a.body, tt.want) || strings.Contains(a.body, `"resumed":true`) != tt.resumed {
			t.Errorf("%q with %q: want %s and resumed %v in\n%s", tt.query, tt.header, tt.want, tt.resumed, a.body)
		}
	}
}

// FuzzParseQuery holds that nothing panics, and that the canonical form of an
// accepted query asks for the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"source=a&source=b,c&type=Resource", "id=a%2Cb&state=Cancelled", "from=2026-11-21T08:00:00Z&to=2026-11-21t09:00:00.5%2B01:00",
		"snapshot=true&as=message&last_event_id=%zz", "thread=A,b&conversation=C&channel=D&rate=E&category=F&resource=G", "source=a,,b", "%ff=", "a;b=c&&==",
	} {
		f.Add(seed)
	}
	grants := []gateway.Grant{{Sources: []string{"*"}, Types: []string{"*"}}}
	f.Fuzz(func(t *testing.T, raw string) {
		q, parameter, ok := web.ParseQuery(raw, "")
		if !ok {
			if decoded, err := url.QueryUnescape(raw); err == nil && !strings.Contains(decoded, parameter) {
				t.Errorf("%q: names %q, which it does not have", raw, parameter)
			}
			return
		}
		sub, err := gateway.NewSubscription(grants, q.Filter)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if q.Filter.From.UTC().Year() > 9999 || q.Filter.To.UTC().Year() > 9999 || q.Filter.From.UTC().Year() < 0 || q.Filter.To.UTC().Year() < 0 {
			return // RFC 3339 cannot say these in UTC
		}
		again, parameter, ok := web.ParseQuery(sub.Query(), "")
		if !ok {
			t.Fatalf("%q: the canonical form %q is refused for %q", raw, sub.Query(), parameter)
		}
		same, err := gateway.NewSubscription(grants, again.Filter)
		if err != nil || same.View() != sub.View() || same.Query() != sub.Query() {
			t.Errorf("%q: the canonical form %q reads as %q", raw, sub.Query(), same.Query())
		}
	})
}

// A token that stands where a parameter's name should is not repeated.
func TestUnknownNameIsNotRepeated(t *testing.T) {
	for name, want := range map[string]string{
		"stat": "stat", "last-event-id": "last-event-id",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln": "", "0123456789abcdef": "", strings.Repeat("a", 33): "",
	} {
		if _, parameter, ok := web.ParseQuery(name+"=1", ""); ok || parameter != want {
			t.Errorf("%s: %t, names %q, want %q", name, ok, parameter, want)
		}
	}
}
