package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
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

// A path is a way in which blocks reach a client.
type path struct {
	name   string
	open   func(t *testing.T, h *house) door
	pumped bool
	told   func(*http.Response) bool // by what a response shows that it came this way
}

// closes tells the response of a connection that was taken over.
func closes(r *http.Response) bool { return r.Close && len(r.TransferEncoding) == 0 }

func paths() []path {
	return []path{
		{name: "pump", pumped: true, told: closes, open: func(t *testing.T, h *house) door {
			return dial(t, h.listen(t, nil), "tcp")
		}},
		{name: "pump on a unix socket", pumped: true, told: closes, open: func(t *testing.T, h *house) door {
			file := filepath.Join(t.TempDir(), "bellhop.sock")
			l, err := h.Listen(t.Context(), web.Listen{Public: "unix:" + file})
			if err != nil {
				t.Fatal(err)
			}
			during(t, l.Run)
			return dial(t, file, "unix")
		}},
		{name: "without a pump", told: closes, open: func(t *testing.T, h *house) door {
			return dial(t, h.serve(t, func(s *http.Server, c net.Conn) net.Conn { return unshared{c.(*net.TCPConn)} }), "tcp")
		}},
		{name: "HTTP/1.1", told: func(r *http.Response) bool { return !r.Close && len(r.TransferEncoding) == 1 },
			open: func(t *testing.T, h *house) door {
				return dial(t, h.serve(t, func(s *http.Server, c net.Conn) net.Conn {
					s.ConnContext = nil
					return c
				}), "tcp")
			}},
		{name: "HTTP/2", told: func(r *http.Response) bool { return r.ProtoMajor == 2 }, open: func(t *testing.T, h *house) door {
			server, client := certificate()
			transport := &http.Transport{TLSClientConfig: client.Clone(), Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP2(true)
			t.Cleanup(transport.CloseIdleConnections)
			return door{"https://" + h.listen(t, server.Clone()), &http.Client{Transport: transport}}
		}},
	}
}

// dial returns the door to a listener.
func dial(t *testing.T, address, network string) door {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return door{"http://localhost", &http.Client{Transport: transport}}
}

// unshared is a connection whose socket cannot be had, as when a process has no
// descriptors left.
type unshared struct{ *net.TCPConn }

func (unshared) SyscallConn() (syscall.RawConn, error) { return nil, errors.New("no descriptors left") }

// A changing listener changes the connections that it accepts.
type changing struct {
	net.Listener
	change func(net.Conn) net.Conn
}

func (l changing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.change(c), nil
}

// serve serves the public routes by a server and connections that are changed,
// and returns its address.
func (h *house) serve(t *testing.T, change func(*http.Server, net.Conn) net.Conn) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := h.HTTPServer(h.Public())
	change(s, new(net.TCPConn)) // what it changes of the server
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(changing{l, func(c net.Conn) net.Conn { return change(new(http.Server), c) }}) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// onPaths runs f for each path. Each stream's response is held against the path
// that it should have come by.
func onPaths(t *testing.T, f func(t *testing.T, p path, h *house, open func(token string, headers ...string) *listener), changes ...func(*plan)) {
	for _, p := range paths() {
		if p.pumped && !pump.Supported {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, append(changes, func(p *plan) { p.Logger = slog.New(slog.DiscardHandler) })...)
			t.Cleanup(func() { // some would notice only by the next heartbeat that their client has gone
				h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
				eventually(t, func() bool { return h.Streams() == 0 })
			})
			d := p.open(t, h)
			f(t, p, h, func(token string, headers ...string) *listener {
				t.Helper()
				l := d.events(t, "", append(headers, bearer(token))...)
				if l.response.StatusCode != 200 || !p.told(l.response) {
					t.Fatalf("got %v", l.response)
				}
				wantStreamHeaders(t, l.response.Header)
				return l
			})
		})
	}
}

