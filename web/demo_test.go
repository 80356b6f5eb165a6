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
		Source: "prague", Name: "Nowhere", Since: time.Date(2026, 11, 21, 9, 0, 0, 5, time.FixedZone("", 3600)), GuestRoom: "room-12",
		Rooms: []map[string]string{{"id": "room-12", "name": "12"}}, Categories: []string{"Double"}, Rates: []string{},
	}
}

// askToken posts body to /demo/token of host.
func askToken(h *house, host, body string) recorder {
	r := httptest.NewRequest("POST", "/demo/token", strings.NewReader(body))
	r.Host = host
	w := recorder{httptest.NewRecorder()}
	h.Public().ServeHTTP(w, r)
	return w
}

func TestDemoHotel(t *testing.T) {
	h := build(t, demonstrate)
	want := `{"categories":["Double"],"name":"Nowhere","rates":[],"roles":["frontdesk","housekeeper","revenue","guest"],` +
		`"rooms":[{"id":"room-12","name":"12"}],"since":"2026-11-21T08:00:00.000000005Z","source":"prague"}` + "\n"
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

// A role's token is one that the house takes, and shows what the role may see.
func TestDemoRoles(t *testing.T) {
	h := build(t, demonstrate)
	prague := []string{"prague"}
	for role, want := range map[string][]auth.Grant{
		"frontdesk": {{Sources: prague, Types: []string{"*"}}},
		"housekeeper": {
			{Sources: prague, Types: []string{"Resource"}},
			{Sources: prague, Types: []string{"Reservation"}, States: []string{"Started", "Processed"}, Redact: []string{"event.StartUtc"}},
		},
		"revenue": {{Sources: prague, Types: []string{"PriceUpdate", "Reservation"}}},
		"guest": {{
			Sources: prague, Types: []string{"Reservation", "Resource"}, Resources: []string{"room-12"},
			Fields: []string{"event.State", "event.StartUtc", "event.EndUtc", "event.AssignedResourceId"},
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
