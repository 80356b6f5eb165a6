package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// proxyStill keeps heartbeats out of a test: what arrives does so by itself, and a
// client that has gone is not noticed by a write.
const proxyStill = "stream: {heartbeat: 1h, retry: 50ms}\n"

// proxySoon is well under a proxy's own limit of silence, and under patience.
const proxySoon = 20 * time.Second

func TestProxyStreams(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		hotels := newHotels(t, 1)
		g := startGateway(t, hotels.sources(), issuer, proxyStill)
		p := startProxy(t, kind, g.address)
		for name, client := range map[string]proxyClient{"HTTP/1.1": {}, "HTTP/2": {http2: true}} {
			t.Run(name, func(t *testing.T) { streamsThrough(t, hotels.at(0), g, p.front(client)) })
		}
	})
}

// TestProxyPlain uses proxies as they come: nothing that deploy adds may be
// needed for a stream to stream.
func TestProxyPlain(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		hotels := newHotels(t, 1)
		g := startGateway(t, hotels.sources(), issuer, "stream: {heartbeat: 1s, retry: 50ms}\n")
		streamsThrough(t, hotels.at(0), g, startPlainProxy(t, kind, g.address).front(proxyClient{}))
	})
}

func TestProxyUnixSocket(t *testing.T) {
	eachProxy(t, func(t *testing.T, kind proxyKind) {
		dir, err := os.MkdirTemp("", "bellhop-socket-") // a short path; a socket's has no room for a test's name
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		socket := filepath.Join(dir, "bellhop.sock")
		hotels := newHotels(t, 1)
		g := newGateway(t, hotels.sources(), issuer, proxyStill, "listen: unix:"+socket)
		g.launch()
		eventually(t, "the socket", func() bool { _, err := os.Stat(socket); return err == nil })
		// What a service's UMask and Group are for.
		for path, mode := range map[string]os.FileMode{dir: 0o755, socket: 0o777} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		p := startProxy(t, kind, strings.Replace(kind.unix, "%s", socket, 1))
		front := p.front(proxyClient{from: "127.0.0.9"})
		eventually(t, "ready", func() bool { status, _ := front.get(front.url + "/readyz"); return status == http.StatusOK })
		g.awaitState("live")
		s := front.listen(t, allOf(t), "")
		hotels.at(0).tell(resource("room-1", "Dirty"))
		s.awaitID("room-1")
		if got := g.streams()[0].Address; got != "127.0.0.9" {
			t.Errorf("address of the stream %s, want the client's: who writes to the socket is believed", got)
		}
	})
}

// streamsThrough holds a stream through a proxy to what a stream is without one.
func streamsThrough(t *testing.T, h hotel, g, front *gateway) {
	t.Helper()
	begun := time.Now()
	s := front.listen(t, allOf(t), "")
	if d := time.Since(begun); d > proxySoon {
		t.Errorf("the first block took %v", d)
	}
	if got := s.answer.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	for _, id := range []string{"room-1", "room-2"} {
		told := time.Now()
		h.tell(resource(id, "Dirty"))
		s.awaitID(id)
		if d := time.Since(told); d > proxySoon { // until something pushed it out
			t.Errorf("an event took %v", d)
		}
	}
	g.awaitStreams(1)
	s.drop()
	gone := time.Now()
	g.awaitStreams(0)
	if d := time.Since(gone); d > proxySoon {
		t.Errorf("the stream of a client that had gone was open for %v", d)
	}

	h.tell(resource("room-3", "Clean"))
	var ready struct{ Resumed bool }
	s.connect().decode(t, &ready)
	if !ready.Resumed {
		t.Error("did not resume by Last-Event-ID")
	}
	s.awaitID("room-3")
	var ids []string
	for _, b := range s.logged() {
		ids = append(ids, b.event(t).ID)
	}
	if got := strings.Join(ids, " "); got != "room-1 room-2 room-3" {
		t.Errorf("events %s, want each once", got)
	}
	s.drop()
	g.awaitStreams(0)
}

// TestProxyQuiet has streams on which nothing happens for longer than their
// proxies' limits of silence. Limits and heartbeat are shortened in the same
// proportion.
func TestProxyQuiet(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {heartbeat: 2s}\n") // for 15s
	silent := startGateway(t, hotels.sources(), issuer, proxyStill)
	var quiet, cut []*listener
	for _, kind := range proxyKinds {
		var limit []edit
		if kind.idle != "" {
			limit = []edit{{kind.idle, strings.ReplaceAll(kind.idle, "60s", "8s")}}
			cut = append(cut, startProxy(t, kind, silent.address, limit...).front(proxyClient{http2: true}).listen(t, allOf(t), ""))
		}
		quiet = append(quiet, startProxy(t, kind, g.address, limit...).front(proxyClient{http2: true}).listen(t, allOf(t), ""))
	}
	for _, s := range quiet {
		for range 6 {
			s.await("bellhop.heartbeat") // fails where the stream ends
		}
	}
	for _, s := range cut {
		s.awaitEnd() // so there was a limit
	}
}
