package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A block is what stands between two blank lines of a stream.
type block struct {
	id    string // of this block; empty where it has none
	name  string // of the event field
	data  string
	retry string
	at    time.Time // when it was read
}

// wait is what the retry field tells a client to wait.
func (b block) wait() time.Duration {
	ms, _ := strconv.Atoi(b.retry)
	return time.Duration(ms) * time.Millisecond
}

func (b block) String() string {
	return fmt.Sprintf("[%s] %s %s", b.id, b.name, b.data[:min(len(b.data), 200)])
}

// decode reads the block's data.
func (b block) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.data), into); err != nil {
		t.Fatalf("data of %v: %v", b, err)
	}
}

// An event is what the data of an upstream event holds.
type event struct {
	Source, Type, ID, Origin string
	Received                 time.Time
	Event, Entity            json.RawMessage
}

func (b block) event(t testing.TB) event {
	t.Helper()
	var e event
	b.decode(t, &e)
	return e
}

// control reports a block that the gateway made.
func (b block) control() bool { return strings.HasPrefix(b.name, "bellhop.") }

// readBlocks parses an event stream as WHATWG HTML 9.2.6 says and calls f with
// each block. It returns what ended the stream, nil for its proper end; a block
// that was not ended by a blank line is dropped. Beyond the grammar it holds the
// stream to what it promises: LF alone, no BOM, one line of data and no more in
// every block, ids of ASCII, no comment, no unknown field.
func readBlocks(r io.Reader, f func(block) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var b block
	var data []string
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line = line[:len(line)-1]
		if strings.ContainsAny(line, "\r\x00") || first && strings.HasPrefix(line, "\ufeff") {
			return fmt.Errorf("%w: %.200q", errWire, line)
		}
		field, value, colon := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if len(data) != 1 {
				return fmt.Errorf("%w: a block with %d lines of data", errWire, len(data))
			}
			b.data, b.at = data[0], time.Now()
			if err := f(b); err != nil {
				return err
			}
			b, data = block{}, nil
		case !colon || field == "" || value == "":
			return fmt.Errorf("%w: %.200q", errWire, line)
		case field == "event":
			b.name = value
		case field == "data":
			data = append(data, value)
		case field == "id":
			if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return fmt.Errorf("%w: %.200q", errWire, line)
			}
			b.id = value
		case field == "retry" && strings.Trim(value, "0123456789") == "":
			b.retry = value
		default:
			return fmt.Errorf("%w: %.200q", errWire, line)
		}
	}
}

// errWire is a stream that is not as streams are promised to be.
var errWire = errors.New("broken stream")

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
