package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"bellhop/auth"
	"bellhop/gateway"
	"bellhop/web"
	"bellhop/web/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://hotel.test"
	audience = "bellhop"
)

var secret = []byte("an invented secret of 32 bytes..")

// A house is a server with all that is behind it: a verifier, a hub, and a log
// in memory.
type house struct {
	*web.Server
	log      *memoryLog
	hub      *gateway.Hub
	verifier *auth.Verifier
	registry *prometheus.Registry
}

// A plan is what a house is built by.
type plan struct {
	web.Options
	issuers []auth.Issuer
	store   auth.RevocationStore
	closed  bool // the log is not open yet
	bubble  bool // inside one of synctest

	unwatched bool // nobody ends streams but they themselves
	log       gateway.Log
	encode    gateway.Encoder
}

// newPlan returns one with the defaults of the configuration.
func newPlan() *plan {
	return &plan{
		Options: web.Options{
			BasePath:    "/",
			Proxies:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			Origins:     []string{"https://app.listed.test", "https://*.wild.test"},
			Credentials: true,
			Stream: web.Stream{
				Heartbeat: 15 * time.Second, Retry: 3 * time.Second, WriteTimeout: 10 * time.Second, MaxLag: 10000,
				Lifetime: time.Hour, Warn: time.Minute,
			},
			Limits:   web.Limits{Streams: 20000, PerSubject: 50},
			Drain:    web.Drain{Delay: 5 * time.Second, Spread: 10 * time.Second, Linger: 5 * time.Second},
			Admin:    web.Admin{Address: "127.0.0.1:8081"},
			Registry: prometheus.NewRegistry(),
		},
		encode: encode,
		issuers: []auth.Issuer{
			{Name: issuer, Audience: audience, Secret: secret},
			{Name: "https://other.test", Audience: audience, Secret: secret},
			{Name: "https://narrow.test", Audience: audience, Secret: secret, Sources: []string{"brno"}},
		},
	}
}

// build builds a house, after changes to the plan, that lasts as long as the
// test.
func build(tb testing.TB, changes ...func(*plan)) *house {
	tb.Helper()
	p := newPlan()
	for _, change := range changes {
		change(p)
	}
	h := &house{log: newLog(), registry: p.Registry}
	if p.Logger == nil {
		p.Logger = slog.New(slog.NewTextHandler(watchful{tb}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if p.log == nil {
		p.log = h.log
	}
	var err error
	if h.verifier, err = auth.New(auth.Options{Issuers: p.issuers, Leeway: 30 * time.Second, Store: p.store, Registerer: p.Registry}); err != nil {
		tb.Fatal(err)
	}
	p.Verifier = h.verifier
	h.Server = web.New(p.Options)
	h.hub = gateway.NewHub(gateway.HubOptions{
		Log: p.log, Sources: []string{"prague", "brno"}, Registerer: p.Registry, Encode: p.encode,
	})
	during(tb, h.hub.Run)
	switch {
	case p.unwatched:
	case p.bubble:
		during(tb, h.Watch)
	default:
		during(tb, h.Run)
	}
	<-h.hub.Loaded()
	h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateLive})
	h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
	if !p.closed {
		h.Open(h.hub)
	}
	return h
}

func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	return sse.Append(dst, sse.Block{Retry: retry, ID: id, Event: name, Data: data})
}

// watchful fails the test of a server that logs a panic, which net/http would
// swallow.
type watchful struct{ testing.TB }

func (w watchful) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic")) {
		w.Errorf("%s", line)
	}
	return len(line), nil
}

// during runs run until the test ends, and waits for its end.
func during(tb testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			tb.Error(err)
		}
	})
}

// say appends events to the log, as one frame of an upstream, and waits until
// the hub has brought them to the streams.
func (h *house) say(tb testing.TB, records ...*gateway.Record) {
	tb.Helper()
	for _, r := range records[:len(records)-1] {
		if r.Event != nil {
			r.Event.More = true
		}
	}
	if err := h.log.Append(tb.Context(), records, nil); err != nil {
		tb.Error(err)
		return
	}
	for h.hub.Head() < records[len(records)-1].Seq {
		runtime.Gosched()
	}
}

type (
	claims = auth.Claims
	grant  = auth.Grant
)

var minted atomic.Uint64

// everything is the grant that permits all.
var everything = auth.Grant{Sources: []string{"*"}, Types: []string{"*"}}

