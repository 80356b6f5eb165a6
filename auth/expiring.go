package auth

import (
	"maps"
	"sync"
	"time"
)

// minSweep is how many entries are too few to look for expired ones.
const minSweep = 64

// An expiring is a map whose values end at a time of their own. It drops the
// ended ones whenever it has doubled, and with a limit an arbitrary one when it
// is full. Its zero value has no limit. It is safe for concurrent use.
type expiring[K comparable, V interface{ End() time.Time }] struct {
	limit int // zero is none

	mu      sync.RWMutex
	entries map[K]V
	sweepAt int
}

// get returns the value of k, if its time has not come.
func (e *expiring[K, V]) get(k K) (V, bool) {
	e.mu.RLock()
	found, ok := e.entries[k]
	e.mu.RUnlock()
	if !ok || !time.Now().Before(found.End()) {
		var none V
		return none, false
	}
	return found, true
}

// put sets the value of k and reports whether k is new.
func (e *expiring[K, V]) put(k K, value V) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.entries == nil {
		e.entries = make(map[K]V)
	}
	e.makeRoomLocked()
	_, had := e.entries[k]
	e.entries[k] = value
	return !had
}

func (e *expiring[K, V]) makeRoomLocked() {
	if len(e.entries) >= max(e.sweepAt, minSweep) {
		now := time.Now()
		maps.DeleteFunc(e.entries, func(_ K, old V) bool { return !now.Before(old.End()) })
		e.sweepAt = 2 * len(e.entries)
	}
	if e.limit > 0 {
		makeRoom(e.entries, e.limit)
	}
}

// size returns how many entries there are, ended ones included.
func (e *expiring[K, V]) size() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.entries)
}
