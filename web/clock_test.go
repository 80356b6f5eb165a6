package web_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"bellhop/auth"
	"bellhop/web"
)

// sinceBegin returns how long the bubble's clock has run.
func sinceBegin() time.Duration { return time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) }

func wantTime(t *testing.T, what string, least, most time.Duration) {
	t.Helper()
	if at := sinceBegin(); at < least || at > most {
		t.Errorf("%s came after %v, want %v to %v", what, at, least, most)
	}
}

func TestHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		l := b.events(t, "type=Resource", bearer(mint(t)))
		if beat := l.want(t, "bellhop.heartbeat"); beat.id != "e1.0" || beat.data != `{"now":"2000-01-01T00:00:15Z"}` {
			t.Errorf("got %q", beat.text)
		}
		wantTime(t, "the first", 15*time.Second, 15*time.Second)
		time.Sleep(5 * time.Second)
		go b.say(t, resource("prague", "r", "Dirty"), event("prague", "Reservation", "v", `{}`))
		l.want(t, "Resource")
		if beat := l.want(t, "bellhop.heartbeat"); beat.id != "e1.2" { // also what did not match was given
			t.Errorf("got %q", beat.text)
		}
		wantTime(t, "the second", 35*time.Second, 35*time.Second)
	})
}

func TestExpiry(t *testing.T) {
	for name, tt := range map[string]struct{ left, least, most time.Duration }{
		"an hour":       {time.Hour, time.Hour - 72*time.Second, time.Hour - 48*time.Second},
		"half a minute": {30 * time.Second, 15 * time.Second, 15 * time.Second},
		"past":          {-10 * time.Second, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b bubble) {
				l := b.events(t, "", bearer(mint(t, lasting(tt.left))))
				warning := l.await(t, "bellhop.expiring")
				wantTime(t, "the warning", tt.least, tt.most)
				if want := fmt.Sprintf(`{"expires":%q}`, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(tt.left).Format(time.RFC3339)); warning.data != want || warning.id != "" {
					t.Errorf("got %q, want %s", warning.text, want)
				}
				bye := l.await(t, "bellhop.bye")
				wantTime(t, "the end", tt.left+30*time.Second, tt.left+30*time.Second)
				if bye.data != `{"reason":"expired"}` {
					t.Errorf("got %q", bye.text)
				}
				synctest.Wait()
				if b.Streams() != 0 {
					t.Errorf("%d streams are open", b.Streams())
				}
			}, func(p *plan) { p.Stream.Lifetime = 0 })
		})
	}
}

// await reads heartbeats up to another event, which must be this one.
func (l *listener) await(t *testing.T, event string) block {
	t.Helper()
	for {
		b, err := l.next()
		if err != nil || b.event != event && b.event != "bellhop.heartbeat" {
			t.Fatalf("got %q %v, want %s", b.text, err, event)
		}
		if b.event == event {
			return b
		}
	}
}

func TestLifetime(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 10 {
		inBubble(t, func(t *testing.T, b bubble) {
			bye := b.events(t, "", bearer(mint(t, lasting(48*time.Hour)))).await(t, "bellhop.bye")
			if bye.data != `{"reason":"lifetime"}` {
				t.Errorf("got %q", bye.text)
			}
			wantTime(t, "the end", 48*time.Minute, time.Hour)
			seen[sinceBegin()] = true
		})
	}
	if len(seen) < 8 {
		t.Errorf("10 streams ended at %d different times", len(seen))
	}
}

// TestWriteTimeout lets a client take its first block and no more.
func TestWriteTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		b.events(t, "", bearer(mint(t)))
		l := b.events(t, "", bearer(mint(t)))
		go b.say(t, resource("prague", "r", "Dirty"))
		l.want(t, "Resource")
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		if b.Streams() != 2 {
			t.Error("the client was cut before its time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if b.Streams() != 1 || b.metric(t, `bellhop_streams_ended_total{reason="cut"}`) != "1" {
			t.Errorf("%d streams are open", b.Streams())
		}
		l.want(t, "bellhop.heartbeat")
	})
}

// TestLagIsCut lets a client take nothing until it lags too far.
func TestLagIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		b.events(t, "", bearer(mint(t)))
		for i := range 12 {
			b.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.Streams() != 0 {
			t.Error("a stream that lags 11 of 10 blocks is open after a second")
		}
	}, func(p *plan) { p.Stream.MaxLag, p.Stream.WriteTimeout = 10, time.Hour })
}

// TestSlowIsTold lets a client take nothing until it lags too far, and then
// listen.
func TestSlowIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		l := b.events(t, "", bearer(mint(t)))
		for i := range 12 {
			b.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
			synctest.Wait()
		}
		l.want(t, "Resource") // whose write had begun
		l.wantBye(t, "slow")
	}, func(p *plan) { p.Stream.MaxLag = 10 })
}

