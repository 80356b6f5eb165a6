package pump_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"bellhop/gateway"
	"bellhop/web/pump"
)

func TestFeeds(t *testing.T) {
	onBench(t, func(b *bench) {
		all, again, rooms, prices := b.open(quiet(), 0), b.open(quiet(), 0), b.open(quiet(), 0, "Resource"), b.open(quiet(), 0, "PriceUpdate")
		if conns, groups := b.hand.Kept(); conns != 4 || groups != 3 {
			t.Errorf("%d connections in %d groups, want 4 in 3", conns, groups)
		}
		sent := b.say(event("Resource", 10), event("Reservation", 20))
		all.want("all", sent)
		again.want("all again", sent)
		rooms.want("one type", sent[:strings.Index(sent, "\n\n")+2])
		prices.want("another type", "")
		if b.events != 5 || b.bytes != 2*len(sent)+strings.Index(sent, "\n\n")+2 {
			t.Errorf("told of %d events and %d bytes", b.events, b.bytes)
		}
	})
}

// Clients that go in the middle of a round take nobody else's turn.
func TestGoneWithinRound(t *testing.T) {
	onBench(t, func(b *bench) {
		var clients []*client
		for range 7 {
			clients = append(clients, b.open(quiet(), 0))
		}
		for _, i := range []int{0, 2, 3, 6} {
			clients[i].close()
		}
		sent := b.house.say(event("Big", pump.WriteSize))
		synctest.Wait()
		b.hand.Empty() // the writing finds them before epoll does
		for i, c := range clients {
			if i == 0 || i == 2 || i == 3 || i == 6 {
				c.wantEnd(pump.Gone)
				continue
			}
			c.want("one that stays", sent)
			c.wantEnd("")
		}
		b.turn()
		if conns, _ := b.hand.Kept(); conns != 3 {
			t.Errorf("%d connections are left of 7, want 3", conns)
		}
	})
}

// What epoll said of a closed connection does not concern the next one in its
// place, which has the same descriptor and the same slot.
func TestStaleEvents(t *testing.T) {
	onBench(t, func(b *bench) {
		first := b.open(quiet(), small)
		b.say(event("Big", 64<<10))
		first.close()
		events, err := b.hand.Wait()
		if err != nil || len(events) == 0 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		b.house.say(event("Small", 10))
		first.stream.End(gateway.ByeClosed, 0)
		synctest.Wait()
		b.hand.Empty()
		first.wantEnd(pump.Gone) // by the farewell, which nobody takes
		next := b.prepare(quiet(), small)
		b.hand.Empty()
		if conns, _ := b.hand.Kept(); conns != 1 {
			t.Fatalf("%d connections, want 1", conns)
		}
		b.hand.Look(events)
		next.wantEnd("")
		next.want("the next one", b.say(event("Small", 20)))
	})
}

