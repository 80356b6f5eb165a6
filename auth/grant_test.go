package auth_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestGrantAccepted(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, text := range []string{
		`{"sources":["*"],"types":["*"]}`,
		`{"sources":["prague","chat"],"types":["Resource"],"states":["Dirty"],"ids":["a"],"resources":["b"],` +
			`"threads":["c"],"conversations":["d"],"channels":["e"],"fields":["event.State","entity.Name.Text"],"redact":["event.*"]}`,
		`{"sources":["prague"],"types":["MessageAdded"],"threads":["*"]}`,
		`{"sources":["prague"],"types":["MessageAdded"],"threads":["new"]}`,
	} {
		got := mustVerify(t, v, hs256(t, grantClaims(text))).Grants
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("["+text+"]", string(back)); diff != "" {
			t.Errorf("JSON form (-want +got):\n%s", diff)
		}
	}
}

func TestGrantRefused(t *testing.T) {
	const (
		object   = "a grant is not an object"
		member   = "a grant has an unknown member"
		required = "a grant has no sources or no types"
		list     = "a member of a grant is not a list of one or more texts"
		star     = "a grant has a * that does not stand alone or has no meaning there"
		path     = "a path of a grant does not begin with event. or entity., or has an empty step"
		repeated = "a member is repeated"
	)
	v := newVerifier(t, hotel())
	for text, want := range map[string]string{
		`"*"`:                               object,
		`true`:                              object,
		`["prague"]`:                        object,
		`[` + grant + `,1]`:                 object,
		`[[` + grant + `]]`:                 object,
		`[null]`:                            object,
		`{}`:                                required,
		`{"sources":["a"]}`:                 required,
		`{"types":["a"]}`:                   required,
		`[` + grant + `,{"sources":["a"]}]`: required,
		`{"Sources":["a"],"types":["a"]}`:   member,
		`{"sources":["a"],"types":["a"],"state":["Dirty"]}`:                  member,
		`{"sources":["a"],"types":["a"],"States":["Dirty"]}`:                 member,
		`{"sources":["a"],"types":["a"],"":["x"]}`:                           member,
		`{"sources":"a","types":["a"]}`:                                      list,
		`{"sources":"*","types":["a"]}`:                                      list,
		`{"sources":[],"types":["a"]}`:                                       list,
		`{"sources":null,"types":["a"]}`:                                     list,
		`{"sources":[""],"types":["a"]}`:                                     list,
		`{"sources":["a",7],"types":["a"]}`:                                  list,
		`{"sources":[["a"]],"types":["a"]}`:                                  list,
		`{"sources":{"a":1},"types":["a"]}`:                                  list,
		`{"sources":["a"],"types":[]}`:                                       list,
		`{"sources":["a"],"types":["a"],"states":[]}`:                        list,
		`{"sources":["a"],"types":["a"],"states":null}`:                      list,
		`{"sources":["a"],"types":["a"],"ids":[]}`:                           list,
		`{"sources":["a"],"types":["a"],"resources":[]}`:                     list,
		`{"sources":["a"],"types":["a"],"threads":[]}`:                       list,
		`{"sources":["a"],"types":["a"],"conversations":[]}`:                 list,
		`{"sources":["a"],"types":["a"],"channels":[]}`:                      list,
		`{"sources":["a"],"types":["a"],"fields":[]}`:                        list,
		`{"sources":["a"],"types":["a"],"redact":[]}`:                        list,
		`{"sources":["*","a"],"types":["a"]}`:                                star,
		`{"sources":["*","*"],"types":["a"]}`:                                star,
		`{"sources":["a"],"types":["a","*"]}`:                                star,
		`{"sources":["a"],"types":["a"],"threads":["*","t"]}`:                star,
		`{"sources":["a"],"types":["a"],"states":["*"]}`:                     star,
		`{"sources":["a"],"types":["a"],"ids":["*"]}`:                        star,
		`{"sources":["a"],"types":["a"],"resources":["*"]}`:                  star,
		`{"sources":["a"],"types":["a"],"conversations":["*"]}`:              star,
		`{"sources":["a"],"types":["a"],"channels":["*"]}`:                   star,
		`{"sources":["a"],"types":["a"],"fields":["*"]}`:                     path,
		`{"sources":["a"],"types":["a"],"fields":["event"]}`:                 path,
		`{"sources":["a"],"types":["a"],"fields":["event."]}`:                path,
		`{"sources":["a"],"types":["a"],"fields":["event.A","events.B"]}`:    path,
		`{"sources":["a"],"types":["a"],"fields":["Event.A"]}`:               path,
		`{"sources":["a"],"types":["a"],"redact":["entity..A"]}`:             path,
		`{"sources":["a"],"types":["a"],"redact":["entity.A."]}`:             path,
		`{"sources":["a"],"types":["a"],"redact":[".event.A"]}`:              path,
		`{"sources":["a"],"types":["a"],"redact":["source"]}`:                path,
		`{"sources":["a"],"sources":["b"],"types":["a"]}`:                    repeated,
		`{"sources":["a"],"types":["a"],"states":["A"],"st\u0061tes":["B"]}`: repeated,
		`[` + grant + `,{"sources":["a"],"types":["a"],"types":["a"]}]`:      repeated,
	} {
		t.Run(text, func(t *testing.T) { wantRefused(t, v, hs256(t, grantClaims(text)), want) })
	}
}

