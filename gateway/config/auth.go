package config

import "time"

// Auth says whose tokens are believed, and where they may stand.
type Auth struct {
	// Issuers are at least one; no two have the same Issuer and Audience.
	Issuers []Issuer `key:"issuers"`
	// Guests signs tokens for guests' message threads; nil is none.
	Guests *Guests `key:"guests"`
	Cookie Cookie  `key:"cookie"`
	// Query is the query parameter that may hold a token; empty is none.
	Query string `key:"query" is:"query?"`
	// Leeway is added to all times of a token.
	Leeway time.Duration `key:"leeway" default:"30s" is:"0s..1h"`
	// Warn is the time before a token's end at which its stream is told.
	Warn time.Duration `key:"warn" default:"60s" is:"0s..24h"`
}

// Issuer is one "iss" and "aud" with its keys: exactly one of Secret,
// PublicKeyFile and JWKSURL is set.
type Issuer struct {
	Issuer   string `key:"issuer,required"`
	Audience string `key:"audience,required"`
	// Secret is for HS256, HS384 and HS512.
	Secret Secret `key:"secret" is:"key"`
	// PublicKeyFile is in PEM; its Path is empty where it is not the key.
	PublicKeyFile File   `key:"public_key_file" is:"public key"`
	JWKSURL       string `key:"jwks_url" is:"jwks url"`
	// Insecure permits a JWKSURL of http:// off loopback.
	Insecure bool `key:"insecure"`
	// Sources is the ceiling of every grant; nil is no ceiling.
	Sources []string `key:"sources" is:"source"`
}

// Guests is the issuer that the gateway itself is, for guests.
type Guests struct {
	Issuer string        `key:"issuer,required" default:"bellhop-guests"`
	Secret Secret        `key:"secret,required" is:"key"`
	TTL    time.Duration `key:"ttl" default:"24h" is:"1s..365d"`
}

// Cookie is the cookie session.
type Cookie struct {
	// CrossSite sets it with SameSite=None and Partitioned.
	CrossSite bool `key:"cross_site"`
}
