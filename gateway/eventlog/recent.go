package eventlog

import (
	"slices"
	"sync"
)

// What is kept of the records that were appended last. A follower that is further
// behind reads the log.
const (
	maxRecent      = 16384
	maxRecentBytes = 32 << 20
)

// recent are the records that were stored last, as the stream has them, so that
// a follower need not ask for what this very process has just appended. They
// follow on each other without a hole, and none is there before it was answered
// for. Its methods may be called concurrently.
type recent struct {
	mu    sync.Mutex
	list  []message // oldest first
	bytes int
}

// add takes over messages that have been stored, in order.
func (r *recent) add(stored []message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.list); n > 0 && len(stored) > 0 && stored[0].seq != r.list[n-1].seq+1 {
		r.clearLocked()
	}
	r.list = append(r.list, stored...)
	for _, m := range stored {
		r.bytes += len(m.data)
	}
	n := 0
	for len(r.list)-n > maxRecent || r.bytes > maxRecentBytes {
		r.bytes -= len(r.list[n].data)
		n++
	}
	clear(r.list[:n])
	r.list = r.list[n:]
}

// after returns up to limit of the messages behind the sequence after; none when
// the one next to it is not there.
func (r *recent) after(after uint64, limit int) []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 || after+1 < r.list[0].seq {
		return nil
	}
	skip := min(after+1-r.list[0].seq, uint64(len(r.list)))
	rest := r.list[skip:]
	return slices.Clone(rest[:min(limit, len(rest))])
}

// clear forgets all: what is stored is to be read.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clearLocked()
}

func (r *recent) clearLocked() { r.list, r.bytes = nil, 0 }
