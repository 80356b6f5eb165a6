package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bellhop/web"
)

func TestListedOrigins(t *testing.T) {
	listed := []string{"https://app.hotel.test", "http://LOCAL.test:8080", "https://*.hotel.example", "https://*.port.example:8443", "https://tls.test:443", "https://*.tls.example:443"}
	for origin, want := range map[string]bool{
		"https://app.hotel.test":      true,
		"HTTPS://App.Hotel.Test":      true,
		"https://app.hotel.test:443":  true,
		"https://app.hotel.test:8443": false,
		"http://app.hotel.test":       false,
		"https://app.hotel.test/":     false,
		"https://app.hotel.test.":     false,
		"https://app.hotel.test#":     false,
		"https://app.hotel.test?":     false,
		"https://user@app.hotel.test": false,
		"https:app.hotel.test":        false,
		"//app.hotel.test":            false,
		"http://local.test:8080":      true,
		"http://local.test":           false,
		"https://tls.test":            true,

		"https://a.hotel.example":             true,
		"https://a.b-c.d_e.hotel.example":     true,
		"https://A.HOTEL.EXAMPLE":             true,
		"https://xn--bcher-kva.hotel.example": true,
		"https://hotel.example":               false,
		"https://.hotel.example":              false,
		"https://a..hotel.example":            false,
		"https://evil.test/.hotel.example":    false,
		"https://evil.test?.hotel.example":    false,
		"https://evil.test#.hotel.example":    false,
		"https://evil.test:1.hotel.example":   false,
		"https://evil.test@a.hotel.example":   false,
		"https://evil.test\\.hotel.example":   false,
		"https://evilhotel.example":           false,
		"https://a.hotel.example.evil.test":   false,
		"https://a.hotel.example:8443":        false,
		"http://a.hotel.example":              false,
		"https://*.hotel.example":             false,
		"https://a.port.example:8443":         true,
		"https://a.port.example":              false,
		"https://a.port.example:443":          false,
		"https://a.tls.example":               true,

		"":                      false,
		"null":                  false,
		"*":                     false,
		"file://app.hotel.test": false,
	} {
		if got := web.Lists(listed, origin); got != want {
			t.Errorf("%q: got %v, want %v", origin, got, want)
		}
	}
	for _, none := range [][]string{nil, {""}, {"*"}, {"null"}} {
		for _, origin := range []string{"", "*", "null", "https://a.test"} {
			if web.Lists(none, origin) {
				t.Errorf("the list %q has %q", none, origin)
			}
		}
	}
}

// routes of every kind, with the status of a call without a token.
var routes = map[string]int{
	"/events": 401, "/session": 401, "/bellhop.js": 501, "/threads": 501, "/threads/x/messages": 501, "/webhooks/mews/prague": 501,
	"/healthz": 200, "/readyz": 200, "/": 404, "/nothing": 404, "//": 404, "/demo/token": 404,
}

// TestCrossOrigin asks each route as pages of other origins do.
func TestCrossOrigin(t *testing.T) {
	for _, credentials := range []bool{true, false} {
		h := build(t, func(p *plan) { p.Credentials = credentials })
		for path, status := range routes {
			for origin, listed := range map[string]bool{
				"https://app.listed.test": true, "https://a.wild.test": true, "https://evil.test": false, "null": false, "": false, "-": false,
			} {
				c := get(path)
				if origin != "-" {
					c.with("Origin: " + origin)
				}
				a := c.to(t, h)
				a.wantStatus(t, status)
				wantAlways(t, a)
				wantAllowed(t, a, origin, listed, credentials)
			}
		}
	}
}

func wantAllowed(t *testing.T, a answer, origin string, listed, credentials bool) {
	t.Helper()
	want, wantCredentials := []string(nil), ""
	if listed {
		want = []string{origin}
		if credentials {
			wantCredentials = "true"
		}
	}
	if got := a.Header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, want) {
		t.Errorf("origin %q: Access-Control-Allow-Origin %q, want %q", origin, got, want)
	}
	if got := a.Header.Get("Access-Control-Allow-Credentials"); got != wantCredentials {
		t.Errorf("origin %q: Access-Control-Allow-Credentials %q, want %q", origin, got, wantCredentials)
	}
}

