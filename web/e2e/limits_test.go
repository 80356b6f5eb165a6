package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bellhop/auth"
)

// soon is "within a second" where that is promised, with room for a slow machine.
const soon = 5 * time.Second

var everything = auth.Grant{Sources: []string{"*"}, Types: []string{"*"}}

// TestPerSubject opens one stream more than a subject may have: the oldest makes
// room.
func TestPerSubject(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "limits: {per_subject: 3}")
	token := mint(t, "tablet", everything)
	other := g.listen(t, mint(t, "other", everything), "")
	var own []*listener
	for range 4 {
		own = append(own, g.listen(t, token, ""))
	}
	if bye := own[0].awaitBye("busy"); bye.wait() < 45*time.Second {
		t.Errorf("the oldest is told to stay away for %v", bye.wait())
	}
	g.awaitStreams(4)
	// HEAD is no stream.
	request, err := http.NewRequest(http.MethodHead, g.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %v", response)
	}
	hotels.at(0).tell(resource("room", "Clean"))
	for _, l := range append(own[1:], other) {
		l.awaitID("room")
	}
	// Who was sent away misses nothing, and sends the next one away.
	own[0].connect()
	own[0].awaitID("room")
	own[1].awaitBye("busy")
}

// TestFull fills the gateway. Who has as many streams as a subject may may
// exchange one, and nobody else gets any.
func TestFull(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "limits: {streams: 2, per_subject: 1}")
	first, second := g.listen(t, mint(t, "first", everything), ""), g.listen(t, mint(t, "second", everything), "")
	token := mint(t, "third", everything)
	checkRefused(t, g, token, "busy")
	l := g.newListener(t, token, "")
	l.dial(0)
	checkProblem(t, l, http.StatusServiceUnavailable, "busy", "")
	if l.answer.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	instead := g.listen(t, mint(t, "first", everything), "")
	first.awaitBye("busy")
	if n := g.metrics()[`bellhop_refusals_total{reason="busy"}`]; n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
	second.drop()
	g.awaitStreams(1)
	l.connect()
	hotels.at(0).tell(resource("room", "Clean"))
	l.awaitID("room")
	instead.awaitID("room")
}

// TestPerAddress counts by the address that a believed proxy names.
func TestPerAddress(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "limits: {per_address: 2}")
	from := func(address string) *listener {
		l := g.newListener(t, allOf(t), "")
		l.header.Set("X-Forwarded-For", address)
		return l
	}
	open := from("2001:db8:0:7::1")
	open.connect()
	from("2001:db8:0:7:ffff::2").connect() // the same /64
	refused := from("2001:db8:0:7::3")
	refused.dial(0)
	checkProblem(t, refused, http.StatusTooManyRequests, "too_many_streams", "")
	if refused.answer.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	refused.header.Set("Accept", "text/event-stream")
	refused.dial(0)
	refused.awaitBye("busy")
	if refused.status != http.StatusOK || refused.answer.Get("Bellhop-Refusal") != "busy" {
		t.Errorf("status %d, %v", refused.status, refused.answer)
	}
	from("2001:db8:0:8::1").connect()
	from("192.0.2.7, 2001:db8:0:9::1").connect() // who wrote the first is not believed
	from("192.0.2.7").connect()
	from("192.0.2.7").connect()
	open.drop()
	g.awaitStreams(5)
	refused.connect()
}

// TestLifetime ends streams that have lived long enough, and they go on.
func TestLifetime(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {lifetime: 1s}")
	l := g.newListener(t, allOf(t), "")
	opened := time.Now()
	ready := l.connect()
	bye := l.awaitBye("lifetime")
	if lived := bye.at.Sub(opened); lived < 800*time.Millisecond {
		t.Errorf("it lived %v", lived)
	}
	hotels.at(0).tell(resource("meanwhile", "Clean"))
	if again := l.connect(); again.id != ready.id {
		t.Errorf("resumed at %v, not at %v", again, ready)
	}
	l.awaitID("meanwhile")
}

// TestExpiry lets a token expire while its stream is open.
func TestExpiry(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), strings.Replace(issuer, "auth: {", "auth: {leeway: 1s, ", 1))
	expires := time.Now().Add(5 * time.Second).Truncate(time.Second)
	l := g.newListener(t, mintUntil(t, "late", expires, everything), "")
	l.connect()
	warning := l.await("bellhop.expiring")
	if want := `{"expires":"` + expires.UTC().Format("2006-01-02T15:04:05Z") + `"}`; warning.data != want || warning.id != "" {
		t.Errorf("warning %v, want %s", warning, want)
	}
	bye := l.awaitBye("expired")
	if warning.at.After(expires) || bye.at.Before(expires.Add(time.Second)) {
		t.Errorf("warned at %v, ended at %v, expires %v", warning.at, bye.at, expires)
	}
	l.dial(0)
	checkProblem(t, l, http.StatusUnauthorized, "invalid_token", "")
	hotels.at(0).tell(resource("meanwhile", "Clean"))
	l.header.Set("Authorization", "Bearer "+mint(t, "late", everything))
	l.connect()
	l.awaitID("meanwhile")
	for i, b := range l.all() {
		if b.name == "bellhop.expiring" && b.at != warning.at {
			t.Errorf("warned again: block %d", i)
		}
	}
}

