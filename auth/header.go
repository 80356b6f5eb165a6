package auth

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// A header is what a verifier needs of a JOSE header.
type header struct {
	alg, kid string
	method   jwt.SigningMethod // that of alg
}

// refused are header members that change what a signature covers or means, or
// bring their own key. Nothing that bears one is accepted (RFC 8725 sections
// 3.6 and 3.10; RFC 7797 for b64).
var refused = [...]string{"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"}

// readHeader reads the header of a token, as it is encoded.
func readHeader(segment string) (*header, error) {
	data, err := decode(segment)
	if err != nil {
		return nil, err
	}
	var members map[string]jsontext.Value
	if err := unmarshal(data, &members); err != nil {
		return nil, err
	}
	alg, _ := textOf(members["alg"])
	h := header{alg: string(alg)}
	if h.method, err = methodOf(h.alg); err != nil {
		return nil, err
	}
	isThere := func(name string) bool { return members[name] != nil }
	if slices.ContainsFunc(refused[:], isThere) {
		return nil, errHeader
	}
	if typ := members["typ"]; typ != nil && !acceptedTyp(typ) {
		return nil, errTyp
	}
	if kid := members["kid"]; kid != nil {
		s, err := textOf(kid)
		if err != nil {
			return nil, errMalformed
		}
		h.kid = string(s)
	}
	return &h, nil
}

// methodOf returns how alg verifies. Which algorithms count is for a key to say.
func methodOf(alg string) (jwt.SigningMethod, error) {
	switch m := jwt.GetSigningMethod(alg); m {
	case nil:
		return nil, errAlgorithm
	case jwt.SigningMethodNone:
		return nil, errSignature
	default:
		return exact(m), nil
	}
}

// exact returns m with the salt of a PSS signature held to the hash's length
// (RFC 7518 section 3.5). The library takes any length.
func exact(m jwt.SigningMethod) jwt.SigningMethod {
	pss, ok := m.(*jwt.SigningMethodRSAPSS)
	if !ok {
		return m
	}
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: pss.SigningMethodRSA, Options: pss.Options}
}

// acceptedTyp reports whether typ is a plain JWT or an access token (RFC 9068).
func acceptedTyp(typ jsontext.Value) bool {
	t, _ := textOf(typ)
	return strings.EqualFold(string(t), "JWT") || strings.EqualFold(string(t), "at+jwt")
}
