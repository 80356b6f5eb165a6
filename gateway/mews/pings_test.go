package mews

import (
	"testing"
	"time"
)

// Whether a ping is overdue, and how long an event has waited, must not depend on
// how the clock is set meanwhile.
func TestWaitsAreMeasuredByTheMonotonicClock(t *testing.T) {
	monotonic := func(at time.Time) bool { return at != at.Round(0) }
	now := time.Now()
	var p pings
	if sent, ok := p.answer(string(p.next(now))); !ok || !monotonic(sent) {
		t.Errorf("ping sent at %v, want a monotonic reading", sent)
	}
	queue := make(chan batch, 1)
	s := &session{source: &Source{}, queue: queue, progress: newProgress()}
	s.progress.answer(now)
	s.begin(t.Context())
	if o := (<-queue).opening; !monotonic(o.at) || monotonic(o.missed.from) || o.missed.from.After(o.missed.to) {
		t.Errorf("opened at %v, missed %v; want the one with, the other without a monotonic reading", o.at, o.missed)
	}
}
