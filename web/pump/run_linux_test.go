package pump_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/gateway"
	"bellhop/web/pump"
)

// run starts pumps and returns what ends them.
func run(tb testing.TB, o pump.Options) (p *pump.Pumps, stop func()) {
	tb.Helper()
	p, err := pump.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		tb.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				tb.Error(err)
			}
		case <-time.After(20 * time.Second):
			tb.Fatal("the pumps do not end")
		}
	}
}

func ignore(int, int, time.Time) {}

// Pumps end at any moment, whatever they are about, and end all streams once.
func TestRunEnds(t *testing.T) {
	h := openHouse()
	defer h.stop()
	before := descriptors(t)
	for range 50 {
		p, stop := run(t, pump.Options{WriteTimeout: time.Minute, Delivered: ignore})
		const streams = 10
		var done atomic.Int32
		var clients sync.WaitGroup
		for range streams {
			own, theirs := pair(t, small)
			s, _ := h.begin(t, quiet(), "")
			clients.Go(func() { // says something and goes
				unix.Write(theirs, []byte("hello?"))
				unix.Close(theirs)
			})
			clients.Go(func() {
				p.Take(own, s, func(string) {
					done.Add(1)
					s.Close()
				})
			})
		}
		h.say(event("Big", 10_000))
		stop()
		clients.Wait()
		if got := done.Load(); got != streams {
			t.Fatalf("%d of %d streams are done with", got, streams)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// The clocks of streams run also where nothing else wakes their pump.
func TestRunTicks(t *testing.T) {
	h := openHouse()
	defer h.stop()
	p, stop := run(t, pump.Options{WriteTimeout: 20 * time.Millisecond, Delivered: ignore})
	defer stop()
	timing := quiet()
	timing.Heartbeat, timing.Expires = 10*time.Millisecond, time.Now().Add(200*time.Millisecond)
	done := make(chan string, 2)
	open := func(timing gateway.Timing) int {
		own, theirs := pair(t, small)
		s, _ := h.begin(t, timing, "")
		p.Take(own, s, func(reason string) {
			done <- reason
			s.Close()
		})
		return theirs
	}
	stalled := open(quiet())
	defer unix.Close(stalled)
	h.say(event("Big", 64<<10))
	if got := <-done; got != pump.Cut {
		t.Errorf("one that takes nothing ended by %q", got)
	}
	ticking := open(timing)
	defer unix.Close(ticking)
	if got := <-done; got != gateway.ByeExpired {
		t.Errorf("ended by %q", got)
	}
	buf := make([]byte, 64<<10)
	n, err := unix.Read(ticking, buf)
	if got := string(buf[:max(n, 0)]); err != nil || !strings.HasPrefix(got, "id: e1.1\nevent: bellhop.heartbeat\n") || !strings.HasSuffix(got, byeOf(gateway.ByeExpired)) {
		t.Errorf("got %s, %v", got, err)
	}
}

// A client with a long way to go, who is as fast as the pump, does not take the
// others' turn.
func TestTurns(t *testing.T) {
	h := openHouse()
	defer h.stop()
	var most atomic.Int64
	hand, err := pump.NewHand(pump.Options{WriteTimeout: time.Minute, Delivered: func(_, bytes int, _ time.Time) {
		most.Store(max(most.Load(), int64(bytes)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Stop()
	const events, size = 400, 32 << 10
	s, _ := h.begin(t, quiet(), "")
	tcp, closeListener := loopback(t, 0)
	defer closeListener()
	own, theirs := tcp(t)
	r := startReader(theirs, steady, 0)
	hand.Take(own, s, func(string) { s.Close() })
	want := 0
	for range events {
		want += len(h.say(event("Big", size)))
	}
	eventually(t, "all", func() bool {
		if err := hand.Turn(); err != nil {
			t.Fatal(err)
		}
		return r.len() == want
	})
	if got, limit := most.Load(), int64(pump.Turns*(pump.WriteSize+2*size)); got > limit {
		t.Errorf("%d bytes in one turn, at most %d are right", got, limit)
	}
	s.End(gateway.ByeClosed, 0)
	eventually(t, "the end", func() bool {
		if err := hand.Turn(); err != nil {
			t.Fatal(err)
		}
		conns, _ := hand.Kept()
		return conns == 0
	})
	<-r.over
}

func TestDescriptor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	own, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := pump.Descriptor(own.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	own.Close()
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	onExec, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if flags&unix.O_NONBLOCK == 0 || onExec&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %x and %x", flags, onExec)
	}
	if _, err := unix.Write(fd, []byte("still here")); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 100)
	if n, err := theirs.Read(buf); string(buf[:n]) != "still here" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	if _, err := pump.Descriptor(own.(*net.TCPConn)); err == nil {
		t.Error("a closed connection has a descriptor")
	}
}

// How many streams there are makes no difference to what a round allocates.
func TestAllocations(t *testing.T) {
	per := func(streams int) float64 {
		d := newDelivery(t, streams, 300)
		defer d.stop()
		return testing.AllocsPerRun(100, d.round)
	}
	if one, many := per(1), per(200); many > one+2 {
		t.Errorf("a round over 200 streams allocates %v times, over one %v times", many, one)
	}
}
