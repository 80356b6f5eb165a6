package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// Which block bears an id, and which, in every way to open a stream.
func TestOpening(t *testing.T) {
	reset := func(reason string) string { return `{"reason":"` + reason + `"}` }
	tests := map[string]struct {
		change  func(*gateway.StreamOptions)
		want    []line
		reset   string // the data of the second block, empty for none
		resumed bool
	}{
		"new":                {nil, []line{{"e1.9", "bellhop.ready"}}, "", false},
		"resumed at the end": {resumeAt("e1.9"), []line{{"e1.9", "bellhop.ready"}}, "", true},
		"resumed":            {resumeAt("e1.7"), []line{{"e1.7", "bellhop.ready"}, {"e1.8", "Resource"}, {"e1.9", "Resource"}}, "", true},
		"at the oldest":      {resumeAt("e1.5"), []line{{"e1.5", "bellhop.ready"}, {"e1.6", "Resource"}, {"e1.7", "Resource"}, {"e1.8", "Resource"}, {"e1.9", "Resource"}}, "", true},
		"trimmed":            {resumeAt("e1.4"), []line{{"", "bellhop.ready"}, {"e1.9", "bellhop.reset"}}, reset("trimmed"), false},
		"foreign":            {resumeAt("e0.9"), []line{{"", "bellhop.ready"}, {"e1.9", "bellhop.reset"}}, reset("foreign"), false},
		"beyond the end":     {resumeAt("e1.10"), []line{{"", "bellhop.ready"}, {"e1.9", "bellhop.reset"}}, reset("foreign"), false},
		"no position":        {resumeAt("tea"), []line{{"", "bellhop.ready"}, {"e1.9", "bellhop.reset"}}, reset("foreign"), false},
		"since":              {sinceSecond(8), []line{{"e1.7", "bellhop.ready"}, {"e1.8", "Resource"}, {"e1.9", "Resource"}}, "", false},
		"since between":      {sinceSecond(8.5), []line{{"e1.8", "bellhop.ready"}, {"e1.9", "Resource"}}, "", false},
		"since now":          {sinceSecond(100), []line{{"e1.9", "bellhop.ready"}}, "", false},
		"since trimmed":      {sinceSecond(5), []line{{"", "bellhop.ready"}, {"e1.5", "bellhop.reset"}, {"e1.6", "Resource"}, {"e1.7", "Resource"}, {"e1.8", "Resource"}, {"e1.9", "Resource"}}, reset("trimmed"), false},
		"a position over since": {func(o *gateway.StreamOptions) { sinceSecond(5)(o); o.Resume = "e1.8" },
			[]line{{"e1.8", "bellhop.ready"}, {"e1.9", "Resource"}}, "", true},
		"since where the position is foreign": {func(o *gateway.StreamOptions) { sinceSecond(9)(o); o.Resume = "tea" },
			[]line{{"", "bellhop.ready"}, {"e1.8", "bellhop.reset"}, {"e1.9", "Resource"}}, reset("foreign"), false},
		"since trimmed where the position is foreign": {func(o *gateway.StreamOptions) { sinceSecond(5)(o); o.Resume = "tea"; o.Variant.Unnamed = true },
			[]line{{"", "bellhop.ready"}, {"e1.5", "bellhop.reset"}, {"e1.6", ""}, {"e1.7", ""}, {"e1.8", ""}, {"e1.9", ""}}, reset("foreign"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 2, func(t *testing.T, h *house) {
				for range 9 { // the nth is logged in the nth second
					time.Sleep(time.Second)
					h.say("Dirty")
				}
				synctest.Wait()
				h.log.trim(6)
				blocks := h.open(t, tt.change).blocks()
				if diff := cmp.Diff(tt.want, lines(blocks)); diff != "" {
					t.Errorf("blocks (-want +got):\n%s", diff)
				}
				var ready struct {
					Position string
					Resumed  bool
				}
				if err := json.Unmarshal([]byte(blocks[0].data), &ready); err != nil || ready.Position != tt.want[0].ID || ready.Resumed != tt.resumed {
					t.Errorf("ready %s, want position %q, resumed %t", blocks[0].data, tt.want[0].ID, tt.resumed)
				}
				if _, has := strings.CutPrefix(blocks[0].data, `{"position"`); has != (tt.want[0].ID != "") {
					t.Errorf("ready %s", blocks[0].data)
				}
				if tt.reset != "" && blocks[1].data != tt.reset {
					t.Errorf("reset %s, want %s", blocks[1].data, tt.reset)
				}
			})
		})
	}
}

