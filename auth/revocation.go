package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// watchRetry is the wait before a store's watch is begun again.
const watchRetry = time.Second

// A Revocation takes the validity from one token.
type Revocation struct {
	// Token is the SHA-256 of the token's signing input in lower-case hex, so
	// that it is the same however the signature is encoded. It tells nothing of
	// the token and fits as a key in a store.
	Token string `json:"token"`

	// Until is when the token ends anyway, leeway included.
	Until time.Time `json:"until"`
}

// hash returns the digest that r.Token is in hex, if it is one.
func (r Revocation) hash() (digest, bool) {
	data, err := hex.DecodeString(r.Token)
	if err != nil || len(data) != sha256.Size {
		return digest{}, false
	}
	return digest(data), true
}

// revokedUntil is when a revocation is over.
type revokedUntil time.Time

func (u revokedUntil) End() time.Time { return time.Time(u) }

// A RevocationStore keeps revocations over restarts and shares them among
// gateways. Both methods may be called concurrently.
type RevocationStore interface {
	// Save keeps r at least until r.Until. When it returns nil, r is durable.
	Save(ctx context.Context, r Revocation) error

	// Watch calls found once with all revocations that are kept, also when there
	// are none, then with each new one, whoever saved it, and never twice at the
	// same time. It returns when ctx ends or when it can go on no longer; the
	// Verifier then calls it again.
	Watch(ctx context.Context, found func([]Revocation)) error
}

// Revoke refuses t from now on until it ends, however its signature is encoded.
// It holds here at once, whatever the error; a nil error says that it is kept in
// the store too.
func (v *Verifier) Revoke(ctx context.Context, t *Token) error {
	r := Revocation{Token: hex.EncodeToString(t.hash[:]), Until: t.End()}
	v.revoke([]Revocation{r})
	if v.store == nil {
		return nil
	}
	if err := v.store.Save(ctx, r); err != nil {
		return fmt.Errorf("save revocation: %w", err)
	}
	return nil
}

func (v *Verifier) revoke(list []Revocation) {
	news, now := false, time.Now()
	for _, r := range list {
		hash, ok := r.hash()
		if ok && now.Before(r.Until) && v.revocations.put(hash, revokedUntil(r.Until)) {
			news = true
		}
	}
	if news {
		v.changed.send()
	}
}

// watch takes the store's revocations until ctx ends.
func (v *Verifier) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := v.store.Watch(ctx, func(list []Revocation) {
			v.revoke(list)
			v.inform()
		})
		if ctx.Err() == nil {
			v.log.Warn("watch of revocations ended", "err", err)
		}
		timer.Reset(watchRetry)
	}
}
