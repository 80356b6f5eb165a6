package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTokenPlaces gives tokens in several places. Whose the stream is tells which
// was taken.
func TestTokenPlaces(t *testing.T) {
	h := build(t, func(p *plan) { p.QueryToken = "access_token" })
	head, cookie, query := mint(t, subjectOf("head")), mint(t, subjectOf("cookie")), mint(t, subjectOf("query"))
	for _, tt := range []struct {
		headers []string
		query   string
		want    string // a subject, or the code of a problem
	}{
		{[]string{bearer(head)}, "", "head"},
		{[]string{"Authorization: bearer " + head}, "", "head"},
		{[]string{"Authorization: BEARER   " + head}, "", "head"},
		{[]string{bearer(head), "Cookie: __Host-bellhop=" + cookie}, "access_token=" + query, "head"},
		{[]string{bearer("bad"), "Cookie: __Host-bellhop=" + cookie}, "access_token=" + query, "invalid_token"},
		{[]string{"Authorization: Basic " + head, "Cookie: __Host-bellhop=" + cookie}, "", "cookie"},
		{[]string{"Authorization: Basic x", bearer(head)}, "", "head"},
		{[]string{"Authorization: " + head}, "", "token_missing"},
		{[]string{"Authorization: Bearer" + head}, "", "token_missing"},
		{[]string{"Authorization: Bearer"}, "", "invalid_token"},
		{[]string{bearer(head), bearer(head)}, "", "invalid_token"},
		{[]string{bearer(head), "Authorization: bearer x"}, "", "invalid_token"},
		{[]string{bearer(head + ", Bearer " + head)}, "", "invalid_token"},
		{[]string{"Cookie: __Host-bellhop=" + cookie}, "access_token=" + query, "cookie"},
		{[]string{"Cookie: a=b; bellhop=" + cookie + "; c=d"}, "", "cookie"},
		{[]string{`Cookie: __Host-bellhop="` + cookie + `"`}, "", "cookie"},
		{[]string{"Cookie: __Host-bellhop=" + cookie + "; __Host-bellhop=" + cookie}, "", "invalid_token"},
		{[]string{"Cookie: __Host-bellhop=" + cookie, "Cookie: __Host-bellhop=x"}, "", "invalid_token"},
		{[]string{"Cookie: __Host-bellhop=" + cookie + "; bellhop=" + cookie}, "", "invalid_token"},
		{[]string{"Cookie: __Host-bellhop="}, "access_token=" + query, "invalid_token"},
		{[]string{"Cookie: __host-bellhop=" + cookie + "; Bellhop=" + cookie + "; session=" + cookie}, "", "token_missing"},
		{[]string{"Cookie: __Host-bellhop=" + cookie, "Sec-Fetch-Mode: navigate"}, "access_token=" + query, "cookie_refused"},
		{nil, "access_token=" + query, "query"},
		{nil, "%61ccess_token=" + query, "query"},
		{nil, "access_token=" + query + "&access_token=" + query, "invalid_token"},
		{nil, "access_token=", "invalid_token"},
		{nil, "access_token=%zz", "invalid_token"},
		{nil, "Access_token=" + query, "token_missing"},
		{nil, "token=" + query, "token_missing"},
		{nil, "", "token_missing"},
	} {
		c := get("/session?"+tt.query, tt.headers...)
		c.secrets = []string{head, cookie, query}
		a := c.to(t, h)
		if a.StatusCode == http.StatusOK {
			if !strings.HasPrefix(a.body, fmt.Sprintf(`{"sub":%q,`, tt.want)) {
				t.Errorf("%q with %q: got %s, want %s", tt.query, tt.headers, a.body, tt.want)
			}
			continue
		}
		if !strings.Contains(a.body, fmt.Sprintf(`"code":%q`, tt.want)) {
			t.Errorf("%q with %q: got %d %s, want %s", tt.query, tt.headers, a.StatusCode, a.body, tt.want)
			continue
		}
		a.wantProblem(t, a.StatusCode, tt.want)
	}
}

// TestQueryTokenIsOff holds that a token in the URL is a parameter like any other
// where it is not asked for.
func TestQueryTokenIsOff(t *testing.T) {
	h := build(t)
	token := mint(t)
	c := get("/events?access_token=" + token)
	c.secrets = []string{token}
	c.to(t, h).wantProblem(t, 401, "token_missing")
	if got := c.with(bearer(token)).to(t, h).wantProblem(t, 400, "invalid_query"); got != "access_token" {
		t.Errorf("names %q", got)
	}
	// Asked for, it is no filter, and stands in no canonical form.
	h = build(t, func(p *plan) { p.QueryToken = "access_token" })
	held := h.hold(t, get("/events?type=Resource&access_token="+token))
	if got := h.admin(t, get("/streams")).body; strings.Contains(got, token) || !strings.Contains(got, `"query":"type=Resource"`) {
		t.Errorf("/streams shows %s of\n%s", got, held.text())
	}
}

