package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/web"
	"bellhop/web/pump"
)

// own is what differs from stream to stream.
var own = regexp.MustCompile(`retry: \d+|"stream":"[^"]*"|"(now|since|received|expires)":"[^"]*"`)

// The same story is told on every path to the same bytes, and counted alike.
func TestPathsTellTheSame(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	told := make(map[string]string)
	t.Run("on", func(t *testing.T) {
		onPaths(t, func(t *testing.T, s site) {
			token := mint(t)
			first := s.stream(t, token)
			ready := first.want(t, "bellhop.ready").text
			eventually(t, func() bool { return s.hub.Feeds() > 0 }) // what is said before the stream follows is no delivery
			s.say(t, resource("prague", "r1", "Dirty"), resource("prague", "r2", "Clean"), resource("brno", "r3", "Dirty"))
			s.say(t, event("prague", "Big", "b", `{"Note":"`+strings.Repeat("x", 200_000)+`"}`))
			ready += first.texts(t, 4)
			second := s.stream(t, mint(t), "Last-Event-ID: e1.1")
			resumed := second.want(t, "bellhop.ready").text
			resumed += second.texts(t, 3)
			for i := range 100 {
				s.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
			}
			s.hub.Report(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonClosed})
			ready += first.texts(t, 101)
			resumed += second.texts(t, 101)
			revoked, err := s.verifier.Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.verifier.Revoke(t.Context(), revoked); err != nil {
				t.Fatal(err)
			}
			ready += first.rest(t)
			s.admin(t, get("/streams?sub=maid-7").by("DELETE"))
			resumed += second.rest(t)
			eventually(t, func() bool { return s.metric(t, "bellhop_streams") == "0" })
			for series, want := range map[string]float64{
				"bellhop_deliveries_total":                       4 + 2*100,
				"bellhop_stream_bytes_total":                     float64(len(ready) + len(resumed)),
				`bellhop_streams_ended_total{reason="revoked"}`:  1,
				`bellhop_streams_ended_total{reason="closed"}`:   1,
				`bellhop_streams_ended_total{reason="gone"}`:     0,
				`bellhop_delivery_seconds_bucket{le="+Inf"}`:     -1,
				`bellhop_streams_ended_total{reason="shutdown"}`: 0,
			} {
				if got, err := strconv.ParseFloat(s.metric(t, series), 64); err != nil || want >= 0 && got != want || want < 0 && got == 0 {
					t.Errorf("%s: got %v %v, want %v", series, got, err, want)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			told[s.name] = own.ReplaceAllString(ready+"\x00"+resumed, "$1")
		})
	})
	for name, got := range told {
		if want := told["HTTP/1.1"]; got != want {
			t.Errorf("%s told %d bytes, HTTP/1.1 %d: %s", name, len(got), len(want), firstDifference(got, want))
		}
	}
}

func firstDifference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%.100q and %.100q", a[i:], b[i:])
}

func TestPathsHeartbeat(t *testing.T) {
	t.Parallel()
	onPaths(t, func(t *testing.T, s site) {
		l := s.stream(t, mint(t))
		l.want(t, "bellhop.ready")
		for _, want := range []string{"e1.0", "e1.0"} {
			if b := l.want(t, "bellhop.heartbeat"); b.id != want {
				t.Errorf("a heartbeat at %s, want %s", b.id, want)
			}
		}
		s.say(t, resource("prague", "r1", "Dirty"))
		for b := l.got(t); b.event != "Resource"; b = l.got(t) {
			if b.event != "bellhop.heartbeat" || b.id != "e1.0" {
				t.Fatalf("before the event: %q", b.text)
			}
		}
		if b := l.want(t, "bellhop.heartbeat"); b.id != "e1.1" {
			t.Errorf("a heartbeat at %s, want e1.1", b.id)
		}
	}, func(p *plan) { p.Stream.Heartbeat = 30 * time.Millisecond })
}

