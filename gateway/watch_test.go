package gateway_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

// watcher counts what it is told.
type watcher struct{ stirred, ended int }

func (w *watcher) Stirred()      { w.stirred++ }
func (w *watcher) Ended(key int) { w.ended += key }

func (h *house) begin(t testing.TB, o gateway.StreamOptions) *gateway.Stream {
	o.Timing = timing()
	s := h.hub.Open(o)
	if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWatch(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		all := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)}
		a, b, other := h.begin(t, all), h.begin(t, all), h.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{Types: []string{"Odd"}}, everything)})
		if a.Feed() != b.Feed() || a.Feed() == other.Feed() {
			t.Error("feeds are not shared by what streams mean")
		}
		var w watcher
		want := func(what string, stirred, ended int) {
			t.Helper()
			synctest.Wait()
			if w.stirred != stirred || w.ended != ended {
				t.Errorf("%s: told %d and %d times, want %d and %d", what, w.stirred, w.ended, stirred, ended)
			}
		}
		a.Watch(&w, 10)
		b.Watch(&w, 1)
		other.Watch(new(watcher), 100)
		h.say("1")
		want("an event for both", 1, 0)
		a.Close()
		h.say("2")
		want("one is closed", 2, 0)
		if b.Over(time.Now()) {
			t.Error("over before it was ended")
		}
		b.End(gateway.ByeClosed, 0)
		b.End(gateway.ByeClosed, 0)
		want("the other is ended", 2, 1)
		if !b.Over(time.Now()) {
			t.Error("not over")
		}
		b.Close()
		a.End(gateway.ByeClosed, 0)
		h.say("3")
		want("both are closed", 2, 1)
		other.Close()
	})
}

// However streams are given the feed's blocks, whole, in pieces, together or
// alone, each is given what one that takes them one by one is.
func TestJoinGivesWhatTakeDoes(t *testing.T) {
	type act struct{ stream, limit, n, events int }
	rapid.Check(t, func(rt *rapid.T) {
		starts := rapid.SliceOfN(rapid.IntRange(0, 6), 1, 4).Draw(rt, "starts")
		acts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
			return act{rapid.IntRange(0, 3).Draw(t, "stream"), rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "limit"), rapid.IntRange(1, 700).Draw(t, "bytes"), rapid.IntRange(0, 2).Draw(t, "events")}
		}), 1, 60).Draw(rt, "acts")
		var faults []string
		inHouse(t, 1, func(t *testing.T, h *house) {
			h.log.hold(true)
			h.say("1", "2", "3", "4", "5", "6")
			var streams, models []*gateway.Stream
			for _, start := range starts { // ahead of the hub, each by its own
				o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Resume: h.log.position(uint64(start))}
				streams, models = append(streams, h.begin(t, o)), append(models, h.begin(t, o))
			}
			h.log.hold(false)
			var run gateway.Run
			got := make([][]byte, len(streams))
			events := make([]int, len(streams))
			give := func(i, limit, n int) bool {
				if !streams[i].Join(&run, limit) {
					return false
				}
				n = min(n, len(run.Data))
				got[i] = append(got[i], run.Data[:n]...)
				ended, oldest := streams[i].Given(&run, n, time.Now())
				if events[i] += ended; (ended > 0) == oldest.IsZero() {
					faults = append(faults, fmt.Sprintf("%d events, the first at %v", ended, oldest))
				}
				return true
			}
			for _, a := range acts {
				for range a.events {
					h.say("x")
				}
				if a.n%5 == 0 {
					h.hub.Report(gateway.Status{Source: "brno", State: []gateway.State{gateway.StateLive, gateway.StateDown}[a.n%2]})
				}
				if a.n%11 == 0 {
					run.Forget()
				}
				synctest.Wait()
				give(a.stream%len(streams), a.limit, a.n)
			}
			for i := range streams {
				for n := 0; give(i, 1<<20, 1<<20); n++ {
					if n > 1000 {
						t.Fatal("it has no end")
					}
				}
				var b gateway.Batch
				models[i].Take(&b, 1<<30)
				if !bytes.Equal(got[i], b.Data) || events[i] != b.Events {
					faults = append(faults, fmt.Sprintf("stream %d from %d: %d events, want %d\n%s\nwant\n%s\n", i, starts[i], events[i], b.Events, got[i], b.Data))
				}
				streams[i].Close()
				models[i].Close()
			}
		})
		if faults != nil {
			rt.Fatal(faults)
		}
	})
}

