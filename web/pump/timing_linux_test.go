package pump_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/gateway"
	"bellhop/web/pump"
)

// A client that takes nothing is cut once the write timeout has passed, and to
// the moment; the others notice nothing.
func TestStalledReader(t *testing.T) {
	onBench(t, func(b *bench) {
		stalled, good := b.open(quiet(), small), b.open(quiet(), small)
		sent := b.say(event("Big", 64<<10))
		good.want("the first", sent)
		for range 9 {
			b.pass(time.Second)
			good.want("while another one stalls", b.say(event("Small", 10)))
		}
		b.pass(time.Second - 1)
		stalled.wantEnd("")
		b.pass(1)
		stalled.wantEnd(pump.Cut)
		if got := stalled.drain(); got == "" || !strings.HasPrefix(sent, got) {
			t.Errorf("the one that was cut got %s", brief(got))
		}
		good.want("afterwards", b.say(event("Small", 10)))
		good.wantEnd("")
	})
}

// A client is kept for as long as it takes something now and then, and talking
// is not taking.
func TestTricklingReader(t *testing.T) {
	onBench(t, func(b *bench) {
		trickling, talking := b.open(quiet(), small), b.open(quiet(), small)
		sent := b.say(event("Big", 64<<10), event("Big", 64<<10))
		var got strings.Builder
		began := time.Now()
		for got.Len() < len(sent) {
			before := got.Len()
			got.WriteString(trickling.read(1 << 20)) // as much as the socket holds
			if got.Len() == before {
				t.Fatalf("nothing more comes after %d bytes", before)
			}
			if len(talking.ended) == 0 {
				if err := talking.send("are you there?"); err != nil {
					t.Fatal(err)
				}
			}
			b.turn()
			b.pass(writeTimeout - 1)
			trickling.wantEnd("")
		}
		if got.String() != sent {
			t.Errorf("got %s", brief(got.String()))
		}
		if time.Since(began) < 3*writeTimeout {
			t.Errorf("took all within %v", time.Since(began))
		}
		talking.wantEnd(pump.Cut)
	})
}

func TestHeartbeat(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Heartbeat = 15 * time.Second
		c := b.open(timing, 0)
		heartbeat := func(seq int) string {
			return fmt.Sprintf("id: e1.%d\nevent: bellhop.heartbeat\ndata: {\"now\":%q}\n\n", seq, time.Now().UTC().Format("2006-01-02T15:04:05.999Z07:00"))
		}
		b.pass(15*time.Second - 1)
		c.want("too early", "")
		b.pass(1)
		c.want("after silence", heartbeat(0))
		b.pass(10 * time.Second)
		c.want("an event", b.say(event("Resource", 10)))
		b.pass(15*time.Second - 1)
		c.want("too early after the event", "")
		b.pass(1)
		c.want("after the event", heartbeat(1))
		if want := len(heartbeat(0)) + len(heartbeat(1)) + len(blockOf(b.log.Records()[0])); b.bytes != want || b.events != 1 {
			t.Errorf("told of %d events and %d bytes, want 1 and %d", b.events, b.bytes, want)
		}
	})
}

// A heartbeat that is due while an event waits for the rest of its frame comes
// after that event, or would say that the event was given.
func TestHeartbeatWithinFrame(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Heartbeat = time.Second
		c := b.open(timing, 0)
		time.Sleep(time.Second - 1)
		first := event("Resource", 10)
		first.Event.More = true
		sent := b.say(first)
		c.want("the frame is not whole yet", "")
		b.pass(1)
		c.want("the heartbeat is due", sent)
		b.pass(time.Second)
		if got := c.drain(); !strings.HasPrefix(got, "id: e1.1\nevent: bellhop.heartbeat\n") {
			t.Errorf("got %s", got)
		}
	})
}

// No heartbeat is put into the middle of a block.
func TestNoHeartbeatWithinBlock(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Heartbeat = time.Second
		c := b.open(timing, small)
		sent := b.say(event("Big", 64<<10))
		b.pass(5 * time.Second)
		got := c.drain()
		if got != sent {
			t.Errorf("got %s", brief(got))
		}
		b.pass(time.Second)
		if got := c.drain(); !strings.HasPrefix(got, "id: e1.1\nevent: bellhop.heartbeat\n") {
			t.Errorf("then got %s", got)
		}
	})
}

