package gateway_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// A moment is when a stream was given a block, from its opening on.
type moment struct {
	After time.Duration
	Name  string
}

// moments carries a stream until it ends, or for as long as said, and tells when
// it was given what behind the opening. Events come at the given times.
func moments(t *testing.T, timing gateway.Timing, until time.Duration, events ...time.Duration) (got []moment) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		begun := time.Now()
		s := h.hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing})
		defer s.Close()
		if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		note := func(blocks []byte) {
			for _, b := range parseBlocks(blocks) {
				got = append(got, moment{time.Since(begun), b.name})
			}
		}
		for time.Since(begun) < until {
			next := begun.Add(until)
			if len(events) > 0 {
				next = begun.Add(events[0])
			}
			if due := s.Due(); !next.Before(due) {
				time.Sleep(time.Until(due))
				note(s.Tick(time.Now()))
			} else if time.Sleep(time.Until(next)); len(events) > 0 {
				events = events[1:]
				h.say("Dirty")
				synctest.Wait()
				var b gateway.Batch
				s.Take(&b, 1<<20)
				note(b.Data)
			}
			select {
			case <-s.Ended():
				last, _ := s.Farewell()
				note(last)
				return
			default:
			}
		}
	})
	return got
}

// bubble is when time begins in a bubble.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMoments(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		timing gateway.Timing
		until  time.Duration
		events []time.Duration
		want   []moment
	}{
		"heartbeats in silence": {
			gateway.Timing{Heartbeat: 15 * s, Expires: bubble.Add(time.Hour)}, 50 * s, nil,
			[]moment{{15 * s, "bellhop.heartbeat"}, {30 * s, "bellhop.heartbeat"}, {45 * s, "bellhop.heartbeat"}},
		},
		"an event puts the heartbeat off": {
			gateway.Timing{Heartbeat: 15 * s, Expires: bubble.Add(time.Hour)}, 40 * s, []time.Duration{14 * s, 20 * s},
			[]moment{{14 * s, "Resource"}, {20 * s, "Resource"}, {35 * s, "bellhop.heartbeat"}},
		},
		"half of what was left is later than warn": {
			gateway.Timing{Heartbeat: 25 * s, Expires: bubble.Add(40 * s), Warn: time.Minute, Leeway: 5 * s}, time.Hour, nil,
			[]moment{{20 * s, "bellhop.expiring"}, {45 * s, "bellhop.bye"}},
		},
		"heartbeat and warning at once": {
			gateway.Timing{Heartbeat: 20 * s, Expires: bubble.Add(40 * s), Warn: time.Minute}, time.Hour, nil,
			[]moment{{20 * s, "bellhop.expiring"}, {20 * s, "bellhop.heartbeat"}, {40 * s, "bellhop.bye"}},
		},
		"exp is past, its leeway not": {
			gateway.Timing{Heartbeat: 15 * s, Expires: bubble.Add(-10 * s), Warn: time.Minute, Leeway: 30 * s}, time.Hour, nil,
			[]moment{{0, "bellhop.expiring"}, {15 * s, "bellhop.heartbeat"}, {20 * s, "bellhop.bye"}},
		},
		"exp is now": {
			gateway.Timing{Heartbeat: 15 * s, Expires: bubble, Warn: time.Minute, Leeway: 10 * s}, time.Hour, nil,
			[]moment{{0, "bellhop.expiring"}, {10 * s, "bellhop.bye"}},
		},
		"no warning wanted": {
			gateway.Timing{Heartbeat: 15 * s, Expires: bubble.Add(20 * s), Leeway: 5 * s}, time.Hour, nil,
			[]moment{{15 * s, "bellhop.heartbeat"}, {20 * s, "bellhop.expiring"}, {25 * s, "bellhop.bye"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, moments(t, tt.timing, tt.until, tt.events...)); diff != "" {
				t.Errorf("moments (-want +got):\n%s", diff)
			}
		})
	}
}

