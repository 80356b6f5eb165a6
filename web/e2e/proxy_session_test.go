package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends a request and returns the answer with its body read. The header's
// pairs are names and values.
func (g *gateway) ask(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := g.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestProxySession has a page's session begin behind a proxy that ends the TLS.
func TestProxySession(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		g := startGateway(t, newHotels(t, 1).sources(), issuer, proxyStill)
		token := allOf(t)
		p := startProxy(t, kind, g.address)
		front := p.front(proxyClient{http2: true})

		answer, body := front.ask(t, "POST", "/session", "Authorization", "Bearer "+token, "X-Forwarded-Proto", "http")
		if answer.StatusCode != http.StatusNoContent {
			t.Fatalf("POST /session: %d %s", answer.StatusCode, body)
		}
		cookie := answer.Header.Get("Set-Cookie")
		for _, want := range []string{"__Host-bellhop=" + token, "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
			if !strings.Contains(cookie+";", want+";") {
				t.Errorf("cookie without %s: %s", want, strings.Replace(cookie, token, "…", 1))
			}
		}

		asPage := []string{"Cookie", "__Host-bellhop=" + token, "Origin"}
		for _, c := range []struct {
			name   string
			header []string
			want   int
		}{
			{"own origin", append(asPage, front.url), http.StatusOK},
			{"foreign origin", append(asPage, "https://evil.example"), http.StatusForbidden},
			{"own host by another port", append(asPage, "https://"+p.site()), http.StatusForbidden},
			{"own host without TLS", append(asPage, strings.Replace(front.url, "https:", "http:", 1)), http.StatusForbidden},
			{"foreign origin that forges the proxy's headers", append(asPage, "https://evil.example",
				"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"), http.StatusForbidden},
		} {
			if answer, body := front.ask(t, "GET", "/session", c.header...); answer.StatusCode != c.want {
				t.Errorf("%s: %d, want %d: %s", c.name, answer.StatusCode, c.want, body)
			}
		}

		hidden := startProxy(t, kind, g.address, kind.hide).front(proxyClient{http2: true})
		answer, body = hidden.ask(t, "POST", "/session", "Authorization", "Bearer "+token)
		if answer.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"https_needed"`) || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("POST /session behind a proxy that hides its TLS: %d %s", answer.StatusCode, body)
		}
	})
}

// TestProxyAddress has two clients behind a proxy, one of which says it were
// somebody else.
func TestProxyAddress(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		g := startGateway(t, newHotels(t, 1).sources(), issuer, proxyStill, "limits: {per_address: 1}\n")
		p := startProxy(t, kind, g.address)
		honest := p.front(proxyClient{from: "127.0.0.2"}).newListener(t, allOf(t), "")
		honest.connect()
		forging := p.front(proxyClient{from: "127.0.0.3", http2: true}).newListener(t, allOf(t), "")
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
			forging.header.Set(name, "127.0.0.2")
		}
		forging.connect() // not refused as the honest one's second
		addresses := make(map[string]int)
		for _, s := range g.streams() {
			addresses[s.Address]++
		}
		if addresses["127.0.0.2"] != 1 || addresses["127.0.0.3"] != 1 {
			t.Errorf("addresses of the streams: %v", addresses)
		}
	})
}
