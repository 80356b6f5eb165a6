package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// TestProxyRestart restarts the gateway behind a proxy, once in order and once
// by force, while a client comes back as an EventSource does: it gives up at any
// answer but 200.
func TestProxyRestart(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		hotels := newHotels(t, 1)
		g := startGateway(t, hotels.sources(), issuer, proxyStill)
		front := startProxy(t, kind, g.address, kind.hurry...).front(proxyClient{http2: true})
		s := front.newListener(t, allOf(t), "")
		s.header.Set("Accept", "text/event-stream")
		s.header.Set("Origin", "https://app.hotel.example")
		s.connect()
		for _, end := range []func(){g.stop, g.kill} {
			end()
			s.awaitEnd()
			s.dial(0)
			if s.status != http.StatusOK || s.answer.Get("Content-Type") != "text/event-stream" || s.answer.Get("Bellhop-Refusal") != "busy" {
				t.Fatalf("while away: %d %v", s.status, s.answer)
			}
			if got := s.answer.Get("Access-Control-Allow-Origin"); got != "https://app.hotel.example" {
				t.Errorf("while away: Access-Control-Allow-Origin %q; a page elsewhere would give up", got)
			}
			b := s.match("the proxy's own block", func(b block) bool { return b.retry == "3000" && b.id == "" })
			if b.name != "bellhop.bye" || b.data != `{"reason":"busy"}` {
				t.Errorf("while away: %v", b)
			}
			if status, body := front.get(front.url + "/healthz"); status < 500 {
				t.Errorf("/healthz while away: %d %s", status, body)
			}
			g.start()
			if !comeBack(s) {
				t.Error("not resumed")
			}
		}
		hotels.at(0).tell(resource("room-1", "Dirty"))
		s.awaitID("room-1")
	})
}

// comeBack reconnects until the gateway itself answers, and reports whether it
// resumes.
func comeBack(s *listener) bool {
	s.t.Helper()
	var ready struct{ Resumed bool }
	eventually(s.t, "bellhop.ready", func() bool {
		s.dial(0)
		b := s.match("a block", func(block) bool { return true })
		if b.name == "bellhop.ready" {
			b.decode(s.t, &ready)
		}
		return b.name == "bellhop.ready"
	})
	return ready.Resumed
}

// TestProxyBrowser has real EventSources, of the site and of another origin,
// live through a crash of the gateway. The third comes through the same proxy
// without the answer that stands in for Bellhop, and shows what that is for.
func TestProxyBrowser(t *testing.T) {
	b := newBrowser(t)
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		hotels := newHotels(t, 1)
		g := newGateway(t)
		hurry := append([]edit{{"retry: 3000", "retry: 300"}}, kind.hurry...)
		p := startProxy(t, kind, g.address, hurry...)
		bare := startProxy(t, kind, g.address, append(hurry, kind.desert)...)
		elsewhere := strings.Replace(p.origin(), "://", "://app.", 1)
		g.configure(hotels.sources(), issuer, "stream: {heartbeat: 1h, retry: 300ms}", "cors: {origins: [\""+elsewhere+"\"], credentials: true}")
		g.start()
		open := func(page, gateway string) watch {
			tab := b.open(t, "about:blank")
			if _, err := chromedp.Call(tab.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
				t.Fatal(err)
			}
			tab.do(chromedp.Navigate(page + "/healthz"))
			return tab.watch(gateway, allOf(t), "")
		}
		ended := open(bare.origin(), bare.origin())
		living := watches{open(p.origin(), p.origin()), open(elsewhere, p.origin())}
		living.await("a stream", func(r watchRecord) bool { return r.Readies == 1 })
		hotels.at(0).tell(resource("room-1", "Dirty"))
		living.await("an event", func(r watchRecord) bool { return len(r.Events) == 1 })

		g.kill()
		living.await("the proxy's own answers", func(r watchRecord) bool { return len(r.Byes) >= 2 })
		eventually(t, "the end without them", func() bool { return ended.record().Worst == eventSourceClosed })
		g.start()
		living.await("the stream again", func(r watchRecord) bool { return r.Readies == 2 })
		hotels.at(0).tell(resource("room-2", "Dirty"))
		living.await("an event more", func(r watchRecord) bool { return len(r.Events) == 2 })
		for i, w := range living {
			r := w.record()
			if diff := cmp.Diff([]string{"room-1", "room-2"}, r.entities()); diff != "" || r.Worst == eventSourceClosed {
				t.Errorf("page %d: readyState %d; events (-want +got):\n%s", i, r.Worst, diff)
			}
		}
	})
}
