package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bellhop/auth"
	"bellhop/web"
)

// A fault makes a good GET /events one that is refused at a step of the order
// in which requests are checked.
type fault struct {
	step         int
	make         func(*plan, *call, *auth.Claims)
	status       int
	code         string
	parameter    string
	before       func(testing.TB, *house) // what must have happened
	withoutToken bool
}

// secretValue is what no answer may repeat.
const secretValue = "sesame-4711"

func faults() map[string]fault {
	return map[string]fault{
		"method":    {step: 1, make: func(_ *plan, c *call, _ *auth.Claims) { c.method = "POST" }, status: 405, code: "method_not_allowed"},
		"accept":    {step: 2, make: func(_ *plan, c *call, _ *auth.Claims) { c.with("Accept: text/html") }, status: 406, code: "not_acceptable"},
		"long":      {step: 3, make: func(_ *plan, c *call, _ *auth.Claims) { addQuery(c, "id="+strings.Repeat("x", 8192)) }, status: 414, code: "query_too_long"},
		"no token":  {step: 4, make: func(*plan, *call, *auth.Claims) {}, withoutToken: true, status: 401, code: "token_missing"},
		"bad token": {step: 4, make: func(_ *plan, c *call, _ *auth.Claims) { c.with(bearer(secretValue)) }, withoutToken: true, status: 401, code: "invalid_token"},
		"foreign cookie": {step: 4, make: func(_ *plan, c *call, _ *auth.Claims) {
			c.with("Cookie: __Host-bellhop="+secretValue, "Origin: https://evil.test")
		}, withoutToken: true, status: 403, code: "cookie_refused"},
		"unjudged token":   {step: 4, make: func(p *plan, _ *call, _ *auth.Claims) { p.store = unready{} }, status: 503, code: "busy"},
		"unknown":          {step: 5, make: func(_ *plan, c *call, _ *auth.Claims) { addQuery(c, "sorce="+secretValue) }, status: 400, code: "invalid_query", parameter: "sorce"},
		"malformed":        {step: 5, make: func(_ *plan, c *call, _ *auth.Claims) { addQuery(c, "state=%zz"+secretValue) }, status: 400, code: "invalid_query", parameter: "state"},
		"not granted":      {step: 6, make: func(_ *plan, c *call, _ *auth.Claims) { addQuery(c, "type="+secretValue) }, status: 403, code: "forbidden", parameter: "type"},
		"above ceiling":    {step: 6, make: func(_ *plan, _ *call, t *auth.Claims) { t.Issuer = "https://narrow.test" }, status: 403, code: "forbidden"},
		"address has many": {step: 8, make: func(p *plan, _ *call, _ *auth.Claims) { p.Limits.PerAddress = 1 }, before: holdOne, status: 429, code: "too_many_streams"},
		"full":             {step: 9, make: func(p *plan, _ *call, _ *auth.Claims) { p.Limits.Streams = 1 }, before: holdOne, status: 503, code: "busy"},
		"log not open":     {step: 8, make: func(p *plan, _ *call, _ *auth.Claims) { p.closed = true }, status: 503, code: "busy"},
		"draining":         {step: 8, make: func(*plan, *call, *auth.Claims) {}, before: drain, status: 503, code: "draining"},
	}
}

func addQuery(c *call, piece string) { c.query = strings.TrimPrefix(c.query+"&"+piece, "&") }

// holdOne opens a stream of another subject from the calls' address.
func holdOne(tb testing.TB, h *house) {
	tb.Helper()
	h.hold(tb, get("/events", bearer(mint(tb, subjectOf("another")))))
}

// drain begins the draining, and waits until it shows.
func drain(tb testing.TB, h *house) {
	tb.Helper()
	during(tb, func(ctx context.Context) error { h.Drain(ctx); return nil })
	eventually(tb, func() bool { return get("/readyz").to(tb, h).StatusCode == http.StatusServiceUnavailable })
}

// TestOrderOfChecks makes requests with two faults each: the earlier one must
// answer, with each method that gets that far.
func TestOrderOfChecks(t *testing.T) {
	all := faults()
	for name, first := range all {
		for other, second := range all {
			alone := name == other
			if !alone && (first.step >= second.step || name == "unjudged token" && second.before != nil) {
				continue
			}
			t.Run(name+" before "+other, func(t *testing.T) {
				method := http.MethodGet
				for range 2 {
					a := askFaulty(t, method, first, second, alone)
					if got := a.wantProblem(t, first.status, first.code); method == http.MethodGet && got != first.parameter {
						t.Errorf("parameter %q, want %q", got, first.parameter)
					}
					if allow := a.Header.Get("Allow"); (allow == "GET, HEAD") != (first.status == http.StatusMethodNotAllowed) {
						t.Errorf("Allow: %q", allow)
					}
					wantAlways(t, a)
					method = http.MethodHead
					if first.step >= 8 && first.code != "draining" && name != "log not open" { // HEAD counts for none
						break
					}
				}
			})
		}
	}
}

