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
		if diff := cmp.Diff([]string{"Resource a", "Resource b", "Resource c"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		e := to.taken()[0].Event
		if e.Source != "prague" || e.Origin != gateway.OriginLive || b.seconds(e.Received) != 3 {
			t.Errorf("event %+v, want a live one of prague at 3 s", e)
		}
		for _, at := range []float64{3, 23, 43} { // the pings
			if got := to.now(); got.State != gateway.StateLive || b.seconds(got.Confirmed) != at {
				t.Errorf("at %v s: %+v, want live and confirmed then", at, got)
			}
			if got := b.seconds(to.keptMoment()); got != at {
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
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonClosed || b.seconds(got.Confirmed) != 40 {
			t.Errorf("after the close: %+v, want down, closed, confirmed at 40", got)
		}
		time.Sleep(10 * time.Second) // the dial hangs
		p = b.accept(t)
		settle(0)
		p.send(frameOf(room("a")))
		settle(0)
		if diff := cmp.Diff([]string{"gap upstream 40 60", "Resource a"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}, to.taken()[0].Gap.Types); diff != "" {
			t.Errorf("types, -want +got:\n%s", diff)
		}
		if got := b.seconds(to.now().Confirmed); got != 60 {
			t.Errorf("confirmed at %v, want the first ping, 60", got)
		}
	})
}

func TestRestartBeginsWithGap(t *testing.T) {
	to := &sink{late: true}
	run(t, to, func(t *testing.T, b *bubble) {
		kept := b.epoch.Add(-time.Hour)
		to.set(func(s *sink) { s.kept = kept })
		settle(0)
		if got := to.now(); !got.Confirmed.IsZero() {
			t.Errorf("before the first connection: %+v, want no confirmed", got)
		}
		p := b.accept(t)
		settle(time.Second)
		p.send(frameOf(room("a")))
		settle(20 * time.Second)
		if diff := cmp.Diff([]string{"gap upstream -3600 0", "Resource a"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := to.now(); got.State != gateway.StateLive || !got.Confirmed.Equal(kept) {
			t.Errorf("while the gap is not stored: %+v, want live, confirmed as kept", got)
		}
		to.store(1)
		settle(0)
		if got := b.seconds(to.now().Confirmed); got != 1 {
			t.Errorf("while the frame is not stored: confirmed at %v, want its arrival, 1", got)
		}
		to.store(1)
		settle(0)
		if got := b.seconds(to.now().Confirmed); got != 20 {
			t.Errorf("all stored: confirmed at %v, want the last ping, 20", got)
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
			to := &sink{}
			prepare(to)
			run(t, to, func(t *testing.T, b *bubble) {
				kept := b.epoch.Add(-time.Hour)
				to.set(func(s *sink) { s.kept = kept })
				b.accept(t)
				settle(time.Minute)
				b.stop()
				if got := to.keptMoment(); !got.Equal(kept) {
					t.Errorf("kept %v, want what was kept before", b.seconds(got))
				}
			})
		})
	}
}

func TestConfirmedInTheFutureIsCut(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		to.set(func(s *sink) { s.kept = b.epoch.Add(time.Hour) })
		b.accept(t)
		settle(20 * time.Second)
		if diff := cmp.Diff([]string{"gap upstream 0 0"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := b.seconds(to.now().Confirmed); got != 20 {
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
		to.set(func(s *sink) { s.failing, s.kept = nil, b.epoch.Add(-time.Minute) })
		b.accept(t)
		settle(0)
		if got := to.log(b.epoch); len(got) != 1 || !strings.HasPrefix(got[0], "gap upstream -60 ") {
			t.Errorf("log %q, want a gap from -60", got)
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

func TestUnansweredPings(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		settle(5 * time.Second)
		p.mute.Store(true)
		settle(25*time.Second - time.Millisecond)
		if got := to.now(); got.State != gateway.StateLive {
			t.Errorf("just before half a keepalive: %+v, want live", got)
		}
		settle(time.Millisecond)
		if got := to.now(); got.State != gateway.StateStale || got.Reason != gateway.ReasonSilent || b.seconds(got.Confirmed) != 0 {
			t.Errorf("after half a keepalive: %+v, want stale, silent, confirmed at 0", got)
		}
		p.mute.Store(false)
		p.socket.WriteControl(10, []byte("17"), time.Now().Add(time.Second)) // answers nothing
		settle(0)
		if got := to.now(); got.State != gateway.StateStale {
			t.Errorf("after a pong nobody asked for: %+v, want stale", got)
		}
		settle(10 * time.Second)
		if got := to.now(); got.State != gateway.StateLive || b.seconds(got.Confirmed) != 40 {
			t.Errorf("after an answer: %+v, want live, confirmed at 40", got)
		}
	})
}

// An upstream that goes on talking is not cut off for answering no ping, yet
// never shown as live.
func TestNeverAnsweredPings(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		p.mute.Store(true)
		for range 60 {
			settle(5 * time.Second)
			p.send(frameOf(room("a")))
		}
		settle(0)
		if diff := cmp.Diff([]string{"down dial", "live", "stale silent"}, to.states()); diff != "" {
			t.Errorf("states, -want +got:\n%s", diff)
		}
		if got := len(to.taken()); got != 60 {
			t.Errorf("%d events, want 60", got)
		}
	})
}

func TestSilenceEndsTheConnection(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		p.mute.Store(true)
		settle(50*time.Second - time.Millisecond)
		if got := to.now(); got.State != gateway.StateStale {
			t.Errorf("before the read deadline: %+v, want stale", got)
		}
		settle(time.Millisecond)
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonSilent {
			t.Errorf("at the read deadline: %+v, want down, silent", got)
		}
		<-p.ended
	})
}

func TestAnythingReadRenewsTheDeadline(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		p.mute.Store(true)
		text := frameOf(room("a"))
		raw := append([]byte{0x81, byte(len(text))}, text...) // RFC 6455, section 5.2
		for _, piece := range raw {
			settle(49 * time.Second)
			if _, err := p.socket.NetConn().Write([]byte{piece}); err != nil {
				t.Fatalf("the connection ended: %v", err)
			}
		}
		settle(0)
		if diff := cmp.Diff([]string{"Resource a"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
	})
}

func TestServerPingsAreAnswered(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		p.socket.WriteControl(9, []byte("are you there"), time.Now().Add(time.Second))
		settle(0)
		if got := p.pongs.Load(); got != 1 {
			t.Errorf("%d pongs, want 1", got)
		}
	})
}

