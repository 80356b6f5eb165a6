package mews_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/mews"
)

func TestFirstConnection(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		settle(0)
		first := to.now()
		if first.State != gateway.StateDown || first.Reason != gateway.ReasonDial || !first.Confirmed.IsZero() {
			t.Errorf("before the first connection: %+v", first)
		}
		time.Sleep(3 * time.Second)
		p := b.accept(t)
		settle(0)
		p.send(frameOf(room("a"), room("b")))
		settle(time.Second)
		p.send(frameOf(room("c")))
		settle(0)
		if diff := cmp.Diff([]string{"Resource a", "Resource b", "Resource c"}, to.log()); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		e := to.taken()[0].Event
		if e.Source != "prague" || e.Origin != gateway.OriginLive || seconds(e.Received) != 3 {
			t.Errorf("event %+v, want a live one of prague at 3 s", e)
		}
		for _, at := range []float64{3, 23, 43} { // the pings
			if got := to.now(); got.State != gateway.StateLive || seconds(got.Confirmed) != at {
				t.Errorf("at %v s: %+v, want live and confirmed then", at, got)
			}
			if got := seconds(to.keptMoment()); got != at {
				t.Errorf("kept %v, want %v", got, at)
			}
			settle(20 * time.Second)
		}
		if err := b.stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if diff := cmp.Diff([]string{"down dial", "live", "down stopped"}, to.states()); diff != "" {
			t.Errorf("states, -want +got:\n%s", diff)
		}
		if got := p.lastWords(); !strings.Contains(got, "1001") {
			t.Errorf("the upstream saw %s, want close 1001", got)
		}
	})
}

func TestReconnectBeginsWithGap(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		settle(50 * time.Second)
		p.close(1006)
		settle(0)
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonClosed || seconds(got.Confirmed) != 40 {
			t.Errorf("after the close: %+v, want down, closed, confirmed at 40", got)
		}
		time.Sleep(10 * time.Second) // the dial hangs
		p = b.accept(t)
		settle(0)
		p.send(frameOf(room("a")))
		settle(0)
		if diff := cmp.Diff([]string{"gap upstream 40 60", "Resource a"}, to.log()); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}, to.taken()[0].Gap.Types); diff != "" {
			t.Errorf("types, -want +got:\n%s", diff)
		}
		if got := seconds(to.now().Confirmed); got != 60 {
			t.Errorf("confirmed at %v, want the first ping, 60", got)
		}
	})
}

func TestRestartBeginsWithGap(t *testing.T) {
	kept := epoch.Add(-time.Hour)
	to := &sink{late: true, kept: kept}
	run(t, to, func(t *testing.T, b *bubble) {
		settle(0)
		if got := to.now(); !got.Confirmed.IsZero() {
			t.Errorf("before the first connection: %+v, want no confirmed", got)
		}
		p := b.accept(t)
		settle(time.Second)
		p.send(frameOf(room("a")))
		settle(20 * time.Second)
		if diff := cmp.Diff([]string{"gap upstream -3600 0", "Resource a"}, to.log()); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := to.now(); got.State != gateway.StateLive || !got.Confirmed.Equal(kept) {
			t.Errorf("while the gap is not stored: %+v, want live, confirmed as kept", got)
		}
		to.store(1)
		settle(0)
		if got := seconds(to.now().Confirmed); got != 1 {
			t.Errorf("while the frame is not stored: confirmed at %v, want its arrival, 1", got)
		}
		to.store(1)
		settle(0)
		if got := seconds(to.now().Confirmed); got != 20 {
			t.Errorf("all stored: confirmed at %v, want the last ping, 20", got)
		}
	})
}

func TestKeptMomentIsNotShownBeforeTheFirstConnection(t *testing.T) {
	to := &sink{kept: epoch.Add(-time.Hour)}
	run(t, to, func(t *testing.T, b *bubble) {
		for range 3 {
			b.refuse(t, "401 Unauthorized", "")
			settle(0)
			if got := to.now(); got.Reason != gateway.ReasonRejected || !got.Confirmed.IsZero() {
				t.Errorf("%+v, want rejected, without confirmed", got)
			}
		}
	})
}

