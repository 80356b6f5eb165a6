package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// start is a Saturday morning in Prague.
var start = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

const goodCookie = "ClientToken=" + simulator.ClientToken + "; AccessToken=" + simulator.AccessToken

func newSimulator(t testing.TB, o simulator.Options) *simulator.Simulator {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = start
	}
	s, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pipes is a network of its own, so that servers and sockets can live in a
// synctest bubble.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// world is a simulator that runs and is served until the test ends.
type world struct {
	*simulator.Simulator
	dialer websocket.Dialer
	client http.Client
	stop   func()
}

func newWorld(t testing.TB, o simulator.Options) *world {
	t.Helper()
	w := &world{Simulator: newSimulator(t, o)}
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	w.dialer.NetDialContext = p.Dial
	w.client.Transport = &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}
	server := &http.Server{Handler: w.Handler()}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(p) })
	wg.Go(func() { w.Run(ctx) })
	w.stop = sync.OnceFunc(func() {
		cancel()
		server.Close()
		wg.Wait()
	})
	t.Cleanup(w.stop)
	return w
}

func (w *world) dial(cookie string) (*websocket.Conn, *http.Response, error) {
	return w.dialer.Dial("ws://mews.test/ws/connector", http.Header{"Cookie": {cookie}})
}

// client is a connected socket whose messages are read as they come.
type client struct {
	*websocket.Conn
	mu       sync.Mutex
	messages []received
	pongs    []string
	err      error
	ended    chan struct{}
}

type received struct {
	at   time.Time
	kind int
	data string
}

// connect returns once all that the hotel has to say is read. It belongs in a
// bubble.
func (w *world) connect(t testing.TB) *client {
	t.Helper()
	conn, _, err := w.dial(goodCookie)
	if err != nil {
		t.Fatal(err)
	}
	c := listen(t, conn)
	synctest.Wait()
	return c
}

func listen(t testing.TB, conn *websocket.Conn) *client {
	c := &client{Conn: conn, ended: make(chan struct{})}
	conn.SetPongHandler(func(data string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pongs = append(c.pongs, data)
		return nil
	})
	go c.read()
	t.Cleanup(func() { conn.Close(); <-c.ended })
	return c
}

func (c *client) read() {
	defer close(c.ended)
	for {
		kind, data, err := c.ReadMessage()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			return
		}
		c.messages = append(c.messages, received{time.Now(), kind, string(data)})
		c.mu.Unlock()
	}
}

func (c *client) received() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

func (c *client) got() []string {
	var texts []string
	for _, m := range c.received() {
		texts = append(texts, m.data)
	}
	return texts
}

func (c *client) gotPongs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pongs)
}

// closeCode is the code that ended the socket, 0 while it is open, and 1006
// where it ended without one.
func (c *client) closeCode() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return 0
	}
	if e, ok := errors.AsType[*websocket.CloseError](c.err); ok {
		return e.Code
	}
	return websocket.CloseAbnormalClosure
}

// told are the events that a hotel's frames would hold when nothing is wrong.
func told(events []simulator.Event) []string {
	var frames []string
	var b bytes.Buffer
	for i, e := range events {
		if i == 0 || e.Frame != events[i-1].Frame {
			b.Reset()
			b.WriteString(`{"Events":[`)
		} else {
			b.WriteByte(',')
		}
		b.Write(e.Body)
		if i == len(events)-1 || e.Frame != events[i+1].Frame {
			b.WriteString("]}")
			frames = append(frames, b.String())
		}
	}
	return frames
}

func bodies(events []simulator.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, string(e.Body))
	}
	return out
}

// wire is an event as a client reads it.
type wire struct {
	Type, Id, State    string
	StartUtc, EndUtc   *time.Time
	AssignedResourceId *string
	RateId             *string
	ResourceCategoryId *string
}

func decode(t interface{ Fatalf(string, ...any) }, body []byte) wire {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		t.Fatalf("event %s: %v", body, err)
	}
	return w
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