// A log that does not take records stops the reading, but no deadline runs
// meanwhile.
func TestBlockedLog(t *testing.T) {
	opened := make(chan struct{})
	to := &sink{blocking: make(chan struct{})}
	run(t, to, func(t *testing.T, b *bubble) {
		close(opened)
		unblock := make(chan struct{})
		to.set(func(s *sink) { s.blocking = unblock })
		p := b.accept(t)
		p.send(frameOf(room("a")))
		p.send(frameOf(room("b")))
		go p.send(frameOf(room("c")))
		settle(5 * time.Minute)
		if got := to.now(); got.State != gateway.StateStale || got.Reason != gateway.ReasonLog || b.seconds(got.Confirmed) != 0 {
			t.Errorf("while the log takes nothing: %+v, want stale for the log, confirmed at 0", got)
		}
		to.set(func(s *sink) { s.blocking = nil })
		close(unblock)
		settle(20 * time.Second)
		if got := to.now(); got.State != gateway.StateLive || b.seconds(got.Confirmed) != 320 {
			t.Errorf("after it: %+v, want live, confirmed at 320", got)
		}
		if diff := cmp.Diff([]string{"Resource a", "Resource b", "Resource c"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := p.pings.Load(); got != 17 {
			t.Errorf("%d pings, want 17 on one connection", got)
		}
	})
}

func TestBinaryFrames(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		if err := p.socket.WriteMessage(2, []byte(frameOf(room("a")))); err != nil {
			t.Fatal(err)
		}
		settle(0)
		if diff := cmp.Diff([]string{"Resource a"}, to.log(b.epoch)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
	})
}

func TestBrokenFramesAreAnnouncedOnceAMinute(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		settle(time.Second)
		p.send(`{"Events":[` + room("a") + `,{`)
		settle(0)
		want := []string{"Resource a", "gap frame 1 1"}
		if diff := cmp.Diff(want, to.log(b.epoch)); diff != "" {
			t.Errorf("after the first, -want +got:\n%s", diff)
		}
		for range 3 { // at 11, 21, 31
			settle(10 * time.Second)
			p.send(`{"Events":[` + room("b") + `,{`)
		}
		settle(10 * time.Second)
		want = append(want, "Resource b", "Resource b", "Resource b")
		if diff := cmp.Diff(want, to.log(b.epoch)); diff != "" {
			t.Errorf("before the minute is over, -want +got:\n%s", diff)
		}
		if got := b.seconds(to.now().Confirmed); got != 11 {
			t.Errorf("confirmed at %v, want the oldest that is not announced, 11", got)
		}
		settle(20 * time.Second)
		want = append(want, "gap frame 11 31")
		if diff := cmp.Diff(want, to.log(b.epoch)); diff != "" {
			t.Errorf("when the minute is over, -want +got:\n%s", diff)
		}
		if got := b.seconds(to.now().Confirmed); got != 60 {
			t.Errorf("confirmed at %v, want the last ping, 60", got)
		}
		settle(time.Minute)
		p.send("]")
		settle(0)
		want = append(want, "gap frame 121 121")
		if diff := cmp.Diff(want, to.log(b.epoch)); diff != "" {
			t.Errorf("a minute later, -want +got:\n%s", diff)
		}
	})
}