// mint returns a token, no two alike, that permits everything for an hour.
func mint(tb testing.TB, changes ...func(*auth.Claims)) string {
	tb.Helper()
	c := auth.Claims{
		Issuer: issuer, Audience: audience, Subject: "maid-7", ID: fmt.Sprint(minted.Add(1)),
		Expires: time.Now().Add(time.Hour), Grants: []auth.Grant{everything},
	}
	for _, change := range changes {
		change(&c)
	}
	token, err := auth.Mint(secret, c)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// lastBlock returns the last block of a stream's bytes.
func lastBlock(text string) string {
	blocks := strings.SplitAfter(strings.TrimSuffix(text, "\n\n"), "\n\n")
	return blocks[len(blocks)-1] + "\n\n"
}

func subjectOf(name string) func(*auth.Claims) { return func(c *auth.Claims) { c.Subject = name } }

func lasting(d time.Duration) func(*auth.Claims) {
	return func(c *auth.Claims) { c.Expires = time.Now().Add(d) }
}

// A call is a request that goes straight to a handler.
type call struct {
	method, path, query string
	host, remote        string
	header              http.Header
	secrets             []string // that no answer may show
}

// get returns a call of path, which may have a query, from this machine.
func get(path string, headers ...string) *call {
	path, query, _ := strings.Cut(path, "?")
	c := &call{method: "GET", path: path, query: query, host: "localhost:8080", remote: "127.0.0.1:4711", header: make(http.Header)}
	return c.with(headers...)
}

// with adds header lines.
func (c *call) with(headers ...string) *call {
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		c.header.Add(name, strings.TrimPrefix(value, " "))
	}
	return c
}

func (c *call) by(method string) *call {
	c.method = method
	return c
}

// overHTTPS makes the call one that a proxy forwards from https://hotel.test.
func (c *call) overHTTPS() *call {
	c.host = "hotel.test"
	return c.with("X-Forwarded-Proto: https")
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// An answer is what came of a call.
type answer struct {
	*http.Response
	body string
}

// to sends the call to the public listener's handler. A stream that comes of it
// ends after what is there at once.
func (c *call) to(tb reporter, h *house) answer {
	tb.Helper()
	return c.toHandler(tb, h.Public())
}

// A reporter is what of a test a call needs; rapid's has no more.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func (c *call) toHandler(tb reporter, h http.Handler) answer {
	tb.Helper()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequestWithContext(gone, c.method, c.path, nil)
	r.URL.RawQuery, r.Host, r.RemoteAddr, r.Header = c.query, c.host, c.remote, c.header.Clone()
	w := recorder{httptest.NewRecorder()}
	h.ServeHTTP(w, r)
	a := answer{w.Result(), w.Body.String()}
	if c.method == http.MethodHead {
		a.body = "" // net/http writes none
	}
	for _, s := range c.secrets {
		if strings.Contains(a.body, s) || strings.Contains(fmt.Sprint(a.Header), s) {
			tb.Errorf("%s %s?%s: the answer shows %q: %v %s", c.method, c.path, c.query, s, a.Header, a.body)
		}
	}
	return a
}

// recorder is a recorder of the sort that streams can be written to.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// wantProblem checks that the answer is this problem, told as all are.
func (a answer) wantProblem(tb testing.TB, status int, code string) (parameter string) {
	tb.Helper()
	var p struct {
		Type, Title, Code, Detail, Parameter string
		Status                               int
	}
	switch {
	case a.StatusCode != status:
		tb.Fatalf("got %d %s, want %d %s", a.StatusCode, a.body, status, code)
	case a.Header.Get("Content-Type") != "application/problem+json":
		tb.Errorf("Content-Type %q of a problem", a.Header.Get("Content-Type"))
	case a.Header.Get("Cache-Control") != "no-store":
		tb.Errorf("Cache-Control %q of a problem", a.Header.Get("Cache-Control"))
	case a.body == "": // of a HEAD
		return ""
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		tb.Fatalf("%v in %s", err, a.body)
	}
	if p.Type != "urn:bellhop:problem:"+code || p.Title != http.StatusText(status) || p.Status != status || p.Code != code {
		tb.Errorf("got %s, want %d %s", a.body, status, code)
	}
	a.wantChallenge(tb, code)
	passing := slices.Contains([]string{"busy", "draining", "too_many_streams"}, code)
	if (a.Header.Get("Retry-After") != "") != passing {
		tb.Errorf("%s has the Retry-After %q", code, a.Header.Get("Retry-After"))
	}
	return p.Parameter
}

// wantChallenge checks WWW-Authenticate by RFC 6750, section 3.
func (a answer) wantChallenge(tb testing.TB, code string) {
	tb.Helper()
	got := a.Header.Get("WWW-Authenticate")
	switch code {
	case "token_missing":
		if got != "Bearer" {
			tb.Errorf("challenge %q, want Bearer alone", got)
		}
	case "invalid_token":
		if !strings.HasPrefix(got, `Bearer error="invalid_token", error_description="`) {
			tb.Errorf("challenge %q without error and error_description", got)
		}
	default:
		if got != "" {
			tb.Errorf("challenge %q with %s", got, code)
		}
	}
}

func (a answer) wantStatus(tb testing.TB, status int) {
	tb.Helper()
	if a.StatusCode != status {
		tb.Fatalf("got %d %s, want %d", a.StatusCode, a.body, status)
	}
}

// unready is a store whose revocations are not known yet.
type unready struct{}

func (unready) Save(context.Context, auth.Revocation) error                { return nil }
func (unready) Watch(ctx context.Context, _ func([]auth.Revocation)) error { <-ctx.Done(); return nil }
