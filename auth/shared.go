package auth

import (
	"strings"
	"sync"
)

// maxShared is how many parts of tokens are kept at once, of each kind.
const maxShared = 1024

// A shared keeps what the parts that many tokens have in common were read as, by
// their text. Only those of verified tokens are to be kept, or anyone could fill
// it. When it is full it drops an arbitrary one. Its zero value is empty. It is
// safe for concurrent use.
type shared[V any] struct {
	mu    sync.RWMutex
	parts map[string]*V
}

// get returns what text is read as. It keeps nothing.
func (s *shared[V]) get(text string, read func(string) (*V, error)) (*V, error) {
	if part := s.kept(text); part != nil {
		return part, nil
	}
	return read(text)
}

// keep has get return part for text, unless there is one already.
func (s *shared[V]) keep(text string, part *V) {
	if s.kept(text) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = make(map[string]*V)
	}
	makeRoom(s.parts, maxShared)
	s.parts[strings.Clone(text)] = part
}

func (s *shared[V]) kept(text string) *V {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.parts[text]
}

// makeRoom drops an arbitrary entry of a map that has come to its limit.
func makeRoom[K comparable, V any](m map[K]V, limit int) {
	if len(m) < limit {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}
