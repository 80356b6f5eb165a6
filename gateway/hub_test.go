package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	prom "github.com/prometheus/client_golang/prometheus"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The whole life of a stream, byte by byte.
func TestTranscript(t *testing.T) {
	var got []byte
	inHouse(t, 100, func(t *testing.T, h *house) {
		g := gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.Secret", "entity.Phone"}}
		h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateLive, Confirmed: time.Now()})
		h.say("Clean")
		synctest.Wait()
		c := h.open(t, func(o *gateway.StreamOptions) {
			o.Subscription = subscribe(t, gateway.Query{Sources: []string{"prague", "nowhere"}}, g)
			o.Timing.Expires, o.Timing.Leeway = time.Now().Add(80*time.Second), 5*time.Second // warns at half of it
		})
		time.Sleep(1500 * time.Millisecond)
		e := newEvent("prague", "Reservation", "B-1", `{"Type":"Reservation","Id":"B-1","State":"Started","Secret":[1],"Rate":1.50}`)
		e.Received, e.Entity = time.Now(), json.RawMessage(`{"Number":"7","Phone":"0"}`)
		h.append(e, newEvent("brno", "Resource", "r", `{}`))
		h.log.Append(context.Background(), []*gateway.Record{{Gap: &gateway.Gap{
			Source: "prague", Types: []string{"PriceUpdate"}, From: time.Now().Add(-time.Minute), To: time.Now(), Reason: gateway.GapUpstream,
		}}}, nil)
		time.Sleep(time.Second)
		h.hub.Report(gateway.Status{Source: "prague", State: gateway.StateDown, Reason: gateway.ReasonClosed, Confirmed: time.Now().Add(-time.Second)})
		time.Sleep(83 * time.Second)
		synctest.Wait()
		got = c.given()
	})
	got = regexp.MustCompile(`(?m)^retry: \d+`).ReplaceAll(got, []byte("retry: 3000")) // drawn anew each time
	const file = "testdata/transcript.txtar"
	if *update {
		a := &txtar.Archive{Comment: []byte("What a stream of prague gets from its opening to its end.\n"), Files: []txtar.File{{Name: "want", Data: got}}}
		if err := os.WriteFile(file, txtar.Format(a), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(a.Files[0].Data), string(got)); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

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

// Trimming is faster than the hub: every open stream is told, and goes on with
// what is left.
func TestHubOvertaken(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		h.say("1")
		synctest.Wait()
		open := h.open(t, nil)
		h.log.hold(true)
		h.say("2", "3", "4", "5", "6")
		h.log.trim(4)
		h.log.erase(4)
		late := h.open(t, nil)
		ahead := h.open(t, resumeAt("e1.5"))
		h.log.hold(false)

		if diff := cmp.Diff([]line{{"e1.3", "bellhop.reset"}, {"e1.5", "Resource"}, {"e1.6", "Resource"}}, lines(open.rest())); diff != "" {
			t.Errorf("open (-want +got):\n%s", diff)
		}
		if got := open.rest()[0].data; got != `{"reason":"trimmed"}` {
			t.Errorf("reset %s", got)
		}
		if diff := cmp.Diff([]line{{"e1.3", "bellhop.ready"}, {"e1.5", "Resource"}, {"e1.6", "Resource"}}, lines(late.blocks())); diff != "" {
			t.Errorf("late (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]line{{"e1.6", "Resource"}}, lines(ahead.rest())); diff != "" {
			t.Errorf("ahead (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]line{{"e1.3", "bellhop.ready"}, {"e1.5", "Resource"}, {"e1.6", "Resource"}}, lines(h.open(t, resumeAt("e1.3")).blocks())); diff != "" {
			t.Errorf("resumed from the reset (-want +got):\n%s", diff)
		}
	})
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
		for n := range 3 { // the opening, a page of the log, the ring
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

// Only so many streams read the log at a time, and one that waits for its turn
// ends with its context.
func TestReadersTakeTurns(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.say("1", "2")
		synctest.Wait()
		gate := &gatedLog{memoryLog: h.log, gate: make(chan struct{})}
		hub := gateway.NewHubWithRing(gateway.HubOptions{Log: gate, Encode: encode}, 1)
		hub.Dispatch(h.log.records[0])
		hub.Dispatch(h.log.records[1])
		var carriers []*carrier
		for range 20 {
			c := carry(hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Resume: "e1.0", Timing: timing()}))
			defer c.stop()
			carriers = append(carriers, c)
		}
		synctest.Wait()
		if gate.readers != 8 {
			t.Errorf("%d readers at a time, want 8", gate.readers)
		}
		for _, c := range carriers {
			c.cancel()
		}
		synctest.Wait()
		waiting := 0
		for _, c := range carriers {
			select {
			case <-c.done:
				waiting++
			default:
			}
		}
		if waiting != 12 {
			t.Errorf("%d streams gave up waiting, want 12", waiting)
		}
		close(gate.gate)
		c := carry(hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Resume: "e1.0", Timing: timing()}))
		defer c.stop()
		if diff := cmp.Diff([]string{"e1.1", "e1.2"}, ids(c.rest())); diff != "" {
			t.Errorf("after them (-want +got):\n%s", diff)
		}
	})
}

