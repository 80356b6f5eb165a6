package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
)

// A memoryStore is a RevocationStore that survives its verifiers.
type memoryStore struct {
	mu      sync.Mutex
	kept    []auth.Revocation
	news    chan struct{} // closed at the next Save
	saveErr error
	broken  chan error // ends a watch
}

func newMemoryStore() *memoryStore {
	return &memoryStore{news: make(chan struct{}), broken: make(chan error)}
}

func (s *memoryStore) Save(_ context.Context, r auth.Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saveErr != nil {
		return s.saveErr
	}
	s.kept = append(s.kept, r)
	close(s.news)
	s.news = make(chan struct{})
	return nil
}

func (s *memoryStore) Watch(ctx context.Context, found func([]auth.Revocation)) error {
	for seen := 0; ; {
		s.mu.Lock()
		fresh, news := s.kept[seen:len(s.kept):len(s.kept)], s.news
		s.mu.Unlock()
		seen += len(fresh)
		found(fresh)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.broken:
			return err
		case <-news:
		}
	}
}

// running returns a verifier that runs until the test ends.
func running(t *testing.T, o auth.Options) *auth.Verifier {
	t.Helper()
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, v)
	return v
}

// run runs v until the test, or the returned function, ends it.
func run(t *testing.T, v *auth.Verifier) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestRevoke(t *testing.T) {
	v := newVerifier(t, hotel())
	raw, other := hs256(t, goodClaims()), hs256(t, changed("jti", `"j-2"`))
	token, spared := mustVerify(t, v, raw), mustVerify(t, v, other)
	change := v.Changed()
	if err := v.Revoke(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, change)
	if v.Valid(token) || !v.Valid(spared) {
		t.Errorf("Valid: got %v and %v, want the revoked token alone to be invalid", v.Valid(token), v.Valid(spared))
	}
	wantRefused(t, v, raw, "the token was revoked")
	mustVerify(t, v, other)

	change = v.Changed()
	if err := v.Revoke(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	select {
	case <-change:
		t.Error("revoking again was told as a change")
	default:
	}
}

// ECDSA signs the same input otherwise each time.
func TestRevokeCoversOtherSignatures(t *testing.T) {
	v := newVerifier(t, auth.Issuer{Name: iss, Audience: aud, PublicKeyPEM: publicPEM(t, p256Key())})
	claims := goodClaims()
	raw := sign(t, `{"alg":"ES256"}`, claims, jwt.SigningMethodES256, p256Key())
	other := sign(t, `{"alg":"ES256"}`, claims, jwt.SigningMethodES256, p256Key())
	if other == raw {
		t.Fatal("both signatures are the same")
	}
	mustVerify(t, v, other)
	if err := v.Revoke(t.Context(), mustVerify(t, v, raw)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, v, other, "the token was revoked")
}

func TestRevocationsSurviveRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		options := auth.Options{Issuers: []auth.Issuer{hotel()}, Leeway: 30 * time.Second, Store: store}
		raw := hs256(t, goodClaims())

		first := running(t, options)
		synctest.Wait()
		if err := first.Revoke(t.Context(), mustVerify(t, first, raw)); err != nil {
			t.Fatal(err)
		}

		second, err := auth.New(options)
		if err != nil {
			t.Fatal(err)
		}
		wantUnavailable(t, second, raw) // what is revoked is not known yet
		wantRefused(t, second, "x", "the token is malformed")
		run(t, second)
		synctest.Wait()
		wantRefused(t, second, raw, "the token was revoked")

		time.Sleep(time.Hour + 30*time.Second - 1)
		wantRefused(t, second, raw, "the token was revoked")
		time.Sleep(time.Second)
		wantRefused(t, second, raw, "the token has expired")

		third := running(t, options)
		synctest.Wait()
		if _, revoked := third.Sizes(); revoked != 0 {
			t.Errorf("got %d revocations after the token's end, want none", revoked)
		}
	})
}

func TestRevocationReachesOtherGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := auth.Options{Issuers: []auth.Issuer{hotel()}, Store: newMemoryStore()}
		a, b := running(t, options), running(t, options)
		synctest.Wait()
		raw := hs256(t, goodClaims())
		token, change := mustVerify(t, b, raw), b.Changed()
		if err := a.Revoke(t.Context(), mustVerify(t, a, raw)); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, change)
		if b.Valid(token) {
			t.Error("a token revoked elsewhere is still valid")
		}
	})
}

func TestRevocationsOfNoTokenAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		for _, text := range []string{"", "00", strings.Repeat("0", 66), strings.Repeat("x", 64)} {
			store.kept = append(store.kept, auth.Revocation{Token: text, Until: time.Now().Add(time.Hour)})
		}
		v := running(t, auth.Options{Issuers: []auth.Issuer{hotel()}, Store: store})
		synctest.Wait()
		mustVerify(t, v, hs256(t, goodClaims()))
		if _, revoked := v.Sizes(); revoked != 0 {
			t.Errorf("got %d revocations, want none", revoked)
		}
	})
}

func TestWatchIsBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		v := running(t, auth.Options{Issuers: []auth.Issuer{hotel()}, Store: store})
		raw := hs256(t, goodClaims())
		store.broken <- errors.New("store went away")
		synctest.Wait()
		token := mustVerify(t, v, raw) // what was known still is
		other := newVerifier(t, hotel())
		otherToken := mustVerify(t, other, raw)
		if err := store.Save(t.Context(), revocationOf(t, otherToken)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if v.Valid(token) {
			t.Error("a revocation saved while the watch was down was not taken")
		}
	})
}

// revocationOf returns what Revoke saves for token.
func revocationOf(t *testing.T, token *auth.Token) auth.Revocation {
	t.Helper()
	store := newMemoryStore()
	v, err := auth.New(auth.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Revoke(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	return store.kept[0]
}

func TestRevokeHoldsWhenItCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		v := running(t, auth.Options{Issuers: []auth.Issuer{hotel()}, Store: store})
		synctest.Wait()
		raw := hs256(t, goodClaims())
		store.saveErr = errors.New("disk full")
		if err := v.Revoke(t.Context(), mustVerify(t, v, raw)); !errors.Is(err, store.saveErr) {
			t.Errorf("got %v, want %v", err, store.saveErr)
		}
		wantRefused(t, v, raw, "the token was revoked")
	})
}

// Neither the cache nor the revocations may grow with tokens that have ended.
func TestEndedTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, hotel())
		for i := range 1000 {
			raw := hs256(t, changed("jti", fmt.Sprintf(`"j-%d"`, i)))
			if err := v.Revoke(t.Context(), mustVerify(t, v, raw)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if cached, revoked := v.Sizes(); cached > 256 || revoked > 256 {
			t.Errorf("got %d cached and %d revoked, want at most 256 of each", cached, revoked)
		}
	})
}
