package auth_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Whatever claims are accepted, encoding/json reads the same in them.
func FuzzClaims(f *testing.F) {
	const good = `{"iss":"https://hotel.test","aud":"bellhop","sub":"s","exp":4000000000.5,"jti":"j","bellhop":` + grant + `}`
	f.Add(good)
	f.Add(`null`)
	f.Add(strings.Replace(good, `"bellhop",`, `["a","bellhop"],`, 1))
	f.Add(strings.Replace(good, `"s"`, `"\u00e9\ud83d\ude00\n"`, 1))
	f.Add(strings.Replace(good, `"s"`, `"\ud800"`, 1))
	f.Add(strings.Replace(good, `{`, ` { "Iss" : [1e2,true,null,{"b":-0.5}], `, 1))
	f.Add(strings.Replace(good, `{`, `{"\u0069ss":"x",`, 1))
	v := newVerifier(f, hotel())
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := v.Verify(hs256(t, payload))
		if err != nil {
			return
		}
		read := members(t, payload)
		id, _ := read["jti"].(string)
		if read["iss"] != token.Issuer || read["sub"] != token.Subject || id != token.ID {
			t.Fatalf("got %q %q %q of %q", token.Issuer, token.Subject, token.ID, payload)
		}
		const latest = 253370764800 // the year 9999
		if exp := read["exp"].(float64); int64(math.Floor(min(exp, latest))) != token.Expires.Unix() {
			t.Fatalf("got %v of %q", token.Expires, payload)
		}
	})
}

// Whatever header is accepted, encoding/json finds nothing in it that is refused.
func FuzzHeader(f *testing.F) {
	f.Add(`{"alg":"HS256"}`)
	f.Add(`{"alg":"HS256","typ":"at+jwt","kid":"k","cty":{"a":[0]}}`)
	f.Add(`{"alg":"HS256","b64":false}`)
	f.Add(`{"alg":"HS256","\u0061lg":"HS256"}`)
	f.Add(`{"alg":"none"}`)
	f.Add(`null`)
	v := newVerifier(f, hotel())
	f.Fuzz(func(t *testing.T, header string) {
		if _, err := v.Verify(sign(t, header, goodClaims(), jwt.SigningMethodHS256, secret)); err != nil {
			return
		}
		read := members(t, header)
		if read["alg"] != "HS256" {
			t.Fatalf("accepted %q", header)
		}
		for _, name := range []string{"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"} {
			if _, there := read[name]; there {
				t.Fatalf("accepted %s: %q", name, header)
			}
		}
		typ, there := read["typ"]
		if name, _ := typ.(string); there && !slices.Contains([]string{"jwt", "at+jwt"}, strings.ToLower(name)) {
			t.Fatalf("accepted typ %v: %q", typ, header)
		}
	})
}

// members reads an object that was accepted, which has no member twice.
func members(t *testing.T, text string) map[string]any {
	t.Helper()
	var read map[string]any
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		t.Fatalf("accepted %q: %v", text, err)
	}
	if name, repeated := repeats(t, json.NewDecoder(strings.NewReader(text))); repeated {
		t.Fatalf("accepted %q twice: %q", name, text)
	}
	return read
}

// repeats returns the name of a member that the next value has twice, at any
// depth.
func repeats(t *testing.T, dec *json.Decoder) (name any, repeated bool) {
	t.Helper()
	next := func() json.Token {
		token, err := dec.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return token
	}
	open := next()
	if _, compound := open.(json.Delim); !compound {
		return nil, false
	}
	seen := make(map[any]bool)
	for dec.More() {
		if open == json.Delim('{') {
			if name = next(); seen[name] {
				return name, true
			}
			seen[name] = true
		}
		if name, repeated = repeats(t, dec); repeated {
			return name, true
		}
	}
	next()
	return nil, false
}

// A lone surrogate is no text: two that differ would be read as one.
func TestVerifyRefusesLoneSurrogates(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, text := range []string{`"\ud800"`, `"\udc00x"`, `"\ud800\u0041"`} {
		wantRefused(t, v, hs256(t, changed("sub", text)), "the token is malformed")
		wantRefused(t, v, sign(t, `{"alg":"HS256","x":`+text+`}`, goodClaims(), jwt.SigningMethodHS256, secret), "the token is malformed")
	}
}
