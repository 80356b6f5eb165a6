package mews

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Budget is how many API calls one access token may make: Requests in any time
// Per long, of which Reserve are kept for interactive calls. Other programs that
// use the token count at Mews too, and have to fit between this and Mews' limit.
// The zero value means [DefaultBudget].
type Budget struct {
	Requests int
	Per      time.Duration
	Reserve  int
}

// DefaultBudget stays below the documented limit, 200 requests in 30 s.
var DefaultBudget = Budget{Requests: 180, Per: 30 * time.Second, Reserve: 20}

func (b Budget) validate() error {
	switch {
	case b.Requests < 1:
		return errors.New("requests: less than 1")
	case b.Per <= 0:
		return errors.New("per: not above 0")
	case b.Reserve < 0 || b.Reserve >= b.Requests:
		return errors.New("reserve: not from 0 to less than requests")
	}
	return nil
}

// A class is what a call is for, the most pressing first.
type class int

const (
	interactive class = iota // somebody waits; these alone use the reserve
	urgent                   // an event waits to be enriched
	catchUp                  // a gap is filled
	idle                     // may as well be done later
	classCount
)

var classNames = [classCount]string{"interactive", "urgent", "catch-up", "idle"}

func (c class) String() string { return classNames[c] }

// limits returns how many calls each class and those less pressing may make
// together. What fills a gap leaves a quarter to events that wait meanwhile: a
// drained window would hold them up for most of its length.
func (b Budget) limits() [classCount]int {
	open := b.Requests - b.Reserve
	return [classCount]int{b.Requests, open, max(open*3/4, 1), max(open/2, 1)}
}

// budget is the sliding window of one access token, and the line of those who
// wait for it. A call holds a place from before its sending until Per after its
// answer ended, so that however long the network delays it, Mews never sees more
// than Requests in any Per.
type budget struct {
	per    time.Duration
	limits [classCount]int

	// Guarded by mu.
	mu     sync.Mutex
	flying [classCount]int // calls without an answer yet
	spent  []spending      // places that are still held after the answer, by until
	line   []*waiter       // by class, then arrival
	brake  brake
}

type spending struct {
	class class
	until time.Time
}

type waiter struct {
	class class
	wake  chan struct{} // one token: look again
}

func newBudget(b Budget) *budget { return &budget{per: b.Per, limits: b.limits()} }

// acquire waits for a place for one call; release, called once when the answer
// has ended, gives it back in due time. The error is that of ctx.
func (b *budget) acquire(ctx context.Context, c class) (release func(), err error) {
	w := &waiter{class: c, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.joinLocked(w)
	defer b.leaveLocked(w)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		if b.line[0] == w && !b.brake.until.After(now) && b.freeLocked(c, now) > 0 {
			b.flying[c]++
			return func() { b.release(c) }, nil
		}
		b.waitLocked(ctx, w, now)
	}
}

// waitLocked lets go of the lock until w may have its turn. Only who is first in
// line watches the clock. A class that has no place leaves none to those behind
// it, so nobody need overtake.
func (b *budget) waitLocked(ctx context.Context, w *waiter, now time.Time) {
	var due <-chan time.Time
	if next, ok := b.nextLocked(now); ok && b.line[0] == w {
		timer := time.NewTimer(next.Sub(now))
		defer timer.Stop()
		due = timer.C
	}
	b.mu.Unlock()
	defer b.mu.Lock()
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-due:
	}
}

// nextLocked returns when there may be more room than now; false when only an
// answer can make some.
func (b *budget) nextLocked(now time.Time) (time.Time, bool) {
	switch {
	case b.brake.until.After(now):
		return b.brake.until, true
	case len(b.spent) > 0:
		return b.spent[0].until, true
	}
	return time.Time{}, false
}

func (b *budget) release(c class) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flying[c]--
	b.spent = append(b.spent, spending{c, time.Now().Add(b.per)})
	b.callLocked()
}

// freeLocked returns how many more calls of the class might be sent now.
func (b *budget) freeLocked(c class, now time.Time) int {
	expired := 0
	for expired < len(b.spent) && !b.spent[expired].until.After(now) {
		expired++
	}
	b.spent = slices.Delete(b.spent, 0, expired)

	used := b.flying
	for _, s := range b.spent {
		used[s.class]++
	}
	free, sum := b.limits[0], 0
	for k := classCount - 1; k >= 0; k-- {
		if sum += used[k]; k <= c {
			free = min(free, b.limits[k]-sum)
		}
	}
	return free
}

func (b *budget) joinLocked(w *waiter) {
	at := slices.IndexFunc(b.line, func(other *waiter) bool { return other.class > w.class })
	if at < 0 {
		at = len(b.line)
	}
	b.line = slices.Insert(b.line, at, w)
}

func (b *budget) leaveLocked(w *waiter) {
	at := slices.Index(b.line, w)
	b.line = slices.Delete(b.line, at, at+1)
	b.callLocked()
}

// callLocked has the first in line look again.
func (b *budget) callLocked() {
	if len(b.line) == 0 {
		return
	}
	select {
	case b.line[0].wake <- struct{}{}:
	default:
	}
}

// pace returns how long the next batch of one call should gather, so that an
// endless row of such batches never drains the window: nothing while the window
// is empty, the more the fuller it is, and until there is room when there is none.
func (b *budget) pace(c class) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	free := b.freeLocked(c, now)
	if next, ok := b.nextLocked(now); free <= 0 || b.brake.until.After(now) {
		if !ok {
			return b.per
		}
		return next.Sub(now)
	}
	limit := b.limits[c]
	return time.Duration(float64(b.per) / float64(free) * float64(limit-free) / float64(limit))
}

// A brake holds all calls of a token back after Mews has refused one for the
// request limit.
type brake struct {
	until    time.Time
	set      time.Time // when the last refusal that counts was heard
	refusals int       // that followed each other
}

// refused says that a call sent at sent was refused for the limit, and how long
// Mews wants to be waited for, nil when it does not say. It returns how long all
// calls now wait.
func (b *budget) refused(sent time.Time, after *time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, k := time.Now(), &b.brake
	// Calls that were under way together are refused together, and once.
	if news := k.refusals == 0 || sent.After(k.set); news {
		k.set = now
		k.refusals++
	} else if after == nil {
		return max(k.until.Sub(now), 0)
	}
	wait := jitter(k.refusals, maxRetryAfter)
	if after != nil {
		wait = *after + rand.N(firstBackoff) // others use the token too
	}
	if until := now.Add(wait); until.After(k.until) {
		k.until = until
	}
	return k.until.Sub(now)
}

// braked reports whether all calls wait after a refusal.
func (b *budget) braked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.brake.until.After(time.Now())
}

// served says that a call sent at sent was not refused for the limit.
func (b *budget) served(sent time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sent.After(b.brake.set) {
		b.brake.refusals = 0
	}
}

// jitter returns how long to wait after the n-th failure in a row: uniform in a
// window that doubles from firstBackoff to most.
func jitter(n int, most time.Duration) time.Duration {
	return rand.N(min(firstBackoff<<min(n-1, 16), most))
}
