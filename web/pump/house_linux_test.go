package pump_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"bellhop/gateway"
	"bellhop/gateway/gatewaytest"
	"bellhop/web/pump"
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(max(3, runtime.NumCPU())) // several pumps on any machine
	goleak.VerifyTestMain(m)
}

// encode is the plainest of encoders.
func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	if retry != 0 {
		dst = fmt.Appendf(dst, "retry: %d\n", retry.Milliseconds())
	}
	if id != "" {
		dst = fmt.Appendf(dst, "id: %s\n", id)
	}
	return fmt.Appendf(dst, "event: %s\ndata: %s\n\n", name, data)
}

var received = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// event returns an event with a note of some size.
func event(typ string, size int) *gateway.Record {
	object := fmt.Appendf(nil, `{"Note":"%s"}`, strings.Repeat("x", size))
	return &gateway.Record{Event: &gateway.Event{
		Source: "prague", Type: typ, ID: "room-12", Origin: gateway.OriginLive, Received: received,
		Object: object, Attributes: gateway.ReadAttributes(typ, "room-12", object),
	}}
}

// blockOf returns how the record comes to a client.
func blockOf(r *gateway.Record) string {
	return fmt.Sprintf("id: e1.%d\nevent: %s\ndata: {\"source\":\"prague\",\"type\":%q,\"id\":\"room-12\",\"origin\":\"live\",\"received\":\"2026-11-21T08:00:00.000Z\",\"event\":%s}\n\n",
		r.Seq, r.Event.Type, r.Event.Type, r.Event.Object)
}

func byeOf(reason string) string {
	return fmt.Sprintf("event: bellhop.bye\ndata: {\"reason\":%q}\n\n", reason)
}

// A house is a log and a hub that tails it.
type house struct {
	log  *gatewaytest.Log
	hub  *gateway.Hub
	stop func()
}

func openHouse() *house {
	log := gatewaytest.NewLog()
	h := &house{log: log, hub: gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode, Sources: []string{"prague"}})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.hub.Run(ctx)
	}()
	h.stop = func() { cancel(); <-ended }
	<-h.hub.Loaded()
	return h
}

// say logs events as one frame of an upstream, and returns what comes of it.
func (h *house) say(events ...*gateway.Record) string {
	for _, r := range events[:len(events)-1] {
		r.Event.More = true
	}
	h.log.Append(context.Background(), events, nil)
	var b strings.Builder
	for _, r := range events {
		b.WriteString(blockOf(r))
	}
	return b.String()
}

// quiet is the timing of a stream that nothing happens to by itself.
func quiet() gateway.Timing {
	return gateway.Timing{Heartbeat: time.Hour, Retry: 3 * time.Second, Expires: time.Now().Add(24 * time.Hour)}
}

// begin opens a stream of these types, of all without any, and returns what its
// beginning wrote behind bellhop.ready.
func (h *house) begin(tb testing.TB, t gateway.Timing, resume string, types ...string) (s *gateway.Stream, missed string) {
	tb.Helper()
	sub, err := gateway.NewSubscription([]gateway.Grant{{Sources: []string{"*"}, Types: []string{"*"}}}, gateway.Query{Types: types})
	if err != nil {
		tb.Fatal(err)
	}
	s = h.hub.Open(gateway.StreamOptions{ID: "s-1", Subscription: sub, Timing: t, Resume: resume})
	var b strings.Builder
	if err := s.Begin(context.Background(), func(blocks []byte) error { b.Write(blocks); return nil }); err != nil {
		tb.Fatal(err)
	}
	_, missed, _ = strings.Cut(b.String(), "\n\n")
	return s, missed
}

// A bench is a house with one pump that is turned by hand, in a bubble: its clock
// moves only when the test sleeps.
type bench struct {
	*testing.T
	*house
	hand          pump.Hand
	events, bytes int // that were told of
	mostAtOnce    int // of the bytes
}

const writeTimeout = 10 * time.Second

// onBench runs f in a bubble.
func onBench(t *testing.T, f func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, house: openHouse()}
		defer b.house.stop()
		var err error
		if b.hand, err = pump.NewHand(pump.Options{WriteTimeout: writeTimeout, Delivered: b.delivered}); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := b.hand.Stop(); err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
			if conns, groups := b.hand.Kept(); conns != 0 || groups != 0 {
				t.Errorf("the pump still has %d connections in %d groups", conns, groups)
			}
		}()
		f(b)
	})
}