// TestRevocationHangs ends a session while the log takes nothing.
func TestRevocationHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		during(t, b.verifier.Run)
		synctest.Wait()
		get("/session", bearer(mint(t))).by("DELETE").to(t, b.house).wantProblem(t, 503, "busy")
		wantTime(t, "the answer", 5*time.Second, 5*time.Second)
	}, func(p *plan) { p.store = new(hanging) })
}

// hanging keeps nothing, and says so late.
type hanging struct{ store }

func (*hanging) Save(ctx context.Context, _ auth.Revocation) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestDrain ends forty streams, and holds what each and everybody is told.
func TestDrain(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		type end struct{ at, retry time.Duration }
		ends := make(chan end, 40)
		var readers sync.WaitGroup
		for range cap(ends) {
			l := b.events(t, "", bearer(mint(t)))
			readers.Go(func() {
				bye := l.await(t, "bellhop.bye")
				if bye.data != `{"reason":"shutdown"}` {
					t.Errorf("bye: %q", bye.text)
				}
				ms, _ := strconv.Atoi(bye.retry)
				ends <- end{sinceBegin(), time.Duration(ms) * time.Millisecond}
			})
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			b.Drain(context.Background())
		}()
		synctest.Wait()
		if a := b.get(t, "/readyz"); a.StatusCode != 503 {
			t.Errorf("/readyz: %d", a.StatusCode)
		}
		refused := b.get(t, "/events", bearer(mint(t)), "Accept: text/event-stream")
		bye, err := newBlockReader(refused.Body).next()
		if err != nil || refused.Header.Get("Bellhop-Refusal") != "draining" || bye.data != `{"reason":"draining"}` {
			t.Errorf("a new stream: %v %q %v", refused.Header, bye.text, err)
		}
		if n := b.Streams(); n != cap(ends) {
			t.Errorf("%d streams are open before the delay is over", n)
		}
		readers.Wait()
		close(ends)
		var at []time.Duration
		for e := range ends {
			at = append(at, e.at)
			if rest := 15*time.Second - e.at; e.retry < rest {
				t.Errorf("at %v the client is told to come back after %v", e.at, e.retry)
			}
		}
		slices.Sort(at)
		for i, d := range at { // one every 250 ms, from the delay's end on
			if want := 5*time.Second + time.Duration(i+1)*250*time.Millisecond; d != want {
				t.Errorf("stream %d ended at %v, want %v", i, d, want)
			}
		}
		<-drained
		wantTime(t, "the drain's end", 20*time.Second, 20*time.Second+20*time.Millisecond)
	})
}

func TestDrainWithoutStreams(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		b.Drain(t.Context())
		wantTime(t, "the drain's end", 10*time.Second, 10*time.Second+20*time.Millisecond)
	})
}

// TestDrainIsCutShort ends the drain's context at any time.
func TestDrainIsCutShort(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		after := time.Duration(rapid.Int64Range(0, int64(25*time.Second)).Draw(r, "after"))
		inBubble(t, func(t *testing.T, b bubble) {
			l := b.events(t, "", bearer(mint(t)))
			go func() {
				for {
					if _, err := l.next(); err != nil {
						return
					}
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			b.Drain(ctx)
			wantTime(t, "the drain's end", min(after, 20*time.Second), min(after, 20*time.Second)+20*time.Millisecond)
		})
	})
}

// TestDrainTakesLateStreams lets a stream in that had passed all checks when the
// signal came, and gets its place when all others have been ended.
func TestDrainTakesLateStreams(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		open := b.Registry(b.hub)
		go func() {
			time.Sleep(time.Second + 5*time.Millisecond)
			late, code := open.Add(issuer, "late", netip.MustParseAddr("203.0.113.9"))
			if code != "" {
				t.Errorf("refused: %s", code)
				return
			}
			<-late.Ended()
			open.Remove(late)
		}()
		b.Drain(t.Context())
		wantTime(t, "the drain's end", time.Second, 2*time.Second)
	}, func(p *plan) { p.Drain = web.Drain{Delay: time.Second} })
}

// TestDrainWaitsForSlowClients ends a stream whose client takes nothing.
func TestDrainWaitsForSlowClients(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		b.events(t, "", bearer(mint(t)))
		b.say(t, event("prague", "Big", "b", `{"Note":"`+strings.Repeat("x", 1<<17)+`"}`))
		synctest.Wait()
		b.Drain(t.Context())
		if b.Streams() != 0 {
			t.Errorf("%d streams are left", b.Streams())
		}
		wantTime(t, "the drain's end", 10*time.Second, 12*time.Second)
	}, func(p *plan) { p.Drain = web.Drain{} })
}