// A gap that was not stored is announced by the next start.
func TestUnstoredGapIsNotForgotten(t *testing.T) {
	for name, prepare := range map[string]func(*sink){
		"not taken":  func(s *sink) { s.blocking = make(chan struct{}) },
		"not stored": func(s *sink) { s.late = true },
	} {
		t.Run(name, func(t *testing.T) {
			kept := epoch.Add(-time.Hour)
			to := &sink{kept: kept}
			run(t, to, func(t *testing.T, b *bubble) {
				to.set(prepare)
				b.accept(t)
				settle(time.Minute)
				b.stop()
				if got := to.keptMoment(); !got.Equal(kept) {
					t.Errorf("kept %v, want what was kept before", seconds(got))
				}
			})
		})
	}
}

// The clock was set back: how long the source was away nobody knows.
func TestConfirmedInTheFuture(t *testing.T) {
	to := &sink{kept: epoch.Add(time.Hour)}
	run(t, to, func(t *testing.T, b *bubble) {
		b.accept(t)
		settle(20 * time.Second)
		if diff := cmp.Diff([]string{"gap upstream -86400 0"}, to.log()); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := seconds(to.now().Confirmed); got != 20 {
			t.Errorf("confirmed at %v, want 20", got)
		}
	})
}

func TestKeeperThatFailsIsAskedAgain(t *testing.T) {
	to := &sink{failing: fmt.Errorf("not open")}
	run(t, to, func(t *testing.T, b *bubble) {
		settle(5 * time.Second)
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonLog {
			t.Errorf("%+v, want down for the log", got)
		}
		to.set(func(s *sink) { s.failing, s.kept = nil, epoch.Add(-time.Minute) })
		b.accept(t)
		settle(0)
		if got := to.log(); len(got) != 1 || !strings.HasPrefix(got[0], "gap upstream -60 ") {
			t.Errorf("log %q, want a gap from -60", got)
		}
	})
}

func TestKeepingIsTriedAgain(t *testing.T) {
	to := &sink{refusing: fmt.Errorf("full")}
	run(t, to, func(t *testing.T, b *bubble) {
		b.accept(t)
		settle(25 * time.Second)
		if got := to.now(); seconds(got.Confirmed) != 20 || !to.keptMoment().IsZero() {
			t.Errorf("%+v, want it confirmed at 20 though nothing is kept", got)
		}
		to.set(func(s *sink) { s.refusing = nil })
		settle(20 * time.Second)
		if got := seconds(to.keptMoment()); got != 40 {
			t.Errorf("kept %v, want 40", got)
		}
		to.set(func(s *sink) { s.refusing = fmt.Errorf("full") })
		settle(20 * time.Second)
		to.set(func(s *sink) { s.refusing = nil })
		b.stop()
		if got := seconds(to.keptMoment()); got != 60 {
			t.Errorf("kept %v at the end, want 60", got)
		}
	})
}

func TestClosedLogEndsRun(t *testing.T) {
	t.Run("at the start", func(t *testing.T) {
		run(t, &sink{failing: gateway.ErrClosed}, func(t *testing.T, b *bubble) {
			settle(0)
			if err := b.stop(); err == nil {
				t.Error("Run returned nil")
			}
		})
	})
	t.Run("at an append", func(t *testing.T) {
		run(t, &sink{ended: gateway.ErrClosed}, func(t *testing.T, b *bubble) {
			p := b.accept(t)
			p.send(frameOf(room("a")))
			<-p.ended
			if err := b.stop(); err == nil {
				t.Error("Run returned nil")
			}
		})
	})
}

func TestSourcesAreIndependent(t *testing.T) {
	prague, vienna := &sink{}, &sink{}
	run(t, prague, func(t *testing.T, b *bubble) {
		other := start(t, vienna, "vienna")
		defer other.stop()
		other.refuse(t, "401 Unauthorized", "")
		p := b.accept(t)
		settle(10 * time.Second)
		p.send(frameOf(room("a")))
		settle(0)
		if got := prague.now(); got.State != gateway.StateLive {
			t.Errorf("prague: %+v, want live", got)
		}
		if got := vienna.now(); got.Reason != gateway.ReasonRejected {
			t.Errorf("vienna: %+v, want rejected", got)
		}
	})
}

