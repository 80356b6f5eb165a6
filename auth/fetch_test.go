package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/auth"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

const keysURL = "https://id.test/keys?policy=private"

// An endpoint serves a JWK Set without a network: it is the transport.
type endpoint struct {
	mu      sync.Mutex
	keys    []string
	answer  func(*http.Request) (*http.Response, error) // nil serves the keys
	fetches []time.Time
}

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.fetches = append(e.fetches, time.Now())
	answer, keys := e.answer, e.keys
	e.mu.Unlock()
	if answer != nil {
		return answer(req)
	}
	return respond(http.StatusOK, `{"keys":[`+strings.Join(keys, ",")+`]}`), nil
}

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (e *endpoint) publish(keys ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys, e.answer = keys, nil
}

func (e *endpoint) answerWith(answer func(*http.Request) (*http.Response, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) goDown() {
	e.answerWith(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.fetches)
}

// seconds returns when there were fetches.
func (e *endpoint) seconds(start time.Time) []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []int
	for _, at := range e.fetches {
		list = append(list, int(at.Sub(start)/time.Second))
	}
	return list
}

func (e *endpoint) options() auth.Options {
	return auth.Options{
		Issuers:    []auth.Issuer{{Name: iss, Audience: aud, JWKSURL: keysURL}},
		HTTPClient: &http.Client{Transport: e},
	}
}

// jwk returns a public JWK, with more members set.
func jwk(tb testing.TB, k crypto.Signer, kid string, more ...string) string {
	tb.Helper()
	made, err := jwkset.NewJWKFromKey(k.Public(), jwkset.JWKOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	m := made.Marshal()
	m.KID, m.ALG = kid, ""
	data, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "}") + strings.Join(append([]string{""}, more...), ",") + "}"
}

// Keys that are not for verifying signatures count as not there.
func TestJWKSPassesOverKeys(t *testing.T) {
	oct := `{"kty":"oct","kid":"k","k":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}`
	long := strings.Replace(jwk(t, p256Key(), "k"), `"x":"`, `"x":"AQAB`, 1)
	for name, key := range map[string]string{
		"use enc":           jwk(t, p256Key(), "k", `"use":"enc"`),
		"key_ops sign":      jwk(t, p256Key(), "k", `"key_ops":["sign"]`),
		"key_ops empty":     jwk(t, p256Key(), "k", `"key_ops":[]`),
		"alg of encryption": jwk(t, rsaKey(), "k", `"alg":"RSA-OAEP"`),
		"alg none":          jwk(t, p256Key(), "k", `"alg":"none"`),
		"alg HS256":         jwk(t, rsaKey(), "k", `"alg":"HS256"`),
		"oct":               oct,
		"small RSA":         jwk(t, smallRSA(), "k"),
		"long coordinate":   long,
		"off the curve":     strings.Replace(jwk(t, p256Key(), "k"), `"crv":"P-256"`, `"crv":"P-384"`, 1),
		"unknown curve":     strings.Replace(jwk(t, p256Key(), "k"), `"crv":"P-256"`, `"crv":"secp256k1"`, 1),
		"X25519":            `{"kty":"OKP","crv":"X25519","kid":"k","x":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}`,
		"unknown kty":       `{"kty":"AKP","kid":"k"}`,
		"no kty":            `{"kid":"k"}`,
		"wrong type":        `{"kty":7,"kid":"k"}`,
		"null":              `null`,
		"text":              `"k"`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{}
				e.publish(key, jwk(t, p256Key(), "good"))
				v := running(t, e.options())
				synctest.Wait()
				mustVerify(t, v, byKid(t, "good"))
				for _, raw := range []string{
					byKid(t, "k"),
					sign(t, `{"alg":"HS256","kid":"k"}`, goodClaims(), jwt.SigningMethodHS256, secret),
					sign(t, `{"alg":"RS256","kid":"k"}`, goodClaims(), jwt.SigningMethodRS256, rsaKey()),
				} {
					if token, err := v.Verify(raw); err == nil {
						t.Fatalf("got %+v, want an error", token)
					}
				}
				synctest.Wait()
				wantRefused(t, v, byKid(t, "k"), "the signing key is not known")
			})
		})
	}
}

func TestJWKSKeyMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k", `"use":"sig"`, `"key_ops":["verify"]`, `"alg":"ES256"`, `"x5c":["?"]`, `"x5u":"?"`, `"later":{}`),
			jwk(t, rsaKey(), "r", `"alg":"PS256"`))
		v := running(t, e.options())
		synctest.Wait()
		mustVerify(t, v, byKid(t, "k"))
		mustVerify(t, v, sign(t, `{"alg":"PS256","kid":"r"}`, goodClaims(), jwt.SigningMethodPS256, rsaKey()))
		wantRefused(t, v, sign(t, `{"alg":"RS256","kid":"r"}`, goodClaims(), jwt.SigningMethodRS256, rsaKey()),
			"the algorithm is not one of the issuer's key")
	})
}

func TestJWKSEndpointDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		raw := sign(t, `{"alg":"ES256","kid":"k"}`, fmt.Sprintf(claimsFormat, time.Now().Add(50*time.Hour).Unix(), grant), jwt.SigningMethodES256, p256Key())
		token := mustVerify(t, v, raw)
		for name, answer := range map[string]func(*http.Request) (*http.Response, error){
			"refused":   func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
			"503":       func(*http.Request) (*http.Response, error) { return respond(503, `{"keys":[]}`), nil },
			"HTML":      func(*http.Request) (*http.Response, error) { return respond(200, `<html>`), nil },
			"no keys":   func(*http.Request) (*http.Response, error) { return respond(200, `{}`), nil },
			"null keys": func(*http.Request) (*http.Response, error) { return respond(200, `{"keys":null}`), nil },
			"too large": func(*http.Request) (*http.Response, error) {
				return respond(200, `{"keys":[]}`+strings.Repeat(" ", 1<<20)), nil
			},
			"hangs": func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			},
		} {
			e.answerWith(answer)
			time.Sleep(6 * time.Minute) // a refresh has failed
			synctest.Wait()
			if !v.Valid(token) {
				t.Errorf("%s: the old key is gone", name)
			}
			mustVerify(t, v, raw)
			wantUnavailable(t, v, byKid(t, "other"))
			e.publish(jwk(t, p256Key(), "k"))
			time.Sleep(2 * time.Minute) // and a retry succeeded
			synctest.Wait()
			wantUnavailable(t, v, byKid(t, "other"))
			synctest.Wait()
			wantRefused(t, v, byKid(t, "other"), "the signing key is not known")
		}
	})
}

// An endpoint that says it has no keys withdraws them all.
func TestJWKSEmptySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		v := running(t, e.options())
		synctest.Wait()
		token := mustVerify(t, v, byKid(t, "k"))
		e.publish()
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if v.Valid(token) {
			t.Error("the key of an emptied set is still valid")
		}
	})
}

func TestJWKSFirstFetchRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.goDown()
		start := time.Now()
		v := running(t, e.options())
		time.Sleep(4 * time.Minute)
		wantUnavailable(t, v, byKid(t, "k"))
		if diff := cmp.Diff([]int{0, 1, 3, 7, 15, 31, 63, 123, 183}, e.seconds(start)); diff != "" {
			t.Errorf("seconds of the fetches (-want +got):\n%s", diff)
		}
		e.publish(jwk(t, p256Key(), "k"))
		time.Sleep(time.Minute)
		mustVerify(t, v, byKid(t, "k"))
	})
}

func TestJWKSOutageRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.publish(jwk(t, p256Key(), "k"))
		start := time.Now()
		running(t, e.options())
		synctest.Wait()
		e.goDown()
		time.Sleep(8*time.Minute + time.Second)
		if diff := cmp.Diff([]int{0, 300, 360, 420, 480}, e.seconds(start)); diff != "" {
			t.Errorf("seconds of the fetches (-want +got):\n%s", diff)
		}
	})
}

func TestJWKSRedirects(t *testing.T) {
	for to, want := range map[string]bool{
		"https://id.test/elsewhere":   true,
		"/elsewhere":                  true,
		"http://id.test/elsewhere":    false,
		"https://evil.test/keys":      false,
		"https://id.test:8443/keys":   false,
		"https://id.test.evil.test/k": false,
		keysURL:                       false, // a circle
	} {
		t.Run(to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{}
				e.answerWith(func(req *http.Request) (*http.Response, error) {
					if req.URL.String() != keysURL {
						return respond(200, `{"keys":[`+jwk(t, p256Key(), "k")+`]}`), nil
					}
					resp := respond(302, "")
					resp.Header.Set("Location", to)
					return resp, nil
				})
				v := running(t, e.options())
				synctest.Wait()
				_, err := v.Verify(byKid(t, "k"))
				if got := err == nil; got != want {
					t.Errorf("followed: got %v, want %v", got, want)
				}
				if e.count() > 6 {
					t.Errorf("got %d requests, want at most 6", e.count())
				}
			})
		})
	}
}

// The query of a JWKS URL may be a secret, and so may be what was fetched.
func TestJWKSLogsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := &endpoint{}
		options := e.options()
		options.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		e.goDown()
		v, err := auth.New(options)
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, v)
		time.Sleep(2 * time.Second)
		e.publish(`{"kty":"oct","k":"c2VjcmV0"}`)
		time.Sleep(time.Minute)
		stop()
		for _, want := range []string{"connection refused", "key of a set is not used", "no key that can be used"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, &log)
			}
		}
		for _, secret := range []string{"policy", "private", "c2VjcmV0"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("log has %q:\n%s", secret, &log)
			}
		}
	})
}

func TestRunEndsWhileFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		e.answerWith(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		})
		v, err := auth.New(e.options())
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, v)
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took > 0 {
			t.Errorf("Run took %v to end", took)
		}
	})
}
