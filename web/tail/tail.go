// Package tail reads a stream of server-sent events for as long as its caller
// wants it, across cuts, restarts and refusals that pass.
//
// The parsing is that of the client of github.com/r3labs/sse. What that client
// leaves open is closed here: it is given one connection at a time, and of that
// only whole blocks; when to come back, from where, and when not to, is decided
// here, as WHATWG HTML 9.2.3 asks of an EventSource and with more patience,
// since an EventSource takes a 503 for final.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/r3labs/sse/v2"
)

const (
	defaultSilence = time.Minute      // four of a gateway's heartbeats
	firstBackoff   = time.Second      // what the first wait is drawn from
	lastBackoff    = 30 * time.Second // what it is doubled up to
	longestWait    = time.Hour        // whatever a server asks for
)

// Options say what [Run] reads and how. Only URL is required.
type Options struct {
	URL         string        // absolute, http or https
	Token       string        // sent as Authorization: Bearer when not empty
	LastEventID string        // where to begin; empty is wherever the server begins
	Header      http.Header   // sent with every request; Last-Event-ID in it is ignored
	Client      *http.Client  // its CheckRedirect is asked after ours; nil is a client of our own
	Silence     time.Duration // how long the server may say nothing; zero is a minute, negative without limit
	Logger      *slog.Logger  // nil discards
}

// Event is one block of the stream that has data.
type Event struct {
	ID   string // the last id of the stream up to here, which may be an earlier block's
	Name string // the event field; empty where a browser fires onmessage
	Data []byte // the callee's to keep
}

// Run reads the stream and calls deliver for each event, in order, one at a
// time. When the connection ends in whatever way it opens the next one, with
// the id of the last event as Last-Event-ID, so that from a server that resumes
// exactly each event comes once.
//
// Between connections it waits for as long as the server asked, by a
// Retry-After or its latest retry field, an hour at most, and at least for a
// random time: up to a second, doubled with each attempt that brought no event,
// up to half a minute.
//
// It returns nil when ctx ends, a [*RefusedError] for an answer that coming
// back does not change, an error for options that cannot work or a block over
// 16 MiB, and the error of deliver as it is. No error and no log line holds the
// token, or names the URL, whose query may hold one.
//
// A redirect is followed within the URL's origin only. A block whose data is
// empty is no event, and an empty id field changes nothing: the client beneath
// tells neither from a field that is absent.
func Run(ctx context.Context, o Options, deliver func(Event) error) error {
	t, err := newTail(o, deliver)
	if err != nil {
		return err
	}
	if o.Client == nil {
		defer t.client.CloseIdleConnections()
	}
	for {
		err := t.connect(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case t.failed != nil:
			return t.failed
		case final(err):
			return err
		}
		t.pause(ctx, err)
	}
}

// tail is the state between connections.
type tail struct {
	url     string
	token   string
	header  map[string]string
	client  *http.Client
	silence time.Duration
	deliver func(Event) error
	log     *slog.Logger

	lastID   string
	retry    time.Duration // the server's latest wish
	attempts int           // since the last event
	failed   error         // by deliver
}

func newTail(o Options, deliver func(Event) error) (*tail, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("url: want an absolute http or https address")
	}
	if !sendable(o.LastEventID) {
		return nil, errors.New("last event id: holds a control character")
	}
	header, err := headers(o)
	if err != nil {
		return nil, err
	}
	t := &tail{
		url:     o.URL,
		token:   o.Token,
		header:  header,
		client:  sameOrigin(o.Client),
		silence: o.Silence,
		deliver: deliver,
		log:     o.Logger,
		lastID:  o.LastEventID,
	}
	if t.silence == 0 {
		t.silence = defaultSilence
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	return t, nil
}

// headers has one line for each name, all that the client beneath can send. A
// list may be joined (RFC 9110, 5.3).
func headers(o Options) (map[string]string, error) {
	h := make(map[string]string, len(o.Header)+1)
	for name, values := range o.Header {
		h[http.CanonicalHeaderKey(name)] = strings.Join(values, ", ")
	}
	delete(h, "Last-Event-Id")
	if o.Token != "" {
		h["Authorization"] = "Bearer " + o.Token
	}
	for name, value := range h {
		if !sendable(value) {
			return nil, fmt.Errorf("header %s: holds a control character", name)
		}
	}
	return h, nil
}

// sendable reports whether net/http would send v as a header's value. Else
// every request would fail, for ever.
func sendable(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// take records what a block says and delivers it if it is an event.
func (t *tail) take(m *sse.Event) error {
	if ms, err := strconv.ParseUint(string(m.Retry), 10, 32); err == nil {
		t.retry = min(time.Duration(ms)*time.Millisecond, longestWait)
	}
	if len(m.ID) > 0 && sendable(string(m.ID)) {
		t.lastID = string(m.ID)
	}
	if len(m.Data) == 0 {
		return nil
	}
	t.attempts = 0
	return t.deliver(Event{ID: t.lastID, Name: string(m.Event), Data: m.Data})
}

// pause waits before the next connection, or until ctx ends.
func (t *tail) pause(ctx context.Context, cause error) {
	wait := t.wait(cause)
	log := t.log.With("wait", wait, "last_event_id", t.lastID)
	if cause != nil {
		log.Warn("stream broken", "err", t.presentable(cause.Error())) // net/http quotes what the server sent
	} else {
		log.Info("stream ended")
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (t *tail) wait(cause error) time.Duration {
	least := t.retry
	if r, ok := errors.AsType[*RefusedError](cause); ok && r.after > 0 {
		least = r.after
	}
	ceiling := min(firstBackoff<<min(t.attempts, 8), lastBackoff)
	return max(least, rand.N(ceiling))
}
