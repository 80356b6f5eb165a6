package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bellhop/web"
)

func TestDemo(t *testing.T) {
	expires := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	h := build(t, func(p *plan) {
		p.Demo = &web.Demo{
			Hotel: func() any { return map[string]string{"name": "Nowhere"} },
			Mint:  func(role string) (string, time.Time, bool) { return "t0ken", expires, role == "guest" },
		}
	})
	if a := get("/demo/hotel").to(t, h); a.body != "{\"name\":\"Nowhere\"}\n" {
		t.Errorf("hotel: got %d %s", a.StatusCode, a.body)
	}
	get("/demo/hotel").by("POST").to(t, h).wantProblem(t, 405, "method_not_allowed")
	get("/demo/token").to(t, h).wantProblem(t, 405, "method_not_allowed")
	for _, tt := range []struct {
		host, body, want string
		status           int
	}{
		{"localhost:8080", `{"role":"guest"}`, `{"expires":"2026-11-21T08:00:00Z","role":"guest","token":"t0ken"}`, 200},
		{"127.0.0.1", `{"role":"guest"}`, `"token":"t0ken"`, 200},
		{"rebound.evil.test", `{"role":"guest"}`, `"code":"forbidden"`, 403},
		{"localhost", `{"role":"chef"}`, `"parameter":"role"`, 400},
		{"localhost", `{"role":1}`, `"parameter":"role"`, 400},
		{"localhost", ``, `"parameter":"role"`, 400},
		{"localhost", `{"role":"guest"` + strings.Repeat(" ", 1024) + `}`, `"parameter":"role"`, 400},
	} {
		r := httptest.NewRequest("POST", "/demo/token", strings.NewReader(tt.body))
		r.Host = tt.host
		w := recorder{httptest.NewRecorder()}
		h.Public().ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: got %d %s", tt, w.Code, w.Body)
		}
	}
}
