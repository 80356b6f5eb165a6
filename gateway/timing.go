package gateway

import (
	"math"
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

// A clock holds a stream's deadlines. It is the stream's own, and small. What is
// measured counts from the clock's zero, so that setting the machine's clock does
// not matter; what is dated is in Unix nanoseconds.
type clock struct {
	heartbeat time.Duration
	last      time.Duration // when something was last written
	dies      time.Duration // when its lifetime is over; 0 for never
	expires   int64         // the token's exp
	ends      int64         // when the token is no longer good
	warn      int64         // when to send bellhop.expiring; 0 once it was
}

// newClock draws the stream's own deadlines, so that streams that opened
// together do not end together.
func newClock(t Timing, zero, now time.Time) clock {
	c := clock{heartbeat: t.Heartbeat, last: now.Sub(zero), expires: nanos(t.Expires), ends: nanos(t.Expires.Add(t.Leeway))}
	left := t.Expires.Sub(now) // below zero when exp is past; half of it is past then, too
	c.warn = nanos(t.Expires.Add(-min(jitter(t.Warn, 0.2), left/2)))
	if t.Lifetime > 0 {
		c.dies = c.last + time.Duration(float64(t.Lifetime)*(0.8+0.2*rand.Float64()))
	}
	return c
}

// nanos returns t in Unix nanoseconds, of a time beyond the next centuries about
// the last that can be written so.
func nanos(t time.Time) int64 {
	const most = math.MaxInt64/int64(time.Second) - 1
	return min(max(t.Unix(), -most), most)*int64(time.Second) + int64(t.Nanosecond())
}

// retry returns a stream's own reconnection time.
func (t *Timing) retry() time.Duration { return max(jitter(t.Retry, 0.25), time.Millisecond) }

func (c *clock) written(at time.Duration) { c.last = at }

func (c *clock) silent(at time.Duration) bool { return at-c.last >= c.heartbeat }

// expiring reports, once, that it is time for the warning.
func (c *clock) expiring(now time.Time) bool {
	if c.warn == 0 || nanos(now) < c.warn {
		return false
	}
	c.warn = 0
	return true
}

// over returns why the stream must end now, empty when it need not.
func (c *clock) over(now time.Time, at time.Duration) string {
	switch {
	case nanos(now) >= c.ends:
		return ByeExpired
	case c.dies != 0 && at >= c.dies:
		return ByeLifetime
	}
	return ""
}

// due returns the earliest of the deadlines.
func (c *clock) due(zero time.Time) time.Time {
	next := c.last + c.heartbeat
	if c.dies != 0 {
		next = min(next, c.dies)
	}
	dated := c.ends
	if c.warn != 0 {
		dated = min(dated, c.warn)
	}
	due := zero.Add(next)
	if t := time.Unix(0, dated); t.Before(due) {
		return t
	}
	return due
}
