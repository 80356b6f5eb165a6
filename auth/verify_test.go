package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func TestVerifyReadsClaims(t *testing.T) {
	v := newVerifier(t, hotel())
	raw := hs256(t, `{"iss":"https://hotel.test","aud":["other","bellhop"],"sub":"maid-7","exp":4000000000.25,
		"nbf":1,"iat":1.5e9,"jti":"j-1","name":{"given":"Ada"},"bellhop":[`+grant+`,{"sources":["chat"],"types":["airy.message"]}]}`)
	got := mustVerify(t, v, raw)
	if got.Issuer != iss || got.Subject != "maid-7" || got.ID != "j-1" {
		t.Errorf("got %q %q %q", got.Issuer, got.Subject, got.ID)
	}
	if want := time.Unix(4000000000, 250e6).UTC(); !got.Expires.Equal(want) || !got.End().Equal(want.Add(30*time.Second)) {
		t.Errorf("got %v until %v, want %v and 30s", got.Expires, got.End(), want)
	}
	want := []auth.Grant{
		{Sources: []string{"prague"}, Types: []string{"*"}},
		{Sources: []string{"chat"}, Types: []string{"airy.message"}},
	}
	if diff := cmp.Diff(want, got.Grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
}

func TestVerifyFarExpiryStaysWritable(t *testing.T) {
	token := mustVerify(t, newVerifier(t, hotel()), hs256(t, fmt.Sprintf(claimsFormat, int64(1)<<53-1, grant)))
	if _, err := token.End().MarshalJSON(); err != nil {
		t.Error(err)
	}
}

func TestVerifyAlgorithms(t *testing.T) {
	issuers := map[string]auth.Issuer{
		"HS":    {Secret: secret},
		"RS":    {PublicKeyPEM: publicPEM(t, rsaKey())},
		"PS":    {PublicKeyPEM: publicPEM(t, rsaKey())},
		"ES256": {PublicKeyPEM: publicPEM(t, p256Key())},
		"ES384": {PublicKeyPEM: publicPEM(t, p384Key())},
		"ES512": {PublicKeyPEM: publicPEM(t, p521Key())},
		"EdDSA": {PublicKeyPEM: publicPEM(t, ed25519Key())},
	}
	methods := map[jwt.SigningMethod]any{
		jwt.SigningMethodHS256: secret, jwt.SigningMethodHS384: secret, jwt.SigningMethodHS512: secret,
		jwt.SigningMethodRS256: rsaKey(), jwt.SigningMethodRS384: rsaKey(), jwt.SigningMethodRS512: rsaKey(),
		jwt.SigningMethodPS256: rsaKey(), jwt.SigningMethodPS384: rsaKey(), jwt.SigningMethodPS512: rsaKey(),
		jwt.SigningMethodES256: p256Key(), jwt.SigningMethodES384: p384Key(), jwt.SigningMethodES512: p521Key(),
		jwt.SigningMethodEdDSA: ed25519Key(),
	}
	for kind, issuer := range issuers {
		issuer.Name, issuer.Audience = iss, aud
		v := newVerifier(t, issuer)
		for method, key := range methods {
			alg := method.Alg()
			t.Run(kind+" key, "+alg, func(t *testing.T) {
				raw := sign(t, `{"alg":"`+alg+`","typ":"at+JWT","kid":"any"}`, goodClaims(), method, key)
				sameKind := strings.HasPrefix(alg, kind) || strings.HasPrefix(alg, "RS") && kind == "PS" || strings.HasPrefix(alg, "PS") && kind == "RS"
				if sameKind {
					mustVerify(t, v, raw)
				} else {
					wantRefused(t, v, raw, "the algorithm is not one of the issuer's key")
				}
			})
		}
	}
}

func TestVerifyChoosesIssuer(t *testing.T) {
	other := []byte("another invented secret, 32 long")
	v := newVerifier(t, hotel(),
		auth.Issuer{Name: "https://b.test", Audience: aud, Secret: other},
		auth.Issuer{Name: iss, Audience: "backoffice", Secret: other})
	signed := func(issuer, audience string, key []byte) string {
		claims := strings.Replace(goodClaims(), `"https://hotel.test","aud":"bellhop"`, `"`+issuer+`","aud":`+audience, 1)
		return sign(t, `{"alg":"HS256"}`, claims, jwt.SigningMethodHS256, key)
	}
	mustVerify(t, v, signed(iss, `"bellhop"`, secret))
	mustVerify(t, v, signed(iss, `"backoffice"`, other))
	mustVerify(t, v, signed("https://b.test", `["x","bellhop"]`, other))
	wantRefused(t, v, signed(iss, `"bellhop"`, other), "bad signature")
	wantRefused(t, v, signed("https://b.test", `"bellhop"`, secret), "bad signature")
	const unknown = "the issuer and audience are not those of one known here"
	wantRefused(t, v, signed("https://b.test", `"backoffice"`, other), unknown)
	wantRefused(t, v, signed(iss, `["bellhop","backoffice"]`, secret), unknown)
}

func TestVerifyCeiling(t *testing.T) {
	bounded := hotel()
	bounded.Sources = []string{"prague", "chat"}
	v := newVerifier(t, bounded)
	raw := hs256(t, grantClaims(`[{"sources":["*"],"types":["A"]},{"sources":["vienna"],"types":["B"]},
		{"sources":["vienna","prague"],"types":["C"],"redact":["event.Note"]}]`))
	want := []auth.Grant{
		{Sources: []string{"prague", "chat"}, Types: []string{"A"}},
		{Sources: []string{"prague"}, Types: []string{"C"}, Redact: []string{"event.Note"}},
	}
	if diff := cmp.Diff(want, mustVerify(t, v, raw).Grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	outside := hs256(t, grantClaims(`{"sources":["vienna"],"types":["*"]}`))
	if got := mustVerify(t, v, outside).Grants; len(got) > 0 {
		t.Errorf("got %v, want no grant", got)
	}
}

func TestVerifyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, hotel())
		now := time.Now().Unix()
		raw := hs256(t, fmt.Sprintf(`{"iss":"https://hotel.test","aud":"bellhop","sub":"s","exp":%d,"nbf":%d,"iat":%d,"bellhop":%s}`,
			now+3600, now+100, now+50, grant))
		wantRefused(t, v, raw, "the token is not valid yet")
		time.Sleep(70*time.Second - 1)
		wantRefused(t, v, raw, "the token is not valid yet")
		time.Sleep(time.Nanosecond)
		mustVerify(t, v, raw)
		time.Sleep(3559*time.Second + 999*time.Millisecond)
		mustVerify(t, v, raw)
		time.Sleep(time.Millisecond)
		wantRefused(t, v, raw, "the token has expired")

		future := hs256(t, fmt.Sprintf(`{"iss":"https://hotel.test","aud":"bellhop","sub":"s","exp":4000000000,"iat":%d,"bellhop":%s}`,
			time.Now().Unix()+31, grant))
		wantRefused(t, v, future, "the token was issued in the future")
		time.Sleep(time.Second)
		mustVerify(t, v, future)
	})
}

