package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMintVerifies(t *testing.T) {
	text := rapid.StringMatching(`[a-zA-Z0-9 .<>&"\\é-]{1,20}`)
	list := rapid.SliceOfN(text, 1, 4)
	narrow := rapid.OneOf(list, rapid.Just([]string(nil)))
	star := rapid.OneOf(list, rapid.Just([]string{"*"}))
	path := rapid.SliceOfN(rapid.StringMatching(`(event|entity)(\.[A-Za-z]{1,5}){1,3}`), 1, 3)
	paths := rapid.OneOf(path, rapid.Just([]string(nil)))
	grants := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) auth.Grant {
		return auth.Grant{
			Sources: star.Draw(t, "sources"), Types: star.Draw(t, "types"),
			States: narrow.Draw(t, "states"), IDs: narrow.Draw(t, "ids"), Resources: narrow.Draw(t, "resources"),
			Threads: narrow.Draw(t, "threads"), Conversations: narrow.Draw(t, "conversations"), Channels: narrow.Draw(t, "channels"),
			Fields: paths.Draw(t, "fields"), Redact: paths.Draw(t, "redact"),
		}
	}), 1, 3)
	v := newVerifier(t, hotel())
	rapid.Check(t, func(t *rapid.T) {
		want := auth.Claims{
			Issuer: iss, Audience: aud,
			Subject: text.Draw(t, "subject"), ID: rapid.StringMatching(`[a-z0-9]{0,9}`).Draw(t, "id"),
			Expires: time.Now().Add(time.Duration(rapid.IntRange(60, 1e6).Draw(t, "life")) * time.Second).UTC().Truncate(time.Second),
			Grants:  grants.Draw(t, "grants"),
		}
		raw, err := auth.Mint(secret, want)
		if err != nil {
			t.Fatal(err)
		}
		token, err := v.Verify(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := auth.Claims{Issuer: token.Issuer, Audience: aud, Subject: token.Subject, ID: token.ID, Expires: token.Expires, Grants: token.Grants}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("claims (-minted +verified):\n%s", diff)
		}
	})
}

func TestMintRefuses(t *testing.T) {
	good := auth.Claims{
		Issuer: iss, Audience: aud, Subject: "s", Expires: time.Now().Add(time.Hour),
		Grants: []auth.Grant{{Sources: []string{"*"}, Types: []string{"*"}}},
	}
	for name, change := range map[string]func(*auth.Claims){
		"issuer":   func(c *auth.Claims) { c.Issuer = "" },
		"audience": func(c *auth.Claims) { c.Audience = "" },
		"subject":  func(c *auth.Claims) { c.Subject = "" },
		"grants":   func(c *auth.Claims) { c.Grants = nil },
		"sources":  func(c *auth.Claims) { c.Grants = []auth.Grant{{Types: []string{"*"}}} },
		"star":     func(c *auth.Claims) { c.Grants = []auth.Grant{{Sources: []string{"*", "a"}, Types: []string{"*"}}} },
		"length":   func(c *auth.Claims) { c.Subject = strings.Repeat("s", 8<<10) },
	} {
		c := good
		change(&c)
		if _, err := auth.Mint(secret, c); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, auth.ErrInvalid)
		}
	}
	if _, err := auth.Mint(secret[:31], good); err == nil {
		t.Error("short secret: got no error")
	}
	if _, err := auth.Mint(secret, good); err != nil {
		t.Error(err)
	}
}

// An issuer's token is its own, and has what its ceiling leaves it.
func TestIssuerMints(t *testing.T) {
	narrow := auth.Issuer{Name: iss, Audience: aud, Secret: secret, Sources: []string{"prague", "brno"}}
	for _, tt := range []struct {
		issuer auth.Issuer
		ask    []string
		want   []string // nil for an error
	}{
		{hotel(), []string{"*"}, []string{"*"}},
		{hotel(), []string{"elsewhere"}, []string{"elsewhere"}},
		{narrow, []string{"*"}, []string{"prague", "brno"}},
		{narrow, []string{"brno"}, []string{"brno"}},
		{narrow, []string{"brno", "elsewhere"}, nil},
	} {
		raw, err := tt.issuer.Mint(auth.Claims{
			Issuer: "somebody else", Subject: "s", Expires: time.Now().Add(time.Hour),
			Grants: []auth.Grant{{Sources: []string{"brno"}, Types: []string{"*"}}, {Sources: tt.ask, Types: []string{"*"}}},
		})
		if tt.want == nil {
			if err == nil || err.Error() != "source elsewhere: the issuer may give [prague brno] only" {
				t.Errorf("%v: got %v", tt.ask, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		token := mustVerify(t, newVerifier(t, tt.issuer), raw)
		if diff := cmp.Diff(tt.want, token.Grants[1].Sources); diff != "" || token.Issuer != iss {
			t.Errorf("%v: issuer %s, sources (-want +got):\n%s", tt.ask, token.Issuer, diff)
		}
	}
}
