package gateway

import "sync"

// subscriptionsSize bounds what a [Subscriptions] holds, by what its keys take and
// what is made of them.
const subscriptionsSize = 16 << 20

// Subscriptions holds subscriptions by what they were made of, so that pages which
// come back, or ask for the same, do not have theirs made again. Its zero value is
// empty; its methods may be called concurrently.
type Subscriptions struct {
	mu   sync.Mutex
	size int // of recent
	// recent are those that were asked for since there were too many; older ones
	// go with the next time.
	recent, older map[SubscriptionKey]*Subscription
}

// SubscriptionKey says what a subscription is made of.
type SubscriptionKey struct {
	Grants string // equal where the grants are; a digest will do
	Query  string // the filters as they were asked for, without tokens
}

// Get returns the subscription of the key, made by the given function where it is
// not known. An error of that is returned, and not kept. Two that are made at the
// same time mean the same.
func (s *Subscriptions) Get(k SubscriptionKey, compile func() (*Subscription, error)) (*Subscription, error) {
	if known := s.known(k); known != nil {
		return known, nil
	}
	sub, err := compile()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepLocked(k, sub)
	return sub, nil
}

func (s *Subscriptions) known(k SubscriptionKey) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.recent[k]
	if sub == nil {
		if sub = s.older[k]; sub != nil {
			s.keepLocked(k, sub)
		}
	}
	return sub
}

func (s *Subscriptions) keepLocked(k SubscriptionKey, sub *Subscription) {
	size := sub.size() + len(k.Grants) + len(k.Query)
	if s.size+size > subscriptionsSize/2 {
		s.older, s.recent, s.size = s.recent, nil, 0
	}
	if s.recent == nil {
		s.recent = make(map[SubscriptionKey]*Subscription)
	}
	if s.recent[k] == nil {
		s.size += size
	}
	s.recent[k] = sub
}

// size is about what the subscription takes in memory.
func (s *Subscription) size() int {
	const (
		overhead = 2 << 10
		perKey   = 256
	)
	size := overhead + perKey*len(s.keys) + 8*len(s.text)
	for i := range s.rules {
		r := &s.rules[i]
		size += overhead
		for _, values := range append(r.attrs[:], r.sources, r.types, r.ids) {
			for v := range values {
				size += perKey + len(v)
			}
		}
		if r.mask != nil {
			size += 8 * len(r.mask.key)
		}
	}
	return size
}
