package auth

import (
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what [Mint] puts into a token.
type Claims struct {
	Issuer   string // [Issuer.Mint] sets it, and Audience
	Audience string
	Subject  string
	ID       string    // the jti; empty is none
	Expires  time.Time // to the second
	Grants   []Grant
}

// Mint returns a token that a [Verifier] with this secret, issuer and audience
// accepts until it expires, signed with HS256 and issued now. What no Verifier
// would accept is an error, which names the fault.
func Mint(secret []byte, c Claims) (string, error) {
	k, err := newKey(secret)
	if err != nil {
		return "", err
	}
	body := jwt.MapClaims{
		"iss": c.Issuer, "aud": c.Audience, "sub": c.Subject,
		"iat": time.Now().Unix(), "exp": c.Expires.Unix(),
		"bellhop": c.Grants,
	}
	if c.ID != "" {
		body["jti"] = c.ID
	}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, body).SignedString(k.material)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(raw) > maxToken {
		return "", errTooLong
	}
	if err := checkMinted(raw); err != nil {
		return "", fmt.Errorf("check token: %w", err)
	}
	return raw, nil
}

// checkMinted reads a token as a Verifier does.
func checkMinted(raw string) error {
	parts, err := split(raw)
	if err != nil {
		return err
	}
	c, err := readClaims(parts.payload)
	if err != nil {
		return err
	}
	_, err = readGrants(c.Bellhop)
	return err
}

// Mint returns a token of the issuer, which has a secret. A source that its
// ceiling would take away again is an error.
func (i Issuer) Mint(c Claims) (string, error) {
	for _, g := range c.Grants {
		for _, source := range g.Sources {
			if i.Sources != nil && source != all && !slices.Contains(i.Sources, source) {
				return "", fmt.Errorf("source %s: the issuer may give %v only", source, i.Sources)
			}
		}
	}
	c.Issuer, c.Audience = i.Name, i.Audience
	return Mint(i.Secret, c)
}
