package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A Token is a verified token. It is shared among all who verified the same
// text, and must not be changed.
type Token struct {
	Issuer  string
	Subject string
	ID      string    // the jti; empty where there is none
	Expires time.Time // the exp, at most the year 9999; UTC

	// Grants are the token's, cut down to its issuer's ceiling. None is left
	// where all their sources are outside of it.
	Grants []Grant

	claims   jwt.RegisteredClaims
	audience string
	end      time.Time
	key      *key
	hash     string
}

// End returns when the token is no longer accepted: its exp plus the leeway.
func (t *Token) End() time.Time { return t.end }

func newToken(raw string, c *claims, is *issuer, k *key, leeway time.Duration) *Token {
	signed := sha256.Sum256([]byte(raw[:strings.LastIndexByte(raw, '.')]))
	return &Token{
		Issuer: c.Issuer, Subject: c.Subject, ID: c.ID, Expires: c.ExpiresAt.Time,
		Grants:   cut(c.grants, is.ceiling),
		claims:   c.RegisteredClaims,
		audience: is.audience,
		end:      c.ExpiresAt.Add(leeway),
		key:      k,
		hash:     hex.EncodeToString(signed[:]),
	}
}
