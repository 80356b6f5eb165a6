package config

import (
	"slices"
)

// issuers holds the issuers against each other and the sources.
func (v *validator) issuers(c *Config) {
	if len(c.Auth.Issuers) == 0 && v.ok("auth.issuers") {
		v.add("auth.issuers", "want at least one issuer")
	}
	first := make(map[[2]string]int)
	for i, is := range c.Auth.Issuers {
		at := item("auth.issuers", i)
		v.issuer(&is, at)
		v.ceiling(is.Sources, at+".sources", c.Sources)
		pair := [2]string{is.Issuer, is.Audience}
		if !v.ok(at+".issuer", at+".audience") {
			continue
		}
		if other, taken := first[pair]; taken {
			v.add(at, "has the issuer and audience of %s; want another pair", item("auth.issuers", other))
			continue
		}
		first[pair] = i
		if c.Auth.Guests != nil && c.Auth.Guests.Issuer == is.Issuer && v.ok("auth.guests.issuer") {
			v.add("auth.guests.issuer", "is that of %s; want one of its own", at)
		}
	}
}

// issuer holds the keys of one issuer against each other.
func (v *validator) issuer(is *Issuer, at string) {
	if v.ok(at, at+".secret", at+".public_key_file", at+".jwks_url") {
		given := 0
		for _, kind := range []bool{is.Secret != "", is.PublicKeyFile.Path != "", is.JWKSURL != ""} {
			if kind {
				given++
			}
		}
		if given != 1 {
			v.add(at, "want exactly one of secret, secret_file, public_key_file and jwks_url")
		}
	}
	v.cleartext(is.JWKSURL, at, "jwks_url", "https", is.Insecure)
}

// ceiling holds an issuer's sources against those that there are.
func (v *validator) ceiling(names []string, at string, sources []Source) {
	if names != nil && len(names) == 0 && v.ok(at) {
		v.add(at, "want at least one source, or not the key, for all sources")
	}
	var known []string
	for i, s := range sources {
		if !v.ok(item("sources", i) + ".name") {
			return
		}
		known = append(known, s.Name)
	}
	if !v.ok("sources") || len(known) == 0 {
		return
	}
	for i, name := range names {
		if key := item(at, i); v.ok(key) && !slices.Contains(known, name) {
			v.add(key, "no such source; want %s", choice(known))
		}
	}
}
