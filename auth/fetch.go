package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	fetchTimeout = 10 * time.Second
	maxKeySet    = 1 << 20 // bytes
	maxRedirects = 5
)

// run fetches the key set, keeps it fresh, and returns when ctx ends.
func (j *jwks) run(ctx context.Context) {
	timer := time.NewTimer(time.Until(j.next()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		case <-timer.C:
			j.refresh(ctx)
		}
		timer.Reset(time.Until(j.next()))
	}
}

func (j *jwks) refresh(ctx context.Context) {
	n := j.begin()
	keys, err := j.fetch(ctx)
	switch {
	case ctx.Err() != nil:
		j.abandon()
	case err != nil:
		j.fail()
		j.metrics.fetches.WithLabelValues(resultFailed).Inc()
		j.log.Warn("cannot fetch keys", "issuer", j.issuer, "err", err)
	default:
		j.settle(n, keys)
		j.metrics.fetches.WithLabelValues(resultDone).Inc()
		if len(keys) == 0 {
			j.log.Warn("key set has no key that can be used", "issuer", j.issuer)
		}
	}
}

// fetch reads the key set. Its errors do not name the URL, whose query may be
// a secret.
func (j *jwks) fetch(ctx context.Context) ([]*key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, errors.New("build request: bad URL")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := j.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("get key set: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get key set: status %d", resp.StatusCode)
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxKeySet))
	if err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	return j.parse(data)
}

// parse reads a JWK Set. A key that is of no use here is passed over, as RFC
// 7517 section 5 asks.
func (j *jwks) parse(data []byte) ([]*key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("parse key set: not JSON of its form")
	}
	if set.Keys == nil {
		return nil, errors.New("parse key set: it has no keys member")
	}
	var keys []*key
	for _, raw := range set.Keys {
		k, err := parseJWK(raw)
		if err != nil {
			j.log.Debug("key of a set is not used", "issuer", j.issuer, "err", err)
			continue
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// parseJWK reads a public key that is for verifying signatures. A shared secret
// (oct) is refused: what an endpoint publishes is none.
func parseJWK(raw json.RawMessage) (*key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("parse key: not JSON of its form")
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return nil, errors.New("use is not sig")
	}
	if m.KEYOPS != nil && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return nil, errors.New("key_ops has no verify")
	}
	m.X5C, m.X5U = nil, "" // the bare key is what counts
	// The library's own validation panics at an EC coordinate that is too long;
	// newKey's takes its place.
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	k, err := newKey(jwk.Key())
	if err != nil {
		return nil, err
	}
	k.kid = m.KID
	if alg := string(m.ALG); alg != "" {
		if !slices.Contains(k.algs, alg) {
			return nil, errors.New("alg does not fit the key")
		}
		k.algs = []string{alg}
	}
	return k, nil
}

// sameHost is a redirect policy: never to another host, never away from TLS.
func sameHost(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	switch {
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	case to.Host != from.Host:
		return errors.New("redirect to another host")
	case to.Scheme != from.Scheme && to.Scheme != "https":
		return errors.New("redirect away from TLS")
	}
	return nil
}