func TestNewSourceRefuses(t *testing.T) {
	good := mews.Options{Name: "prague", Socket: "wss://mews.test", ClientToken: clientToken, AccessToken: accessToken}
	if s, err := mews.NewSource(good); err != nil || s.Name() != "prague" {
		t.Fatalf("NewSource: %v, %v", s, err)
	}
	secret := "s3cr3t"
	for name, spoil := range map[string]func(*mews.Options){
		"no name":          func(o *mews.Options) { o.Name = "" },
		"no socket":        func(o *mews.Options) { o.Socket = "" },
		"malformed socket": func(o *mews.Options) { o.Socket = "wss://" + secret + ":%zz" },
		"https":            func(o *mews.Options) { o.Socket = "https://mews.test" },
		"no host":          func(o *mews.Options) { o.Socket = "wss:///x" },
		"user":             func(o *mews.Options) { o.Socket = "wss://u:" + secret + "@mews.test" },
		"query":            func(o *mews.Options) { o.Socket = "wss://mews.test?t=" + secret },
		"no client token":  func(o *mews.Options) { o.ClientToken = "" },
		"no access token":  func(o *mews.Options) { o.AccessToken = "" },
		"space":            func(o *mews.Options) { o.AccessToken = secret + " x" },
		"line end":         func(o *mews.Options) { o.AccessToken = secret + "\r\nX: y" },
		"semicolon":        func(o *mews.Options) { o.ClientToken = secret + ";x" },
		"no ASCII":         func(o *mews.Options) { o.ClientToken = secret + "é" },
		"keepalive":        func(o *mews.Options) { o.Keepalive = -1 },
		"no types":         func(o *mews.Options) { o.Types = []string{} },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			spoil(&o)
			if _, err := mews.NewSource(o); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v, want one without the secret", err)
			}
		})
	}
}

func TestSourceDoesNotPrintItsTokens(t *testing.T) {
	s, err := mews.NewSource(mews.Options{Name: "prague", Socket: "wss://mews.test", ClientToken: clientToken, AccessToken: accessToken})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, clientToken) || strings.Contains(text, accessToken) {
			t.Errorf("%s prints a token", format)
		}
	}
}

func TestAddresses(t *testing.T) {
	for environment, want := range map[string][2]string{
		"demo":       {"wss://ws.mews-demo.com", "https://api.mews-demo.com"},
		"production": {"wss://ws.mews.com", "https://api.mews.com"},
	} {
		socket, api, err := mews.Addresses(environment)
		if err != nil || socket != want[0] || api != want[1] {
			t.Errorf("Addresses(%q) = %q, %q, %v", environment, socket, api, err)
		}
	}
	if _, _, err := mews.Addresses("staging"); err == nil {
		t.Error("Addresses knows staging")
	}
}

// The gap of a source with webhooks names their types too.
func TestTypesOfGaps(t *testing.T) {
	s, err := mews.NewSource(mews.Options{
		Name: "prague", Socket: "ws://mews.test", ClientToken: clientToken, AccessToken: accessToken,
		Types: []string{"Resource", "MessageAdded", "Resource", "DeviceCommand"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DeviceCommand", "MessageAdded", "Resource"}, s.Types()); diff != "" {
		t.Errorf("types, -want +got:\n%s", diff)
	}
}

func TestRunAfterTheEnd(t *testing.T) {
	s, err := mews.NewSource(mews.Options{Name: "prague", Socket: "ws://mews.test", ClientToken: clientToken, AccessToken: accessToken})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	to := &sink{}
	if err := s.Run(ctx, to); err != nil {
		t.Errorf("Run with an ended context: %v", err)
	}
	if diff := cmp.Diff([]string{"down dial", "down stopped"}, to.states()); diff != "" {
		t.Errorf("states, -want +got:\n%s", diff)
	}
}
