package gateway

import (
	"math/rand/v2"
	"time"
)

// Timing is what a stream's clock goes by.
type Timing struct {
	Heartbeat time.Duration // after so much silence a heartbeat is sent
	Retry     time.Duration // how long a client waits before it reconnects, jittered
	Lifetime  time.Duration // 80 to 100 % of it is the stream's life; 0 for no end
	Expires   time.Time     // the token's exp
	Leeway    time.Duration // how long a token is good after Expires
	Warn      time.Duration // how long before Expires bellhop.expiring is sent, jittered
}

// A clock holds a stream's deadlines. It is the stream's own.
type clock struct {
	timing  Timing
	last    time.Time // when something was last written
	warn    time.Time // when to send bellhop.expiring; zero once it was
	expires time.Time // when the token is no longer good
	dies    time.Time // when its lifetime is over; zero for never
}

// newClock draws the stream's own deadlines, so that streams that opened
// together do not end together.
func newClock(t Timing, now time.Time) clock {
	c := clock{timing: t, last: now, expires: t.Expires.Add(t.Leeway)}
	left := t.Expires.Sub(now) // below zero when exp is past; half of it is past then, too
	c.warn = t.Expires.Add(-min(jitter(t.Warn, 0.2), left/2))
	if t.Lifetime > 0 {
		c.dies = now.Add(time.Duration(float64(t.Lifetime) * (0.8 + 0.2*rand.Float64())))
	}
	return c
}

// retry returns the stream's own reconnection time.
func (c *clock) retry() time.Duration { return max(jitter(c.timing.Retry, 0.25), time.Millisecond) }

func (c *clock) written(now time.Time) { c.last = now }

func (c *clock) silent(now time.Time) bool { return now.Sub(c.last) >= c.timing.Heartbeat }

// expiring reports, once, that it is time for the warning.
func (c *clock) expiring(now time.Time) bool {
	if c.warn.IsZero() || now.Before(c.warn) {
		return false
	}
	c.warn = time.Time{}
	return true
}

// over returns why the stream must end now, empty when it need not.
func (c *clock) over(now time.Time) string {
	switch {
	case !now.Before(c.expires):
		return ByeExpired
	case !c.dies.IsZero() && !now.Before(c.dies):
		return ByeLifetime
	}
	return ""
}

// due returns the earliest of the deadlines.
func (c *clock) due() time.Time {
	due := c.last.Add(c.timing.Heartbeat)
	for _, t := range [...]time.Time{c.warn, c.expires, c.dies} {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	return due
}
