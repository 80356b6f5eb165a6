package auth_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestNewRefusesIssuers(t *testing.T) {
	private, err := x509.MarshalPKCS8PrivateKey(p256Key())
	if err != nil {
		t.Fatal(err)
	}
	good := publicPEM(t, rsaKey())
	for name, c := range map[string]struct {
		issuer auth.Issuer
		want   string
	}{
		"no key":          {auth.Issuer{}, "needs one of"},
		"two keys":        {auth.Issuer{Secret: secret, PublicKeyPEM: good}, "needs one of"},
		"secret and URL":  {auth.Issuer{Secret: secret, JWKSURL: "https://id.test/keys"}, "needs one of"},
		"short secret":    {auth.Issuer{Secret: secret[:31]}, "under 32 bytes"},
		"small RSA":       {auth.Issuer{PublicKeyPEM: publicPEM(t, smallRSA())}, "under 2048 bits"},
		"P-224":           {auth.Issuer{PublicKeyPEM: publicPEM(t, drawEC(elliptic.P224()))}, "EC key"},
		"no PEM":          {auth.Issuer{PublicKeyPEM: []byte("ssh-rsa AAAA")}, "not PEM"},
		"broken PEM":      {auth.Issuer{PublicKeyPEM: []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")}, "parse public key"},
		"two PEM blocks":  {auth.Issuer{PublicKeyPEM: append(good[:len(good):len(good)], good...)}, "something else"},
		"private key":     {auth.Issuer{PublicKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, "a PRIVATE KEY, not"},
		"relative URL":    {auth.Issuer{JWKSURL: "/keys"}, "not an absolute HTTP URL"},
		"file URL":        {auth.Issuer{JWKSURL: "file:///keys"}, "not an absolute HTTP URL"},
		"empty ceiling":   {auth.Issuer{Secret: secret, Sources: []string{}}, "sources"},
		"star in ceiling": {auth.Issuer{Secret: secret, Sources: []string{"*"}}, "sources"},
	} {
		t.Run(name, func(t *testing.T) {
			c.issuer.Name, c.issuer.Audience = iss, aud
			_, err := auth.New(auth.Options{Issuers: []auth.Issuer{c.issuer}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), string(secret[:31])) {
				t.Errorf("%v names the secret", err)
			}
		})
	}

	_, err = auth.New(auth.Options{Issuers: []auth.Issuer{hotel(), hotel(), {Name: "b", Secret: secret}, {Audience: "b", Secret: secret}}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "configured twice") {
		t.Errorf("got %v, want three faults", err)
	}
	if _, err := auth.New(auth.Options{Leeway: -1}); err == nil {
		t.Error("negative leeway: got no error")
	}
}

func TestNewTakesPKCS1(t *testing.T) {
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)})
	newVerifier(t, auth.Issuer{Name: iss, Audience: aud, PublicKeyPEM: block})
}

func TestSetIssuers(t *testing.T) {
	raw := hs256(t, grantClaims(`{"sources":["prague","chat"],"types":["*"]}`))
	bounded := func(sources ...string) auth.Issuer {
		is := hotel()
		is.Sources = sources
		return is
	}
	rotated, renamed := hotel(), hotel()
	rotated.Secret = []byte("another invented secret, 32 long")
	renamed.Audience = "backoffice"
	for name, c := range map[string]struct {
		next  auth.Issuer
		valid bool
		again int // sources that a new verification shows; -1 for a refusal
	}{
		"same":             {hotel(), true, 2},
		"wide ceiling":     {bounded("chat", "prague", "vienna"), true, 2},
		"narrow ceiling":   {bounded("prague"), false, 1},
		"other secret":     {rotated, false, -1},
		"other audience":   {renamed, false, -1},
		"public key":       {auth.Issuer{Name: iss, Audience: aud, PublicKeyPEM: publicPEM(t, p256Key())}, false, -1},
		"from a key set":   {auth.Issuer{Name: iss, Audience: aud, JWKSURL: "https://id.test/keys"}, false, -1},
		"equal copy":       {auth.Issuer{Name: iss, Audience: aud, Secret: append([]byte(nil), secret...)}, true, 2},
		"another issuer's": {auth.Issuer{Name: "https://b.test", Audience: aud, Secret: secret}, false, -1},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, hotel())
			token := mustVerify(t, v, raw)
			change := v.Changed()
			if err := v.SetIssuers([]auth.Issuer{c.next}); err != nil {
				t.Fatal(err)
			}
			wantClosed(t, change)
			if got := v.Valid(token); got != c.valid {
				t.Errorf("Valid: got %v, want %v", got, c.valid)
			}
			again, err := v.Verify(raw)
			got := -1
			if err == nil {
				got = len(again.Grants[0].Sources)
			}
			if got != c.again {
				t.Errorf("Verify: got %d sources, want %d", got, c.again)
			}
		})
	}
}

func TestSetIssuersKeepsOldOnFault(t *testing.T) {
	v := newVerifier(t, hotel())
	token := mustVerify(t, v, hs256(t, goodClaims()))
	if err := v.SetIssuers([]auth.Issuer{hotel(), {Name: "b", Audience: aud}}); err == nil {
		t.Fatal("got no error")
	}
	if !v.Valid(token) {
		t.Error("a faulty reload took the old issuers away")
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	v, err := auth.New(auth.Options{Issuers: []auth.Issuer{hotel(), {Name: "b", Audience: aud, JWKSURL: "https://id.test/keys"}}, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	token := mustVerify(t, v, hs256(t, goodClaims()))
	wantRefused(t, v, "x", "the token is malformed")
	wantUnavailable(t, v, hs256(t, strings.Replace(goodClaims(), iss, "b", 1)))
	if err := v.Revoke(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP bellhop_auth_key_fetches_total Fetches of key sets, by result.
# TYPE bellhop_auth_key_fetches_total counter
bellhop_auth_key_fetches_total{result="done"} 0
bellhop_auth_key_fetches_total{result="failed"} 0
# HELP bellhop_auth_revocations Revocations in memory.
# TYPE bellhop_auth_revocations gauge
bellhop_auth_revocations 1
# HELP bellhop_auth_tokens_total Tokens judged, by result.
# TYPE bellhop_auth_tokens_total counter
bellhop_auth_tokens_total{result="invalid"} 1
bellhop_auth_tokens_total{result="unavailable"} 1
bellhop_auth_tokens_total{result="valid"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func wantClosed(tb testing.TB, ch <-chan struct{}) {
	tb.Helper()
	select {
	case <-ch:
	case <-time.After(time.Second):
		tb.Error("no change was told within a second")
	}
}
