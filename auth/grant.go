package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// all, standing alone, means every value of sources, types and threads.
const all = "*"

// A Grant is one permission of a token. Its JSON form is the token's.
//
// Sources and Types always have an element; the lone element "*" means all. The
// other lists narrow where they are not nil, all at once; of them only Threads
// may be the lone "*". A grant that came from [Verifier.Verify] is shared and
// must not be changed.
type Grant struct {
	Sources       []string `json:"sources"`
	Types         []string `json:"types"`
	States        []string `json:"states,omitempty"`
	IDs           []string `json:"ids,omitempty"`
	Resources     []string `json:"resources,omitempty"`
	Threads       []string `json:"threads,omitempty"`
	Conversations []string `json:"conversations,omitempty"`
	Channels      []string `json:"channels,omitempty"`

	// Dotted paths that begin with "event." or "entity.": the only members let
	// out (nil is all), and those taken away.
	Fields []string `json:"fields,omitempty"`
	Redact []string `json:"redact,omitempty"`
}

// list returns the list of a member, or nil for a name that is none.
func (g *Grant) list(member string) *[]string {
	switch member {
	case "sources":
		return &g.Sources
	case "types":
		return &g.Types
	case "states":
		return &g.States
	case "ids":
		return &g.IDs
	case "resources":
		return &g.Resources
	case "threads":
		return &g.Threads
	case "conversations":
		return &g.Conversations
	case "channels":
		return &g.Channels
	case "fields":
		return &g.Fields
	case "redact":
		return &g.Redact
	}
	return nil
}

// A GrantsID tells lists of grants apart. Equal ones stand for equal grants in
// the same order, whoever issued them and whenever they were verified.
type GrantsID digest

// A grantSet is the grants of one or many tokens.
type grantSet struct {
	grants []Grant
	id     GrantsID
}

// newGrantSet returns the grants as far as they lie within ceiling.
func newGrantSet(grants []Grant, ceiling []string) *grantSet {
	grants = cut(grants, ceiling)
	// Quoted, and with no list empty that is there, no two have the same text.
	return &grantSet{grants, sha256.Sum256(fmt.Appendf(nil, "%q", grants))}
}

// readGrants reads the bellhop claim: one grant or a list of them.
func readGrants(claim jsontext.Value) ([]Grant, error) {
	list := make([]strictGrant, 1)
	var into any = &list[0]
	if claim.Kind() == '[' {
		into = &list
	}
	if err := unmarshal(claim, into); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errMissing
	}
	grants := make([]Grant, len(list))
	for i, g := range list {
		grants[i] = Grant(g)
	}
	return grants, nil
}

// A strictGrant is a Grant that refuses whatever it does not know: a misspelt
// restriction must not become a permission.
type strictGrant Grant

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *strictGrant) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return errGrant
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	g := (*Grant)(s)
	for dec.PeekKind() != '}' {
		if err := g.readMember(dec); err != nil {
			return err
		}
	}
	if g.Sources == nil || g.Types == nil {
		return errGrantRequired
	}
	_, err := dec.ReadToken()
	return err
}

func (g *Grant) readMember(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	member := token.String()
	list := g.list(member)
	if list == nil {
		return errGrantMember
	}
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if *list, err = texts(v); err != nil {
		return errGrantList
	}
	return checkList(member, *list)
}

func checkList(member string, list []string) error {
	switch member {
	case "fields", "redact":
		if !slices.ContainsFunc(list, badPath) {
			return nil
		}
		return errGrantPath
	case "sources", "types", "threads":
		if isAll(list) {
			return nil
		}
	}
	if slices.Contains(list, all) {
		return errGrantStar
	}
	return nil
}

func isAll(list []string) bool { return len(list) == 1 && list[0] == all }

// badPath reports whether path is no dotted path into an event or an entity.
func badPath(path string) bool {
	steps := strings.Split(path, ".")
	return len(steps) < 2 || steps[0] != "event" && steps[0] != "entity" || slices.Contains(steps, "")
}

// cut returns the grants as far as they lie within ceiling, where nil is none:
// "*" becomes the ceiling, and a grant of which no source is left goes.
func cut(grants []Grant, ceiling []string) []Grant {
	if ceiling == nil {
		return grants
	}
	var kept []Grant
	for _, g := range grants {
		if isAll(g.Sources) {
			g.Sources = ceiling
		} else {
			g.Sources = slices.DeleteFunc(slices.Clone(g.Sources), func(s string) bool {
				return !slices.Contains(ceiling, s)
			})
		}
		if len(g.Sources) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}

// within reports whether every source of the grants is under the ceiling.
func within(grants []Grant, ceiling []string) bool {
	return ceiling == nil || !slices.ContainsFunc(grants, func(g Grant) bool {
		return slices.ContainsFunc(g.Sources, func(s string) bool { return !slices.Contains(ceiling, s) })
	})
}
