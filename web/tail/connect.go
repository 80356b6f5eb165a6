package tail

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/r3labs/sse/v2"
)

var errSilent = errors.New("the server has gone silent")

// connect opens one connection and delivers what comes by it. It returns when
// that ends: nil for an orderly end.
func (t *tail) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := newWatch(t.silence, func() { cancel(errSilent) })
	defer silence.stop()

	c := sse.NewClient(t.url, sse.ClientMaxBufferSize(maxBlock))
	c.Connection = t.client
	c.Headers = t.header
	c.ReconnectStrategy = never{}
	if t.lastID != "" {
		c.LastEventID.Store([]byte(t.lastID))
	}
	c.ResponseValidator = func(_ *sse.Client, resp *http.Response) error {
		resp.Body = silence.guard(resp.Body)
		if err := t.refusal(resp); err != nil {
			resp.Body.Close() // after a validator's error the client beneath does not
			return err
		}
		t.log.Debug("stream open", "last_event_id", t.lastID)
		resp.Body = newBlocks(resp.Body)
		return nil
	}

	t.attempts++
	err := c.SubscribeRawWithContext(ctx, func(m *sse.Event) {
		if ctx.Err() != nil {
			return // what was read ahead of the end
		}
		if t.failed = t.take(m); t.failed != nil {
			cancel(t.failed)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx) // the client beneath takes it for an orderly end
	}
	return withoutURL(err)
}

// withoutURL strips what net/http says of a request: its query may hold a token.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// never is a backoff that lets the client beneath try once.
type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}

// watch calls back when something it watches takes longer than its limit: the
// way to the response's headers, then each read of the body, but not the time
// in which nobody reads.
type watch struct {
	limit time.Duration
	timer *time.Timer // nil without a limit
}

// newWatch begins to watch at once.
func newWatch(limit time.Duration, expired func()) *watch {
	w := &watch{limit: limit}
	if limit > 0 {
		w.timer = time.AfterFunc(limit, expired)
	}
	return w
}

func (w *watch) start() {
	if w.timer != nil {
		w.timer.Reset(w.limit)
	}
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// guard goes on from the headers to the body.
func (w *watch) guard(body io.ReadCloser) io.ReadCloser { return &watched{body, w} }

type watched struct {
	io.ReadCloser
	watch *watch
}

func (r *watched) Read(p []byte) (int, error) {
	r.watch.start()
	defer r.watch.stop()
	return r.ReadCloser.Read(p)
}

// sameOrigin returns a copy of c, or a client of our own for nil, that follows
// no redirect to another origin: net/http would take the token along to a
// subdomain, another port, or from https to http.
func sameOrigin(c *http.Client) *http.Client {
	own := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	if c != nil {
		own = *c
	}
	next := own.CheckRedirect
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
			return http.ErrUseLastResponse
		}
		if next != nil {
			return next(req, via)
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &own
}