// A heartbeat that the socket does not take stays between the blocks that it was
// said between, also where the stream ends meanwhile.
func TestHeartbeatBlocked(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Heartbeat = time.Second
		probe := b.open(quiet(), small)
		fits := 0
		for b.say(event("Small", 10)); b.events > fits; b.say(event("Small", 10)) {
			fits++
		}
		probe.close()
		b.turn()
		going, ending := b.open(timing, small), b.open(timing, small)
		var sent strings.Builder
		for range fits {
			sent.WriteString(b.say(event("Small", 10)))
		}
		b.pass(time.Second)
		for _, c := range []*client{going, ending} {
			if got := c.read(len(sent.String())); got != sent.String() {
				t.Fatalf("got %s", got)
			}
			if got := c.read(1); got != "" {
				t.Fatal("the heartbeat was not blocked")
			}
		}
		after := b.house.say(event("Small", 20))
		ending.stream.End(gateway.ByeClosed, 0)
		synctest.Wait()
		b.hand.Empty() // before epoll says that the sockets take more
		b.turn()
		heartbeat, rest, _ := strings.Cut(going.drain(), "\n\n")
		if !strings.Contains(heartbeat, "event: bellhop.heartbeat\n") || rest != after {
			t.Errorf("the one that goes on got %s and %s", heartbeat, rest)
		}
		ending.want("the one that ends", heartbeat+"\n\n"+byeOf(gateway.ByeClosed))
	})
}

func TestExpiry(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Expires, timing.Leeway, timing.Warn = time.Now().Add(time.Hour-time.Second), 30*time.Second, time.Minute
		c := b.open(timing, 0)
		b.pass(time.Hour - 75*time.Second)
		c.want("before the warning", "")
		b.pass(74 * time.Second)
		c.want("before the end", fmt.Sprintf("event: bellhop.expiring\ndata: {\"expires\":%q}\n\n", timing.Expires.UTC().Format(time.RFC3339)))
		b.pass(30*time.Second - 1)
		c.want("within the leeway", b.say(event("Resource", 10)))
		b.pass(1)
		c.want("at the end", byeOf(gateway.ByeExpired))
		c.close()
		b.turn()
		c.wantEnd(gateway.ByeExpired)
	})
}

// Streams that opened together live 80 to 100 % of the lifetime, each its own.
func TestLifetime(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Lifetime, timing.Heartbeat = time.Hour, 24*time.Hour
		var clients []*client
		for range 10 {
			clients = append(clients, b.open(timing, 0))
		}
		b.pass(48*time.Minute - 1)
		for _, c := range clients {
			c.want("before its time", "")
		}
		b.pass(6 * time.Minute)
		ended := func(c *client) bool { return len(c.ended) > 0 }
		if !slices.ContainsFunc(clients, ended) || !slices.ContainsFunc(clients, func(c *client) bool { return !ended(c) }) {
			t.Error("all end together")
		}
		b.pass(6*time.Minute + pump.Goodbye)
		for _, c := range clients {
			c.want("its end", byeOf(gateway.ByeLifetime))
			c.wantEnd(gateway.ByeLifetime)
		}
	})
}

// A stream whose client always takes a little, and is never without something to
// take, ends with its token all the same, at the next block's end.
func TestExpiryOfTricklingReader(t *testing.T) {
	onBench(t, func(b *bench) {
		timing := quiet()
		timing.Expires = time.Now().Add(time.Minute)
		c := b.open(timing, small)
		var sent []*gateway.Record
		for range 100 {
			sent = append(sent, event("Big", 64<<10))
		}
		b.say(sent...)
		var got strings.Builder
		for time.Now().Before(timing.Expires) {
			got.WriteString(c.read(8 << 10))
			b.pass(time.Second)
		}
		got.WriteString(c.drain())
		whole := len(got.String())/len(blockOf(sent[0])) + 1
		var want strings.Builder
		for _, r := range sent[:whole] {
			want.WriteString(blockOf(r))
		}
		rest, ok := strings.CutSuffix(got.String(), byeOf(gateway.ByeExpired))
		if !ok || !strings.HasPrefix(want.String(), rest) || !strings.HasSuffix(rest, "\"}}\n\n") {
			t.Errorf("got %d bytes, %s", len(got.String()), brief(got.String()))
		}
		c.close()
		b.turn()
		c.wantEnd(gateway.ByeExpired)
	})
}

