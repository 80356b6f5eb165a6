package auth

import (
	"maps"
	"sync"
	"time"
)

// minSweep is how many entries are too few to look for expired ones.
const minSweep = 64

// An expiring is a map whose entries end at a time of their own. It drops the
// expired ones whenever it has doubled, and with a limit an arbitrary one when
// it is full. Its zero value has no limit. It is safe for concurrent use.
type expiring[K comparable, V any] struct {
	limit int // zero is none

	mu      sync.RWMutex
	entries map[K]entry[V]
	sweepAt int
}

type entry[V any] struct {
	value V
	until time.Time
}

// get returns the value of k, if its time has not come.
func (e *expiring[K, V]) get(k K) (V, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	found, ok := e.entries[k]
	if !ok || !time.Now().Before(found.until) {
		var none V
		return none, false
	}
	return found.value, true
}

// put sets the value of k and reports whether k is new.
func (e *expiring[K, V]) put(k K, value V, until time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.entries == nil {
		e.entries = make(map[K]entry[V])
	}
	e.makeRoomLocked()
	_, had := e.entries[k]
	e.entries[k] = entry[V]{value, until}
	return !had
}

func (e *expiring[K, V]) makeRoomLocked() {
	if len(e.entries) >= max(e.sweepAt, minSweep) {
		now := time.Now()
		maps.DeleteFunc(e.entries, func(_ K, old entry[V]) bool { return !now.Before(old.until) })
		e.sweepAt = 2 * len(e.entries)
	}
	if e.limit > 0 && len(e.entries) >= e.limit {
		for k := range e.entries {
			delete(e.entries, k)
			break
		}
	}
}

// size returns how many entries there are, expired ones included.
func (e *expiring[K, V]) size() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.entries)
}