// sinceSecond asks for what was logged from so many seconds on.
func sinceSecond(s float64) func(*gateway.StreamOptions) {
	return func(o *gateway.StreamOptions) {
		o.Since = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s * 1e9))
	}
}

// A position that another gateway gave, or that the log gave while this stream
// replayed, may be ahead of the hub: what comes late was given already.
func TestAheadOfTheHub(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.log.hold(true)
		h.say("1", "2", "3", "4")
		resumed := h.open(t, resumeAt("e1.3"))
		since := h.open(t, sinceSecond(0))
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		time.Sleep(timing().Heartbeat + time.Second)
		quiet := h.open(t, resumeAt("e1.4"))
		time.Sleep(timing().Heartbeat + time.Second)
		h.log.hold(false)
		h.say("5")

		want := []line{{"", "bellhop.source"}, {"e1.3", "bellhop.heartbeat"}, {"e1.3", "bellhop.heartbeat"}, {"e1.4", "Resource"}, {"e1.5", "Resource"}}
		if diff := cmp.Diff(want, lines(resumed.rest())); diff != "" {
			t.Errorf("resumed (-want +got):\n%s", diff)
		}
		want = []line{{"", "bellhop.source"}, {"e1.0", "bellhop.heartbeat"}, {"e1.0", "bellhop.heartbeat"}, {"e1.1", "Resource"}, {"e1.2", "Resource"}, {"e1.3", "Resource"}, {"e1.4", "Resource"}, {"e1.5", "Resource"}}
		if diff := cmp.Diff(want, lines(since.rest())); diff != "" {
			t.Errorf("since (-want +got):\n%s", diff)
		}
		want = []line{{"e1.4", "bellhop.heartbeat"}, {"e1.5", "Resource"}}
		if diff := cmp.Diff(want, lines(quiet.rest())); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
	})
}

// A stream that replays slowly is overtaken by trimming: it is told, and goes on
// as a new one would.
func TestStreamOvertaken(t *testing.T) {
	tests := map[string]struct {
		change func(*gateway.StreamOptions)
		want   []string // the ids behind the opening
	}{
		"at the log's end": {resumeAt("e1.0"), []string{"e1.1", "e1.2", "e1.10", "e1.11"}},
		"at since": {func(o *gateway.StreamOptions) { resumeAt("e1.0")(o); o.Since = time.Now() },
			[]string{"e1.1", "e1.2", "e1.7", "e1.8", "e1.9", "e1.10", "e1.11"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 1, func(t *testing.T, h *house) {
				h.log.page = 2
				h.say("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
				synctest.Wait()
				c := h.openStalled(t, 2, tt.change)
				h.log.trim(8)
				close(c.resume)
				synctest.Wait()
				h.say("11")
				rest := c.rest()
				if diff := cmp.Diff(tt.want, ids(rest)); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
				if i := slices.IndexFunc(rest, func(b block) bool { return b.name == "bellhop.reset" }); i != 2 || rest[i].data != `{"reason":"trimmed"}` {
					t.Errorf("reset at %d of %+v", i, rest)
				}
			})
		})
	}
}

// openStalled opens a stream that waits in its nth write until resume is closed.
func (h *house) openStalled(t *testing.T, n int, change func(*gateway.StreamOptions)) *carrier {
	o := gateway.StreamOptions{ID: "s-1", Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()}
	if change != nil {
		change(&o)
	}
	c := &carrier{stream: h.hub.Open(o), stall: n, resume: make(chan struct{}), limit: 1 << 20}
	c.start()
	t.Cleanup(c.stop)
	synctest.Wait()
	return c
}

// A heartbeat's id is the head only when nothing of it is left to give.
func TestHeartbeatWaitsForWhatIsUndelivered(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{States: []string{"Dirty"}}, everything), Timing: timing()})
		defer s.Close()
		if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		h.say("Clean", "Dirty", "Clean")
		time.Sleep(timing().Heartbeat)
		synctest.Wait()
		if b := s.Tick(time.Now()); b != nil {
			t.Errorf("before it was given: %s", b)
		}
		var b gateway.Batch
		s.Take(&b, 1<<20)
		if b := s.Tick(time.Now()); b != nil {
			t.Errorf("just after it was given: %s", b)
		}
		time.Sleep(timing().Heartbeat)
		if diff := cmp.Diff([]line{{"e1.3", "bellhop.heartbeat"}}, lines(parseBlocks(s.Tick(time.Now())))); diff != "" {
			t.Errorf("in silence (-want +got):\n%s", diff)
		}
	})
}

