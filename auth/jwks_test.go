package auth_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
)

// byKid signs with the P-256 key under a header with kid.
func byKid(tb testing.TB, kid string) string {
	return sign(tb, `{"alg":"ES256","kid":"`+kid+`"}`, goodClaims(), jwt.SigningMethodES256, p256Key())
}

func TestJWKSAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, rsaKey(), "r"), jwk(t, p256Key(), "p256"), jwk(t, p384Key(), "p384"), jwk(t, p521Key(), "p521"), jwk(t, ed25519Key(), "ed"))
		v := running(t, e.options())
		synctest.Wait()
		for _, c := range []struct {
			kid    string
			method jwt.SigningMethod
			key    any
		}{
			{"r", jwt.SigningMethodRS256, rsaKey()}, {"r", jwt.SigningMethodPS512, rsaKey()},
			{"p256", jwt.SigningMethodES256, p256Key()}, {"p384", jwt.SigningMethodES384, p384Key()},
			{"p521", jwt.SigningMethodES512, p521Key()}, {"ed", jwt.SigningMethodEdDSA, ed25519Key()},
		} {
			mustVerify(t, v, sign(t, `{"alg":"`+c.method.Alg()+`","kid":"`+c.kid+`"}`, goodClaims(), c.method, c.key))
		}
		const algorithm = "the algorithm is not one of the issuer's key"
		wantRefused(t, v, sign(t, `{"alg":"HS256","kid":"r"}`, goodClaims(), jwt.SigningMethodHS256, publicPEM(t, rsaKey())), algorithm)
		wantRefused(t, v, sign(t, `{"alg":"ES256","kid":"r"}`, goodClaims(), jwt.SigningMethodES256, p256Key()), algorithm)
		wantRefused(t, v, sign(t, `{"alg":"ES256","kid":"p256"}`, goodClaims(), jwt.SigningMethodES256, drawEC(p256Key().Curve)), "bad signature")
	})
}

func TestJWKSWithoutKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), ""), jwk(t, p384Key(), "a"), jwk(t, drawEC(p384Key().Curve), "b"))
		v := running(t, e.options())
		synctest.Wait()
		mustVerify(t, v, sign(t, `{"alg":"ES256"}`, goodClaims(), jwt.SigningMethodES256, p256Key()))
		wantRefused(t, v, sign(t, `{"alg":"ES384"}`, goodClaims(), jwt.SigningMethodES384, p384Key()), "the signing key is not known")
		if n := e.count(); n != 1 {
			t.Errorf("got %d fetches, want 1", n)
		}
	})
}

func TestJWKSRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "old"))
		v := running(t, e.options())
		synctest.Wait()
		raw := byKid(t, "old")
		old := mustVerify(t, v, raw)

		e.publish(jwk(t, p256Key(), "old"), jwk(t, p256Key(), "new"))
		wantUnavailable(t, v, byKid(t, "new"))
		synctest.Wait()
		mustVerify(t, v, byKid(t, "new"))
		if !v.Valid(old) {
			t.Error("a key that is still published ended its tokens")
		}

		change := v.Changed()
		e.publish(jwk(t, p256Key(), "new"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantClosed(t, change)
		if v.Valid(old) {
			t.Error("a token of a withdrawn key is still valid")
		}
		wantUnavailable(t, v, raw) // no longer from the cache
		synctest.Wait()
		wantRefused(t, v, raw, "the signing key is not known")
	})
}

// Another key under an old kid is another key.
func TestJWKSReplacedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		token := mustVerify(t, v, byKid(t, "k"))
		e.publish(jwk(t, drawEC(p256Key().Curve), "k"))
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if v.Valid(token) {
			t.Error("a token of a replaced key is still valid")
		}
		wantRefused(t, v, byKid(t, "k"), "bad signature")
	})
}