// gatedLog lets no Read through until its gate is closed.
type gatedLog struct {
	*memoryLog
	gate    chan struct{}
	readers int
}

func (l *gatedLog) Read(ctx context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	l.mu.Lock()
	l.readers++
	l.mu.Unlock()
	<-l.gate
	return l.memoryLog.Read(ctx, after, limit)
}

// What is appended between the last read of the log's tail and the first that is
// followed is not lost.
func TestLoadLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		h := &house{log: log}
		h.say("1", "2")
		log.onRead = func() { log.onRead = func() { h.say("3") } } // the second read finds the end
		*h = *openHouse(log, 100)
		defer h.stop()
		synctest.Wait()
		if diff := cmp.Diff([]string{"e1.1", "e1.2", "e1.3"}, ids(h.open(t, resumeAt("e1.0")).rest())); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

// Trimming while the tail is read, and a tail that has been erased.
func TestLoadOfWhatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		log.page = 2
		h := &house{log: log}
		h.say("1", "2", "3", "4", "5", "6")
		log.erase(6)
		log.onRead = func() { log.trim(4) }
		*h = *openHouse(log, 100)
		defer h.stop()
		if head := h.hub.Head(); head != 6 {
			t.Errorf("head %d, want 6", head)
		}
		if diff := cmp.Diff([]string{"e1.4", "e1.5"}, ids(h.open(t, resumeAt("e1.3")).rest())); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

// Of a long log only the tail is read.
func TestLoadOfTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		h := &house{log: log}
		h.say("1", "2", "3", "4", "5", "6")
		*h = *openHouse(log, 2)
		defer h.stop()
		log.failReads(errors.New("not to be read")) // the ring is enough
		if diff := cmp.Diff([]string{"e1.5", "e1.6"}, ids(h.open(t, resumeAt("e1.4")).rest())); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

