package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"bellhop/auth"
)

// TestCookieAttributes begins sessions from everywhere.
func TestCookieAttributes(t *testing.T) {
	const plain, secure = "; Path=/; Max-Age=N; HttpOnly; SameSite=Lax", "; Path=/; Max-Age=N; HttpOnly; Secure; SameSite=Lax"
	const cross = "; Path=/; Max-Age=N; HttpOnly; Secure; SameSite=None; Partitioned"
	for _, tt := range []struct {
		name, host string
		remote     string
		headers    []string
		crossSite  bool
		want       string // the cookie without its value, or the code of a problem
	}{
		{name: "https", host: "hotel.test", headers: []string{"X-Forwarded-Proto: https"}, want: "__Host-bellhop" + secure},
		{name: "https, any origin", host: "hotel.test", headers: []string{"X-Forwarded-Proto: https", "Origin: https://evil.test"}, want: "__Host-bellhop" + secure},
		{name: "https on loopback", host: "localhost", headers: []string{"X-Forwarded-Proto: https"}, want: "__Host-bellhop" + secure},
		{name: "cross-site", host: "hotel.test", headers: []string{"X-Forwarded-Proto: https"}, crossSite: true, want: "__Host-bellhop" + cross},
		{name: "plain localhost", host: "localhost:8080", want: "bellhop" + plain},
		{name: "plain localhost, cross-site", host: "localhost:8080", crossSite: true, want: "bellhop" + plain},
		{name: "plain 127", host: "127.8.9.1", want: "bellhop" + plain},
		{name: "plain ::1", host: "[::1]:80", want: "bellhop" + plain},
		{name: "plain loopback page", host: "localhost", headers: []string{"Origin: http://127.0.0.1:3000"}, want: "bellhop" + plain},
		{name: "plain foreign page", host: "localhost", headers: []string{"Origin: https://app.listed.test"}, want: "https_needed"},
		{name: "plain null page", host: "localhost", headers: []string{"Origin: null"}, want: "https_needed"},
		{name: "plain empty origin", host: "localhost", headers: []string{"Origin: "}, want: "https_needed"},
		{name: "plain host", host: "hotel.test", want: "https_needed"},
		{name: "hidden TLS", host: "hotel.test", headers: []string{"Origin: https://hotel.test"}, want: "https_needed"},
		{name: "proxy hides the host only", host: "localhost", headers: []string{"X-Forwarded-Host: hotel.test"}, want: "https_needed"},
		{name: "forwarded http", host: "hotel.test", headers: []string{"X-Forwarded-Proto: https, http"}, want: "https_needed"},
		{name: "not a proxy", host: "hotel.test", remote: "203.0.113.9:1", headers: []string{"X-Forwarded-Proto: https"}, want: "https_needed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := build(t, func(p *plan) { p.CrossSite = tt.crossSite })
			token := mint(t)
			c := get("/session", append(slices.Clone(tt.headers), bearer(token))...).by("POST")
			c.host = tt.host
			if tt.remote != "" {
				c.remote = tt.remote
			}
			a := c.to(t, h)
			if tt.want == "https_needed" {
				a.wantProblem(t, 400, tt.want)
				if a.Header.Get("Set-Cookie") != "" {
					t.Errorf("sets %s", a.Header.Get("Set-Cookie"))
				}
				return
			}
			a.wantStatus(t, http.StatusNoContent)
			wantNoStore(t, a)
			got := strings.Replace(a.Header.Get("Set-Cookie"), "="+token, "", 1)
			got = regexp.MustCompile(`Max-Age=3(600|59\d)`).ReplaceAllString(got, "Max-Age=N")
			if got != tt.want || len(a.Header.Values("Set-Cookie")) != 1 {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func wantNoStore(t *testing.T, a answer) {
	t.Helper()
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
}

// TestBeginOrder holds the order: the token, https, the size.
func TestBeginOrder(t *testing.T) {
	h := build(t)
	// padded returns a token of so many bytes.
	padded := func(size int) string {
		token := mint(t)
		for n := size * 3 / 8; len(token) != size; n += (size - len(token)) * 3 / 4 {
			token = mint(t, func(c *claims) { c.Issuer, c.Subject, c.ID = issuer, "s", strings.Repeat("x", n) })
			if len(token) == size+1 || len(token) == size-1 { // base64 steps over some sizes
				return token
			}
		}
		return token
	}
	big, fits := padded(3810), padded(3790)
	post := func(token string) *call { return get("/session", bearer(token)).by("POST") }
	post("x").to(t, h).wantProblem(t, 401, "invalid_token")
	get("/session").by("POST").to(t, h).wantProblem(t, 401, "token_missing")
	get("/session", "Cookie: __Host-bellhop="+mint(t)).by("POST").to(t, h).wantProblem(t, 401, "token_missing")
	post(mint(t)).with(bearer(mint(t))).to(t, h).wantProblem(t, 401, "invalid_token")
	post(big).to(t, h).wantProblem(t, 413, "token_too_large")
	post(fits).to(t, h).wantStatus(t, 204)
	plain := post(big)
	plain.host = "hotel.test"
	plain.to(t, h).wantProblem(t, 400, "https_needed")
	plain = post("x")
	plain.host = "hotel.test"
	plain.to(t, h).wantProblem(t, 401, "invalid_token")
	post(mint(t)).to(t, build(t, func(p *plan) { p.store = unready{} })).wantProblem(t, 503, "busy")
	get("/events", bearer(big)).to(t, h).wantStatus(t, 200)
}

func TestMaxAge(t *testing.T) {
	h := build(t)
	for left, want := range map[time.Duration]string{
		90 * time.Second: "Max-Age=(89|90);", -10 * time.Second: "Max-Age=1;", 400 * 24 * time.Hour: "Max-Age=345(60000|59999);",
	} {
		a := get("/session", bearer(mint(t, lasting(left)))).by("POST").to(t, h)
		if got := a.Header.Get("Set-Cookie"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%v left: got %q, want %s", left, got, want)
		}
	}
}

// TestOtherCookieIsCleared holds that a change between http and https leaves one
// cookie, since two are an error.
func TestOtherCookieIsCleared(t *testing.T) {
	for _, crossSite := range []bool{false, true} {
		h := build(t, func(p *plan) { p.CrossSite = crossSite })
		for _, method := range []string{"POST", "DELETE"} {
			for _, https := range []bool{false, true} {
				c := get("/session", bearer(mint(t)), "Cookie: bellhop=old; __Host-bellhop=old").by(method)
				own, other := "bellhop=", "__Host-bellhop=;"
				if https {
					c.overHTTPS()
					own, other = "__Host-bellhop=", "bellhop=;"
				}
				a := c.to(t, h)
				a.wantStatus(t, 204)
				set := strings.Join(a.Header.Values("Set-Cookie"), "\n")
				if lines := a.Header.Values("Set-Cookie"); len(lines) != 2 || !strings.Contains("\n"+set, "\n"+own) || !cleared(set, other) {
					t.Errorf("%s, https %v: sets\n%s", method, https, set)
				}
			}
		}
		if a := get("/session", bearer(mint(t))).by("POST").to(t, h); len(a.Header.Values("Set-Cookie")) != 1 {
			t.Errorf("without the other cookie: sets %q", a.Header.Values("Set-Cookie"))
		}
	}
}

// cleared reports whether one of the lines clears the cookie.
func cleared(set, cookie string) bool {
	return slices.ContainsFunc(strings.Split(set, "\n"), func(line string) bool {
		return strings.HasPrefix(line, cookie) && strings.Contains(line, "Max-Age=0;") && strings.Contains(line, "Path=/;") &&
			(strings.HasPrefix(line, "__Host-") == strings.Contains(line, "Secure"))
	})
}

func TestShowSession(t *testing.T) {
	h := build(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	token := mint(t, granting(
		`{"sources":["prague"],"types":["Resource"],"states":["Dirty"],"redact":["event.StartUtc"]}`,
		`{"sources":["chat"],"types":["*"],"conversations":["0d6a"],"fields":["event.message"]}`,
	), func(c *claims) { c.Expires = expires })
	for _, place := range []string{"Authorization: Bearer ", "Cookie: bellhop=", "Cookie: __Host-bellhop="} {
		c := get("/session", place+token)
		a := c.to(t, h)
		a.wantStatus(t, 200)
		wantNoStore(t, a)
		want := `{"sub":"maid-7","expires":"` + expires.Format(time.RFC3339) + `","grants":[` +
			`{"sources":["prague"],"types":["Resource"],"states":["Dirty"],"redact":["event.StartUtc"]},` +
			`{"sources":["chat"],"types":["*"],"conversations":["0d6a"],"fields":["event.message"]}]}` + "\n"
		if diff := cmp.Diff(want, a.body); diff != "" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s as %s (-want +got):\n%s", place, a.Header.Get("Content-Type"), diff)
		}
		c.by("HEAD").to(t, h).wantStatus(t, 200)
	}
	// What the ceiling left of the grants is shown, and none is a list too.
	a := get("/session", bearer(mint(t, func(c *claims) { c.Issuer = "https://narrow.test" }, granting(`{"sources":["prague"],"types":["*"]}`)))).to(t, h)
	if !strings.Contains(a.body, `"grants":[]`) {
		t.Errorf("without a grant left: %s", a.body)
	}
	get("/session").to(t, h).wantProblem(t, 401, "token_missing")
	get("/session", bearer(mint(t, lasting(-time.Minute)))).to(t, h).wantProblem(t, 401, "invalid_token")
}

func TestEndSession(t *testing.T) {
	h := build(t)
	token, sibling := mint(t), mint(t)
	theirs, copied, others := h.hold(t, get("/events", bearer(token))), h.hold(t, get("/events", "Cookie: __Host-bellhop="+token)), h.hold(t, get("/events", bearer(sibling)))

	a := get("/session", "Cookie: bellhop="+token, "Origin: http://localhost:8080").by("DELETE").to(t, h)
	a.wantStatus(t, 204)
	wantNoStore(t, a)
	if set := a.Header.Values("Set-Cookie"); len(set) != 1 || !cleared(set[0], "bellhop=;") {
		t.Errorf("sets %q", set)
	}
	for _, s := range []*held{theirs, copied} {
		eventually(t, s.ended)
		if got := lastBlock(s.text()); got != "event: bellhop.bye\ndata: {\"reason\":\"revoked\"}\n\n" {
			t.Errorf("a stream of it ended with %q", got)
		}
	}
	if others.ended() {
		t.Error("a stream of another token ended")
	}
	get("/events", bearer(token)).to(t, h).wantProblem(t, 401, "invalid_token")
	get("/session", "Cookie: bellhop="+token).to(t, h).wantProblem(t, 401, "invalid_token")
	get("/session", bearer(sibling)).to(t, h).wantStatus(t, 200)

	// Again, and without any: there is nothing left to do.
	a = get("/session", bearer(token), "Cookie: bellhop="+token).by("DELETE").to(t, h)
	a.wantProblem(t, 401, "invalid_token")
	if set := a.Header.Values("Set-Cookie"); len(set) != 1 || !cleared(set[0], "bellhop=;") {
		t.Errorf("a bad token: sets %q", set)
	}
	a = get("/session").by("DELETE").to(t, h)
	a.wantStatus(t, 204)
	if set := a.Header.Values("Set-Cookie"); len(set) != 1 || !cleared(set[0], "bellhop=;") {
		t.Errorf("no token: sets %q", set)
	}
	// From a foreign page nothing is cleared either.
	a = get("/session", "Cookie: bellhop="+sibling, "Origin: https://evil.test").by("DELETE").to(t, h)
	a.wantProblem(t, 403, "cookie_refused")
	if set := a.Header.Values("Set-Cookie"); set != nil {
		t.Errorf("a foreign page: sets %q", set)
	}
}

// store keeps revocations, or cannot.
type store struct {
	kept []auth.Revocation
	err  error
}

func (s *store) Save(ctx context.Context, r auth.Revocation) error {
	s.kept = append(s.kept, r)
	return errors.Join(s.err, ctx.Err())
}

func (s *store) Watch(ctx context.Context, found func([]auth.Revocation)) error {
	found(nil)
	<-ctx.Done()
	return nil
}

// TestRevocationIsKept ends a session from a page that is about to close, and one
// that cannot be ended durably.
func TestRevocationIsKept(t *testing.T) {
	s := new(store)
	h := build(t, func(p *plan) { p.store = s })
	during(t, h.verifier.Run)
	token := mint(t)
	eventually(t, func() bool { return get("/session", bearer(token)).to(t, h).StatusCode == 200 })
	get("/session", bearer(token)).by("DELETE").to(t, h).wantStatus(t, 204) // its context has ended before
	if len(s.kept) != 1 {
		t.Errorf("%d revocations are kept, want 1", len(s.kept))
	}
	s.err = errors.New("disk full")
	token = mint(t)
	get("/session", bearer(token)).by("DELETE").to(t, h).wantProblem(t, 503, "busy")
	get("/session", bearer(token)).to(t, h).wantProblem(t, 401, "invalid_token") // here it holds at once
}

// TestReencodedSignature revokes a token and asks with the other signature that
// ECDSA allows for it.
func TestReencodedSignature(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, func(p *plan) {
		p.issuers = append(p.issuers, auth.Issuer{Name: "https://ec.test", Audience: audience, PublicKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})})
	})
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://ec.test", "aud": audience, "sub": "maid-7", "exp": inAnHour().Unix(), "bellhop": json.RawMessage(`{"sources":["*"],"types":["*"]}`),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	input, signature := token[:strings.LastIndexByte(token, '.')+1], token[strings.LastIndexByte(token, '.')+1:]
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:]))
	twin := input + base64.RawURLEncoding.EncodeToString(append(raw[:32:32], s.FillBytes(make([]byte, 32))...))

	open := h.hold(t, get("/events", bearer(twin)))
	get("/session", bearer(token)).by("DELETE").to(t, h).wantStatus(t, 204)
	eventually(t, open.ended)
	get("/session", bearer(twin)).to(t, h).wantProblem(t, 401, "invalid_token")
}