// After its last block a client has a second to close.
func TestGoodbye(t *testing.T) {
	onBench(t, func(b *bench) {
		closing, lingering, talking := b.open(quiet(), 0), b.open(quiet(), 0), b.open(quiet(), 0)
		all := []*client{closing, lingering, talking}
		for _, c := range all {
			c.stream.End(gateway.ByeShutdown, 0)
		}
		b.turn()
		for _, c := range all {
			c.want("the end", byeOf(gateway.ByeShutdown))
			if !c.finished() {
				t.Error("the client is not told that nothing comes any more")
			}
			c.wantEnd("")
		}
		closing.close()
		b.say(event("Resource", 10))
		closing.wantEnd(gateway.ByeShutdown)
		for range 10 {
			b.pass(pump.Goodbye/10 - 1)
			if err := talking.send("and?"); err != nil {
				t.Fatal(err)
			}
			b.turn()
		}
		lingering.wantEnd("")
		b.pass(10)
		lingering.wantEnd(gateway.ByeShutdown)
		talking.wantEnd(gateway.ByeShutdown)
		lingering.want("an event after the end", "")
	})
}

// A client that has the beginning of a block gets the rest of it and then the
// farewell, if it takes both within a second.
func TestGoodbyeWithinBlock(t *testing.T) {
	onBench(t, func(b *bench) {
		slow, stalled := b.open(quiet(), small), b.open(quiet(), small)
		sent := b.say(event("Big", 64<<10), event("Big", 64<<10))
		for _, c := range []*client{slow, stalled} {
			c.stream.End(gateway.ByeSlow, time.Minute)
			c.stream.End(gateway.ByeClosed, 0) // too late
		}
		b.turn()
		b.pass(pump.Goodbye - 1)
		slow.want("a last chance", sent[:len(sent)/2]+"retry: 60000\n"+byeOf(gateway.ByeSlow))
		stalled.wantEnd("")
		b.pass(1)
		slow.wantEnd(gateway.ByeSlow)
		stalled.wantEnd(pump.Cut)
		if got := stalled.drain(); !strings.HasPrefix(sent[:len(sent)/2], got) {
			t.Errorf("got %s", brief(got))
		}
	})
}

// The write timeout does not make a farewell longer.
func TestGoodbyeOfBlocked(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.open(quiet(), small)
		b.say(event("Big", 64<<10))
		c.stream.End(gateway.ByeShutdown, 0)
		b.turn()
		for range 4 {
			b.pass(pump.Goodbye/4 - 1)
			c.read(8 << 10)
			b.turn()
			c.wantEnd("")
		}
		b.pass(4)
		c.wantEnd(pump.Cut)
	})
}

// A stream may be asked to end before the pump has it.
func TestEndedBeforeWatched(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.prepare(quiet(), 0)
		b.house.say(event("Resource", 10))
		synctest.Wait()
		c.stream.End(gateway.ByeRevoked, 0)
		b.turn()
		c.want("an ended stream", byeOf(gateway.ByeRevoked))
		c.close()
		b.turn()
		c.wantEnd(gateway.ByeRevoked)
	})
}

// What came between a stream's beginning and its watching is not lost, also where
// nothing stirs afterwards.
func TestSaidBeforeWatched(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.prepare(quiet(), 0)
		sent := b.house.say(event("Resource", 10), event("Resource", 20))
		b.turn()
		c.want("what was said before", sent)
	})
}

// A clock that is set back moves the deadlines that are dates; a pump must not look
// at one again and again until the clock has caught up. (Not in a bubble, whose
// time is only dates.)
func TestClockSetBack(t *testing.T) {
	h := openHouse()
	defer h.stop()
	hand, err := pump.NewHand(pump.Options{WriteTimeout: time.Minute, Delivered: func(int, int, time.Time) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Stop()
	hand.SetClockBack(5)
	timing := quiet()
	timing.Expires, timing.Warn = time.Now().Add(4*time.Second), 2*time.Second
	s, _ := h.begin(t, timing, "")
	own, theirs := pair(t, 0)
	defer unix.Close(theirs)
	hand.Take(own, s, func(string) { s.Close() })
	turned := make(chan error, 1)
	go func() { turned <- hand.Turn() }()
	select {
	case err := <-turned:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the pump looks at the same stream for good")
	}
	if left := time.Until(hand.Due()); left < time.Second {
		t.Errorf("the warning is due in %v", left)
	}
}
