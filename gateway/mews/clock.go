package mews

import (
	"sync/atomic"
	"time"
)

// clockMargin is what the difference between the server's clock and ours is not
// known by: half a call and, with times cut to seconds, a second.
const clockMargin = 2 * time.Second

// serverClock knows how far the server's clock is ahead of ours. Its methods may
// be called concurrently.
type serverClock struct {
	ahead    atomic.Int64
	measured atomic.Bool
}

// set takes what the server's clock said in answer to a call. A call that took
// long, or was repeated, says little of it: better than nothing, but no more.
func (c *serverClock) set(now, sent, answered time.Time) {
	if now.IsZero() || answered.Sub(sent) > clockMargin && c.measured.Load() {
		return
	}
	if now.Nanosecond() == 0 {
		now = now.Add(time.Second / 2) // cut to seconds, it is anywhere within this one
	}
	c.ahead.Store(int64(now.Sub(sent.Add(answered.Sub(sent) / 2))))
	c.measured.Store(true)
}

// at returns what the server's clock shows at t.
func (c *serverClock) at(t time.Time) time.Time {
	return t.Add(time.Duration(c.ahead.Load())).UTC()
}

// window returns the time, by the server's clock, of the updates of which the
// socket may have told between two moments by ours, whichever of the clocks is the
// one to believe.
func (s *Source) window(from, to time.Time) span {
	return span{
		earlier(from.UTC(), s.clock.at(from)).Add(-max(s.settle, clockMargin)),
		latter(to.UTC(), s.clock.at(to)).Add(clockMargin),
	}
}

// ours returns when the server's clock shows t.
func (c *serverClock) ours(t time.Time) time.Time {
	return t.Add(-time.Duration(c.ahead.Load())).UTC()
}
