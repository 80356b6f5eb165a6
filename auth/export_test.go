package auth

// Sizes returns how many verifications are cached and how many revocations are
// held.
func (v *Verifier) Sizes() (cached, revoked int) {
	return v.issuers.Load().verified.size(), v.revocations.size()
}

// Sought returns how many unknown kids are remembered.
func (v *Verifier) Sought() int {
	n := 0
	for _, is := range v.issuers.Load().list {
		if set, ok := is.keys.(*jwks); ok {
			set.mu.Lock()
			n += len(set.sought)
			set.mu.Unlock()
		}
	}
	return n
}

// LimitCache bounds the cache of verifications.
func (v *Verifier) LimitCache(n int) { v.issuers.Load().verified.limit = n }

// Shared returns how many headers and lists of grants are kept.
func (v *Verifier) Shared() (headers, grants int) {
	for _, is := range v.issuers.Load().list {
		grants += len(is.grants.parts)
	}
	return len(v.headers.parts), grants
}