func TestHubEnds(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		log.failure = broken
		hub := gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode})
		if err := hub.Run(t.Context()); !errors.Is(err, broken) || err.Error() != "read the log's tail: broken" {
			t.Errorf("loading: %v", err)
		}
		select {
		case <-hub.Loaded():
			t.Error("loaded all the same")
		default:
		}
		log.failure = nil
		h := openHouse(log, 1)
		log.fail(broken)
		synctest.Wait()
		if err := h.stop(); err != broken {
			t.Errorf("following: %v", err)
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

// The events of one upstream frame leave together, but do not wait for long.
func TestFrameLeavesTogether(t *testing.T) {
	more := func(state string) *gateway.Event {
		e := newEvent("prague", "Resource", "room", `{"State":"`+state+`"}`)
		e.More = true
		return e
	}
	inHouse(t, 100, func(t *testing.T, h *house) {
		c := h.open(t, nil)
		begun := time.Now()
		h.append(more("1"), more("2"))
		if n := len(c.rest()); n != 0 {
			t.Errorf("%d events before the frame's end", n)
		}
		h.append(newEvent("prague", "Resource", "room", `{}`))
		if n := len(c.rest()); n != 3 || time.Since(begun) != 0 {
			t.Errorf("%d events at the frame's end", n)
		}

		for range 5 { // a frame whose end is long in coming
			h.append(more("x"))
			time.Sleep(gateway.GatherFrame * 2 / 5)
		}
		if n := len(c.rest()); n != 3+3 {
			t.Errorf("%d events of a long frame, want those of its first two milliseconds", n-3)
		}
		time.Sleep(gateway.GatherFrame)
		if n := len(c.rest()); n != 3+5 {
			t.Errorf("%d events at last, want 5", n-3)
		}
		h.append(more("x")) // a status does not wait, nor then what came before it
		synctest.Wait()
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		if n := len(c.rest()); n != 3+5+2 {
			t.Errorf("%d blocks with the status, want 2", n-8)
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

// Streams that mean the same share a feed, which outlives them by a minute.
func TestFeedsAreShared(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		sub := func(values ...string) func(*gateway.StreamOptions) {
			return func(o *gateway.StreamOptions) { o.Subscription = subscribe(t, gateway.Query{IDs: values}, everything) }
		}
		a, b := h.open(t, sub("A", "b")), h.open(t, sub("B", "a"))
		if n := h.hub.Feeds(); n != 1 {
			t.Errorf("%d feeds of one meaning", n)
		}
		unnamed := h.open(t, func(o *gateway.StreamOptions) { sub("A", "b")(o); o.Variant.Unnamed = true })
		if n := h.hub.Feeds(); n != 2 {
			t.Errorf("%d feeds of two variants", n)
		}
		a.stop()
		time.Sleep(2 * gateway.FeedLife)
		if n := h.hub.Feeds(); n != 2 {
			t.Errorf("%d feeds while there are streams, want 2", n)
		}
		b.stop()
		time.Sleep(gateway.FeedLife - time.Second)
		if n := h.hub.Feeds(); n != 2 {
			t.Errorf("%d feeds within the minute, want 2", n)
		}
		again := h.open(t, sub("a", "b"))
		time.Sleep(gateway.FeedLife)
		if n := h.hub.Feeds(); n != 2 {
			t.Errorf("%d feeds of which each has a stream, want 2", n)
		}
		again.stop()
		unnamed.stop()
		time.Sleep(gateway.FeedLife * 5 / 4) // it is looked at four times in a feed's life
		if n := h.hub.Feeds(); n != 0 {
			t.Errorf("%d feeds after all", n)
		}
		if n := h.hub.IndexKeys(); n != 0 {
			t.Errorf("%d keys are left in the index", n)
		}
	})
}

// Every feed gets the record as its own grants show it.
func TestEncodedForEachClass(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		var carriers []*carrier
		for _, redact := range [][]string{nil, {"event.a"}, {"event.b"}, {"event.A"}} {
			for _, unnamed := range []bool{false, true} {
				carriers = append(carriers, h.open(t, func(o *gateway.StreamOptions) {
					o.Subscription = subscribe(t, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: redact})
					o.Variant.Unnamed = unnamed
				}))
			}
		}
		h.append(newEvent("prague", "Resource", "room", `{"a":1,"b":2}`))
		want := []string{`Resource {"a":1,"b":2}`, ` {"a":1,"b":2}`, `Resource {"b":2}`, ` {"b":2}`, `Resource {"a":1}`, ` {"a":1}`, `Resource {"b":2}`, ` {"b":2}`}
		for i, c := range carriers {
			var data struct{ Event json.RawMessage }
			b := c.rest()[0]
			if err := json.Unmarshal([]byte(b.data), &data); err != nil || b.name+" "+string(data.Event) != want[i] {
				t.Errorf("stream %d: %+v, want %s", i, b, want[i])
			}
		}
	})
}

// The ring is bounded by what its records take, too, but always holds the last.
func TestRingOfLargeRecords(t *testing.T) {
	inHouse(t, 16384, func(t *testing.T, h *house) {
		large := `{"a":"` + strings.Repeat("x", gateway.MaxObject) + `"}`
		for i := range 80 {
			h.append(newEvent("prague", "Resource", fmt.Sprint(i), large))
		}
		h.say("small")
		synctest.Wait()
		h.log.failReads(errors.New("not to be read"))
		few := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{IDs: []string{"room"}}, everything), Timing: timing()}
		begin := func(position string) error {
			few.Resume = position
			s := h.hub.Open(few)
			defer s.Close()
			return s.Begin(t.Context(), func([]byte) error { return nil })
		}
		if err := begin("e1.20"); err != nil {
			t.Errorf("64 MiB are to be had: %v", err)
		}
		if err := begin("e1.10"); err == nil {
			t.Error("more than 64 MiB are held")
		}
	})
}

func TestHubMetrics(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		r := prom.NewPedanticRegistry()
		hub := gateway.NewHub(gateway.HubOptions{Log: h.log, Encode: encode, Registerer: r})
		hub.Dispatch(&gateway.Record{Seq: 7, Event: newEvent("prague", "Resource", "room", `{}`)})
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]float64)
		for _, f := range families {
			got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
		if diff := cmp.Diff(map[string]float64{"bellhop_feeds": 0, "bellhop_hub_sequence": 7}, got); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}
