package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A listener is a client of /events over one connection after another, and
// remembers every block.
type listener struct {
	t      testing.TB
	client *http.Client
	url    string
	header http.Header // sent with every request; the token's is in it
	slow   bool        // it reads a megabyte a second

	mu      sync.Mutex
	blocks  []block       // of all connections
	last    string        // id of the last block that had one
	news    chan struct{} // closed when something below or above changes
	open    bool          // the connection's body is being read
	status  int           // of the last answer
	answer  http.Header   // the same's
	body    string        // the same's, where it was no stream
	cause   error         // why the last connection ended; nil for a proper end
	stop    context.CancelFunc
	stopped sync.WaitGroup

	kept bool // it reconnects by itself
	seen int  // blocks that await has passed
}

// newListener returns a listener that has not connected. The query is raw.
func (g *gateway) newListener(t testing.TB, token, query string) *listener {
	l := &listener{t: t, client: g.client(), url: g.url + "/events", header: http.Header{}, news: make(chan struct{})}
	if query != "" {
		l.url += "?" + query
	}
	if token != "" {
		l.header.Set("Authorization", "Bearer "+token)
	}
	t.Cleanup(l.drop)
	return l
}

// listen connects a new listener and waits for its bellhop.ready.
func (g *gateway) listen(t testing.TB, token, query string) *listener {
	t.Helper()
	l := g.newListener(t, token, query)
	l.connect()
	return l
}

// connect opens a connection that goes on from the last id, where there is one,
// and waits for bellhop.ready, which it returns.
func (l *listener) connect() block {
	l.t.Helper()
	l.dial(0)
	return l.await("bellhop.ready")
}

// dial opens a connection and returns once there is an answer, or none. With a
// limit the client breaks it off after so many bytes of the stream.
func (l *listener) dial(limit int64) {
	l.drop()
	ctx, stop := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		panic(err)
	}
	request.Header = l.header.Clone()
	l.mu.Lock()
	l.stop, l.status, l.answer, l.body, l.cause = stop, 0, nil, "", nil
	if l.last != "" {
		request.Header.Set("Last-Event-ID", l.last)
	}
	l.mu.Unlock()
	response, err := l.client.Do(request)
	l.change(func() {
		if l.cause = err; err != nil {
			return
		}
		l.status, l.answer = response.StatusCode, response.Header
		if l.open = response.StatusCode == http.StatusOK; !l.open {
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			l.body = string(body)
			return
		}
		l.stopped.Go(func() { l.read(response.Body, limit) })
	})
}

func (l *listener) read(body io.ReadCloser, limit int64) {
	defer body.Close()
	var stream io.Reader = body
	if limit > 0 {
		stream = io.LimitReader(body, limit)
	}
	if l.slow {
		stream = slowReader{body}
	}
	err := readBlocks(stream, func(b block) error {
		l.change(func() {
			l.blocks = append(l.blocks, b)
			if b.id != "" {
				l.last = b.id
			}
		})
		return nil
	})
	if errors.Is(err, errWire) {
		l.t.Error(err)
	}
	l.change(func() { l.open, l.cause = false, err })
}

// A slowReader takes a kilobyte a millisecond.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.r.Read(b[:min(len(b), 1<<10)])
}

// change changes what mu guards and says so.
func (l *listener) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.news)
	l.news = make(chan struct{})
}

// drop breaks the connection off. Resume by connect.
func (l *listener) drop() {
	l.mu.Lock()
	stop := l.stop
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	l.stopped.Wait()
}

// keep makes the listener, which is connected, come back by itself whenever its
// connection ends, until the test ends.
func (l *listener) keep() {
	l.kept = true
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			l.mu.Lock()
			open, news := l.open, l.news
			l.mu.Unlock()
			if open {
				select {
				case <-news:
				case <-quit:
					return
				}
				continue
			}
			select {
			case <-time.After(20 * time.Millisecond): // a refused connection costs the machine, too
			case <-quit:
				return
			}
			l.dial(0)
		}
	}()
	l.t.Cleanup(func() {
		close(quit)
		<-done
		l.drop()
	})
}

// cut breaks the connection off, and waits for nothing.
func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		l.stop()
	}
}

// match waits for the next block for which ok is true, passing over others.
// It fails the test when the connection ends first.
func (l *listener) match(what string, ok func(block) bool) block {
	l.t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		for l.seen < len(l.blocks) {
			b := l.blocks[l.seen]
			l.seen++
			if ok(b) {
				l.mu.Unlock()
				return b
			}
		}
		open, news := l.open, l.news
		l.mu.Unlock()
		if !open && !l.kept {
			l.t.Fatalf("waited for %s: the stream ended\n%s", what, l)
		}
		select {
		case <-news:
		case <-deadline:
			l.t.Fatalf("waited in vain for %s\n%s", what, l)
		}
	}
}

// await waits for the next block of this name.
func (l *listener) await(name string) block {
	l.t.Helper()
	return l.match(name, func(b block) bool { return b.name == name })
}

// awaitID waits for the next event of the entity.
func (l *listener) awaitID(id string) block {
	l.t.Helper()
	return l.match("the event of "+id, func(b block) bool {
		return strings.Contains(b.data, id) && !b.control() && b.event(l.t).ID == id
	})
}

// awaitPosition waits until the stream has been given everything up to the
// position, by an event that it shows or else a heartbeat.
func (l *listener) awaitPosition(id string) {
	l.t.Helper()
	l.match("position "+id, func(b block) bool { return b.id == id && b.name != "bellhop.ready" })
}

// resumeAt makes the next connection go on from a position.
func (l *listener) resumeAt(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = id
}

// awaitSource waits for the source to be said to be in the state, and returns
// what was said.
func (l *listener) awaitSource(name, state string) (s sourceStatus) {
	l.t.Helper()
	l.match(name+" "+state, func(b block) bool {
		if b.name != "bellhop.source" {
			return false
		}
		s = sourceStatus{}
		b.decode(l.t, &s)
		return s.Source == name && s.State == state
	})
	return s
}

// awaitBye waits for bellhop.bye with the reason and for the stream's end, and
// returns the block.
func (l *listener) awaitBye(reason string) block {
	l.t.Helper()
	b := l.await("bellhop.bye")
	if want := `{"reason":"` + reason + `"}`; b.data != want {
		l.t.Errorf("bye %s, want %s", b.data, want)
	}
	if err := l.awaitEnd(); err != nil {
		l.t.Errorf("the stream ended with %v, want its proper end", err)
	}
	return b
}

// awaitEnd waits for the connection's end and returns its cause.
func (l *listener) awaitEnd() error {
	l.t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		open, cause, news := l.open, l.cause, l.news
		l.mu.Unlock()
		if !open {
			return cause
		}
		select {
		case <-news:
		case <-deadline:
			l.t.Fatalf("the stream does not end\n%s", l)
		}
	}
}

// all returns all blocks so far.
func (l *listener) all() []block {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.blocks)
}

// logged returns the blocks so far that the log has a place for: upstream
// events, bellhop.gap and bellhop.left.
func (l *listener) logged() []block {
	return slices.DeleteFunc(l.all(), func(b block) bool {
		return b.control() && b.name != "bellhop.gap" && b.name != "bellhop.left"
	})
}

// lastID is the id to resume by.
func (l *listener) lastID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// String shows the end of what came.
func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "%s: status %d, open %v, cause %v, %d blocks %s\n", l.url, l.status, l.open, l.cause, len(l.blocks), l.body)
	for _, b := range l.blocks[max(0, len(l.blocks)-20):] {
		fmt.Fprintln(&s, b)
	}
	return s.String()
}