// Nor does what comes to a socket that somebody else still has a descriptor of.
func TestSharedSocket(t *testing.T) {
	onBench(t, func(b *bench) {
		own, theirs := pair(t, 0)
		other, err := unix.FcntlInt(uintptr(own), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(other)
		c := &client{b: b, fd: theirs}
		defer c.close()
		c.stream, _ = b.begin(t, quiet(), "")
		b.hand.Take(own, c.stream, func(reason string) { c.ended = append(c.ended, reason); c.stream.Close() })
		b.turn()
		c.stream.End(gateway.ByeClosed, 0)
		b.turn()
		b.pass(pump.Goodbye)
		c.wantEnd(gateway.ByeClosed)
		next := b.open(quiet(), 0)
		if err := c.send("is anybody there?"); err != nil {
			t.Fatal(err)
		}
		c.close()
		if events, err := b.hand.Wait(); err != nil || len(events) == 0 {
			t.Fatalf("%d events, %v: the old socket is not heard of", len(events), err)
		}
		if err := c.b.hand.Turn(); err != nil {
			t.Fatal(err)
		}
		next.wantEnd("")
		next.want("the next one", b.say(event("Small", 10)))
	})
}

// An end that was asked for reaches nobody but the stream that it is for.
func TestStaleEnd(t *testing.T) {
	onBench(t, func(b *bench) {
		first := b.open(quiet(), 0)
		first.close()
		first.stream.End(gateway.ByeClosed, 0) // is in the inbox while
		if events, err := b.hand.Wait(); err != nil {
			t.Fatal(err)
		} else {
			b.hand.Look(events) // this closes the connection
		}
		first.wantEnd(pump.Gone)
		next := b.open(quiet(), 0) // and this gets its slot, in the same round
		next.wantEnd("")
		next.want("the next one", b.say(event("Small", 10)))
	})
}

// A client may say something after its request, but not without end, and only
// until it hangs up.
func TestClientTalks(t *testing.T) {
	onBench(t, func(b *bench) {
		c, flooding, half := b.open(quiet(), 0), b.open(quiet(), 0), b.open(quiet(), 0)
		for range 100 {
			if err := c.send("GET /events HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			b.turn()
		}
		for flooding.send(strings.Repeat("x", 1<<10)) == nil {
		}
		if err := unix.Shutdown(half.fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		b.turn()
		flooding.wantEnd(pump.Gone)
		half.wantEnd(pump.Gone)
		c.wantEnd("")
		c.want("one that talks", b.say(event("Small", 10)))
	})
}

// A descriptor that no pump can wait for is closed all the same.
func TestNotPollable(t *testing.T) {
	onBench(t, func(b *bench) {
		fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := &client{b: b, fd: -1}
		c.stream, _ = b.begin(t, quiet(), "")
		b.hand.Take(fd, c.stream, func(reason string) { c.ended = append(c.ended, reason); c.stream.Close() })
		b.turn()
		c.wantEnd(pump.Gone)
		if err := unix.Close(fd); err != unix.EBADF {
			t.Errorf("closing it again: %v", err)
		}
	})
}

// A pump that stops ends what it has and what it has not looked at yet; what
// comes later ends at once.
func TestStop(t *testing.T) {
	onBench(t, func(b *bench) {
		open, blocked, byes := b.open(quiet(), 0), b.open(quiet(), small, "Big"), b.open(quiet(), 0)
		b.say(event("Big", 64<<10))
		open.drain()
		byes.drain()
		byes.stream.End(gateway.ByeShutdown, 0)
		b.turn()
		unseen, ended := b.prepare(quiet(), 0), b.prepare(quiet(), 0)
		sent := b.house.say(event("Small", 10))
		ended.stream.End(gateway.ByeClosed, 0)
		open.stream.End(gateway.ByeShutdown, 0)
		synctest.Wait()
		if err := b.hand.Stop(); err != nil {
			t.Fatal(err)
		}
		late := b.prepare(quiet(), 0)
		b.house.say(event("Small", 20)) // nobody hears of it
		late.stream.End(gateway.ByeClosed, 0)
		synctest.Wait()
		for name, tt := range map[string]struct {
			*client
			reason, text string
		}{
			"open":    {open, gateway.ByeShutdown, byeOf(gateway.ByeShutdown)},
			"byes":    {byes, gateway.ByeShutdown, byeOf(gateway.ByeShutdown)},
			"unseen":  {unseen, pump.Gone, sent},
			"ended":   {ended, gateway.ByeClosed, byeOf(gateway.ByeClosed)},
			"blocked": {blocked, pump.Gone, ""},
			"late":    {late, pump.Gone, ""},
		} {
			tt.wantEnd(tt.reason)
			if got := tt.read(1 << 20); got != tt.text && name != "blocked" {
				t.Errorf("%s: got %s", name, brief(got))
			}
			if !tt.finished() {
				t.Errorf("%s: the socket is open", name)
			}
		}
	})
}