// Streams that are equally far share one run; a single block is not copied.
func TestJoinShares(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)}
		a, b := h.begin(t, o), h.begin(t, o)
		defer a.Close()
		defer b.Close()
		var run gateway.Run
		if a.Join(&run, 1<<20) {
			t.Error("there is something to give")
		}
		h.say("1")
		synctest.Wait()
		a.Join(&run, 1<<20)
		first := &run.Data[0]
		a.Given(&run, len(run.Data), time.Now())
		if !b.Join(&run, 1<<20) || &run.Data[0] != first {
			t.Error("the run was made again")
		}
		var alone gateway.Run
		if b.Join(&alone, 1<<20); &alone.Data[0] != first {
			t.Error("a block was copied")
		}
		b.Given(&run, 10, time.Now())
		if b.Join(&run, 1<<20); &run.Data[0] == first || b.Lag() != 1 || a.Lag() != 0 {
			t.Errorf("lag %d of the one that has a part, %d of the other", b.Lag(), a.Lag())
		}
	})
}

// Of several events in one run the first to come tells how long they took.
func TestGivenTellsTheOldest(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)})
		defer s.Close()
		var run gateway.Run
		give := func(n, events int, oldest time.Time) {
			t.Helper()
			s.Join(&run, 1<<20)
			if got, at := s.Given(&run, min(n, len(run.Data)), time.Now()); got != events || !at.Equal(oldest) {
				t.Errorf("%d events, the first at %v; want %d, %v", got, at, events, oldest)
			}
		}
		var came []time.Time
		for range 3 {
			time.Sleep(time.Second)
			e := newEvent("prague", "Resource", "room", `{}`)
			e.Received = time.Now()
			came = append(came, e.Received)
			h.append(e)
		}
		synctest.Wait()
		give(5, 0, time.Time{})
		give(len(run.Data)/2, 1, came[0]) // the rest of the first, and a part of the second
		give(1<<20, 2, came[1])
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		give(1<<20, 0, time.Time{})
	})
}

// What is given, in whatever way, puts the heartbeat off, and a block that was
// given in part is undelivered.
func TestHeartbeatAfterGiven(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)})
		defer s.Close()
		h.say("1")
		time.Sleep(10 * time.Second)
		var run gateway.Run
		s.Join(&run, 1<<20)
		s.Given(&run, 10, time.Now())
		if want := time.Now().Add(timing().Heartbeat); !s.Due().Equal(want) {
			t.Errorf("due at %v, want %v", s.Due(), want)
		}
		time.Sleep(time.Until(s.Due()))
		if b := s.Tick(time.Now()); b != nil {
			t.Errorf("within a block: %s", b)
		}
	})
}

// What is left of a block that was given in part is exactly that, however it was
// given, and nothing between blocks.
func TestBegun(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)})
		defer s.Close()
		h.say("1", "2", "3")
		synctest.Wait()
		var run gateway.Run
		s.Join(&run, 1<<20)
		all := bytes.Clone(run.Data)
		block := len(all) / 3
		for at := 0; at < len(all); {
			n := min(70, len(all)-at)
			s.Join(&run, 1<<20)
			s.Given(&run, n, time.Now())
			at += n
			run.Forget()
			rest := (block - at%block) % block
			if got := s.Begun(); !bytes.Equal(got, all[at:at+rest]) {
				t.Fatalf("after %d bytes %q is left, want %q", at, got, all[at:at+rest])
			}
		}
		if s.Begun() != nil || s.Lag() != 0 {
			t.Errorf("at the end %q is left, and %d blocks", s.Begun(), s.Lag())
		}
	})
}

// A stream is over when its time is up, whoever looks first, and tells so once.
func TestOverByItsClock(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything)})
		defer s.Close()
		var w watcher
		s.Watch(&w, 1)
		at := s.Deadlines().Expires
		if s.Over(at.Add(-1)) || w.ended > 0 {
			t.Error("over before its time")
		}
		if !s.Over(at) || !s.Over(at.Add(-1)) || s.Tick(at.Add(-1)) != nil || w.ended != 1 {
			t.Errorf("over: %v; told %d times", s.Over(at), w.ended)
		}
		if _, reason := s.Farewell(); reason != gateway.ByeExpired {
			t.Errorf("the reason is %q", reason)
		}
	})
}
