package mews

import (
	"testing"
	"time"
)

// A call that waited for its turn, or was repeated, does not move the clock.
func TestSlowAnswerDoesNotMoveTheClock(t *testing.T) {
	var c serverClock
	sent := time.Now()
	c.set(sent.Add(62*time.Second), sent, sent.Add(62*time.Second)) // nothing better is known
	if got := c.at(sent).Sub(sent); got < 30*time.Second || got > 32*time.Second {
		t.Errorf("ahead by %v, want half of the call", got)
	}
	for _, took := range []time.Duration{time.Second, 62 * time.Second} {
		c.set(sent.Add(took), sent, sent.Add(took))
		if got := c.at(sent).Sub(sent).Abs(); got > time.Second {
			t.Errorf("ahead by %v after a call of %v", got, took)
		}
	}
}

// Whichever clock is right, what is read holds what was missed, with a margin.
func TestWindowIsWideEnough(t *testing.T) {
	to := time.Now()
	from := to.Add(-time.Hour)
	for _, settle := range []time.Duration{time.Millisecond, time.Minute} {
		for _, ahead := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
			s := &Source{settle: settle}
			s.clock.ahead.Store(int64(ahead))
			got, margin := s.window(from, to), max(settle, 2*time.Second)
			for _, by := range []time.Duration{0, ahead} {
				if got.from.After(from.Add(by-margin)) || got.to.Before(to.Add(by+2*time.Second)) {
					t.Errorf("settle %v, ahead by %v: from %v to %v", settle, ahead, got.from.Sub(from), got.to.Sub(to))
				}
			}
		}
	}
}
