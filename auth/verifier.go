// Package auth says who is asking and what they may see. A [Verifier] judges
// JSON Web Tokens by RFC 7519 and the advice of RFC 8725; a [Grant] is what one
// permits. It knows nothing of HTTP or of cookies.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxToken  = 8 << 10 // bytes
	maxCached = 65536   // tokens
)

// Options are what a [Verifier] needs.
type Options struct {
	Issuers []Issuer
	Leeway  time.Duration // applied to exp, nbf and iat

	HTTPClient *http.Client          // for JWK Sets, but for its redirect policy; nil is http.DefaultClient
	Store      RevocationStore       // nil keeps revocations in memory only
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

// A Verifier judges tokens. It is safe for concurrent use.
type Verifier struct {
	leeway  time.Duration
	client  *http.Client
	store   RevocationStore
	log     *slog.Logger
	metrics *metrics
	times   *jwt.Validator

	setting     sync.Mutex // held by SetIssuers
	issuers     atomic.Pointer[issuers]
	headers     shared[header] // by what they are encoded as
	revocations expiring[digest, revokedUntil]
	informed    chan struct{} // closed once the store's revocations are known
	inform      func()        // closes informed
	changed     broadcast
}

// New returns a Verifier, or every fault of the issuers. It starts nothing: see
// [Verifier.Run].
func New(o Options) (*Verifier, error) {
	if o.Leeway < 0 {
		return nil, errors.New("leeway is negative")
	}
	v := &Verifier{
		leeway:   o.Leeway,
		store:    o.Store,
		log:      o.Logger,
		informed: make(chan struct{}),
		times:    jwt.NewValidator(jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(o.Leeway)),
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	client := *http.DefaultClient
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}
	client.CheckRedirect = sameHost
	v.client = &client
	v.inform = sync.OnceFunc(func() { close(v.informed) })
	if o.Store == nil {
		v.inform()
	}
	v.metrics = newMetrics(o.Registerer, v.revocations.size)
	v.issuers.Store(newIssuers())
	if err := v.SetIssuers(o.Issuers); err != nil {
		return nil, err
	}
	return v, nil
}

// Run fetches JWK Sets, keeps them fresh, and takes revocations from the store.
// Until it has, [Verifier.Verify] answers [ErrUnavailable] where it needs them.
// It returns nil when ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if v.store != nil {
		wg.Go(func() { v.watch(ctx) })
	}
	for ctx.Err() == nil {
		v.refresh(ctx, v.issuers.Load())
	}
	return nil
}

// Ready returns a channel that is closed once the store's revocations are known.
// Until then [Verifier.Verify] accepts no token.
func (v *Verifier) Ready() <-chan struct{} { return v.informed }

// refresh keeps the key sets of one generation of issuers fresh until another
// takes its place.
func (v *Verifier) refresh(ctx context.Context, generation *issuers) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, is := range generation.list {
		if set, ok := is.keys.(*jwks); ok {
			wg.Go(func() { set.run(ctx) })
		}
	}
	select {
	case <-ctx.Done():
	case <-generation.replaced:
	}
}

// Verify judges a token in its compact form. Its errors match [ErrInvalid] or
// [ErrUnavailable] and tell nothing of the token. It does not block.
func (v *Verifier) Verify(raw string) (*Token, error) {
	t, err := v.verify(raw)
	switch {
	case err == nil:
		v.metrics.valid.Inc()
	case errors.Is(err, ErrUnavailable):
		v.metrics.unavailable.Inc()
	default:
		v.metrics.invalid.Inc()
	}
	return t, err
}

func (v *Verifier) verify(raw string) (*Token, error) {
	if len(raw) > maxToken {
		return nil, errTooLong // before anything costs in proportion to it
	}
	in, text := v.issuers.Load(), digest(sha256.Sum256([]byte(raw)))
	t, ok := in.find(text)
	if !ok {
		var err error
		if t, err = v.parse(raw, in); err != nil {
			return nil, err
		}
		in.verified.put(text, t)
	}
	select {
	case <-v.informed:
	default:
		return nil, ErrUnavailable
	}
	if v.revoked(t) {
		return nil, errRevoked
	}
	if err := v.checkTimes(t); err != nil {
		return nil, err
	}
	return t, nil
}

// parse verifies the signature and reads the claims. It leaves out what time
// changes.
func (v *Verifier) parse(raw string, in *issuers) (*Token, error) {
	parts, err := split(raw)
	if err != nil {
		return nil, err
	}
	c, err := readClaims(parts.payload)
	if err != nil {
		return nil, err
	}
	h, err := v.headers.get(parts.header, readHeader)
	if err != nil {
		return nil, err
	}
	is, err := in.of(c)
	if err != nil {
		return nil, err
	}
	claim := string(c.Bellhop)
	set, err := is.grants.get(claim, is.readGrants)
	if err != nil {
		return nil, err
	}
	k, err := is.keys.find(h)
	if err != nil {
		return nil, err
	}
	if h.method.Verify(parts.input, parts.signature, k.material) != nil {
		return nil, errSignature
	}
	v.headers.keep(parts.header, h)
	is.grants.keep(claim, set)
	return newToken(parts.input, c, set, is, k, v.leeway), nil
}

func (v *Verifier) checkTimes(t *Token) error {
	err := v.times.Validate(t.times())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return errNotYet
	}
	return errIssued
}

func (v *Verifier) revoked(t *Token) bool {
	_, ok := v.revocations.get(t.hash)
	return ok
}

// Valid reports whether t, verified earlier, still counts: it was not revoked,
// its issuer and key are still there, and its grants are still under the
// issuer's ceiling. It does not look at the time.
func (v *Verifier) Valid(t *Token) bool {
	is := v.issuers.Load().named(t.Issuer, t.audience)
	return is != nil && is.keys.holds(t.key) && within(t.Grants, is.ceiling) && !v.revoked(t)
}

// Changed returns a channel that is closed when [Verifier.Valid] may next answer
// otherwise than it did. Take it before asking Valid, so that no change falls
// between.
func (v *Verifier) Changed() <-chan struct{} { return v.changed.wait() }

// A broadcast wakes all who wait. Its zero value is ready.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
