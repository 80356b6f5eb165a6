package mews_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
)

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
		if got := to.now(); got.State != gateway.StateStale || got.Reason != gateway.ReasonSilent || seconds(got.Confirmed) != 0 {
			t.Errorf("after half a keepalive: %+v, want stale, silent, confirmed at 0", got)
		}
		p.mute.Store(false)
		p.socket.WriteControl(10, []byte("17"), time.Now().Add(time.Second)) // answers nothing
		settle(0)
		if got := to.now(); got.State != gateway.StateStale {
			t.Errorf("after a pong nobody asked for: %+v, want stale", got)
		}
		settle(10 * time.Second)
		if got := to.now(); got.State != gateway.StateLive || seconds(got.Confirmed) != 40 {
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
		p.mute.Store(false)
		settle(20 * time.Second)
		if got := to.now(); got.State != gateway.StateLive || seconds(got.Confirmed) != 320 {
			t.Errorf("%+v, want it live at last, confirmed at 320", got)
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

// A peer that does not even take a ping is gone, whatever it still sends.
func TestPingThatCannotBeSent(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.upgrade(t) // and does not read; the pipe has no buffer
		defer p.socket.Close()
		settle(3 * time.Second)
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonSilent {
			t.Errorf("%+v, want down, silent", got)
		}
	})
}

// Why a ping could not be sent the upstream may yet say.
func TestCloseBehindAPingThatCannotBeSent(t *testing.T) {
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		p := b.upgrade(t)
		defer p.socket.Close()
		settle(1500 * time.Millisecond)
		p.socket.WriteControl(8, []byte{1008 >> 8, 1008 & 0xff}, time.Now().Add(time.Second))
		settle(3 * time.Second)
		if got := to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonRejected {
			t.Errorf("%+v, want down, rejected", got)
		}
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
		if diff := cmp.Diff([]string{"Resource a"}, to.log()); diff != "" {
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
	to := &sink{}
	run(t, to, func(t *testing.T, b *bubble) {
		unblock := make(chan struct{})
		to.set(func(s *sink) { s.blocking = unblock })
		p := b.accept(t)
		p.send(frameOf(room("a")))
		p.send(frameOf(room("b")))
		go p.send(frameOf(room("c")))
		settle(5 * time.Minute)
		if got := to.now(); got.State != gateway.StateStale || got.Reason != gateway.ReasonLog || seconds(got.Confirmed) != 0 {
			t.Errorf("while the log takes nothing: %+v, want stale for the log, confirmed at 0", got)
		}
		to.set(func(s *sink) { s.blocking = nil })
		close(unblock)
		settle(20 * time.Second)
		if got := to.now(); got.State != gateway.StateLive || seconds(got.Confirmed) != 320 {
			t.Errorf("after it: %+v, want live, confirmed at 320", got)
		}
		if diff := cmp.Diff([]string{"Resource a", "Resource b", "Resource c"}, to.log()); diff != "" {
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
		if diff := cmp.Diff([]string{"Resource a"}, to.log()); diff != "" {
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
		if diff := cmp.Diff(want, to.log()); diff != "" {
			t.Errorf("after the first, -want +got:\n%s", diff)
		}
		for range 3 { // at 11, 21, 31
			settle(10 * time.Second)
			p.send(`{"Events":[` + room("b") + `,{`)
		}
		settle(10 * time.Second)
		want = append(want, "Resource b", "Resource b", "Resource b")
		if diff := cmp.Diff(want, to.log()); diff != "" {
			t.Errorf("before the minute is over, -want +got:\n%s", diff)
		}
		if got := seconds(to.now().Confirmed); got != 11 {
			t.Errorf("confirmed at %v, want the oldest that is not announced, 11", got)
		}
		settle(20 * time.Second)
		want = append(want, "gap frame 11 31")
		if diff := cmp.Diff(want, to.log()); diff != "" {
			t.Errorf("when the minute is over, -want +got:\n%s", diff)
		}
		if got := seconds(to.now().Confirmed); got != 60 {
			t.Errorf("confirmed at %v, want the last ping, 60", got)
		}
		settle(time.Minute)
		p.send("]")
		settle(0)
		want = append(want, "gap frame 121 121")
		if diff := cmp.Diff(want, to.log()); diff != "" {
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
		b.accept(t)
		settle(0)
		gap := to.taken()[1].Gap
		if gap.Reason != gateway.GapUpstream || seconds(gap.From) != 1 {
			t.Errorf("the reconnect's gap is %+v, want one from 1", gap)
		}
		b.stop()
		if got := seconds(to.keptMoment()); got != 1 {
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
		if got := to.log(); len(got) != 2 || got[0] != "gap frame 2 2" || !strings.HasPrefix(got[1], "gap upstream 0 ") {
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
		if got := seconds(to.now().Confirmed); got != 5 {
			t.Errorf("confirmed at %v, want the message's beginning, 5", got)
		}
		p.close(1006)
		b.accept(t)
		settle(0)
		if gap := to.taken()[0].Gap; seconds(gap.From) != 5 {
			t.Errorf("the gap begins at %v, want 5", seconds(gap.From))
		}
	})
}