// TestRevoked ends a session: its streams end at once, and its token is good for
// nothing, restarts included.
func TestRevoked(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	token, other := mint(t, "guest", everything), mint(t, "guest", everything)
	l, still := g.listen(t, token, ""), g.listen(t, other, "")

	status, _ := g.session(t, http.MethodDelete, token)
	at := time.Now()
	if status != http.StatusNoContent {
		t.Fatalf("DELETE /session: %d", status)
	}
	if bye := l.awaitBye("revoked"); bye.at.Sub(at) > soon {
		t.Errorf("the stream ends %v after its token", bye.at.Sub(at))
	}
	check := func() {
		t.Helper()
		for _, form := range []string{token, twin(token)} {
			l.header.Set("Authorization", "Bearer "+form)
			l.dial(0)
			checkProblem(t, l, http.StatusUnauthorized, "invalid_token", "")
		}
		if status, body := g.session(t, http.MethodGet, token); status != http.StatusUnauthorized {
			t.Errorf("GET /session: %d %s", status, body)
		}
		if status, body := g.session(t, http.MethodGet, other); status != http.StatusOK || !strings.Contains(body, `"sub":"guest"`) {
			t.Errorf("GET /session with another token: %d %s", status, body)
		}
	}
	check()
	hotels.at(0).tell(resource("room", "Clean"))
	still.awaitID("room")
	g.kill()
	g.start()
	check()
	still.connect()
}

// twin returns the token with its signature encoded in another way, as lenient
// decoders take it: the last character's unused bits set.
func twin(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

// session asks /session with a bearer token.
func (g *gateway) session(t *testing.T, method, token string) (status int, body string) {
	t.Helper()
	l := g.newListener(t, token, "")
	request, err := http.NewRequest(method, g.url+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = l.header
	response, err := g.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestClosedByOperator closes a subject's streams.
func TestClosedByOperator(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	l, other := g.listen(t, mint(t, "one", everything), "type=Resource"), g.listen(t, mint(t, "two", everything), "")
	g.awaitStreams(2)
	for _, s := range g.streams() {
		if s.Iss != issuerName || s.Address != "127.0.0.1" || s.Sub == "one" && s.Query != "type=Resource" || s.Stream == "" {
			t.Errorf("/streams: %+v", s)
		}
	}
	request, err := http.NewRequest(http.MethodDelete, g.admin+"/streams?sub=one", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	l.awaitBye("closed")
	hotels.at(0).tell(resource("room", "Clean"))
	other.awaitID("room")
	l.connect()
	l.awaitID("room")
}

// TestKeyWithdrawn takes a key out of an issuer's set: the streams of its tokens
// end, those of the other keys go on.
func TestKeyWithdrawn(t *testing.T) {
	t.Parallel()
	keys := newKeySet(t)
	keys.publish("old", "new")
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), "auth: {issuers: [{issuer: keyed, audience: bellhop, jwks_url: \""+keys.server.URL+"\"}]}")
	l, other := g.newListener(t, keys.mint("old"), ""), g.newListener(t, keys.mint("new"), "")
	eventually(t, "a token of the old key", func() bool { l.dial(0); return l.status == http.StatusOK })
	l.await("bellhop.ready")
	other.connect()

	keys.publish("new", "newer")
	late := g.newListener(t, keys.mint("newer"), "") // a key not seen yet is what the set is asked again for
	eventually(t, "a token of the newest key", func() bool { late.dial(0); return late.status == http.StatusOK })
	at := time.Now()
	if bye := l.awaitBye("revoked"); bye.at.Sub(at) > soon {
		t.Errorf("the stream ends %v after its key", bye.at.Sub(at))
	}
	if long() { // a key that nobody knows is asked for once a minute
		eventually(t, "the old key is refused", func() bool { l.dial(0); return l.status == http.StatusUnauthorized })
		checkProblem(t, l, http.StatusUnauthorized, "invalid_token", "")
	} else {
		l.dial(0)
		checkProblem(t, l, http.StatusServiceUnavailable, "busy", "")
	}
	hotels.at(0).tell(resource("room", "Clean"))
	other.awaitID("room")
	late.awaitID("room")
}

// A keySet is an issuer with a JWK Set.
type keySet struct {
	t      *testing.T
	server *httptest.Server
	keys   map[string]*ecdsa.PrivateKey
	set    atomic.Pointer[[]byte]
}

func newKeySet(t *testing.T) *keySet {
	s := &keySet{t: t, keys: make(map[string]*ecdsa.PrivateKey)}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(*s.set.Load())
	}))
	t.Cleanup(s.server.Close)
	return s
}

// publish replaces the set by the keys of these ids.
func (s *keySet) publish(ids ...string) {
	s.t.Helper()
	var list []map[string]string
	for _, id := range ids {
		if s.keys[id] == nil {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				s.t.Fatal(err)
			}
			s.keys[id] = key
		}
		point, err := s.keys[id].PublicKey.Bytes() // 4, x, y
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		})
	}
	set, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		s.t.Fatal(err)
	}
	s.set.Store(&set)
}

// mint returns a token for everything, signed by the key of the id.
func (s *keySet) mint(id string) string {
	s.t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "keyed", "aud": "bellhop", "sub": "holder-" + id, "exp": time.Now().Add(time.Hour).Unix(), "bellhop": everything,
	})
	token.Header["kid"] = id
	raw, err := token.SignedString(s.keys[id])
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}
