package tail_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"bellhop/web/tail"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a server on a network that exists in memory only, so that it and its
// clients can live in a synctest bubble.
type host struct {
	client *http.Client
	refuse atomic.Int32 // so many connections
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// serve starts a host for the rest of the test.
func serve(t testing.TB, handler http.HandlerFunc) *host {
	h := &host{conns: make(chan net.Conn), closed: make(chan struct{})}
	// A connection used again would have net/http repeat a request by itself.
	transport := &http.Transport{DialContext: h.dial, DisableKeepAlives: true}
	h.client = &http.Client{Transport: transport}
	srv := httptest.NewUnstartedServer(handler)
	srv.Listener.Close()
	srv.Listener = h
	srv.Start()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
	})
	return h
}

func (h *host) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if h.refuse.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	select {
	case h.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *host) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

const address = "http://gateway.example/events"

// options read the host's stream.
func (h *host) options() tail.Options {
	return tail.Options{URL: address, Client: h.client}
}

var errEnough = errors.New("enough")

// collect runs a tail until it has n events, or ends.
func collect(t testing.TB, o tail.Options, n int) ([]tail.Event, error) {
	var got []tail.Event
	err := tail.Run(t.Context(), o, func(ev tail.Event) error {
		got = append(got, ev)
		if len(got) == n {
			return errEnough
		}
		return nil
	})
	return got, err
}

// begin answers with the headers of a stream.
func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	flush(w)
}

// write sends s at once.
func write(w http.ResponseWriter, s string) {
	if _, err := w.Write([]byte(s)); err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	flush(w)
}

func flush(w http.ResponseWriter) { http.NewResponseController(w).Flush() }

// cut ends the response in the middle, as a broken connection does.
func cut() { panic(http.ErrAbortHandler) }