// A stream that has to end while it is still given what it missed says so.
func TestPathsEndWhileReplaying(t *testing.T) {
	t.Parallel()
	onPaths(t, func(t *testing.T, s site) {
		const events, size = 200, 64 << 10
		for i := range events {
			s.say(t, event("prague", "Big", fmt.Sprint(i), `{"Note":"`+strings.Repeat("x", size)+`"}`))
		}
		eventually(t, func() bool { return s.hub.Head() == events })
		token := mint(t)
		l := s.stream(t, token, "Last-Event-ID: e1.0")
		l.want(t, "bellhop.ready")
		revoked, err := s.verifier.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.verifier.Revoke(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		for i := 1; ; i++ {
			b := l.got(t)
			if b.event == "bellhop.bye" {
				if b.data != `{"reason":"revoked"}` || i == events+1 {
					t.Errorf("%s behind %d events", b.data, i-1)
				}
				break
			}
			if b.id != fmt.Sprint("e1.", i) {
				t.Fatalf("event %d is %s", i, b.id)
			}
		}
		eventually(t, func() bool { return s.metric(t, `bellhop_streams_ended_total{reason="revoked"}`) == "1" })
	})
}

// A stream that always has something to take ends with its token all the same,
// also where net/http carries it.
func TestExpiryOfTricklingReader(t *testing.T) {
	inBubble(t, func(t *testing.T, b bubble) {
		l := b.events(t, "", bearer(mint(t, lasting(time.Second))))
		l.want(t, "bellhop.expiring")
		object := `{"Note":"` + strings.Repeat("x", 16<<10) + `"}`
		for range 100 {
			b.say(t, event("prague", "Big", "b", object))
		}
		for i := 1; ; i++ {
			block := l.got(t)
			if block.event == "bellhop.bye" {
				wantTime(t, "the end", 31*time.Second, 41*time.Second)
				if block.data != `{"reason":"expired"}` {
					t.Error(block.data)
				}
				return
			}
			if block.id != fmt.Sprint("e1.", i) {
				t.Fatalf("event %d is %q", i, block.text)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestPathsDrain(t *testing.T) {
	t.Parallel()
	onPaths(t, func(t *testing.T, s site) {
		var listeners []*listener
		for i := range 5 {
			l := s.stream(t, mint(t))
			l.want(t, "bellhop.ready")
			if i > 0 {
				listeners = append(listeners, l) // the first does not even close
			}
		}
		s.say(t, resource("prague", "r1", "Dirty"))
		for _, l := range listeners {
			l.want(t, "Resource")
		}
		s.Drain(t.Context())
		if s.Streams() != 0 {
			t.Errorf("%d streams after the draining", s.Streams())
		}
		for _, l := range listeners {
			if b := l.wantBye(t, "shutdown"); b.retry == "" {
				t.Errorf("bye without a retry: %q", b.text)
			}
		}
		if got := s.metric(t, `bellhop_streams_ended_total{reason="shutdown"}`); got != "5" {
			t.Errorf("%s streams ended by shutdown", got)
		}
	}, func(p *plan) { p.Drain = web.Drain{} })
}

// A log whose past cannot be read.
type forgetful struct{ *memoryLog }

func (forgetful) Since(context.Context, time.Time) (uint64, bool, error) {
	return 0, false, gateway.ErrClosed
}

// A stream whose past cannot be read is answered all the same, and ends.
func TestPathsLogFails(t *testing.T) {
	t.Parallel()
	onPaths(t, func(t *testing.T, s site) {
		l := s.events(t, "since=2026-11-21T08:00:00Z", bearer(mint(t)))
		if l.response.StatusCode != 200 {
			t.Fatalf("got %v", l.response)
		}
		wantStreamHeaders(t, l.response.Header)
		if text := l.rest(t); text != "" {
			t.Errorf("got %q", text)
		}
		eventually(t, func() bool { return s.metric(t, `bellhop_streams_ended_total{reason="log"}`) == "1" })
	}, func(p *plan) { p.log = forgetful{newLog()} })
}

// What a client has sent behind its request, or says later, is no request.
func TestTakenOverConnection(t *testing.T) {
	if !pump.Supported {
		t.Skip("there are no pumps on this system")
	}
	h := build(t)
	eventually(t, h.Pumping)
	c := dialRaw(t, h.listen(t, nil), nil)
	request := "GET /events HTTP/1.1\nHost: localhost\nAuthorization: Bearer " + mint(t) + "\n\n"
	c.send(t, request+"GET /nothing HTTP/1.1\nHost: localhost\n\n")
	a := c.answer(t)
	if !closes(a) || a.ProtoMinor != 1 || a.Header.Get("Date") == "" {
		t.Errorf("got %v", a)
	}
	r := newBlockReader(a.Body)
	want := func(event string) {
		t.Helper()
		if b, err := r.next(); err != nil || b.event != event {
			t.Fatalf("got %q %v, want %s", b.text, err, event)
		}
	}
	want("bellhop.ready")
	c.send(t, request)
	h.say(t, resource("prague", "r1", "Dirty"))
	want("Resource")
	h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
	want("bellhop.bye")
	if b, err := r.next(); !errors.Is(err, io.EOF) || b.text != "" {
		t.Errorf("after the bye: %q %v", b.text, err)
	}
	for _, hangUp := range []func(*net.TCPConn) error{
		(*net.TCPConn).CloseWrite,
		(*net.TCPConn).Close,
		func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		c := dialRaw(t, h.listen(t, nil), nil)
		c.send(t, request)
		c.answer(t)
		eventually(t, func() bool { return h.Streams() == 1 })
		if err := hangUp(c.Conn.(*net.TCPConn)); err != nil {
			t.Error(err)
		}
		eventually(t, func() bool { return h.Streams() == 0 })
	}
}

// A body that nobody wants, however long, does not end the stream.
func TestBodyOfStream(t *testing.T) {
	h := build(t)
	eventually(t, func() bool { return h.Pumping() == pump.Supported })
	c := dialRaw(t, h.listen(t, nil), nil)
	c.send(t, "GET /events HTTP/1.1\nHost: localhost\nContent-Length: 200000\nAuthorization: Bearer "+mint(t)+"\n\n")
	if _, err := c.Write(make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	r := newBlockReader(c.answer(t).Body)
	for i := range 5 {
		if b, err := r.next(); err != nil || (b.event == "bellhop.ready") != (i == 0) {
			t.Fatalf("got %q %v", b.text, err)
		}
		h.say(t, resource("prague", "r1", "Dirty"))
	}
	h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
}

// When a server stops running, the streams that it carries end with it, and later
// ones go without a pump.
func TestRunEnds(t *testing.T) {
	h := build(t, func(p *plan) { p.bubble = true }) // it does not run by itself
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	d := dial(t, h.listen(t, nil), "tcp")
	var l *listener
	eventually(t, func() bool { // until it runs, they go without one too
		l = d.events(t, "", bearer(mint(t)))
		l.want(t, "bellhop.ready")
		return closes(l.response) || !pump.Supported
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if pump.Supported {
		if got, err := l.next(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %q %v", got.text, err)
		}
	}
	later := d.events(t, "", bearer(mint(t)))
	later.want(t, "bellhop.ready")
	h.say(t, resource("prague", "r1", "Dirty"))
	later.want(t, "Resource")
}

// A process that has no descriptors left says so.
func TestWithoutPumpIsSaid(t *testing.T) {
	if !pump.Supported {
		t.Skip("there are no pumps on this system")
	}
	var log syncBuffer
	h := build(t, func(p *plan) { p.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	eventually(t, h.Pumping)
	d := dial(t, h.serve(t, h.HTTPServer(h.Public()), unshare), "tcp")
	l := d.events(t, "", bearer(mint(t)))
	l.want(t, "bellhop.ready")
	eventually(t, func() bool { return strings.Contains(log.String(), `err="socket: no descriptors left"`) })
	h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
	l.wantBye(t, "closed")
}

// A syncBuffer is a buffer that may be read while it is written to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
