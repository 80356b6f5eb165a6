package gateway

import "sync"

// A room bounds the memory that what is kept of one kind takes together: encoded
// snapshots, encoded records, frames of pasts. Its methods may be called
// concurrently.
type room struct {
	limit int

	mu    sync.Mutex
	taken int
}

// take reports whether there is room for n more bytes, and takes it; n may be
// below zero.
func (r *room) take(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > 0 && r.taken+n > r.limit {
		return false
	}
	r.taken += n
	return true
}