// Whatever grants are accepted, encoding/json reads the same, and their JSON form
// stands for them.
func FuzzGrants(f *testing.F) {
	f.Add(grant)
	f.Add(`[` + grant + `,{"sources":["chat"],"types":["airy.message"],"threads":["*"],"fields":["event.a.b"]}]`)
	f.Add(`{"sources":["a"],"sources":["b"],"types":["a"]}`)
	f.Add(`{"sources":["*"],"types":["a","*"],"redact":["event."]}`)
	f.Add(`[[[[`)
	v := newVerifier(f, hotel())
	f.Fuzz(func(t *testing.T, text string) {
		token, err := v.Verify(hs256(t, grantClaims(text)))
		if err != nil {
			return
		}
		if diff := cmp.Diff(readByJSON(t, text), token.Grants); diff != "" {
			t.Fatalf("grants (-encoding/json +got):\n%s", diff)
		}
		for _, g := range token.Grants {
			if len(g.Sources) == 0 || len(g.Types) == 0 {
				t.Fatalf("got a grant without sources or types: %+v", g)
			}
		}
		raw, err := auth.Mint(secret, auth.Claims{
			Issuer: iss, Audience: aud, Subject: "s", Expires: time.Now().Add(time.Hour), Grants: token.Grants,
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(token.Grants, mustVerify(t, v, raw).Grants); diff != "" {
			t.Errorf("grants (-first +again):\n%s", diff)
		}
	})
}

// readByJSON reads grants as encoding/json does.
func readByJSON(t *testing.T, text string) []auth.Grant {
	t.Helper()
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		text = "[" + text + "]"
	}
	var grants []auth.Grant
	if err := json.Unmarshal([]byte(text), &grants); err != nil {
		t.Fatalf("accepted %q: %v", text, err)
	}
	return grants
}

// Equal identities and equal grants are one.
func TestGrantsIDTellsGrantsApart(t *testing.T) {
	text := rapid.SampledFrom([]string{"a", "b", "a b", `a" "b`, "a] [b", `a\`})
	list := rapid.SliceOfN(text, 1, 3)
	narrow := rapid.OneOf(list, rapid.Just([]string(nil)))
	grants := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) auth.Grant {
		return auth.Grant{
			Sources: list.Draw(t, "sources"), Types: list.Draw(t, "types"),
			States: narrow.Draw(t, "states"), IDs: narrow.Draw(t, "ids"), Threads: narrow.Draw(t, "threads"),
		}
	}), 1, 2)
	v := newVerifier(t, hotel())
	rapid.Check(t, func(t *rapid.T) {
		lists := [2][]auth.Grant{grants.Draw(t, "one"), grants.Draw(t, "other")}
		if rapid.Bool().Draw(t, "same") {
			lists[1] = lists[0]
		}
		var tokens [2]*auth.Token
		for i, list := range lists {
			raw, err := auth.Mint(secret, auth.Claims{
				Issuer: iss, Audience: aud, Subject: "s", Expires: time.Now().Add(time.Hour), Grants: list,
			})
			if err != nil {
				t.Fatal(err)
			}
			if tokens[i], err = v.Verify(raw); err != nil {
				t.Fatal(err)
			}
		}
		one, other := tokens[0], tokens[1]
		if (one.GrantsID() == other.GrantsID()) != cmp.Equal(one.Grants, other.Grants) {
			t.Fatalf("%+v and %+v: identities are equal: %v", one.Grants, other.Grants, one.GrantsID() == other.GrantsID())
		}
	})
}

func TestGrantsIDGoesByWhatCeilingLeaves(t *testing.T) {
	bounded := hotel()
	bounded.Sources = []string{"prague"}
	star := hs256(t, grantClaims(`{"sources":["*"],"types":["*"]}`))
	v := newVerifier(t, hotel())
	unbound, named := mustVerify(t, v, star), mustVerify(t, v, hs256(t, grantClaims(` [ `+grant+` ]`)))
	if err := v.SetIssuers([]auth.Issuer{bounded}); err != nil {
		t.Fatal(err)
	}
	if got := mustVerify(t, v, star).GrantsID(); got == unbound.GrantsID() || got != named.GrantsID() {
		t.Error("a ceiling did not change the identity to that of what it leaves")
	}
	if err := v.SetIssuers([]auth.Issuer{hotel()}); err != nil {
		t.Fatal(err)
	}
	if got := mustVerify(t, v, star).GrantsID(); got != unbound.GrantsID() {
		t.Error("the identity changed over a reload")
	}
}

func TestTokensShareGrants(t *testing.T) {
	v := newVerifier(t, hotel())
	one, other := mustVerify(t, v, hs256(t, goodClaims())), mustVerify(t, v, hs256(t, changed("sub", `"maid-8"`)))
	if &one.Grants[0] != &other.Grants[0] {
		t.Error("two tokens with the same grants have a copy each")
	}
}
