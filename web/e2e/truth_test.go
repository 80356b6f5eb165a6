package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bellhop/auth"
	"bellhop/gateway/simulator"
)

// TestHalfOpen lets one of two upstreams fall silent without a close: its source
// goes from live over stale to down, comes back by itself, and what may have been
// missed is said. The other one knows nothing of it.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources("keepalive: 2s"), issuer, "stream: {heartbeat: 500ms}")
	all, other := g.listen(t, allOf(t), ""), g.listen(t, allOf(t, "brno"), "")
	narrow := g.listen(t, allOf(t), "type=PriceUpdate")
	hotels.at(0).tell(resource("before", "Dirty"))
	all.awaitID("before")
	before := g.source("prague")

	stalled := time.Now()
	hotels.at(0).Stall(0)
	stale := all.awaitSource("prague", "stale")
	if stale.Reason != "silent" || stale.Confirmed.After(stalled) {
		t.Errorf("stale: %+v, silent since %v", stale, stalled)
	}
	down := all.awaitSource("prague", "down")
	if down.Reason != "silent" || !down.Confirmed.Equal(stale.Confirmed) {
		t.Errorf("down: %+v, was %+v", down, stale)
	}
	if !down.Confirmed.Equal(before.Confirmed) && down.Confirmed.Before(before.Confirmed) {
		t.Errorf("confirmed went back: %+v, was %+v", down, before)
	}
	live := all.awaitSource("prague", "live")
	if live.Reason != "" || live.Since.Before(down.Since) {
		t.Errorf("live: %+v", live)
	}
	all.seen = 0 // the gap comes by another way than the states, and may come before
	var said gap
	logged := all.await("bellhop.gap")
	logged.decode(t, &said)
	if said.Source != "prague" || said.Reason != "upstream" || !said.From.Equal(down.Confirmed) || said.To.Before(down.Since) || logged.id == "" {
		t.Errorf("gap: %v, down since %v, confirmed %v", logged, down.Since, down.Confirmed)
	}
	if want := []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}; !slices.Equal(said.Types, want) {
		t.Errorf("gap over %v, want %v", said.Types, want)
	}
	var cut gap
	narrow.await("bellhop.gap").decode(t, &cut)
	if !slices.Equal(cut.Types, []string{"PriceUpdate"}) {
		t.Errorf("gap over %v for who hears PriceUpdate", cut.Types)
	}

	hotels.at(0).tell(resource("after", "Dirty"))
	all.awaitID("after")
	hotels.at(1).tell(resource("other", "Dirty"))
	other.awaitID("other")
	for _, b := range other.all() {
		if strings.Contains(b.data, "prague") || b.name == "bellhop.source" || b.name == "bellhop.gap" {
			t.Errorf("who hears brno alone is told: %v", b)
		}
	}
	for _, s := range g.sources() {
		if s.State != "live" || s.Reason != "" || s.Confirmed.IsZero() {
			t.Errorf("/sources: %+v", s)
		}
	}
}

// TestConfirmedMoves watches a live source's confirmed moment, in /sources and in
// what a new stream is told.
func TestConfirmedMoves(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources("keepalive: 200ms"), issuer)
	first := g.source("prague").Confirmed
	eventually(t, "a later confirmed moment", func() bool { return g.source("prague").Confirmed.After(first) })
	low := g.source("prague")
	s := g.newListener(t, allOf(t), "")
	told := readySources(t, s.connect())[0]
	high := g.source("prague")
	if told.Confirmed.Before(low.Confirmed) || told.Confirmed.After(high.Confirmed) || told.State != "live" || !told.Since.Equal(low.Since) {
		t.Errorf("ready tells %+v, /sources %+v and then %+v", told, low, high)
	}
	if high.Confirmed.After(time.Now()) {
		t.Errorf("confirmed in the future: %+v", high)
	}
}

func readySources(t *testing.T, ready block) []sourceStatus {
	t.Helper()
	var data struct{ Sources []sourceStatus }
	ready.decode(t, &data)
	return data.Sources
}

