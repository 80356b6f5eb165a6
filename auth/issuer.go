package auth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// An Issuer is one whose tokens are accepted: those with this name as iss and
// this audience as, or among, aud. Exactly one of Secret, PublicKeyPEM and
// JWKSURL is set.
type Issuer struct {
	Name     string
	Audience string

	Secret       []byte // HS256, HS384, HS512; at least 32 bytes
	PublicKeyPEM []byte // one PKIX or PKCS #1 public key: RSA of 2048 bits up, P-256, P-384, P-521, Ed25519
	JWKSURL      string // a JWK Set of such keys, fetched by [Verifier.Run]

	// Sources is the ceiling of every grant of the issuer; nil is none.
	Sources []string
}

// A keyring holds an issuer's keys.
type keyring interface {
	// find returns the key for a token with this header. It does not block.
	find(*header) (*key, error)
	// holds reports whether k is still one of the keys.
	holds(k *key) bool
}

// An issuer is an Issuer made ready.
type issuer struct {
	name, audience string
	ceiling        []string
	keys           keyring
	grants         shared[grantSet] // cut down to ceiling
}

// issuers is one generation of them, in force until replaced is closed. With it
// goes what was verified under it.
type issuers struct {
	list     []*issuer
	replaced chan struct{}
	verified expiring[digest, *Token] // by their text
}

func newIssuers() *issuers {
	s := &issuers{replaced: make(chan struct{})}
	s.verified.limit = maxCached
	return s
}

// of returns the one issuer that the claims name. Claims that name two, by
// several audiences, are refused: neither's keys and ceiling would be the right
// ones.
func (s *issuers) of(c *claims) (*issuer, error) {
	var found *issuer
	for _, is := range s.list {
		if !c.names(is.name, is.audience) {
			continue
		}
		if found != nil {
			return nil, errIssuer
		}
		found = is
	}
	if found == nil {
		return nil, errIssuer
	}
	return found, nil
}

// readGrants reads a bellhop claim and cuts it down to the issuer's ceiling.
func (is *issuer) readGrants(claim string) (*grantSet, error) {
	grants, err := readGrants(jsontext.Value(claim))
	if err != nil {
		return nil, err
	}
	return newGrantSet(grants, is.ceiling), nil
}

// find returns the token with this digest that was verified under s and whose
// key is still there.
func (s *issuers) find(text digest) (*Token, bool) {
	t, ok := s.verified.get(text)
	if !ok || !s.named(t.Issuer, t.audience).keys.holds(t.key) {
		return nil, false
	}
	return t, true
}

// named returns the issuer with this name and audience, or nil.
func (s *issuers) named(name, audience string) *issuer {
	i := slices.IndexFunc(s.list, func(is *issuer) bool { return is.name == name && is.audience == audience })
	if i < 0 {
		return nil
	}
	return s.list[i]
}

// SetIssuers replaces the issuers, or returns every fault of list and keeps
// those it has. Keys that stay the same stay in force, and so do the tokens
// that they verified; see [Verifier.Valid] and [Verifier.Changed] for the
// others.
func (v *Verifier) SetIssuers(list []Issuer) error {
	v.setting.Lock()
	defer v.setting.Unlock()

	old := v.issuers.Load()
	next := newIssuers()
	var errs []error
	for _, config := range list {
		is, err := v.ready(config, old)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("issuer %q: %w", config.Name, err))
		case next.named(is.name, is.audience) != nil:
			errs = append(errs, fmt.Errorf("issuer %q: audience %q is configured twice", is.name, is.audience))
		default:
			next.list = append(next.list, is)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	v.issuers.Store(next)
	close(old.replaced)
	v.changed.send()
	return nil
}

// ready checks an issuer and gives it its keys, the old ones where they are the
// same.
func (v *Verifier) ready(config Issuer, old *issuers) (*issuer, error) {
	if config.Name == "" || config.Audience == "" {
		return nil, errors.New("name or audience is empty")
	}
	if config.Sources != nil && (len(config.Sources) == 0 || slices.Contains(config.Sources, all)) {
		return nil, errors.New("sources must be absent or a list of names")
	}
	if config.keyKinds() != 1 {
		return nil, errors.New("needs one of secret, public key and JWKS URL")
	}
	var had keyring
	if is := old.named(config.Name, config.Audience); is != nil {
		had = is.keys
	}
	keys, err := v.keyring(config, had)
	if err != nil {
		return nil, err
	}
	return &issuer{
		name: config.Name, audience: config.Audience,
		ceiling: slices.Clone(config.Sources),
		keys:    keys,
	}, nil
}

// keyring returns the keys of config, or those it had where they are the same.
func (v *Verifier) keyring(config Issuer, had keyring) (keyring, error) {
	if config.JWKSURL != "" {
		u, err := url.Parse(config.JWKSURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, errors.New("JWKS URL is not an absolute HTTP URL")
		}
		if set, ok := had.(*jwks); ok && set.url == config.JWKSURL {
			return set, nil
		}
		return newJWKS(config, v), nil
	}
	k, err := config.key()
	if err != nil {
		return nil, err
	}
	if old, ok := had.(*key); ok && old.equal(k) {
		return old, nil
	}
	return k, nil
}

// key returns the configured key.
func (i Issuer) key() (*key, error) {
	if len(i.Secret) > 0 {
		return newKey(slices.Clone(i.Secret))
	}
	return parsePEM(i.PublicKeyPEM)
}

// keyKinds counts the kinds of keys that are set.
func (i Issuer) keyKinds() int {
	n := 0
	for _, set := range []bool{len(i.Secret) > 0, len(i.PublicKeyPEM) > 0, i.JWKSURL != ""} {
		if set {
			n++
		}
	}
	return n
}