// Broken frames that were not announced before the end, or before the connection
// went, lie within the gap that follows.
func TestUnannouncedFramesAreNotForgotten(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		p.send("broken")
		settle(time.Second)
		p.send("broken")
		settle(30 * time.Second)
		p.close(1000)
		p = b.accept(t)
		settle(0)
		gap := to.taken()[1].Gap
		if gap.Reason != gateway.GapUpstream || b.seconds(gap.From) != 1 {
			t.Errorf("the reconnect's gap is %+v, want one from 1", gap)
		}
		b.stop()
		if got := b.seconds(to.keptMoment()); got != 1 {
			t.Errorf("kept %v, want 1", got)
		}
	})
}

func TestOversizeFrameEndsTheConnection(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		settle(time.Second)
		p.send(`{"Events":[],"X":"` + strings.Repeat("x", 16<<20-20) + `"}`) // just the limit
		settle(0)
		if got := to.now(); got.State != gateway.StateLive {
			t.Fatalf("a frame of 16 MiB: %+v, want live", got)
		}
		settle(time.Second)
		go p.socket.WriteMessage(1, []byte(strings.Repeat(" ", 16<<20+1)))
		if got := p.lastWords(); !strings.Contains(got, "1009") {
			t.Errorf("the upstream saw %s, want close 1009", got)
		}
		b.accept(t)
		settle(0)
		if got := to.log(b.epoch); len(got) != 2 || got[0] != "gap frame 2 2" || !strings.HasPrefix(got[1], "gap upstream 0 ") {
			t.Errorf("log %q, want a gap for the frame and one for the connection", got)
		}
	})
}

// A ping that is answered between the fragments of a message that never ends
// does not confirm the message.
func TestMessageCutOffIsNotConfirmed(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		settle(5 * time.Second)
		head := `{"Events":[`
		if _, err := p.socket.NetConn().Write(append([]byte{0x01, byte(len(head))}, head...)); err != nil {
			t.Fatal(err)
		}
		settle(30 * time.Second)
		if got := b.seconds(to.now().Confirmed); got != 5 {
			t.Errorf("confirmed at %v, want the message's beginning, 5", got)
		}
		p.close(1006)
		b.accept(t)
		settle(0)
		if gap := to.taken()[0].Gap; b.seconds(gap.From) != 5 {
			t.Errorf("the gap begins at %v, want 5", b.seconds(gap.From))
		}
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
