package web_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/web"
)

// A door is a way to the public listener, over real sockets.
type door struct {
	url    string
	client *http.Client
}

// certificate is one for 127.0.0.1, and who trusts it.
var certificate = sync.OnceValues(func() (*tls.Config, *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
})

// listen opens the house's public listener and returns its address.
func (h *house) listen(tb testing.TB, config *tls.Config) string {
	tb.Helper()
	l, err := h.Listen(tb.Context(), web.Listen{Public: "127.0.0.1:0", TLS: config})
	if err != nil {
		tb.Fatal(err)
	}
	during(tb, l.Run)
	return l.Public().String()
}

// throughDoors runs f for each way in: plain HTTP/1.1, HTTP/1.1 and HTTP/2 over
// TLS.
func throughDoors(t *testing.T, f func(t *testing.T, h *house, d door), changes ...func(*plan)) {
	server, client := certificate()
	for name, protocols := range map[string]func(*http.Protocols){
		"plain": nil,
		"tls":   func(p *http.Protocols) { p.SetHTTP1(true) },
		"h2":    func(p *http.Protocols) { p.SetHTTP2(true) },
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, changes...)
			transport := new(http.Transport)
			d := door{client: &http.Client{Transport: transport}}
			if protocols == nil {
				d.url = "http://" + h.listen(t, nil)
			} else {
				d.url = "https://" + h.listen(t, server.Clone())
				transport.TLSClientConfig, transport.Protocols = client.Clone(), new(http.Protocols)
				protocols(transport.Protocols)
			}
			t.Cleanup(transport.CloseIdleConnections)
			f(t, h, d)
		})
	}
}

// A listener is an open stream.
type listener struct {
	*blockReader
	response *http.Response
	hangUp   context.CancelFunc
}

// events opens a stream, which ends with the test.
func (d door) events(tb testing.TB, query string, headers ...string) *listener {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", d.url+"/events?"+query, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header = get("", headers...).header
	response, err := d.client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { response.Body.Close() })
	return &listener{newBlockReader(response.Body), response, cancel}
}

// want reads the next block, which must be of this event.
func (l *listener) want(tb testing.TB, event string) block {
	tb.Helper()
	b, err := l.next()
	if err != nil || b.event != event {
		tb.Fatalf("got %q %v, want %s", b.text, err, event)
	}
	return b
}

func (l *listener) wantBye(tb testing.TB, reason string) block {
	tb.Helper()
	b := l.want(tb, "bellhop.bye")
	if b.data != fmt.Sprintf(`{"reason":%q}`, reason) {
		tb.Fatalf("bye with %s, want %s", b.data, reason)
	}
	if after, err := l.next(); !errors.Is(err, io.EOF) || after.text != "" {
		tb.Fatalf("after the bye: %q %v", after.text, err)
	}
	return b
}

func TestStream(t *testing.T) {
	throughDoors(t, func(t *testing.T, h *house, d door) {
		l := d.events(t, "type=Resource", bearer(mint(t)))
		if l.response.StatusCode != 200 || l.response.ContentLength != -1 {
			t.Fatalf("got %v", l.response)
		}
		wantStreamHeaders(t, l.response.Header)
		ready := l.want(t, "bellhop.ready") // at once, though nothing was said yet
		if ready.id != "e1.0" || ready.retry == "" {
			t.Errorf("ready: %q", ready.text)
		}
		for i := range 100 {
			h.say(t, resource("prague", fmt.Sprint("r", i), "Dirty"), event("prague", "Reservation", "v", `{}`))
		}
		for i := range 100 {
			if b := l.want(t, "Resource"); !strings.Contains(b.data, fmt.Sprintf(`"id":"r%d"`, i)) || b.id != fmt.Sprint("e1.", 2*i+1) {
				t.Fatalf("event %d is %q", i, b.text)
			}
		}
		again := d.events(t, "type=Resource", bearer(mint(t)), "Last-Event-ID: e1.197")
		if b := again.want(t, "bellhop.ready"); b.id != "e1.197" || !strings.Contains(b.data, `"resumed":true`) {
			t.Errorf("resumed: %q", b.text)
		}
		if b := again.want(t, "Resource"); b.id != "e1.199" {
			t.Errorf("resumed: %q", b.text)
		}
		h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
		l.wantBye(t, "closed")
		again.wantBye(t, "closed")
		eventually(t, func() bool { return h.metric(t, "bellhop_streams") == "0" })
	})
}