// Streams that open together do not warn, end or come back together.
func TestJitter(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		now := time.Now()
		timing := gateway.Timing{Heartbeat: 15 * time.Second, Retry: 4 * time.Second, Lifetime: time.Hour, Expires: now.Add(2 * time.Hour), Leeway: 30 * time.Second, Warn: time.Minute}
		var warns, lives, retries []time.Duration
		for range 2000 {
			s := h.hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing})
			d := s.Deadlines()
			warns, lives = append(warns, timing.Expires.Sub(d.Warn)), append(lives, d.Dies.Sub(now))
			if want := timing.Expires.Add(timing.Leeway); !d.Expires.Equal(want) {
				t.Fatalf("expires at %v, want %v", d.Expires, want)
			}
			s.Begin(t.Context(), func(b []byte) error {
				retries = append(retries, parseBlocks(b)[0].retry)
				return nil
			})
			s.Close()
		}
		spread(t, "warn", warns, 48*time.Second, 72*time.Second)
		spread(t, "lifetime", lives, 48*time.Minute, time.Hour)
		spread(t, "retry", retries, 3*time.Second, 5*time.Second)
	})
}

// spread checks that values lie between lo and hi, and fill the space between.
func spread(t *testing.T, name string, values []time.Duration, lo, hi time.Duration) {
	t.Helper()
	least, most := slices.Min(values), slices.Max(values)
	if least < lo || most > hi {
		t.Errorf("%s between %v and %v, want within %v and %v", name, least, most, lo, hi)
	}
	if edge := (hi - lo) / 20; least > lo+edge || most < hi-edge {
		t.Errorf("%s between %v and %v, want all from %v to %v", name, least, most, lo, hi)
	}
}

func TestNoLifetime(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		s := h.hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: gateway.Timing{Heartbeat: 15 * time.Second, Expires: time.Now().Add(1000 * time.Hour)}})
		if d := s.Deadlines(); !d.Dies.IsZero() {
			t.Errorf("dies at %v", d.Dies)
		}
		s.Begin(t.Context(), func(b []byte) error { // no retry would be none at all
			if got := parseBlocks(b)[0].retry; got != time.Millisecond {
				t.Errorf("retry %v, want the least there is", got)
			}
			return nil
		})
		s.Close()
	})
}

// At the end of its life, to the nanosecond, a stream ends by itself.
func TestLifetime(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()}
		o.Timing.Heartbeat, o.Timing.Lifetime = 100*time.Hour, time.Hour
		s := h.hub.Open(o)
		defer s.Close()
		dies := s.Deadlines().Dies
		if !s.Due().Equal(dies) {
			t.Errorf("due at %v, want %v", s.Due(), dies)
		}
		s.Begin(t.Context(), func([]byte) error { return nil })
		s.Tick(dies.Add(-1))
		select {
		case <-s.Ended():
			t.Fatal("ended before its time")
		default:
		}
		s.Tick(dies)
		<-s.Ended()
		if _, reason := s.Farewell(); reason != gateway.ByeLifetime {
			t.Errorf("reason %s", reason)
		}
	})
}

// A token that has expired is the reason, not the life that is over as well.
func TestExpiryComesBeforeLifetime(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()}
		o.Timing.Lifetime = time.Hour
		s := h.hub.Open(o)
		s.Tick(s.Deadlines().Expires)
		if _, reason := s.Farewell(); reason != gateway.ByeExpired {
			t.Errorf("reason %s", reason)
		}
		if !s.Due().Before(s.Deadlines().Expires) {
			t.Errorf("due at %v, after it has expired", s.Due())
		}
		early := h.hub.Open(o)
		early.Tick(early.Deadlines().Expires.Add(-1))
		if _, reason := early.Farewell(); reason != gateway.ByeLifetime {
			t.Errorf("a nanosecond before: reason %s", reason)
		}
	})
}
