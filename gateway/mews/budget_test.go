package mews

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// planned is a call of a random load, and what became of it.
type planned struct {
	class         class
	at            time.Duration // asks for a place
	there, back   time.Duration // of the network
	asked, placed time.Time
	arrived       time.Time // at the server
}

func drawBudget(t *rapid.T) Budget {
	requests := rapid.IntRange(1, 12).Draw(t, "requests")
	return Budget{
		Requests: requests,
		Reserve:  rapid.IntRange(0, requests-1).Draw(t, "reserve"),
		Per:      time.Duration(rapid.IntRange(1, 30).Draw(t, "per")) * time.Second,
	}
}

func drawLoad(t *rapid.T) []*planned {
	ms := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *planned {
		return &planned{
			class: class(rapid.IntRange(0, int(classCount)-1).Draw(t, "class")),
			at:    6 * ms.Draw(t, "at"), there: ms.Draw(t, "there"), back: ms.Draw(t, "back"),
		}
	}), 1, 60).Draw(t, "load")
}

// carry runs the load through a budget, whatever time it takes.
func carry(t *testing.T, b Budget, load []*planned) {
	synctest.Test(t, func(t *testing.T) {
		window := newBudget(b)
		var wg sync.WaitGroup
		for _, p := range load {
			wg.Go(func() {
				time.Sleep(p.at)
				p.asked = time.Now()
				release, err := window.acquire(t.Context(), p.class)
				if err != nil {
					t.Errorf("acquire: %v", err)
					return
				}
				p.placed = time.Now()
				time.Sleep(p.there)
				p.arrived = time.Now()
				time.Sleep(p.back)
				release()
			})
		}
		wg.Wait()
	})
}

// most returns how many of the calls arrived within per at most.
func most(load []*planned, per time.Duration, counts func(*planned) bool) (most int) {
	for _, first := range load {
		n := 0
		for _, p := range load {
			if d := p.arrived.Sub(first.arrived); counts(p) && 0 <= d && d < per {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestBudgetAtTheServer: however the calls come and the network delays them, the
// server never sees more in any window than it may, of any class.
func TestBudgetAtTheServer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b, load := drawBudget(rt), drawLoad(rt)
		carry(t, b, load)
		for c, limit := range b.limits() {
			counts := func(p *planned) bool { return p.class >= class(c) }
			if got := most(load, b.Per, counts); got > limit {
				rt.Errorf("%d calls of class %v and below in %v, want %d at most", got, class(c), b.Per, limit)
			}
		}
	})
}

// TestBudgetReserve: an interactive call waits only when others of its kind have
// used up the reserve.
func TestBudgetReserve(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b, load := drawBudget(rt), drawLoad(rt)
		carry(t, b, load)
		for _, p := range load {
			if p.class != interactive || p.placed.Equal(p.asked) {
				continue
			}
			before := 0
			for _, q := range load {
				if q.class == interactive && q != p && !q.asked.After(p.asked) &&
					p.asked.Before(q.arrived.Add(q.back+b.Per)) {
					before++
				}
			}
			if before < b.Reserve {
				rt.Errorf("waited %v with %d of %d of the reserve in use", p.placed.Sub(p.asked), before, b.Reserve)
			}
		}
	})
}

func TestBudgetOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(Budget{Requests: 8, Per: time.Second})
		var releases []func()
		for range 8 {
			release, err := b.acquire(t.Context(), interactive)
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for i, c := range []class{idle, catchUp, urgent, idle, interactive, catchUp, interactive, urgent} {
			wg.Go(func() {
				release, err := b.acquire(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got = append(got, fmt.Sprint(c, " ", i))
				mu.Unlock()
				release()
			})
			synctest.Wait()
		}
		for _, release := range releases { // one place a time
			release()
			time.Sleep(50 * time.Millisecond)
		}
		wg.Wait()
		want := []string{"interactive 4", "interactive 6", "urgent 2", "urgent 7", "catch-up 1", "catch-up 5", "idle 0", "idle 3"}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("order, -want +got:\n%s", diff)
		}
	})
}

// TestBudgetNoOvertaking: who comes in the moment in which a place becomes free
// stands behind those who wait for it.
func TestBudgetNoOvertaking(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(Budget{Requests: 1, Per: time.Second})
			release, _ := b.acquire(t.Context(), idle)
			release()
			waited := make(chan time.Duration, 2)
			began := time.Now()
			wait := func(c class) {
				release, _ := b.acquire(t.Context(), c)
				waited <- time.Since(began)
				release()
			}
			go func() {
				time.Sleep(time.Second)
				wait(idle)
			}()
			synctest.Wait()
			wait(urgent)
			if got := <-waited; got != time.Second {
				t.Fatalf("the first in line waited %v, want a second", got)
			}
			<-waited
		})
	}
}