// TestClientGone wants everything back from clients that go without a word; what
// runs on is found by the leak check.
func TestClientGone(t *testing.T) {
	throughDoors(t, func(t *testing.T, h *house, d door) {
		for range 20 {
			l := d.events(t, "", bearer(mint(t)))
			l.want(t, "bellhop.ready")
			l.hangUp()
		}
		eventually(t, func() bool { return h.Streams() == 0 && h.metric(t, "bellhop_streams") == "0" })
		if got := h.metric(t, `bellhop_streams_ended_total{reason="gone"}`); got != "20" {
			t.Errorf("gone: %s", got)
		}
	})
}

// TestSlowReader lets one client of three read nothing. It is cut; the others
// get everything.
func TestSlowReader(t *testing.T) {
	for name, change := range map[string]func(*plan){
		"by its lag":    func(p *plan) { p.Stream.MaxLag, p.Stream.WriteTimeout = 50, time.Hour },
		"by write time": func(p *plan) { p.Stream.WriteTimeout = 2 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			throughDoors(t, func(t *testing.T, h *house, d door) {
				const events, size = 300, 20 << 10
				slow := d.events(t, "", bearer(mint(t, subjectOf("slow"))))
				slow.want(t, "bellhop.ready")
				var readers sync.WaitGroup
				took := make(chan struct{}, 2*events)
				for range 2 {
					l := d.events(t, "", bearer(mint(t)))
					readers.Go(func() {
						l.want(t, "bellhop.ready")
						for i := range events {
							b, err := l.next()
							if err == nil && b.id != fmt.Sprint("e1.", i+1) || err != nil && !t.Failed() {
								t.Errorf("event %d: %.80q %v", i, b.text, err)
							}
							took <- struct{}{} // also of what went wrong: nobody waits for ever
						}
					})
				}
				object := `{"Note":"` + strings.Repeat("x", size) + `"}`
				for range events {
					h.say(t, event("prague", "Big", "b", object))
					<-took // the readers are as fast as what is said
					<-took
				}
				readers.Wait()
				eventually(t, func() bool { return h.Streams() == 2 })
				eventually(t, func() bool {
					return h.metric(t, `bellhop_streams_ended_total{reason="cut"}`) == "1" || h.metric(t, `bellhop_streams_ended_total{reason="slow"}`) == "1"
				})
				for _, s := range h.streams(t) {
					if s.Sub == "slow" {
						t.Errorf("still open: %+v", s)
					}
				}
			}, change)
		})
	}
}

// TestLagIsAllowedUntilLive resumes far behind: what is replayed is no lag.
func TestLagIsAllowedUntilLive(t *testing.T) {
	throughDoors(t, func(t *testing.T, h *house, d door) {
		for i := range 500 {
			h.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
		}
		l := d.events(t, "last_event_id=e1.0", bearer(mint(t)))
		l.want(t, "bellhop.ready")
		for range 500 {
			l.want(t, "Resource")
		}
	}, func(p *plan) { p.Stream.MaxLag = 10 })
}

// TestRevokedWhileOpening revokes a token between its verification and the moment
// from which those who end streams can find this one. Nobody looks for it here.
func TestRevokedWhileOpening(t *testing.T) {
	h := build(t, func(p *plan) { p.unwatched = true })
	raw := mint(t)
	token, err := h.verifier.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	unlock := sync.OnceFunc(h.LockRegistry())
	defer unlock() // whatever fails: the handler waits for it
	opened := make(chan *held)
	go func() { opened <- h.hold(t, get("/events", bearer(raw))) }()
	eventually(t, func() bool { return h.metric(t, `bellhop_auth_tokens_total{result="valid"}`) == "2" })
	if err := h.verifier.Revoke(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	unlock()
	s := <-opened
	eventually(t, s.ended)
	if got := lastBlock(s.text()); got != "event: bellhop.bye\ndata: {\"reason\":\"revoked\"}\n\n" {
		t.Errorf("ended with %q", got)
	}
}

// TestLogFails opens streams whose past cannot be read: they end, and say nothing
// that is not so.
func TestLogFails(t *testing.T) {
	h := build(t)
	h.log.fail(gateway.ErrClosed)
	a := get("/events?since=2026-11-21T08:00:00Z", bearer(mint(t))).to(t, h)
	if a.StatusCode != 200 || a.body != "" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if got := h.metric(t, `bellhop_streams_ended_total{reason="log"}`); got != "1" {
		t.Errorf("ended for the log: %s", got)
	}
}