// TestRejected starts beside an upstream that refuses one of two tokens.
func TestRejected(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	if err := hotels.at(1).Refuse(simulator.Refusal{Status: 401, Reason: "secret words of the upstream"}); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, hotels.sources(), issuer)
	g.launch()
	g.awaitReady()
	g.awaitState("live", "prague")
	eventually(t, "brno down, rejected", func() bool {
		s := g.source("brno")
		return s.State == "down" && s.Reason == "rejected" && s.Confirmed.IsZero()
	})
	s := g.newListener(t, allOf(t), "")
	for _, told := range readySources(t, s.connect()) {
		want := sourceStatus{Source: "prague", State: "live", Since: told.Since, Confirmed: told.Confirmed}
		if told.Source == "brno" {
			want = sourceStatus{Source: "brno", State: "down", Reason: "rejected", Since: told.Since}
		}
		if told != want || told.Since.IsZero() {
			t.Errorf("ready tells %+v, want %+v", told, want)
		}
	}
	if _, body := g.get(g.url + "/readyz"); strings.TrimSpace(body) != `{"status":"degraded","degraded":["upstream"]}` {
		t.Errorf("/readyz: %s", body)
	}
	metrics := g.metrics()
	if metrics[`bellhop_source_up{source="brno"}`] != 0 || metrics[`bellhop_source_up{source="prague"}`] != 1 ||
		metrics[`bellhop_source_failures_total{reason="rejected",source="brno"}`] == 0 {
		t.Error("the metrics do not tell of the rejection")
	}
	if log := g.log.String(); strings.Contains(log, "secret words") || strings.Contains(log, simulator.AccessToken) {
		t.Error("the log tells the upstream's text or the token")
	}
	hotels.at(0).tell(resource("still", "Clean"))
	s.awaitID("still")
	if !long() {
		return // it is asked again after half a minute to a minute
	}
	hotels.at(1).Admit()
	s.awaitSource("brno", "live")
}

// TestDialRefused lets an upstream refuse for a while and come back.
func TestDialRefused(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	if err := hotels.at(0).Refuse(simulator.Refusal{Status: 503, RetryAfter: "1", Connects: 1}); err != nil {
		t.Fatal(err)
	}
	hotels.at(0).Drop(1012, "words of the upstream")
	if down := s.awaitSource("prague", "down"); down.Reason != "closed" {
		t.Errorf("down: %+v", down)
	}
	if down := s.awaitSource("prague", "down"); down.Reason != "dial" {
		t.Errorf("down: %+v", down)
	}
	s.awaitSource("prague", "live")
	if strings.Contains(g.log.String()+s.String(), "words of the upstream") {
		t.Error("the upstream's words are repeated")
	}
}

// TestFirstStart: before the first connection nothing can have been missed, after
// it everything that was said without a socket is.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := newGateway(t, hotels.sources(), issuer)
	g.launch()
	g.awaitReady()
	s := g.listen(t, allOf(t), "")
	begin := s.lastID()
	g.awaitState("live")
	hotels.at(0).tell(resource("first", "Dirty"))
	s.awaitID("first")
	if logged := s.logged(); len(logged) != 1 {
		t.Errorf("the first start logs %v", logged)
	}
	stopped := g.source("prague")
	g.stop()
	g.start()
	s.resumeAt(begin)
	s.connect()
	s.awaitID("first")
	var said gap
	s.await("bellhop.gap").decode(t, &said)
	// What is kept for the next start is a little earlier than what was shown.
	if said.Reason != "upstream" || said.From.After(stopped.Confirmed) || said.To.Before(stopped.Confirmed) {
		t.Errorf("gap: %+v, was %+v", said, stopped)
	}
}

// TestGrantHidesSource: who may not see a source hears nothing of its troubles.
func TestGrantHidesSource(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources(), issuer, "stream: {heartbeat: 100ms}")
	manager := g.listen(t, allOf(t), "")
	for name, s := range map[string]*listener{
		"another source": g.listen(t, allOf(t, "brno"), ""),
		"by query":       g.listen(t, allOf(t), "source=brno"),
		"no type of it":  g.listen(t, mint(t, "x", auth.Grant{Sources: []string{"prague"}, Types: []string{"DeviceCommand"}, Resources: []string{"r"}}), ""),
		"query against it": g.listen(t, mint(t, "y",
			auth.Grant{Sources: []string{"prague"}, Types: []string{"Resource"}},
			auth.Grant{Sources: []string{"brno"}, Types: []string{"*"}}), "type=Reservation"),
	} {
		defer func() {
			s.awaitPosition(manager.lastID())
			for _, b := range s.all() {
				if strings.Contains(b.data, "prague") {
					t.Errorf("%s: is told %v", name, b)
				}
			}
		}()
	}
	hotels.at(0).Drop(1001, "")
	manager.awaitSource("prague", "down")
	manager.awaitSource("prague", "live")
	hotels.at(0).tell(resource("room", "Dirty"))
	manager.awaitID("room")
}