// rest reads to the end.
func (l *listener) rest(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for {
		b, err := l.next()
		if errors.Is(err, io.EOF) && b.text == "" {
			return text.String()
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", text.Len(), err)
		}
		text.WriteString(b.text)
	}
}

// own is what differs from stream to stream.
var own = regexp.MustCompile(`retry: \d+|"stream":"[^"]*"|"(now|since|received|expires)":"[^"]*"`)

// The same story is told on every path to the same bytes, and counted alike.
func TestPathsTellTheSame(t *testing.T) {
	var mu sync.Mutex
	told := make(map[string]string)
	t.Run("on", func(t *testing.T) {
		onPaths(t, func(t *testing.T, p path, h *house, open func(string, ...string) *listener) {
			token := mint(t)
			first := open(token)
			ready := first.want(t, "bellhop.ready").text
			h.say(t, resource("prague", "r1", "Dirty"), resource("prague", "r2", "Clean"), resource("brno", "r3", "Dirty"))
			h.say(t, event("prague", "Big", "b", `{"Note":"`+strings.Repeat("x", 1<<20-100)+`"}`))
			for range 4 {
				ready += first.next1(t).text
			}
			second := open(mint(t), "Last-Event-ID: e1.1")
			resumed := second.want(t, "bellhop.ready").text
			for range 3 {
				resumed += second.next1(t).text
			}
			for i := range 100 {
				h.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
			}
			h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonClosed})
			for range 101 {
				ready += first.next1(t).text
				resumed += second.next1(t).text
			}
			revoked, err := h.verifier.Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.verifier.Revoke(t.Context(), revoked); err != nil {
				t.Fatal(err)
			}
			ready += first.rest(t)
			h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
			resumed += second.rest(t)
			eventually(t, func() bool { return h.metric(t, "bellhop_streams") == "0" })
			for series, want := range map[string]float64{
				"bellhop_deliveries_total":                       4 + 2*100,
				"bellhop_stream_bytes_total":                     float64(len(ready) + len(resumed)),
				`bellhop_streams_ended_total{reason="revoked"}`:  1,
				`bellhop_streams_ended_total{reason="closed"}`:   1,
				`bellhop_streams_ended_total{reason="gone"}`:     0,
				`bellhop_delivery_seconds_bucket{le="+Inf"}`:     -1,
				`bellhop_streams_ended_total{reason="shutdown"}`: 0,
			} {
				if got, err := strconv.ParseFloat(h.metric(t, series), 64); err != nil || want >= 0 && got != want || want < 0 && got == 0 {
					t.Errorf("%s: got %v %v, want %v", series, got, err, want)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			told[p.name] = own.ReplaceAllString(ready+"\x00"+resumed, "$1")
		})
	})
	for name, got := range told {
		if want := told["HTTP/1.1"]; got != want {
			t.Errorf("%s told %d bytes, HTTP/1.1 %d: %s", name, len(got), len(want), firstDifference(got, want))
		}
	}
}

// next1 reads a block, which must be there.
func (l *listener) next1(t *testing.T) block {
	t.Helper()
	b, err := l.next()
	if err != nil {
		t.Fatalf("%.200q: %v", b.text, err)
	}
	return b
}

func firstDifference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%.100q and %.100q", a[i:], b[i:])
}

func TestPathsHeartbeat(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		l := open(mint(t))
		l.want(t, "bellhop.ready")
		for _, want := range []string{"e1.0", "e1.0"} {
			if b := l.want(t, "bellhop.heartbeat"); b.id != want {
				t.Errorf("a heartbeat at %s, want %s", b.id, want)
			}
		}
		h.say(t, resource("prague", "r1", "Dirty"))
		for b := l.next1(t); b.event != "Resource"; b = l.next1(t) {
			if b.event != "bellhop.heartbeat" || b.id != "e1.0" {
				t.Fatalf("before the event: %q", b.text)
			}
		}
		if b := l.want(t, "bellhop.heartbeat"); b.id != "e1.1" {
			t.Errorf("a heartbeat at %s, want e1.1", b.id)
		}
	}, func(p *plan) { p.Stream.Heartbeat = 30 * time.Millisecond })
}