// A long replay without a match says how far it is.
func TestHeartbeatWhileReplaying(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.log.page = 2
		h.say("Clean", "Clean", "Clean", "Clean", "Clean", "Clean", "Dirty")
		synctest.Wait()
		h.log.onRead = func() { time.Sleep(20 * time.Second) }
		c := h.open(t, func(o *gateway.StreamOptions) {
			o.Resume, o.Subscription = "e1.0", subscribe(t, gateway.Query{States: []string{"Dirty"}}, everything)
		})
		time.Sleep(21 * time.Second)
		if diff := cmp.Diff([]line{{"e1.2", "bellhop.heartbeat"}, {"e1.7", "Resource"}}, lines(c.rest())); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}

// What changes at the sources while a stream replays is told once it is live, as
// it then is.
func TestSourcesWhileReplaying(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.say("1", "2")
		synctest.Wait()
		c := h.openStalled(t, 1, resumeAt("e1.0"))
		h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateLive})
		h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateDown, Reason: gateway.ReasonRejected})
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonDial}) // as it was told
		close(c.resume)
		synctest.Wait()
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		want := []block{
			{id: "e1.1", name: "Resource"}, {id: "e1.2", name: "Resource"},
			{name: "bellhop.source", data: `{"source":"prague","state":"down","since":"2000-01-01T00:00:00Z","reason":"rejected"}`},
			{name: "bellhop.source", data: `{"source":"brno","state":"live","since":"2000-01-01T00:00:00Z"}`},
		}
		got := c.rest()
		for i := range min(2, len(got)) {
			got[i].data = ""
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}

