package web_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// eventually waits until ok, and fails the test where that does not happen.
func eventually(tb testing.TB, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("waited in vain")
		}
	}
}

// A held is a stream that goes straight from the handler to memory.
type held struct {
	mu     sync.Mutex
	bytes  bytes.Buffer
	header http.Header
	cancel context.CancelFunc
	done   chan struct{}
}

// hold opens a stream, which lasts until it is ended or the test is over, and
// waits until it is open.
func (h *house) hold(tb testing.TB, c *call) *held {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &held{header: make(http.Header), cancel: cancel, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, c.method, c.path, nil)
	r.URL.RawQuery, r.Host, r.RemoteAddr, r.Header = c.query, c.host, c.remote, c.header.Clone()
	go func() {
		defer close(s.done)
		h.Public().ServeHTTP(s, r)
	}()
	tb.Cleanup(s.end)
	eventually(tb, func() bool { return s.text() != "" || s.ended() })
	return s
}

// end makes the client go away, and waits for the handler's end.
func (s *held) end() {
	s.cancel()
	<-s.done
}

// ended reports whether the handler has ended.
func (s *held) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *held) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.String()
}

func (s *held) Header() http.Header              { return s.header }
func (s *held) WriteHeader(int)                  {}
func (s *held) FlushError() error                { return nil }
func (s *held) SetWriteDeadline(time.Time) error { return nil }

func (s *held) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.Write(b)
}