// A token that is past its exp is good for the leeway, with a warning at once.
func TestPathsExpiry(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		l := open(mint(t, lasting(-27*time.Second)))
		l.want(t, "bellhop.ready")
		l.want(t, "bellhop.expiring")
		h.say(t, resource("prague", "r1", "Dirty"))
		l.want(t, "Resource")
		l.wantBye(t, "expired")
	})
}

// A stream that has to end while it is still given what it missed says so.
func TestPathsEndWhileReplaying(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		const events, size = 200, 64 << 10
		for i := range events {
			h.say(t, event("prague", "Big", fmt.Sprint(i), `{"Note":"`+strings.Repeat("x", size)+`"}`))
		}
		eventually(t, func() bool { return h.hub.Head() == events })
		token := mint(t)
		l := open(token, "Last-Event-ID: e1.0")
		l.want(t, "bellhop.ready")
		revoked, err := h.verifier.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.verifier.Revoke(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		for i := 1; ; i++ {
			b := l.next1(t)
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
		eventually(t, func() bool { return h.metric(t, `bellhop_streams_ended_total{reason="revoked"}`) == "1" })
	})
}

// A stream that always has something to take ends with its token all the same.
func TestPathsExpiryOfTricklingReader(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		l := open(mint(t, lasting(-27*time.Second)))
		l.want(t, "bellhop.ready")
		l.want(t, "bellhop.expiring")
		object := `{"Note":"` + strings.Repeat("x", 64<<10) + `"}`
		for range 1000 {
			h.say(t, event("prague", "Big", "b", object))
		}
		for i := 1; ; i++ {
			b := l.next1(t)
			if b.event == "bellhop.bye" {
				if b.data != `{"reason":"expired"}` {
					t.Error(b.data)
				}
				return
			}
			if b.id != fmt.Sprint("e1.", i) {
				t.Fatalf("event %d is %s", i, b.id)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestPathsDrain(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		var listeners []*listener
		for i := range 5 {
			l := open(mint(t))
			l.want(t, "bellhop.ready")
			if i > 0 {
				listeners = append(listeners, l) // the first does not even close
			}
		}
		h.say(t, resource("prague", "r1", "Dirty"))
		for _, l := range listeners {
			l.want(t, "Resource")
		}
		h.Drain(t.Context())
		if h.Streams() != 0 {
			t.Errorf("%d streams after the draining", h.Streams())
		}
		for _, l := range listeners {
			if b := l.wantBye(t, "shutdown"); b.retry == "" {
				t.Errorf("bye without a retry: %q", b.text)
			}
		}
		if got := h.metric(t, `bellhop_streams_ended_total{reason="shutdown"}`); got != "5" {
			t.Errorf("%s streams ended by shutdown", got)
		}
	}, func(p *plan) { p.Drain = web.Drain{} })
}

// A stream whose past cannot be read is answered all the same, and ends.
func TestPathsLogFails(t *testing.T) {
	onPaths(t, func(t *testing.T, _ path, h *house, open func(string, ...string) *listener) {
		h.log.fail(gateway.ErrClosed)
		l := open(mint(t), "Last-Event-ID: e1.0")
		l.want(t, "bellhop.ready")
		h.say(t, resource("prague", "r1", "Dirty"))
		l.want(t, "Resource") // nothing of it is needed
	})
}

// What a client has sent behind its request, or says later, is no request.
func TestTakenOverConnection(t *testing.T) {
	if !pump.Supported {
		t.Skip("there are no pumps on this system")
	}
	h := build(t)
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
	d := dial(t, h.serve(t, func(_ *http.Server, c net.Conn) net.Conn { return unshared{c.(*net.TCPConn)} }), "tcp")
	d.events(t, "", bearer(mint(t))).want(t, "bellhop.ready")
	eventually(t, func() bool { return strings.Contains(log.String(), `err="socket: no descriptors left"`) })
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
