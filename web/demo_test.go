package web_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/auth"
	"bellhop/web"
)

// demonstrate makes a plan that of a demo, with the tokens that the house takes.
func demonstrate(p *plan) {
	p.Demo = &web.Demo{
		Issuer: auth.Issuer{Name: issuer, Audience: audience, Secret: secret},
		Source: "prague", Name: "Nowhere", GuestRoom: "room-12",
		Rooms: []map[string]string{{"id": "room-12", "floor": "1"}}, Categories: []string{"Double"}, Rates: []string{},
		Unplug: func() time.Duration { return 19500 * time.Millisecond },
		Clock:  func() time.Time { return time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC) }, Speed: 240,
	}
}

// askToken posts body to /demo/token of host.
func askToken(h *house, host, body string) recorder {
	return postDemo(h, "/demo/token", host, body, nil)
}

// postDemo posts body to a path of host, with headers besides.
func postDemo(h *house, path, host, body string, headers map[string]string) recorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Host = host
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := recorder{httptest.NewRecorder()}
	h.Public().ServeHTTP(w, r)
	return w
}

func TestDemoHotel(t *testing.T) {
	h := build(t, demonstrate)
	want := `{"categories":["Double"],"clock":{"now":"2026-03-14T09:00:00Z","speed":240},"name":"Nowhere","rates":[],"roles":["frontdesk","housekeeper","revenue","guest"],` +
		`"rooms":[{"floor":"1","id":"room-12"}],"source":"prague"}` + "\n"
	if a := get("/demo/hotel").to(t, h); a.StatusCode != 200 || a.body != want {
		t.Errorf("got %d %s, want %s", a.StatusCode, a.body, want)
	}
	get("/demo/hotel").by("POST").to(t, h).wantProblem(t, 405, "method_not_allowed")
	get("/demo/hotel").to(t, build(t)).wantProblem(t, 404, "not_found")
}

func TestDemoTokenAsked(t *testing.T) {
	h := build(t, demonstrate)
	get("/demo/token").to(t, h).wantProblem(t, 405, "method_not_allowed")
	for _, tt := range []struct {
		host, body, want string
		status           int
	}{
		{"localhost:8080", `{"role":"guest"}`, `"role":"guest"`, 200},
		{"127.0.0.1", `{"role":"guest"}`, `"token":"`, 200},
		{"rebound.evil.test", `{"role":"guest"}`, `"code":"forbidden"`, 403},
		{"localhost", `{"role":"chef"}`, `"parameter":"role"`, 400},
		{"localhost", `{"role":1}`, `"parameter":"role"`, 400},
		{"localhost", ``, `"parameter":"role"`, 400},
		{"localhost", `{"role":"guest"` + strings.Repeat(" ", 1024) + `}`, `"parameter":"role"`, 400},
	} {
		w := askToken(h, tt.host, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: got %d %s", tt, w.Code, w.Body)
		}
	}
}

func TestDemoPlug(t *testing.T) {
	pulled := 0
	h := build(t, demonstrate, func(p *plan) {
		unplug := p.Demo.Unplug
		p.Demo.Unplug = func() time.Duration { pulled++; return unplug() }
	})
	w := postDemo(h, "/demo/plug", "localhost:8080", "", nil)
	if got, want := w.Body.String(), `{"seconds":19.5}`+"\n"; w.Code != 200 || got != want || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %s, want %s", w.Code, got, want)
	}
	if pulled != 1 {
		t.Errorf("the plug was pulled %d times", pulled)
	}
	get("/demo/plug").to(t, h).wantProblem(t, 405, "method_not_allowed")
	get("/demo/plug").by("POST").to(t, build(t)).wantProblem(t, 404, "not_found")
	if pulled != 1 {
		t.Errorf("the plug was pulled by what was refused")
	}
}

// Neither a page elsewhere nor one that rebinds its name gets anything done.
func TestDemoRefusesForeignPages(t *testing.T) {
	h := build(t, demonstrate, func(p *plan) {
		p.Demo.Unplug = func() time.Duration { t.Error("the plug was pulled"); return 0 }
	})
	for _, tt := range []struct {
		host    string
		headers map[string]string
	}{
		{"rebound.evil.test", nil},
		{"rebound.evil.test", map[string]string{"Origin": "http://rebound.evil.test", "Sec-Fetch-Site": "same-origin"}},
		{"localhost:8080", map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}},
		{"localhost:8080", map[string]string{"Origin": "http://localhost:9090", "Sec-Fetch-Site": "same-site"}},
		{"localhost:8080", map[string]string{"Origin": "https://evil.test"}},
		{"localhost:8080", map[string]string{"Origin": "null"}},
	} {
		for _, path := range []string{"/demo/token", "/demo/plug"} {
			if w := postDemo(h, path, tt.host, `{"role":"guest"}`, tt.headers); w.Code != 403 || !strings.Contains(w.Body.String(), `"code":"forbidden"`) {
				t.Errorf("%s %+v: got %d %s", path, tt, w.Code, w.Body)
			}
		}
	}
	own := map[string]string{"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}
	if w := postDemo(h, "/demo/token", "localhost:8080", `{"role":"guest"}`, own); w.Code != 200 {
		t.Errorf("the demo's own page: got %d %s", w.Code, w.Body)
	}
}

// A role's token is one that the house takes, and shows what the role may see.
func TestDemoRoles(t *testing.T) {
	h := build(t, demonstrate)
	prague := []string{"prague"}
	for role, want := range map[string][]auth.Grant{
		"frontdesk": {{Sources: prague, Types: []string{"*"}}},
		"housekeeper": {
			{Sources: prague, Types: []string{"Resource"}, States: []string{"Dirty", "Clean", "Inspected"}},
			{
				Sources: prague, Types: []string{"Reservation"}, States: []string{"Started", "Processed"},
				Redact: []string{"event.StartUtc", "entity.ScheduledStartUtc"},
			},
		},
		"revenue": {{Sources: prague, Types: []string{"PriceUpdate", "Reservation"}}},
		"guest": {{
			Sources: prague, Types: []string{"Reservation", "Resource"}, Resources: []string{"room-12"},
			Fields: []string{
				"event.State", "event.StartUtc", "event.EndUtc", "event.AssignedResourceId", "entity.Name", "entity.Number",
			},
		}},
	} {
		var got struct {
			Token, Role string
			Expires     time.Time
		}
		if err := json.Unmarshal(askToken(h, "localhost", `{"role":"`+role+`"}`).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		token, err := h.verifier.Verify(got.Token)
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		if diff := cmp.Diff(want, token.Grants); diff != "" || token.Subject != role || got.Role != role {
			t.Errorf("%s: subject %s, role %s, grants (-want +got):\n%s", role, token.Subject, got.Role, diff)
		}
		if left := time.Until(token.Expires); !got.Expires.Equal(token.Expires) || left <= 0 || left > 10*time.Minute {
			t.Errorf("%s: told to expire at %v, expires at %v", role, got.Expires, token.Expires)
		}
	}
}