// TestRefusedTokens gives what the verifier refuses; what is wrong with a token
// in detail is the tests' of package auth.
func TestRefusedTokens(t *testing.T) {
	h := build(t)
	good := mint(t)
	for name, token := range map[string]string{
		"garbage":       "x",
		"two segments":  strings.Join(strings.Split(good, ".")[:2], "."),
		"bad signature": good[:len(good)-4] + "AAAA",
		"expired":       mint(t, lasting(-31*time.Second)),
		"foreign":       mint(t, func(c *claims) { c.Issuer = "https://evil.test" }),
		"too long":      good + strings.Repeat("x", 8192),
		"line end":      good + "%0A",
	} {
		for _, place := range []string{"Authorization: Bearer ", "Cookie: __Host-bellhop="} {
			c := get("/events", place+token)
			c.secrets = []string{good}
			if a := c.to(t, h); name == "too long" && a.StatusCode == 401 || name != "too long" {
				a.wantProblem(t, 401, "invalid_token")
			} else {
				t.Errorf("%s in %q: got %d", name, place, a.StatusCode)
			}
		}
	}
	// The leeway holds.
	get("/events", bearer(mint(t, lasting(-20*time.Second)))).to(t, h).wantStatus(t, 200)
}

// A page is what a browser says of where a request comes from; "-" is a header
// that it does not send.
type page struct{ method, origin, site, mode string }

// counts is the contract's rule for cookies, as it is written there.
func (p page) counts(own string) bool {
	if p.mode == "navigate" || p.mode == "no-cors" {
		return false
	}
	if p.origin != "-" {
		return p.origin == own || p.origin == "https://app.listed.test" || p.origin == "https://x.y.wild.test"
	}
	if p.method != "GET" && p.method != "HEAD" {
		return false
	}
	return p.site == "same-origin" || p.site == "-" && p.mode == "-"
}

// TestWhichCookiesCount goes through all that a browser may say.
func TestWhichCookiesCount(t *testing.T) {
	h := build(t)
	origins := []string{
		"-", "", "null", "http://localhost:8080", "https://hotel.test", "http://hotel.test", "https://hotel.test:8443", "http://localhost", "https://localhost:8080",
		"https://app.listed.test", "http://app.listed.test", "https://x.y.wild.test", "https://wild.test", "https://evil.test",
	}
	sites := []string{"-", "same-origin", "same-site", "cross-site", "none", ""}
	modes := []string{"-", "cors", "same-origin", "navigate", "no-cors", "websocket"}
	own := map[string]string{"plain": "http://localhost:8080", "https": "https://hotel.test"}
	for scheme := range own {
		for _, method := range []string{"GET", "HEAD", "DELETE"} {
			for _, origin := range origins {
				for _, site := range sites {
					for _, mode := range modes {
						p := page{method, origin, site, mode}
						for _, path := range []string{"/events", "/session"} {
							if path == "/events" && method == "DELETE" {
								continue
							}
							a := p.ask(t, h, path, scheme)
							if counted := a.StatusCode == 200 || a.StatusCode == 204; counted != p.counts(own[scheme]) || !counted && a.StatusCode != 403 {
								t.Errorf("%s %s %+v: got %d", scheme, path, p, a.StatusCode)
							}
						}
					}
				}
			}
		}
	}
}

func (p page) ask(t *testing.T, h *house, path, scheme string) answer {
	t.Helper()
	c := get(path, "Cookie: __Host-bellhop="+mint(t)).by(p.method)
	if scheme == "https" {
		c.overHTTPS()
	}
	for name, value := range map[string]string{"Origin": p.origin, "Sec-Fetch-Site": p.site, "Sec-Fetch-Mode": p.mode} {
		if value != "-" {
			c.with(name + ": " + value)
		}
	}
	return c.to(t, h)
}

// TestOddBrowsers says things that no browser says.
func TestOddBrowsers(t *testing.T) {
	h := build(t)
	for _, headers := range [][]string{
		{"Origin: http://localhost:8080", "Origin: http://localhost:8080"},
		{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"},
		{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Mode: no-cors"},
		{"Sec-Fetch-Dest: empty"},
		{"Sec-Fetch-User: ?1"},
	} {
		get("/session", append(slices.Clone(headers), "Cookie: __Host-bellhop="+mint(t))...).to(t, h).wantProblem(t, 403, "cookie_refused")
	}
}

// TestPlainCookie holds that the cookie that any host of the site could plant is
// read over plain HTTP on this machine alone.
func TestPlainCookie(t *testing.T) {
	h := build(t)
	for _, tt := range []struct {
		host    string
		headers []string
		want    int
	}{
		{"localhost:8080", nil, 200},
		{"127.0.0.1:8080", nil, 200},
		{"[::1]", nil, 200},
		{"hotel.test", nil, 401},
		{"localhost:8080", []string{"X-Forwarded-Proto: https"}, 401},
		{"localhost:8080", []string{"X-Forwarded-Host: hotel.test"}, 401},
		{"inner", []string{"X-Forwarded-Host: localhost"}, 200},
	} {
		c := get("/session", append(slices.Clone(tt.headers), "Cookie: bellhop="+mint(t))...)
		c.host = tt.host
		c.to(t, h).wantStatus(t, tt.want)
	}
	c := get("/session", "Cookie: bellhop="+mint(t), "X-Forwarded-Host: localhost")
	c.host, c.remote = "hotel.test", "203.0.113.9:1" // not a proxy
	c.to(t, h).wantProblem(t, 401, "token_missing")
}
