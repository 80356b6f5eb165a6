package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const (
	minSecret  = 32   // bytes
	minModulus = 2048 // bits
)

// A key verifies signatures. It does not change, and its address is its
// identity: a token remembers by which key it was verified, and a refresh or
// reload that brings an equal key keeps the old one.
type key struct {
	kid      string // empty for a key that is not from a JWK Set
	algs     []string
	material any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// newKey returns a key for material, with the algorithms of its kind and no
// others, which is what rules out key confusion (RFC 8725 section 3.1).
func newKey(material any) (*key, error) {
	switch m := material.(type) {
	case []byte:
		if len(m) < minSecret {
			return nil, fmt.Errorf("secret is under %d bytes", minSecret)
		}
		return &key{material: m, algs: []string{"HS256", "HS384", "HS512"}}, nil
	case *rsa.PublicKey:
		if m.N.BitLen() < minModulus {
			return nil, fmt.Errorf("RSA key is under %d bits", minModulus)
		}
		return &key{material: m, algs: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}}, nil
	case *ecdsa.PublicKey:
		// ECDH refuses a point that is not on the curve (RFC 8725 section 3.4).
		if _, err := m.ECDH(); err != nil {
			return nil, fmt.Errorf("EC key: %w", err)
		}
		switch m.Curve {
		case elliptic.P256():
			return &key{material: m, algs: []string{"ES256"}}, nil
		case elliptic.P384():
			return &key{material: m, algs: []string{"ES384"}}, nil
		case elliptic.P521():
			return &key{material: m, algs: []string{"ES512"}}, nil
		}
	case ed25519.PublicKey:
		return &key{material: m, algs: []string{"EdDSA"}}, nil
	}
	return nil, errors.New("key is of no kind that signs tokens")
}

// parsePEM returns the one public key that data holds.
func parsePEM(data []byte) (*key, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, errors.New("public key is not PEM")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("public key is followed by something else")
	}
	var material any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		err = fmt.Errorf("PEM block is a %s, not a PUBLIC KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	return newKey(material)
}

// equal reports whether two keys verify the same tokens.
func (k *key) equal(other *key) bool {
	if k.kid != other.kid || !slices.Equal(k.algs, other.algs) {
		return false
	}
	if secret, ok := k.material.([]byte); ok {
		o, ok := other.material.([]byte)
		return ok && bytes.Equal(secret, o)
	}
	public, ok := k.material.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.material)
}

// find makes a configured key a keyring of one. It goes by no kid.
func (k *key) find(h *header) (*key, error) {
	if !slices.Contains(k.algs, h.alg) {
		return nil, errAlgorithm
	}
	return k, nil
}

func (k *key) holds(other *key) bool { return k == other }
