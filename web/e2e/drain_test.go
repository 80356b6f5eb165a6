package e2e_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDrain ends a gateway with streams open, in the pace that is configured.
func TestDrain(t *testing.T) {
	t.Parallel()
	const clients = 20
	const delay, spread, linger = 3 * time.Second, 2 * time.Second, 3 * time.Second
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "drain: {delay: 3s, spread: 2s, linger: 3s}", "stream: {retry: 1s}")
	begun := time.Now().Add(-time.Second)
	var all []*listener
	for range clients {
		all = append(all, g.listen(t, allOf(t), ""))
	}
	hotels.at(0).tell(resource("before", "Clean"))
	for _, l := range all {
		l.awaitID("before")
	}

	signal := time.Now()
	g.signal(syscall.SIGTERM)
	eventually(t, "/readyz 503", func() bool {
		status, body := g.get(g.url + "/readyz")
		return status == http.StatusServiceUnavailable && strings.TrimSpace(body) == `{"status":"draining"}`
	})
	if status, _ := g.get(g.url + "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz says %d while draining", status)
	}
	checkDraining(t, g)
	hotels.at(0).tell(resource("meanwhile", "Clean")) // within the delay, on any machine but a stopped one
	var first, last time.Time
	for _, l := range all {
		l.awaitID("meanwhile")
		bye := l.awaitBye("shutdown")
		if back := bye.at.Add(bye.wait()); back.Before(signal.Add(delay + spread)) {
			t.Errorf("a client is sent back at %v, while streams end until %v", back, signal.Add(delay+spread))
		}
		if bye.id != "" {
			t.Errorf("the bye has an id: %v", bye)
		}
		if first.IsZero() || bye.at.Before(first) {
			first = bye.at
		}
		if bye.at.After(last) {
			last = bye.at
		}
	}
	if first.Before(signal.Add(delay)) || last.Before(signal.Add(delay+spread)) || last.Sub(first) < spread/4 {
		t.Errorf("signal at %v, byes from %v to %v", signal, first, last)
	}
	checkDraining(t, g) // the listeners are still open
	if code := g.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if end := time.Now(); end.Before(last.Add(linger)) {
		t.Errorf("ended at %v, the last bye was at %v", end, last)
	}

	g.start()
	hotels.at(0).tell(resource("next", "Clean"))
	want := g.history(t, begun, "next")
	for _, l := range all {
		l.connect()
		l.awaitID("next")
		sameBlocks(t, "a client", l.logged(), want)
	}
	if strings.Contains(g.log.String(), "lost its tail") {
		t.Error("the log was not closed properly")
	}
}

// checkDraining asks for a stream, as a browser does and as others do.
func checkDraining(t *testing.T, g *gateway) {
	t.Helper()
	checkRefused(t, g, allOf(t), "draining")
	l := g.newListener(t, allOf(t), "")
	l.dial(0)
	checkProblem(t, l, http.StatusServiceUnavailable, "draining", "")
	if l.answer.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// checkRefused asks for a stream as a browser does: the refusal is a stream of
// one block, or the browser would never come back.
func checkRefused(t *testing.T, g *gateway, token, reason string) {
	t.Helper()
	l := g.newListener(t, token, "")
	l.header.Set("Accept", "text/event-stream")
	l.dial(0)
	if l.status != http.StatusOK || l.answer.Get("Bellhop-Refusal") != reason || l.answer.Get("Content-Type") != "text/event-stream" {
		t.Errorf("status %d, %v", l.status, l.answer)
	}
	bye := l.awaitBye(reason)
	if blocks := l.all(); len(blocks) != 1 || bye.wait() < 500*time.Millisecond || bye.id != "" {
		t.Errorf("refused by %v", blocks)
	}
}

// TestSecondSignal does not wait for what is configured.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, drain string }{
		{"in the delay", "drain: {delay: 1h, spread: 0s, linger: 0s}"},
		{"in the spread", "drain: {delay: 0s, spread: 1h, linger: 0s}"},
		{"in the linger", "drain: {delay: 0s, spread: 0s, linger: 1h}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hotels := newHotels(t, 1)
			g := startGateway(t, hotels.sources(), issuer, c.drain)
			begun := time.Now().Add(-time.Second)
			l := g.listen(t, allOf(t), "")
			g.listen(t, allOf(t), "")
			hotels.at(0).tell(resource("said", "Clean"))
			l.awaitID("said")
			g.signal(syscall.SIGINT)
			eventually(t, "draining", func() bool {
				status, _ := g.get(g.url + "/readyz")
				return status == http.StatusServiceUnavailable
			})
			if c.name == "in the linger" {
				l.awaitBye("shutdown")
			}
			g.signal(syscall.SIGTERM)
			if code := g.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			g.start()
			g.history(t, begun, "said")
			if strings.Contains(g.log.String(), "lost its tail") {
				t.Error("the log was not closed properly")
			}
		})
	}
}

// TestStopWhileFlowing stops a gateway that reads as fast as it can: what it read
// is in the log.
func TestStopWhileFlowing(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	begun := time.Now().Add(-time.Second)
	l := g.listen(t, allOf(t), "")
	l.keep()
	speech := hotels.at(0).speak(2 * time.Millisecond)
	const stops = 3
	for range stops {
		for range 50 {
			l.await("Resource")
		}
		g.stop()
		g.start()
	}
	speech.end()
	hotels.at(0).tell(resource("the-end", "Clean"))
	want := g.history(t, begun, "the-end")
	checkNumbers(t, want, speech, stops)
	l.awaitID("the-end")
	sameBlocks(t, "the client", l.logged(), want)
}
