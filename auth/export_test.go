package auth

// Sizes returns how many verifications are cached and how many revocations are
// held.
func (v *Verifier) Sizes() (cached, revoked int) { return v.cache.size(), v.revocations.size() }

// LimitCache bounds the cache of verifications.
func (v *Verifier) LimitCache(n int) { v.cache.limit = n }
