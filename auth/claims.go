package auth

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// A header is what a verifier needs of a JOSE header.
type header struct{ alg, kid string }

// refused are header members that change what a signature covers or means, or
// bring their own key. Nothing that bears one is accepted (RFC 8725 sections
// 3.6 and 3.10; RFC 7797 for b64).
var refused = [...]string{"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"}

// readHeader reads the header of a token whose encoding the library has already
// found good. Of the header itself it takes the last of repeated members, and
// ignores all but alg.
func readHeader(raw string) (header, error) {
	segment, _, _ := strings.Cut(raw, ".")
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return header{}, errMalformed
	}
	o, err := parseObject(data)
	if err != nil {
		return header{}, err
	}
	for _, name := range refused {
		if _, there := o[name]; there {
			return header{}, errHeader
		}
	}
	if typ, there := o["typ"]; there && !acceptedTyp(typ) {
		return header{}, errTyp
	}
	var h header
	var errAlg, errKid error
	h.alg, errAlg = o.required("alg")
	h.kid, errKid = o.optional("kid")
	if errAlg != nil || errKid != nil {
		return header{}, errMalformed
	}
	return h, nil
}

// acceptedTyp reports whether typ is a plain JWT or an access token (RFC 9068).
func acceptedTyp(typ any) bool {
	s, _ := typ.(string)
	return strings.EqualFold(s, "JWT") || strings.EqualFold(s, "at+jwt")
}

// claims are a token's claims. The zero value has none of those required.
type claims struct {
	jwt.RegisteredClaims
	grants []Grant
}

// UnmarshalJSON reads the claims strictly. The library never calls it for a
// payload of null, which leaves the zero value.
func (c *claims) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	var errs [8]error
	c.Issuer, errs[0] = o.required("iss")
	c.Audience, errs[1] = audience(o["aud"])
	c.Subject, errs[2] = o.required("sub")
	c.ExpiresAt, errs[3] = o.time("exp")
	c.NotBefore, errs[4] = o.time("nbf")
	c.IssuedAt, errs[5] = o.time("iat")
	c.ID, errs[6] = o.optional("jti")
	c.grants, errs[7] = readGrants(o["bellhop"])
	if c.ExpiresAt == nil && errs[3] == nil {
		errs[3] = errMissing
	}
	return cmp.Or(errs[:]...)
}

// audience reads the aud claim: a text or a list of them (RFC 7519 section
// 4.1.3).
func audience(v any) ([]string, error) {
	if s, ok := v.(string); ok && s != "" {
		return []string{s}, nil
	}
	if list, ok := texts(v); ok {
		return list, nil
	}
	if v == nil || v == "" {
		return nil, errMissing
	}
	return nil, errType
}

// names reports whether the token is of this issuer and for this audience.
func (c *claims) names(issuer, audience string) bool {
	return c.Issuer == issuer && slices.Contains(c.Audience, audience)
}
