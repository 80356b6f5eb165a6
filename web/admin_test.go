package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
)

// admin asks the admin listener's handler.
func (h *house) admin(tb reporter, c *call) answer {
	tb.Helper()
	c.host = "localhost:8081"
	return c.toHandler(tb, h.AdminHandler())
}

// metric returns the value of a series as /metrics shows it, empty where there is
// none.
func (h *house) metric(tb reporter, series string) string {
	tb.Helper()
	for line := range strings.Lines(h.admin(tb, get("/metrics")).body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestAdminIsGuarded(t *testing.T) {
	for _, tt := range []struct {
		address, token string
		host           string
		headers        []string
		want           int
	}{
		{host: "localhost:8081", want: 200},
		{host: "LOCALHOST", want: 200},
		{host: "127.0.0.1:8081", want: 200},
		{host: "[::1]:9", want: 200},
		{host: "evil.test", want: 403},
		{host: "evil.test:8081", want: 403},
		{host: "", want: 403},
		{host: "ops.test", want: 403},
		{address: "ops.test:8081", host: "ops.test:8081", want: 200},
		{address: "ops.test:8081", host: "OPS.test", want: 200},
		{address: "ops.test:8081", host: "localhost", want: 200},
		{address: "ops.test:8081", host: "a.ops.test", want: 403},
		{address: "[2001:db8::1]:8081", host: "[2001:db8::1]:8081", want: 200},
		{address: "[2001:db8::1]:8081", host: "[2001:db8::2]:8081", want: 403},
		{address: ":8081", host: "", want: 403},
		{address: ":8081", host: "evil.test", want: 403},
		{host: "localhost:8081", headers: []string{"Origin: http://localhost:8081"}, want: 200},
		{host: "localhost:8081", headers: []string{"Origin: http://localhost"}, want: 403},
		{host: "localhost:8081", headers: []string{"Origin: https://localhost:8081"}, want: 403},
		{host: "localhost:8081", headers: []string{"Origin: https://app.listed.test"}, want: 403},
		{host: "localhost:8081", headers: []string{"Origin: null"}, want: 403},
		{host: "localhost:8081", headers: []string{"Origin: "}, want: 403},
		{host: "localhost:8081", headers: []string{"Origin: http://localhost:8081", "Origin: https://evil.test"}, want: 403},
		{host: "localhost:%zz", headers: []string{"Origin: null"}, want: 403},
		{host: "evil.test", headers: []string{"X-Forwarded-Host: localhost"}, want: 403},
		{token: "s3same", host: "localhost", want: 401},
		{token: "s3same", host: "localhost", headers: []string{"Authorization: Bearer s3sam"}, want: 401},
		{token: "s3same", host: "localhost", headers: []string{"Authorization: Basic s3same"}, want: 401},
		{token: "s3same", host: "localhost", headers: []string{"Authorization: Bearer s3same", "Authorization: Bearer s3same"}, want: 401},
		{token: "s3same", host: "localhost", headers: []string{"Authorization: Bearer s3same"}, want: 200},
		{token: "s3same", host: "evil.test", headers: []string{"Authorization: Bearer s3same"}, want: 403},
	} {
		h := build(t, func(p *plan) {
			p.Admin.Token = tt.token
			if tt.address != "" {
				p.Admin.Address = tt.address
			}
		})
		for _, path := range []string{"/sources", "/streams", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
			c := get(path, tt.headers...)
			c.host, c.secrets = tt.host, []string{"s3same"}
			a := c.toHandler(t, h.AdminHandler())
			switch {
			case a.StatusCode != tt.want:
				t.Errorf("%s of %+v: got %d", path, tt, a.StatusCode)
			case tt.want == 403:
				a.wantProblem(t, 403, "forbidden")
			case tt.want == 401 && len(tt.headers) > 0 && strings.Contains(tt.headers[0], "Bearer"):
				a.wantProblem(t, 401, "invalid_token")
			case tt.want == 401:
				a.wantProblem(t, 401, "token_missing")
			}
		}
	}
}

func TestAdminRoutes(t *testing.T) {
	h := build(t)
	for path, code := range map[string]string{
		"/revocations": "not_in_this_version", "/erasures": "not_in_this_version", "/explain": "not_in_this_version", "/": "not_in_this_version",
		"/nothing": "not_found", "/events": "not_found", "/session": "not_found",
	} {
		status := map[string]int{"not_in_this_version": 501, "not_found": 404}[code]
		for _, method := range []string{"GET", "POST"} {
			h.admin(t, get(path).by(method)).wantProblem(t, status, code)
		}
	}
	for path, allow := range map[string]string{"/sources": "GET, HEAD", "/streams": "GET, HEAD, DELETE", "/healthz": "GET, HEAD"} {
		a := h.admin(t, get(path).by("POST"))
		a.wantProblem(t, 405, "method_not_allowed")
		if a.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q", path, a.Header.Get("Allow"))
		}
	}
	h.admin(t, get("/debug/pprof/cmdline")).wantStatus(t, 404)
	if a := h.admin(t, get("/sources")); a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", a.Header)
	}
}