// A stream in a long replay ends with its token, and when it is told to.
func TestEndWhileReplaying(t *testing.T) {
	tests := map[string]struct {
		end  func(*carrier)
		want string
	}{
		"expired":  {func(*carrier) { time.Sleep(24 * time.Hour) }, `{"reason":"expired"}`},
		"revoked":  {func(c *carrier) { c.stream.End(gateway.ByeRevoked, 0) }, `{"reason":"revoked"}`},
		"lifetime": {func(*carrier) { time.Sleep(23 * time.Hour) }, `{"reason":"lifetime"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inHouse(t, 1, func(t *testing.T, h *house) {
				h.log.page = 1
				h.say("1", "2", "3", "4")
				synctest.Wait()
				c := h.openStalled(t, 2, func(o *gateway.StreamOptions) {
					if o.Resume = "e1.0"; name == "lifetime" {
						o.Timing.Lifetime = 23 * time.Hour
					}
				})
				tt.end(c)
				close(c.resume)
				if diff := cmp.Diff([]block{{name: "bellhop.bye", data: tt.want}}, c.rest()[1:], cmp.AllowUnexported(block{})); diff != "" {
					t.Errorf("behind the first event (-want +got):\n%s", diff)
				}
				if <-c.done; !errors.Is(c.err, gateway.ErrEnded) {
					t.Errorf("error %v", c.err)
				}
			})
		})
	}
}

// Begin returns the errors of whom it asks.
func TestBeginFails(t *testing.T) {
	broken := errors.New("broken")
	begin := func(h *house, o gateway.StreamOptions, write func([]byte) error) error {
		o.Timing = timing()
		s := h.hub.Open(o)
		defer s.Close()
		return s.Begin(context.Background(), write)
	}
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.say("1", "2", "3")
		synctest.Wait()
		all := subscribe(t, gateway.Query{}, everything)
		for n := range 2 { // the opening, a page of the log
			h.log.page = 1
			writes := 0
			err := begin(h, gateway.StreamOptions{Subscription: all, Resume: "e1.1"}, func([]byte) error {
				if writes++; writes > n {
					return broken
				}
				return nil
			})
			if err != broken || writes != n+1 {
				t.Errorf("write %d: error %v after %d", n, err, writes)
			}
		}
		h.log.onRead = func() { h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateLive}) }
		err := begin(h, gateway.StreamOptions{Subscription: all, Resume: "e1.1"}, func(b []byte) error {
			if strings.Contains(string(b), "bellhop.source") {
				return broken
			}
			return nil
		})
		if err != broken {
			t.Errorf("a change of a source: error %v", err)
		}
		h.log.failReads(broken)
		if err := begin(h, gateway.StreamOptions{Subscription: all, Since: time.Unix(0, 0)}, func([]byte) error { return nil }); err != broken {
			t.Errorf("since: error %v", err)
		}
		if err := begin(h, gateway.StreamOptions{Subscription: all, Resume: "e1.0"}, func([]byte) error { return nil }); err != broken {
			t.Errorf("read: error %v", err)
		}
	})
}

// What was erased between a position and the ring is passed over, and so is what
// the ring let go of meanwhile, by reading it.
func TestReplayOfWhatWasErased(t *testing.T) {
	inHouse(t, 2, func(t *testing.T, h *house) {
		h.say("1", "2", "3", "4")
		synctest.Wait()
		for seq := range uint64(4) {
			h.log.erase(seq + 1)
		}
		h.log.onRead = func() { // the ring turns over between the read and what comes after it
			h.say("5", "6", "7", "8")
			synctest.Wait()
		}
		o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Resume: "e1.0", Timing: timing()}
		s := h.hub.Open(o)
		defer s.Close()
		var got []byte
		if err := s.Begin(t.Context(), func(b []byte) error { got = append(got, b...); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"e1.5", "e1.6", "e1.7", "e1.8"}, ids(parseBlocks(got)[1:])); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

func TestTake(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		s := h.hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()})
		defer s.Close()
		if s.Lag() != 0 {
			t.Errorf("lag %d before it began", s.Lag())
		}
		if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		wake := s.Wake()
		first := newEvent("prague", "Resource", "room", `{}`)
		first.Received = first.Received.Add(-time.Second)
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		h.append(first)
		h.say("2", "3")
		synctest.Wait()
		select {
		case <-wake:
		default:
			t.Error("not woken")
		}
		if s.Lag() != 4 {
			t.Errorf("lag %d, want 4", s.Lag())
		}
		var b gateway.Batch
		s.Take(&b, 1)
		if b.Blocks != 1 || b.Events != 0 || !b.Oldest.IsZero() || s.Lag() != 3 {
			t.Errorf("%d blocks, %d events of %v, lag %d; want one block that is no event", b.Blocks, b.Events, b.Oldest, s.Lag())
		}
		s.Take(&b, len(b.Data)) // it is full
		if b.Blocks != 1 {
			t.Errorf("%d blocks in a full batch", b.Blocks)
		}
		s.Take(&b, 1<<20)
		if b.Blocks != 4 || b.Events != 3 || !b.Oldest.Equal(first.Received) || s.Lag() != 0 {
			t.Errorf("%d blocks, %d events of %v, lag %d; want all", b.Blocks, b.Events, b.Oldest, s.Lag())
		}
		if diff := cmp.Diff([]string{"", "e1.1", "e1.2", "e1.3"}, ids(parseBlocks(b.Data))); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		s.Close()
		s.Close()
		if s.Lag() != 0 {
			t.Errorf("lag %d of a closed one", s.Lag())
		}
	})
}

// Lag and End may be called while the carrier goes about its work.
func TestLagFromAnywhere(t *testing.T) {
	inHouse(t, 2, func(t *testing.T, h *house) {
		c := h.openStalled(t, 1, resumeAt("e1.0"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 1000 {
				c.stream.Lag()
			}
			c.stream.End(gateway.ByeSlow, 0)
		}()
		close(c.resume)
		h.say("1", "2", "3")
		<-done
		<-c.done
		if blocks := c.blocks(); blocks[len(blocks)-1].data != `{"reason":"slow"}` {
			t.Errorf("last block %+v", blocks[len(blocks)-1])
		}
	})
}

func TestFarewell(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		c := h.open(t, nil)
		c.stream.End(gateway.ByeBusy, time.Minute)
		c.stream.End(gateway.ByeClosed, 0) // the first counts
		if diff := cmp.Diff([]block{{retry: time.Minute, name: "bellhop.bye", data: `{"reason":"busy"}`}}, c.rest(), cmp.AllowUnexported(block{})); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
		if _, reason := c.stream.Farewell(); reason != gateway.ByeBusy {
			t.Errorf("reason %s", reason)
		}
	})
}