// TestPreflight asks what browsers ask before a fetch with these headers.
func TestPreflight(t *testing.T) {
	h := build(t)
	for _, tt := range []struct {
		origin, method, headers string
		allowed                 bool
	}{
		{"https://app.listed.test", "GET", "authorization", true},
		{"https://app.listed.test", "GET", "authorization,cache-control,last-event-id", true},
		{"https://a.b.wild.test", "GET", "last-event-id", true},
		{"https://app.listed.test", "POST", "authorization,content-type,idempotency-key", true},
		{"https://app.listed.test", "DELETE", "", true},
		{"https://app.listed.test", "GET", "x-own", false},
		{"https://app.listed.test", "PUT", "authorization", false},
		{"https://evil.test", "GET", "authorization", false},
		{"https://wild.test", "GET", "authorization", false},
		{"null", "GET", "authorization", false},
	} {
		c := get("/events", "Origin: "+tt.origin, "Access-Control-Request-Method: "+tt.method).by("OPTIONS")
		if tt.headers != "" {
			c.with("Access-Control-Request-Headers: " + tt.headers)
		}
		a := c.to(t, h)
		a.wantStatus(t, http.StatusNoContent)
		wantAlways(t, a)
		wantAllowed(t, a, tt.origin, tt.allowed, true)
		if tt.allowed && (a.Header.Get("Access-Control-Allow-Headers") != tt.headers || a.Header.Get("Access-Control-Allow-Methods") != tt.method || a.Header.Get("Access-Control-Max-Age") != "600") {
			t.Errorf("%+v: got %v", tt, a.Header)
		}
	}
}

// TestTwoOrigins holds that of two Origin headers none is answered, nor one's
// cookie taken.
func TestTwoOrigins(t *testing.T) {
	h := build(t)
	for _, method := range []string{"GET", "OPTIONS"} {
		c := get("/session", "Cookie: __Host-bellhop="+mint(t), "Origin: https://app.listed.test", "Origin: https://evil.test", "Access-Control-Request-Method: GET").by(method)
		a := c.to(t, h)
		wantAllowed(t, a, "", false, true)
		if method == "GET" {
			a.wantProblem(t, http.StatusForbidden, "cookie_refused")
		}
	}
}

// TestNothingUnlistedIsReflected draws origins near the listed ones. What is
// allowed must be the one or below the other, told by a reading of its own.
func TestNothingUnlistedIsReflected(t *testing.T) {
	h := build(t)
	piece := rapid.SampledFrom([]string{
		"https", "http", "HTTPS", "://", ":", "//", "/", ".", "..", "app", "a", "-", "_", "evil", "@", "#", "?", "\\", "%2e", "[", "]", "*", " ", ",", "\x00", "é",
		"listed.test", "app.listed.test", "wild.test", ".wild.test", "WILD.test", ":443", ":80", ":8443", "null", "https://a.wild.test", "https://app.listed.test",
	})
	rapid.Check(t, func(t *rapid.T) {
		origin := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		c := get("/healthz")
		c.header["Origin"] = []string{origin}
		got := c.to(t, h).Header.Values("Access-Control-Allow-Origin")
		allowed := len(got) > 0
		if want := plainlyListed(origin); allowed != want || allowed && !slices.Equal(got, []string{origin}) {
			t.Fatalf("origin %q: allowed %q, want %v", origin, got, want)
		}
	})
}

func plainlyListed(origin string) bool {
	host, ok := strings.CutPrefix(strings.ToLower(origin), "https://")
	host = strings.TrimSuffix(host, ":443")
	labels, below := strings.CutSuffix(host, ".wild.test")
	return ok && (host == "app.listed.test" || below && labels != "" && strings.Trim(labels, ".abcdefghijklmnopqrstuvwxyz0123456789-_") == "" &&
		!strings.Contains("."+labels+".", ".."))
}