func TestAdminSources(t *testing.T) {
	h := build(t)
	confirmed := time.Date(2026, 11, 21, 8, 0, 59, 0, time.UTC)
	h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateLive, Confirmed: confirmed})
	h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonRejected})
	a := h.admin(t, get("/sources"))
	wantNoStore(t, a)
	var got struct {
		Sources []struct{ Source, State, Reason, Confirmed, Since string }
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got.Sources) != 2 || got.Sources[0].Since == "" {
		t.Fatalf("%v of %s", err, a.body)
	}
	if p := got.Sources[0]; p.Source != "prague" || p.State != "live" || p.Confirmed != "2026-11-21T08:00:59Z" {
		t.Errorf("got %+v", p)
	}
	if b := got.Sources[1]; b.Source != "brno" || b.State != "down" || b.Reason != "rejected" || b.Confirmed != "" {
		t.Errorf("got %+v", b)
	}
	h.admin(t, get("/sources").by("HEAD")).wantStatus(t, 200)
	build(t, func(p *plan) { p.closed = true }).admin(t, get("/sources")).wantProblem(t, 503, "busy")
}

// How far a source's reading has come is the operator's to see, not the streams'.
func TestAdminShowsBackfill(t *testing.T) {
	h := build(t)
	h.hub.Report(gateway.Status{
		Source: "prague", State: gateway.StateCatchingUp, Backfill: &gateway.Backfill{
			Types: []string{"Reservation"}, From: time.Unix(1800000000, 0), To: time.Unix(1800000060, 0), Rows: 12, Logged: 3, Held: 4,
		},
	})
	const want = `"backfill":{"types":["Reservation"],"from":"2027-01-15T08:00:00Z","to":"2027-01-15T08:01:00Z","rows":12,"logged":3,"held":4}`
	if a := h.admin(t, get("/sources")); strings.Count(a.body, want) != 1 {
		t.Errorf("got %s, want in it %s", a.body, want)
	}
	ready := h.hold(t, get("/events", bearer(mint(t)))).text()
	if !strings.Contains(ready, `"catching-up"`) || strings.Contains(ready, "backfill") {
		t.Errorf("a stream is told %s", ready)
	}
}

func TestAdminLoad(t *testing.T) {
	var asked []string
	h := build(t, func(p *plan) {
		p.Admin.Load = func(source string) bool {
			asked = append(asked, source)
			return source == "prague"
		}
	})
	h.admin(t, get("/sources/prague/load").by("POST")).wantStatus(t, 202)
	h.admin(t, get("/sources/nowhere/load").by("POST")).wantProblem(t, 404, "not_found")
	h.admin(t, get("/sources/prague/load")).wantProblem(t, 405, "method_not_allowed")
	if diff := cmp.Diff([]string{"prague", "nowhere"}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	build(t).admin(t, get("/sources/prague/load").by("POST")).wantProblem(t, 404, "not_found")
}

type listedStream struct {
	Stream, Iss, Sub, Address, Query string
	Since                            time.Time
	Lag                              int
}

func (h *house) streams(t *testing.T) (list []listedStream) {
	t.Helper()
	a := h.admin(t, get("/streams"))
	a.wantStatus(t, 200)
	wantNoStore(t, a)
	var body struct{ Streams *[]listedStream }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Streams == nil {
		t.Fatalf("%v of %s", err, a.body)
	}
	return *body.Streams
}

func TestAdminStreams(t *testing.T) {
	h := build(t)
	if got := h.streams(t); len(got) != 0 {
		t.Errorf("none is open: got %+v", got)
	}
	var ids []string
	for i, c := range []*call{
		get("/events?type=Resource&source=prague&source=brno,prague&state=Cancelled&as=message", bearer(mint(t, subjectOf("a")))),
		get("/events?from=2026-11-21T09:00:00%2B01:00&last_event_id=e1.0", bearer(mint(t, subjectOf("b"))), "X-Forwarded-For: 2001:db8::7"),
	} {
		s := h.hold(t, c)
		id := field(t, s.text(), `"stream":"`)
		ids = append(ids, id)
		want := []listedStream{
			{Stream: id, Iss: issuer, Sub: "a", Address: "127.0.0.1", Query: "source=brno%2Cprague&state=Canceled&type=Resource"},
			{Stream: id, Iss: issuer, Sub: "b", Address: "2001:db8::7", Query: "from=2026-11-21T08%3A00%3A00Z"},
		}[i]
		got := h.streams(t)[i]
		if age := time.Since(got.Since); age < 0 || age > time.Minute {
			t.Errorf("since %v", got.Since)
		}
		got.Since = time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stream %d (-want +got):\n%s", i, diff)
		}
		time.Sleep(2 * time.Millisecond) // the list is by age, to the millisecond
	}
	if ids[0] == ids[1] {
		t.Errorf("both streams are %s", ids[0])
	}
}