// What is too long must not cost in proportion to its length.
func TestVerifyLengthCap(t *testing.T) {
	v := newVerifier(t, hotel())
	long := hs256(t, strings.Replace(goodClaims(), `"maid-7"`, `"`+strings.Repeat("m", 1<<20)+`"`, 1))
	wantRefused(t, v, long, "the token is over 8 KiB")
	if n := testing.AllocsPerRun(10, func() { v.Verify(long) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}

	claims := strings.Replace(goodClaims(), `"maid-7"`, `"%s"`, 1)
	pad := 0
	for len(hs256(t, fmt.Sprintf(claims, strings.Repeat("m", pad+1)))) <= 8<<10 {
		pad++
	}
	mustVerify(t, v, hs256(t, fmt.Sprintf(claims, strings.Repeat("m", pad))))
	wantRefused(t, v, hs256(t, fmt.Sprintf(claims, strings.Repeat("m", pad+1))), "the token is over 8 KiB")
}

// Nothing of a token may come back in an error: it ends in logs and headers.
func TestErrorsEchoNothing(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, raw := range []string{
		sign(t, `{"alg":"SENTINEL"}`, goodClaims(), jwt.SigningMethodHS256, secret),
		sign(t, `{"alg":"HS256","SENTINEL":1,"typ":"SENTINEL"}`, goodClaims(), jwt.SigningMethodHS256, secret),
		hs256(t, changed("iss", `"SENTINEL"`)), hs256(t, changed("exp", `"SENTINEL"`)),
		hs256(t, grantClaims(`{"SENTINEL":["SENTINEL"]}`)), "SENTINEL.SENTINEL.SENTINEL",
	} {
		_, err := v.Verify(raw)
		if err == nil || strings.Contains(err.Error(), "SENTINEL") {
			t.Errorf("got %v", err)
		}
		var e *auth.InvalidError
		if !errors.As(err, &e) || strings.ContainsFunc(e.Description(), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("%v does not fit into error_description", err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	v := newVerifier(t, hotel())
	v.LimitCache(10)
	for i := range 100 {
		mustVerify(t, v, hs256(t, changed("jti", fmt.Sprintf(`"j-%d"`, i))))
	}
	if cached, _ := v.Sizes(); cached != 10 {
		t.Errorf("got %d cached verifications, want 10", cached)
	}
}

// Anyone can write a token: what is kept of one must have been signed.
func TestOnlyVerifiedPartsAreShared(t *testing.T) {
	v := newVerifier(t, hotel())
	other := []byte("another invented secret, 32 long")
	for i := range 10 {
		header, claims := fmt.Sprintf(`{"alg":"HS256","n":%d}`, i), grantClaims(ownGrant(i))
		wantRefused(t, v, sign(t, header, claims, jwt.SigningMethodHS256, other), "bad signature")
	}
	if headers, grants := v.Shared(); headers != 0 || grants != 0 {
		t.Errorf("got %d headers and %d lists of grants of unsigned tokens, want none", headers, grants)
	}
	for i := range 1100 {
		header, claims := fmt.Sprintf(`{"alg":"HS256","n":%d}`, i), grantClaims(ownGrant(i))
		mustVerify(t, v, sign(t, header, claims, jwt.SigningMethodHS256, secret))
	}
	if headers, grants := v.Shared(); headers != 1024 || grants != 1024 {
		t.Errorf("got %d headers and %d lists of grants, want 1024 of each", headers, grants)
	}
}

func TestVerifyConcurrently(t *testing.T) {
	v := newVerifier(t, hotel())
	good := []string{hs256(t, goodClaims()), hs256(t, changed("sub", `"maid-8"`))}
	revoked := hs256(t, changed("sub", `"maid-9"`))
	gone := mustVerify(t, v, revoked)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				for _, raw := range good {
					if token, err := v.Verify(raw); err != nil || !v.Valid(token) {
						t.Errorf("got %v", err)
					}
				}
				v.Verify(revoked)
			}
		})
		wg.Go(func() {
			if err := v.SetIssuers([]auth.Issuer{hotel()}); err != nil {
				t.Error(err)
			}
			if err := v.Revoke(t.Context(), gone); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantRefused(t, v, revoked, "the token was revoked")
}