// TestBudgetWaitEnds: a waiter leaves with its context and lets the next one on.
func TestBudgetWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(Budget{Requests: 1, Per: time.Minute})
		release, _ := b.acquire(t.Context(), idle)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := b.acquire(ctx, interactive)
			first <- err
		}()
		synctest.Wait()
		began := time.Now()
		second := make(chan time.Duration, 1)
		go func() {
			b.acquire(t.Context(), idle)
			second <- time.Since(began)
		}()
		release()
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acquire returned %v, want the context's end", err)
		}
		if got := <-second; got != time.Minute {
			t.Errorf("the next one went after %v, want a minute", got)
		}
		cancel()
		if _, err := b.acquire(ctx, interactive); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acquire with an ended context returned %v", err)
		}
	})
}

// TestPace: a row of batches, each gathered as long as the pace says, never waits
// for the window, whatever else uses it, and an empty window makes none wait.
func TestPace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		budget := drawBudget(rt)
		c := class(rapid.IntRange(0, int(classCount)-1).Draw(rt, "class"))
		others := rapid.IntRange(0, budget.Requests).Draw(rt, "others")
		var fault error
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(budget)
			if d := b.pace(c); d != 0 {
				fault = fmt.Errorf("an empty window has a pace of %v", d)
			}
			for range others {
				release, _ := b.acquire(t.Context(), interactive)
				release()
			}
			for range 50 {
				d := b.pace(c)
				if d > budget.Per {
					fault = fmt.Errorf("a pace of %v in a window of %v", d, budget.Per)
				}
				time.Sleep(d)
				asked := time.Now()
				release, _ := b.acquire(t.Context(), c)
				if wait := time.Since(asked); wait > 0 {
					fault = cmp.Or(fault, fmt.Errorf("waited %v after gathering for %v", wait, d))
				}
				release()
			}
		})
		if fault != nil {
			rt.Error(fault)
		}
	})
}

func TestPaceOfDefaultBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(DefaultBudget)
		var gaps []time.Duration
		for range 1000 {
			d := b.pace(urgent)
			gaps = append(gaps, d)
			time.Sleep(d)
			release, _ := b.acquire(t.Context(), urgent)
			release()
		}
		if slices.Max(gaps[:20]) > 50*time.Millisecond {
			t.Errorf("the first twenty gathered up to %v", slices.Max(gaps[:20]))
		}
		if settled := gaps[900:]; slices.Max(settled) > time.Second {
			t.Errorf("an endless row gathers up to %v", slices.Max(settled))
		}
	})
}

// TestBrake: refusals hold everybody back, and those that were under way together
// count as one.
func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(DefaultBudget)
		sent := time.Now()
		time.Sleep(time.Millisecond)
		if wait := b.refused(sent, new(7*time.Second)); wait < 7*time.Second || wait > 8*time.Second {
			t.Errorf("wait %v, want 7 to 8 s", wait)
		}
		for range 100 {
			if wait := b.refused(sent, nil); wait > 8*time.Second {
				t.Fatalf("wait %v after refusals of calls that were under way together", wait)
			}
		}
		if got := b.pace(interactive); got < 7*time.Second {
			t.Errorf("pace %v while all wait", got)
		}
		began := time.Now()
		release, err := b.acquire(t.Context(), interactive)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(began); got < 7*time.Second || got > 8*time.Second {
			t.Errorf("went after %v, want 7 to 8 s", got)
		}
		release()

		// One refusal after the other: the waits grow, and have an end.
		longest := time.Duration(0)
		for range 60 {
			sent := time.Now()
			time.Sleep(time.Millisecond)
			wait := b.refused(sent, nil)
			longest = max(longest, wait)
			time.Sleep(wait)
		}
		if longest < 30*time.Second || longest > maxRetryAfter {
			t.Errorf("the longest wait is %v", longest)
		}
		time.Sleep(time.Millisecond)
		b.served(time.Now())
		sent = time.Now()
		time.Sleep(time.Millisecond)
		if wait := b.refused(sent, nil); wait > firstBackoff {
			t.Errorf("wait %v after a call was served", wait)
		}
	})
}

func TestBudgetOptions(t *testing.T) {
	for _, b := range []Budget{
		{Requests: -1, Per: time.Second}, {Per: time.Second}, {Requests: 1}, {Requests: 1, Per: -1},
		{Requests: 5, Per: 1, Reserve: 5}, {Requests: 5, Per: 1, Reserve: -1},
	} {
		if b.validate() == nil {
			t.Errorf("%+v is no fault", b)
		}
	}
	if got, want := DefaultBudget.limits(), [...]int{180, 160, 120, 80}; got != want {
		t.Errorf("limits %v, want %v", got, want)
	}
}
