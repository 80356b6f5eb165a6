package auth

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// refreshEvery is how long a key that its issuer withdrew may live on.
	refreshEvery = 5 * time.Minute

	// refetchEvery is how often an unknown kid, which anyone can make up, may
	// cause a fetch, and how long to wait after one that failed.
	refetchEvery = time.Minute

	// firstRetry is the wait after the first failure while there has never been a
	// key. It doubles up to refetchEvery.
	firstRetry = time.Second

	// maxSought bounds the unknown kids that are remembered.
	maxSought = 256
)

// A jwks is the keyring of an issuer with a JWK Set. Fetches are numbered, so
// that it can say of an unknown kid whether a fetch that began after it was
// asked for has already answered.
type jwks struct {
	issuer  string
	url     string
	client  *http.Client
	log     *slog.Logger
	metrics *metrics
	gone    func()        // called after a key went
	wake    chan struct{} // holds one

	mu sync.Mutex

	// Guarded by mu.
	keys      []*key         // replaced, never altered
	loaded    bool           // there was a good fetch
	down      bool           // the last fetch failed
	begun     int            // number of the last fetch begun
	answered  int            // number of the last good fetch
	planned   time.Time      // of the next fetch
	retry     time.Duration  // last wait after a failure
	sought    map[string]int // by unknown kid, the first fetch that answers for it
	wanted    bool           // a sought kid waits for a fetch not yet begun
	refetched time.Time      // when unknown kids last caused a fetch
}

func newJWKS(config Issuer, v *Verifier) *jwks {
	return &jwks{
		issuer: config.Name, url: config.JWKSURL,
		client: v.client, log: v.log, metrics: v.metrics, gone: v.changed.send,
		wake:   make(chan struct{}, 1),
		sought: make(map[string]int),
	}
}

func (j *jwks) holds(k *key) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.keys, k)
}

// find returns the key that the header names by its kid or, without one, the
// only one there is for its algorithm.
func (j *jwks) find(h *header) (*key, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.loaded {
		return nil, ErrUnavailable
	}
	var fit []*key
	known := false
	for _, k := range j.keys {
		if h.kid != "" && h.kid != k.kid {
			continue
		}
		known = true
		if slices.Contains(k.algs, h.alg) {
			fit = append(fit, k)
		}
	}
	switch {
	case len(fit) == 1, len(fit) > 1 && h.kid != "":
		return fit[0], nil
	case known && len(fit) == 0:
		return nil, errAlgorithm
	case h.kid == "":
		return nil, errUnknownKey
	}
	return nil, j.seekLocked(h.kid)
}

// seekLocked judges a kid that is not there. It is invalid once a fetch begun
// since it was first asked for did not bring it; until then, waiting helps. A
// minute later it may be asked for afresh.
func (j *jwks) seekLocked(kid string) error {
	if j.down {
		return ErrUnavailable
	}
	first, there := j.sought[kid]
	switch {
	case there && first > j.answered:
		// The fetch that answers is under way or due.
	case there && time.Since(j.refetched) < refetchEvery:
		return errUnknownKey
	default:
		if there || len(j.sought) < maxSought {
			j.sought[kid] = j.begun + 1
		}
		j.wanted = true
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return ErrUnavailable
}

// begin numbers a fetch.
func (j *jwks) begin() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun++
	if j.wanted {
		j.wanted, j.refetched = false, time.Now()
	}
	return j.begun
}

// next returns when to fetch next.
func (j *jwks) next() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at := j.refetched.Add(refetchEvery); j.wanted && at.Before(j.planned) {
		return at
	}
	return j.planned
}

// settle takes the keys of fetch n. Whatever set was had says which keys there
// are: one that it lacks is gone.
func (j *jwks) settle(n int, fetched []*key) {
	j.mu.Lock()
	kept := 0
	for i, k := range fetched {
		if at := slices.IndexFunc(j.keys, k.equal); at >= 0 {
			fetched[i] = j.keys[at]
			kept++
		}
	}
	lost := kept < len(j.keys)
	j.keys, j.loaded, j.down, j.retry = fetched, true, false, 0
	j.answered, j.planned = n, time.Now().Add(refreshEvery)
	maps.DeleteFunc(j.sought, func(_ string, first int) bool { return first < n })
	j.mu.Unlock()
	if lost {
		j.gone()
	}
}

// fail plans the fetch after one that failed; the keys stay.
func (j *jwks) fail() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retry = min(max(2*j.retry, firstRetry), refetchEvery)
	if j.loaded {
		j.retry = refetchEvery
	}
	j.down, j.planned = true, time.Now().Add(j.retry)
}

// abandon undoes the plan of a fetch that was stopped, which says nothing of
// the endpoint.
func (j *jwks) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.planned = time.Time{}
}