func (b *bench) delivered(events, bytes int, oldest time.Time) {
	b.events, b.bytes, b.mostAtOnce = b.events+events, b.bytes+bytes, max(b.mostAtOnce, bytes)
	if oldest.IsZero() != (events == 0) || events > 0 && !oldest.Equal(received) {
		b.Errorf("told of %d events, the oldest from %v", events, oldest)
	}
}

// turn lets the hub and the pump do what there is to do.
func (b *bench) turn() {
	b.Helper()
	synctest.Wait()
	if err := b.hand.Turn(); err != nil {
		b.Fatal(err)
	}
}

// say is house.say, and a turn.
func (b *bench) say(events ...*gateway.Record) string {
	b.Helper()
	text := b.house.say(events...)
	b.turn()
	return text
}

// pass lets time pass, with a turn whenever the pump wants one.
func (b *bench) pass(d time.Duration) {
	b.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); {
		step := time.Until(until)
		if conns, _ := b.hand.Kept(); conns > 0 {
			step = min(step, max(time.Until(b.hand.Due()), 1))
		}
		time.Sleep(step)
		b.turn()
	}
}

// A client is one end of a socket pair, whose other the pump has.
type client struct {
	b      *bench
	fd     int
	stream *gateway.Stream
	ended  []string // the reasons that done was called with
}

// pair returns a pair of connected sockets that do not block, of which the first
// takes about so many bytes before the second is read.
func pair(tb testing.TB, buffer int) (own, theirs int) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil && buffer > 0 {
		err = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, buffer)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return fds[0], fds[1]
}

// small is a buffer that a block of 64 KiB does not fit into.
const small = 8 << 10

// open has the pump take a stream to a client with such a buffer.
func (b *bench) open(t gateway.Timing, buffer int, types ...string) *client {
	b.Helper()
	c := b.prepare(t, buffer, types...)
	b.turn()
	return c
}

// prepare is open without the turn.
func (b *bench) prepare(t gateway.Timing, buffer int, types ...string) *client {
	b.Helper()
	own, theirs := pair(b, buffer)
	c := &client{b: b, fd: theirs}
	c.stream, _ = b.begin(b, t, "", types...)
	b.hand.Take(own, c.stream, func(reason string) {
		c.ended = append(c.ended, reason)
		c.stream.Close()
	})
	b.Cleanup(c.close)
	return c
}

// close has the client go away.
func (c *client) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

// read returns up to n of the bytes that have come.
func (c *client) read(n int) string {
	c.b.Helper()
	buf := make([]byte, n)
	at := 0
	for at < n {
		k, err := unix.Read(c.fd, buf[at:])
		if k <= 0 || err != nil {
			if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ECONNRESET) {
				c.b.Fatal(err)
			}
			break
		}
		at += k
	}
	return string(buf[:at])
}

// drain returns everything that comes while the pump has turns.
func (c *client) drain() string {
	c.b.Helper()
	var all strings.Builder
	for {
		text := c.read(1 << 20)
		if text == "" {
			return all.String()
		}
		all.WriteString(text)
		c.b.turn()
	}
}

// finished reports whether the other end said that nothing comes any more.
func (c *client) finished() bool {
	n, err := unix.Read(c.fd, make([]byte, 1))
	return n == 0 && err == nil
}

func (c *client) send(text string) error {
	_, err := unix.Write(c.fd, []byte(text))
	return err
}

// want checks what comes to the client from now on.
func (c *client) want(what, text string) {
	c.b.Helper()
	if got := c.drain(); got != text {
		c.b.Errorf("%s: got %s\nwant %s", what, brief(got), brief(text))
	}
}

// wantEnd checks why the stream has ended; that it has not is "".
func (c *client) wantEnd(reason string) {
	c.b.Helper()
	switch {
	case reason == "" && len(c.ended) > 0, reason != "" && (len(c.ended) != 1 || c.ended[0] != reason):
		c.b.Errorf("ended by %q, want %q", c.ended, reason)
	}
}

// brief is text with its long stretches of one letter cut down.
func brief(text string) string {
	for strings.Contains(text, "xxxxxxxx") {
		text = strings.ReplaceAll(text, "xxxxxxxx", "x")
	}
	return fmt.Sprintf("%q", text)
}

// descriptors returns how many this process has.
func descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(entries)
}
