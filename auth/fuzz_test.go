package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/golang-jwt/jwt/v5"
)

// Whatever is accepted has a MAC of ours, checked here without the library, and
// only one text.
func FuzzVerify(f *testing.F) {
	const claims = `{"iss":"https://hotel.test","aud":"bellhop","sub":"s","exp":4000000000,"bellhop":` + grant + `}`
	good := hs256(f, claims)
	f.Add(good)
	f.Add(sign(f, `{"alg":"HS512","typ":"JWT"}`, claims, jwt.SigningMethodHS512, secret))
	f.Add(sign(f, `{"alg":"none"}`, claims, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType))
	f.Add(hs256(f, `null`))
	f.Add(good + "\n")
	f.Add(withLastBits(good))
	f.Add(strings.Repeat(".", 100))
	f.Add("")
	v := newVerifier(f, hotel())
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := v.Verify(raw)
		if (token == nil) != (err != nil) {
			t.Fatalf("got %v and %v", token, err)
		}
		if err == nil && !signed(t, raw) {
			t.Fatalf("accepted unsigned: %q", raw)
		}
	})
}

func signed(t *testing.T, raw string) bool {
	parts := strings.Split(raw, ".")
	data, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Alg string }
	if err := json.Unmarshal(data, &header); err != nil {
		t.Fatal(err)
	}
	hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	mac := hmac.New(hashes[header.Alg], secret)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	return parts[2] == base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A key set is an outsider's text: reading one must not panic, and no shared
// secret in it may become a key.
func FuzzKeySet(f *testing.F) {
	f.Add(`{"keys":[` + jwk(f, p256Key(), "k") + `,` + jwk(f, ed25519Key(), "e", `"use":"sig"`) + `]}`)
	f.Add(`{"keys":[` + strings.Replace(jwk(f, p256Key(), "k"), `"x":"`, `"x":"AQAB`, 1) + `]}`)
	f.Add(`{"keys":[{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AA"},null]}`)
	f.Add(`{"keys":{}}`)
	f.Fuzz(func(t *testing.T, set string) {
		synctest.Test(t, func(t *testing.T) {
			e := &endpoint{}
			e.answerWith(func(*http.Request) (*http.Response, error) { return respond(200, set), nil })
			v := running(t, e.options())
			synctest.Wait()
			if token, err := v.Verify(hs256(t, goodClaims())); err == nil {
				t.Fatalf("accepted %+v by a published secret", token)
			}
		})
	})
}
