package web_test

import (
	"testing"
	"testing/fstest"

	"bellhop/gateway"
)

func TestReadiness(t *testing.T) {
	down := func(reason gateway.Reason) func(testing.TB, *house) {
		return func(_ testing.TB, h *house) {
			h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: reason})
		}
	}
	for name, tt := range map[string]struct {
		plan   func(*plan)
		before func(testing.TB, *house)
		status int
		body   string
	}{
		"ready":    {status: 200, body: `{"status":"ready"}`},
		"starting": {plan: func(p *plan) { p.closed = true }, status: 503, body: `{"status":"starting"}`},
		"upstream": {before: down(gateway.ReasonRejected), status: 200, body: `{"status":"degraded","degraded":["upstream"]}`},
		"log": {before: func(_ testing.TB, h *house) {
			h.LogTrouble(true)
			h.hub.LogTrouble(true)
		}, status: 200, body: `{"status":"degraded","degraded":["log"]}`},
		"both": {before: func(tb testing.TB, h *house) {
			h.LogTrouble(true)
			down(gateway.ReasonDial)(tb, h)
		}, status: 200, body: `{"status":"degraded","degraded":["log","upstream"]}`},
		"over again": {before: func(_ testing.TB, h *house) {
			h.LogTrouble(true)
			h.LogTrouble(false)
		}, status: 200, body: `{"status":"ready"}`},
		"draining": {before: drain, status: 503, body: `{"status":"draining"}`},
		"draining before it is open": {plan: func(p *plan) { p.closed = true }, before: func(tb testing.TB, h *house) {
			drain(tb, h)
			eventually(tb, func() bool { return get("/readyz").to(tb, h).body == "{\"status\":\"draining\"}\n" })
		}, status: 503, body: `{"status":"draining"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, func(p *plan) {
				p.BasePath = "/live/"
				if tt.plan != nil {
					tt.plan(p)
				}
			})
			if tt.before != nil {
				tt.before(t, h)
			}
			for _, path := range []string{"/readyz", "/live/readyz"} {
				a := get(path).to(t, h)
				if a.StatusCode != tt.status || a.body != tt.body+"\n" || a.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: got %d %s, want %d %s", path, a.StatusCode, a.body, tt.status, tt.body)
				}
				wantNoStore(t, a)
				get(path).by("HEAD").to(t, h).wantStatus(t, tt.status)
			}
			for _, path := range []string{"/healthz", "/live/healthz"} {
				if a := get(path).to(t, h); a.StatusCode != 200 || a.body != "{\"status\":\"ok\"}\n" {
					t.Errorf("%s: got %d %s", path, a.StatusCode, a.body)
				}
			}
		})
	}
}

func TestBasePath(t *testing.T) {
	pages := fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}
	for _, base := range []string{"/live/hotel", "live/hotel/", "/live/hotel/"} {
		h := build(t, func(p *plan) { p.BasePath, p.Static = base, pages })
		for path, want := range map[string]int{
			"/live/hotel/": 200, "/live/hotel/index.html": 200, "/live/hotel/events": 401, "/live/hotel/session": 401, "/live/hotel/bellhop.js": 501,
			"/events": 404, "/session": 404, "/": 404, "/live": 404, "/live/": 404, "/live/hotels": 404, "/index.html": 404, "/live/hotel/x": 404, "/bellhop.js": 404,
			"/live/hotel": 307, "/healthz": 200, "/live/hotel/healthz": 200, "/live/healthz": 404,
		} {
			a := get(path).to(t, h)
			a.wantStatus(t, want)
			wantAlways(t, a)
			if want == 404 {
				a.wantProblem(t, 404, "not_found")
			}
		}
		if got := get("/live/hotel?a=b").to(t, h).Header.Get("Location"); got != "/live/hotel/?a=b" {
			t.Errorf("Location: %q", got)
		}
	}
}

func TestPages(t *testing.T) {
	pages := fstest.MapFS{
		"index.html":     {Data: []byte("<!doctype html>")},
		"favicon.svg":    {Data: []byte("<svg/>")},
		"app.js":         {Data: []byte("export {}")},
		"style/page.css": {Data: []byte("a{}")},
		"secret.txt":     {Data: []byte("x")},
	}
	h := build(t, func(p *plan) { p.Static = pages })
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
		"/style/page.css": "text/css; charset=utf-8", "/favicon.svg": "image/svg+xml",
	} {
		a := get(path).to(t, h)
		a.wantStatus(t, 200)
		wantAlways(t, a)
		for name, want := range map[string]string{
			"Content-Type": kind, "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
				"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if a.body == "" {
			t.Errorf("%s is empty", path)
		}
		get(path).by("HEAD").to(t, h).wantStatus(t, 200)
		get(path).by("POST").to(t, h).wantProblem(t, 405, "method_not_allowed")
	}
	for _, path := range []string{"/style", "/style/", "/secret.txt", "/none.js", "/index.html/", "/..%2findex.html", "/demo/hotel", "/demo/token"} {
		get(path).to(t, h).wantProblem(t, 404, "not_found")
	}
	for path := range map[string]bool{"/": true, "/app.js": true} {
		get(path).to(t, build(t)).wantProblem(t, 404, "not_found")
	}
}
