package auth

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// claims are a token's claims, but for the grants, of which only the text is
// there. The zero value has none of those required.
type claims struct {
	Issuer    text           `json:"iss"`
	Audience  audience       `json:"aud"`
	Subject   text           `json:"sub"`
	Expires   seconds        `json:"exp"`
	NotBefore seconds        `json:"nbf"`
	IssuedAt  seconds        `json:"iat"`
	ID        text           `json:"jti"`
	Bellhop   jsontext.Value `json:"bellhop"`
}

// readClaims reads a token's payload. One of null leaves the zero value.
func readClaims(payload []byte) (*claims, error) {
	c := &claims{Expires: seconds(math.NaN())} // what no token can say
	if err := unmarshal(payload, c); err != nil {
		return nil, err
	}
	if jsontext.Value(payload).Kind() == 'n' {
		return c, nil
	}
	if c.Issuer == "" || len(c.Audience) == 0 || c.Subject == "" || math.IsNaN(float64(c.Expires)) || isNone(c.Bellhop) {
		return nil, errMissing
	}
	return c, nil
}

// isNone reports whether v is absent or null.
func isNone(v jsontext.Value) bool { return v == nil || v.Kind() == 'n' }

// An audience is an aud claim: a text or a list of them (RFC 7519 section
// 4.1.3).
type audience []string

// UnmarshalJSONFrom leaves what is null or an empty text empty.
func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		return nil
	case '[':
		*a, err = texts(v)
		return err
	}
	s, err := textOf(v)
	if s != "" {
		*a = audience{string(s)}
	}
	return err
}

// names reports whether the token is of this issuer and for this audience.
func (c *claims) names(issuer, audience string) bool {
	return string(c.Issuer) == issuer && slices.Contains(c.Audience, audience)
}