func askFaulty(t *testing.T, method string, first, second fault, alone bool) answer {
	t.Helper()
	claims := auth.Claims{Issuer: issuer, Audience: audience, Subject: "maid-7", Expires: inAnHour(), Grants: []auth.Grant{
		{Sources: []string{"prague"}, Types: []string{"Resource", "Reservation"}},
	}}
	c := get("/events", "Cookie: theme=dark").by(method)
	c.secrets = []string{secretValue}
	plans := []func(*plan){func(p *plan) { first.make(p, c, &claims) }}
	if !alone {
		plans = append(plans, func(p *plan) { second.make(p, c, &claims) })
	}
	h := build(t, plans...)
	for _, f := range []fault{first, second} {
		if f.before != nil {
			f.before(t, h)
		}
		if alone {
			break
		}
	}
	if !first.withoutToken && (alone || !second.withoutToken) {
		token, err := auth.Mint(secret, claims)
		if err != nil {
			t.Fatal(err)
		}
		c.with(bearer(token)).secrets = append(c.secrets, token)
	}
	return c.to(t, h)
}

// wantAlways checks what every answer of the public listener bears.
func wantAlways(t testing.TB, a answer) {
	t.Helper()
	if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options: %q", got)
	}
	if got := a.Header.Get("Vary"); got != "Origin" && !strings.HasPrefix(got, "Origin, Access-Control-Request-") {
		t.Errorf("Vary: %q", got)
	}
	if got := a.Header.Get("Access-Control-Expose-Headers"); got != "Retry-After, WWW-Authenticate" {
		t.Errorf("Access-Control-Expose-Headers: %q", got)
	}
}

func TestAccept(t *testing.T) {
	h := build(t)
	for _, tt := range []struct {
		accept string // header lines, by |
		want   int
	}{
		{"*/*", 200},
		{"text/*", 200},
		{"text/event-stream", 200},
		{"TEXT/Event-Stream", 200},
		{"text/event-stream;charset=utf-8", 200},
		{"text/html, text/event-stream;q=0.1", 200},
		{"text/html,text/event-stream", 200},
		{" text/html ,\t*/* ; q=0.8", 200},
		{"text/html|text/event-stream", 200},
		{"text/event-stream;q=0.001", 200},
		{"text/event-stream;q=1", 200},
		{"", 406},
		{"text/html", 406},
		{"text/event-streams", 406},
		{"application/*", 406},
		{"text", 406},
		{"*", 406},
		{"text/event-stream;q=0", 406},
		{"text/event-stream;q=0.000", 406},
		{"text/event-stream; charset=utf-8; Q=0.0", 406},
		{"*/*;q=0, text/html", 406},
		{"text/html|application/json", 406},
	} {
		c := get("/events", bearer(mint(t)))
		for line := range strings.SplitSeq(tt.accept, "|") {
			c.with("Accept: " + line)
		}
		for _, method := range []string{"GET", "HEAD"} {
			if a := c.by(method).to(t, h); a.StatusCode != tt.want {
				t.Errorf("%s with Accept %q: got %d, want %d", method, tt.accept, a.StatusCode, tt.want)
			}
		}
	}
}

func TestLengthOfQuery(t *testing.T) {
	h := build(t)
	for length, want := range map[int]int{8192: 200, 8193: 414} {
		// One value of 256 bytes and more of them, up to the length.
		query := "id=" + strings.Repeat(strings.Repeat("x", 255)+",", 40)
		query = strings.TrimSuffix(query[:length-1], ",") + "xx"
		query = query[:length]
		get("/events?"+query, bearer(mint(t))).to(t, h).wantStatus(t, want)
	}
}

// TestHead wants the headers that GET has, and no stream.
func TestHead(t *testing.T) {
	h := build(t, func(p *plan) { p.Limits = web.Limits{Streams: 1, PerSubject: 1, PerAddress: 1} })
	token := mint(t)
	held := h.hold(t, get("/events", bearer(token)))
	a := get("/events", bearer(token)).by("HEAD").to(t, h)
	a.wantStatus(t, http.StatusOK)
	wantStreamHeaders(t, a.Header)
	if h.Streams() != 1 {
		t.Errorf("%d streams are open, want the one", h.Streams())
	}
	held.end()
	if strings.Contains(held.text(), "bellhop.bye") {
		t.Errorf("HEAD took the place of a stream: %s", held.text())
	}
}

func wantStreamHeaders(t testing.TB, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           "text/event-stream",
		"Cache-Control":          "no-cache, no-store, no-transform",
		"X-Accel-Buffering":      "no",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	h := build(t, func(p *plan) { p.Limits.Streams = 0 })
	for path, allow := range map[string]string{
		"/events": "GET, HEAD", "/session": "GET, HEAD, POST, DELETE", "/healthz": "GET, HEAD", "/readyz": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			a := get(path, bearer(mint(t)), "Origin: http://localhost").by(method).to(t, h)
			allowed := strings.Contains(", "+allow+",", ", "+method+",")
			if (a.StatusCode == http.StatusMethodNotAllowed) == allowed {
				t.Errorf("%s %s: got %d", method, path, a.StatusCode)
			}
			if !allowed && a.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, a.Header.Get("Allow"), allow)
			}
		}
	}
}

// TestPathsAreNotCleaned holds that nothing redirects: an EventSource would
// follow, and lose its filter.
func TestPathsAreNotCleaned(t *testing.T) {
	h := build(t)
	for _, path := range []string{"//events", "/events/", "/./events", "/x/../events", "/%2e/events", "/x/%2e%2e/events", "/events//", "/events%2f", "/Events", "/event"} {
		r := httptest.NewRequest("GET", path, nil)
		w := httptest.NewRecorder()
		h.Public().ServeHTTP(w, r)
		a := answer{w.Result(), w.Body.String()}
		a.wantProblem(t, http.StatusNotFound, "not_found")
		wantAlways(t, a)
	}
}