// Anyone can make up a kid: a flood of them must not become a flood of fetches.
func TestJWKSUnknownKidFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		for second := range 180 {
			for i := range 10 {
				raw := sign(t, fmt.Sprintf(`{"alg":"ES256","kid":"%d-%d"}`, second, i), goodClaims(), jwt.SigningMethodES256, p256Key())
				if _, err := v.Verify(raw); err == nil {
					t.Fatal("an unknown kid was accepted")
				}
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if n := e.count(); n > 1+4 {
			t.Errorf("got %d fetches within three minutes, want the first and one a minute", n)
		}
		mustVerify(t, v, byKid(t, "k"))
		if n := v.Sought(); n > 256 {
			t.Errorf("got %d kids remembered, want at most 256", n)
		}

		// A key that came in the midst of it is found a minute later.
		synctest.Wait()
		e.publish(jwk(t, p256Key(), "k"), jwk(t, p256Key(), "new"))
		wantUnavailable(t, v, byKid(t, "new"))
		time.Sleep(time.Minute)
		synctest.Wait()
		mustVerify(t, v, byKid(t, "new"))

		// Later the made up ones are forgotten, and one is judged again.
		time.Sleep(10 * time.Minute)
		wantUnavailable(t, v, byKid(t, "x"))
		synctest.Wait()
		wantRefused(t, v, byKid(t, "x"), "the signing key is not known")
	})
}

func TestJWKSUnknownKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		const unknown = "the signing key is not known"
		wantUnavailable(t, v, byKid(t, "a"))
		synctest.Wait()
		wantRefused(t, v, byKid(t, "a"), unknown)

		// Within the minute another has to wait for its end.
		time.Sleep(20 * time.Second)
		wantUnavailable(t, v, byKid(t, "b"))
		wantUnavailable(t, v, byKid(t, "c"))
		time.Sleep(39 * time.Second)
		wantUnavailable(t, v, byKid(t, "b"))
		wantRefused(t, v, byKid(t, "a"), unknown)
		if n := e.count(); n != 2 {
			t.Errorf("got %d fetches, want 2", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantRefused(t, v, byKid(t, "b"), unknown)
		wantRefused(t, v, byKid(t, "c"), unknown)
		if n := e.count(); n != 3 {
			t.Errorf("got %d fetches, want 3", n)
		}

		// After it the same one is looked for again: it may have been published.
		time.Sleep(time.Minute)
		e.goDown()
		wantUnavailable(t, v, byKid(t, "b"))
		synctest.Wait()
		wantUnavailable(t, v, byKid(t, "c")) // nobody can tell now
	})
}

func TestJWKSPendingFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		e.answerWith(func(*http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return respond(200, `{"keys":[`+jwk(t, p256Key(), "k")+`]}`), nil
		})
		wantUnavailable(t, v, byKid(t, "a"))
		time.Sleep(4 * time.Second)
		wantUnavailable(t, v, byKid(t, "a"))
		mustVerify(t, v, byKid(t, "k"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantRefused(t, v, byKid(t, "a"), "the signing key is not known")
	})
}

// A reload keeps the keys of a set that stays, and stops fetching one that goes.
func TestJWKSReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		options := e.options()
		v := running(t, options)
		synctest.Wait()
		token := mustVerify(t, v, byKid(t, "k"))

		if err := v.SetIssuers(append(options.Issuers, hotelFor("backoffice"))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !v.Valid(token) || e.count() != 1 {
			t.Errorf("got valid %v after %d fetches, want true after 1", v.Valid(token), e.count())
		}
		time.Sleep(6 * time.Minute)
		if e.count() != 2 {
			t.Errorf("got %d fetches, want 2: the set is no longer refreshed", e.count())
		}

		if err := v.SetIssuers([]auth.Issuer{hotelFor("backoffice")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if v.Valid(token) || e.count() != 2 {
			t.Errorf("got valid %v after %d fetches, want false after 2", v.Valid(token), e.count())
		}
	})
}

// A reload that cuts a fetch short has it done again.
func TestJWKSReloadDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		options := e.options()
		v := running(t, options)
		synctest.Wait()
		e.answerWith(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		wantUnavailable(t, v, byKid(t, "new"))
		synctest.Wait()
		e.publish(jwk(t, p256Key(), "k"), jwk(t, p256Key(), "new"))
		if err := v.SetIssuers(options.Issuers); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		mustVerify(t, v, byKid(t, "new"))
	})
}

func hotelFor(audience string) auth.Issuer {
	return auth.Issuer{Name: iss, Audience: audience, Secret: secret}
}
