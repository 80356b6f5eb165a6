package eventlog_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"bellhop/gateway/eventlog"
)

// publish has a run begin at now and returns when it is published.
func publish(p *eventlog.Pace, now time.Time) time.Time {
	return now.Add(max(0, p.Wait(now)))
}

// What comes seldom does not wait, nor does a little that comes at once.
func TestPaceOfFew(t *testing.T) {
	var p eventlog.Pace
	now := time.Now()
	for range 100 {
		if wait := p.Wait(now); wait > 0 {
			t.Fatalf("it waits for %v", wait)
		}
		now = now.Add(eventlog.GatherFor)
	}
	now = now.Add(time.Second)
	for i := range eventlog.GatherAfter {
		if wait := p.Wait(now); wait > 0 {
			t.Fatalf("run %d of a few waits for %v", i, wait)
		}
	}
	if wait := p.Wait(now); wait <= 0 {
		t.Error("more than a few do not wait")
	}
}

// However often appends come, a run is published every so often, and none waits for
// longer than that.
func TestPaceOfMany(t *testing.T) {
	var p eventlog.Pace
	start := time.Now()
	now, runs := start, 0
	for now.Sub(start) < time.Second {
		at := publish(&p, now)
		if wait := at.Sub(now); wait > eventlog.GatherFor {
			t.Fatalf("it waits for %v", wait)
		}
		runs++
		now = at.Add(rand.N(eventlog.GatherFor / 2))
	}
	if most := int(time.Second/eventlog.GatherFor) + eventlog.GatherAfter + 1; runs > most || runs < most*9/10 {
		t.Errorf("%d runs in a second, want about %d", runs, most)
	}
}
