package auth

import (
	"crypto/sha256"
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
	// where all their sources are outside of it. Tokens of equal grants may share
	// them.
	Grants []Grant

	grantsID            GrantsID
	audience            string
	notBefore, issuedAt seconds
	leeway              time.Duration
	key                 *key
	hash                digest // of the signing input
}

// A digest is a SHA-256.
type digest [sha256.Size]byte

// End returns when the token is no longer accepted: its exp plus the leeway.
func (t *Token) End() time.Time { return t.Expires.Add(t.leeway) }

// GrantsID returns the identity of the Grants of a token from [Verifier.Verify].
func (t *Token) GrantsID() GrantsID { return t.grantsID }

func newToken(input string, c *claims, set *grantSet, is *issuer, k *key, leeway time.Duration) *Token {
	return &Token{
		Issuer: is.name, Subject: string(c.Subject), ID: string(c.ID), Expires: c.Expires.time(),
		Grants: set.grants, grantsID: set.id,
		audience:  is.audience,
		notBefore: c.NotBefore, issuedAt: c.IssuedAt, leeway: leeway,
		key:  k,
		hash: sha256.Sum256([]byte(input)),
	}
}

// times returns the claims that say when the token counts.
func (t *Token) times() jwt.Claims {
	return jwt.RegisteredClaims{
		ExpiresAt: &jwt.NumericDate{Time: t.Expires},
		NotBefore: t.notBefore.bound(),
		IssuedAt:  t.issuedAt.bound(),
	}
}
