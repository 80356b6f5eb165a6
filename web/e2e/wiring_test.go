package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

// TestWiring turns every key that is off or otherwise by default, and sees what
// comes of it.
func TestWiring(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	dir, metrics, host := t.TempDir(), freeAddress(t), hotels.server.Listener.Addr()
	for name, text := range map[string]string{"secret": secret + "\n", "token": simulator.AccessToken + "\r\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := newGateway(t, fmt.Sprintf(`
base_path: /live/
metrics_listen: %[1]s
proxies: [127.0.0.1/32]
sources:
  - name: prague
    mews: {socket: "ws://%[2]s", api: "http://%[2]s", client_token: "${CLIENT}", access_token_file: %[3]s/token}
auth:
  issuers: [{issuer: %[4]q, audience: bellhop, secret_file: %[3]s/secret, sources: [prague]}]
  query: access_token
  cookie: {cross_site: true}
cors: {origins: ["https://app.hotel.example", "https://*.rooms.example"], credentials: true}
stream: {heartbeat: 150ms, retry: 20s}
static: {enabled: true}
log: {level: debug, format: json}
`, metrics, host, dir, issuerName))
	g.env = []string{"CLIENT=" + simulator.ClientToken}
	root := g.url
	g.url += "/live"
	g.start()

	for url, want := range map[string]int{
		root + "/readyz": 200, root + "/healthz": 200, g.url + "/healthz": 200, root + "/events": 404, g.url + "/": 200, root + "/": 404,
		"http://" + metrics + "/metrics": 200, "http://" + metrics + "/healthz": 200, "http://" + metrics + "/readyz": 200,
		"http://" + metrics + "/sources": 404, "http://" + metrics + "/events": 404,
	} {
		if status, body := g.get(url); status != want {
			t.Errorf("%s: %d, want %d: %.200s", url, status, want, body)
		}
	}

	token := allOf(t)
	l := g.newListener(t, "", "type=Resource&access_token="+token)
	l.header.Set("X-Forwarded-For", "192.0.2.7")
	l.header.Set("Origin", "https://app.hotel.example")
	ready := l.connect()
	if wait := ready.wait(); wait < 15*time.Second || wait > 25*time.Second {
		t.Errorf("retry %v, want about 20s", wait)
	}
	if !strings.Contains(ready.data, `"heartbeat":0.15,`) {
		t.Errorf("ready: %v", ready)
	}
	l.await("bellhop.heartbeat")
	hotels.at(0).tell(resource("room", "Clean"))
	l.awaitID("room")
	if s := g.streams()[0]; s.Address != "192.0.2.7" || s.Query != "type=Resource" {
		t.Errorf("/streams: %+v", s)
	}
	checkCORS(t, l.answer, "https://app.hotel.example")
	for origin, allowed := range map[string]bool{"https://a.b.rooms.example": true, "https://rooms.example": false, "https://evil.example": false} {
		refused := g.newListener(t, "", "")
		refused.header.Set("Origin", origin)
		refused.dial(0)
		checkProblem(t, refused, http.StatusUnauthorized, "token_missing", "")
		if !allowed {
			origin = ""
		}
		checkCORS(t, refused.answer, origin)
	}

	request, err := http.NewRequest(http.MethodPost, g.url+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("X-Forwarded-Proto", "https")
	request.Header.Set("X-Forwarded-Host", "live.hotel.example")
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	cookies := response.Cookies()
	if response.StatusCode != http.StatusNoContent || len(cookies) != 1 {
		t.Fatalf("POST /session: %v", response)
	}
	if c := cookies[0]; c.Name != "__Host-bellhop" || c.Value != token || !c.Secure || !c.HttpOnly || c.Path != "/" ||
		c.SameSite != http.SameSiteNoneMode || !c.Partitioned || c.MaxAge < 3500 {
		t.Errorf("cookie: %v", strings.ReplaceAll(c.String(), token, "…"))
	}

	g.stop()
	for line := range strings.Lines(g.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has a line that is no JSON: %s", line)
		}
	}
	for _, bad := range []string{token, secret, simulator.AccessToken, simulator.ClientToken} {
		if strings.Contains(g.log.String(), bad) {
			t.Error("the log tells a secret")
		}
	}
}

func checkCORS(t *testing.T, h http.Header, origin string) {
	t.Helper()
	credentials := ""
	if origin != "" {
		credentials = "true"
	}
	if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != credentials ||
		!strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
		t.Errorf("CORS for %q: %v", origin, h)
	}
}

// TestAdminToken asks an admin listener that wants a token.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := newGateway(t, hotels.sources(), issuer, "admin_token: a-token-of-the-operators")
	g.launch()
	g.awaitReady()
	for token, want := range map[string]int{"": 401, "another": 401, "a-token-of-the-operators": 200} {
		for _, path := range []string{"/sources", "/streams", "/metrics", "/debug/pprof/goroutine?debug=1"} {
			request, err := http.NewRequest(http.MethodGet, g.admin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				request.Header.Set("Authorization", "Bearer "+token)
			}
			response, err := plain.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s with the token %q: %d, want %d", path, token, response.StatusCode, want)
			}
		}
	}
}
