package mews_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway/mews"
)

const (
	clientToken = "C0FFEE11-CLIENT"
	accessToken = "ACCE5500-PRAGUE"
)

// upstream is the other side of a source in a bubble: every dial gives one end
// of a pipe, without buffers, to the test.
type upstream struct{ dials chan net.Conn }

func newUpstream() *upstream { return &upstream{make(chan net.Conn)} }

func (u *upstream) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case u.dials <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// accept waits for a dial, upgrades it and reads. The peer answers pings until
// it is told otherwise.
func (u *upstream) accept(t testing.TB) *peer {
	t.Helper()
	p := u.upgrade(t)
	go p.read()
	return p
}

// upgrade is accept without the reading.
func (u *upstream) upgrade(t testing.TB) *peer {
	t.Helper()
	c := <-u.dials
	r := bufio.NewReader(c)
	request, err := http.ReadRequest(r)
	if err != nil {
		t.Fatalf("read request: %v", err)
	}
	upgrader := websocket.Upgrader{}
	socket, err := upgrader.Upgrade(&hijacker{conn: c, buf: bufio.NewReadWriter(r, bufio.NewWriter(c))}, request, nil)
	if err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	p := &peer{t: t, socket: socket, ended: make(chan struct{})}
	socket.SetPingHandler(func(payload string) error {
		p.pings.Add(1)
		if !p.mute.Load() {
			// Not in the reader, which a client that does not read would stop.
			go socket.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Hour))
		}
		return nil
	})
	socket.SetPongHandler(func(payload string) error { p.pongs.Add(1); return nil })
	return p
}

type hijacker struct {
	http.ResponseWriter
	conn net.Conn
	buf  *bufio.ReadWriter
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, h.buf, nil }

// peer is the upstream's end of an open socket.
type peer struct {
	t            testing.TB
	socket       *websocket.Conn
	mute         atomic.Bool // no answers to pings
	pings, pongs atomic.Int64
	end          error // valid once ended is closed
	ended        chan struct{}
}

// lastWords waits for the end and returns what the peer met there.
func (p *peer) lastWords() string {
	<-p.ended
	return p.end.Error()
}

func (p *peer) read() {
	defer close(p.ended)
	for p.end == nil {
		_, _, p.end = p.socket.ReadMessage()
	}
	p.socket.NetConn().Close()
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.socket.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

func (p *peer) close(code int) {
	if code != websocket.CloseAbnormalClosure {
		p.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "said by "+accessToken), time.Now().Add(time.Second))
	}
	p.socket.NetConn().Close()
	<-p.ended
}

func frameOf(events ...string) string { return `{"Events":[` + strings.Join(events, ",") + `]}` }

func room(id string) string {
	return fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":"Dirty"}`, id)
}

// bubble is a source that runs in a synctest bubble.
type bubble struct {
	*upstream
	stop func() error // ends Run and returns what it returned
	log  *bytes.Buffer
}

// run calls f in a bubble in which a source with a keepalive of 20 s runs into
// to.
func run(t *testing.T, to *sink, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, to, "prague")
		defer b.stop()
		f(t, b)
		b.stop()
		if log := b.log.String(); strings.Contains(log, clientToken) || strings.Contains(log, accessToken) {
			t.Errorf("a token is in the log:\n%s", log)
		}
	})
}

func start(t *testing.T, to *sink, name string) *bubble {
	t.Helper()
	return startWith(t, to, name, nil)
}

func startWith(t *testing.T, to *sink, name string, metrics *mews.Metrics) *bubble {
	t.Helper()
	b := &bubble{upstream: newUpstream(), log: new(bytes.Buffer)}
	s, err := mews.NewSource(mews.Options{
		Name: name, Socket: "ws://mews.test", ClientToken: clientToken, AccessToken: accessToken,
		Dial: b.dial, Logger: slog.New(slog.NewTextHandler(b.log, nil)), Metrics: metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = s.Run(ctx, to)
	}()
	b.stop = func() error {
		cancel()
		<-done
		return result
	}
	return b
}

// settle lets d pass and everything that is to happen in it happen.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// epoch is when every bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// seconds is the time since a bubble's beginning.
func seconds(at time.Time) float64 { return at.Sub(epoch).Seconds() }

// answer waits for a dial and answers it with raw bytes. It returns the request
// and when the dial came, and waits until the client has hung up.
func (u *upstream) answer(t testing.TB, write func(w io.Writer)) (*http.Request, time.Time) {
	t.Helper()
	c := <-u.dials
	at := time.Now()
	defer c.Close()
	request, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		t.Fatalf("read request: %v", err)
	}
	write(c)
	io.Copy(io.Discard, c)
	return request, at
}