// field returns the text behind a mark, up to the next quote.
func field(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("no %s in %s", mark, text)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func TestAdminClosesStreams(t *testing.T) {
	h := build(t)
	open := func(sub, iss string) *held {
		return h.hold(t, get("/events", bearer(mint(t, func(c *claims) { c.Subject, c.Issuer = sub, iss }))))
	}
	one, two, other, foreign := open("a", issuer), open("a", issuer), open("b", issuer), open("a", "https://other.test")
	if got := h.admin(t, get("/streams").by("DELETE")).wantProblem(t, 400, "invalid_query"); got != "sub" {
		t.Errorf("names %q", got)
	}
	if got := h.admin(t, get("/streams?sub=a").by("DELETE")).wantProblem(t, 400, "invalid_query"); got != "iss" {
		t.Errorf("names %q", got)
	}
	if one.ended() || h.Streams() != 4 {
		t.Fatal("an unclear wish closed streams")
	}
	for query, want := range map[string]int{"sub=nobody": 0, "sub=a&iss=https://hotel.test": 2} {
		if a := h.admin(t, get("/streams?"+query).by("DELETE")); a.body != fmt.Sprintf("{\"closed\":%d}\n", want) {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
	}
	for _, s := range []*held{one, two} {
		eventually(t, s.ended)
		if got := lastBlock(s.text()); got != "event: bellhop.bye\ndata: {\"reason\":\"closed\"}\n\n" {
			t.Errorf("ended with %q", got)
		}
	}
	if other.ended() || foreign.ended() {
		t.Error("a stream of somebody else ended")
	}
	h.admin(t, get("/streams?sub=a").by("DELETE")).wantStatus(t, 200) // of one issuer now
	eventually(t, foreign.ended)
}

// TestMetrics holds the series that operators may rely on, from the first scrape
// on.
func TestMetrics(t *testing.T) {
	h := build(t)
	held := h.hold(t, get("/events", bearer(mint(t))))
	h.say(t, resource("prague", "r1", "Dirty"))
	eventually(t, func() bool { return strings.Contains(held.text(), "event: Resource") })
	get("/events").to(t, h)
	for series, want := range map[string]string{
		"bellhop_streams":                                "1",
		"bellhop_deliveries_total":                       "1",
		"bellhop_stream_bytes_total":                     fmt.Sprint(len(held.text())),
		"bellhop_delivery_seconds_count":                 "1",
		"bellhop_feeds":                                  "1",
		"bellhop_hub_sequence":                           "1",
		`bellhop_problems_total{code="token_missing"}`:   "1",
		`bellhop_refusals_total{reason="busy"}`:          "0",
		`bellhop_refusals_total{reason="draining"}`:      "0",
		`bellhop_streams_ended_total{reason="shutdown"}`: "0",
		`bellhop_streams_ended_total{reason="slow"}`:     "0",
		`bellhop_streams_ended_total{reason="expired"}`:  "0",
		`bellhop_streams_ended_total{reason="revoked"}`:  "0",
		`bellhop_streams_ended_total{reason="lifetime"}`: "0",
		`bellhop_streams_ended_total{reason="busy"}`:     "0",
		`bellhop_streams_ended_total{reason="closed"}`:   "0",
		`bellhop_streams_ended_total{reason="gone"}`:     "0",
		`bellhop_streams_ended_total{reason="cut"}`:      "0",
		`bellhop_streams_ended_total{reason="log"}`:      "0",
	} {
		eventually(t, func() bool { return h.metric(t, series) != "" || want == "" })
		if got := h.metric(t, series); got != want {
			t.Errorf("%s: got %q, want %q", series, got, want)
		}
	}
	held.end()
	if got := h.metric(t, `bellhop_streams_ended_total{reason="gone"}`); got != "1" {
		t.Errorf("streams gone: %s", got)
	}
}

// TestMetricsListener holds that it has its three routes and nothing else.
func TestMetricsListener(t *testing.T) {
	h := build(t, func(p *plan) { p.Admin.Token = "s3same" })
	for path, want := range map[string]int{
		"/metrics": 200, "/healthz": 200, "/readyz": 200,
		"/": 404, "/sources": 404, "/streams": 404, "/debug/pprof/": 404, "/events": 404,
	} {
		c := get(path)
		c.host = "prometheus-target.test"
		c.toHandler(t, h.MetricsHandler()).wantStatus(t, want)
	}
	if a := get("/nothing").toHandler(t, h.MetricsHandler()); a.StatusCode == http.StatusNotFound {
		a.wantProblem(t, 404, "not_found")
	}
}
