package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
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

// However many questions are asked and left, few feeds outlive them.
func TestIdleFeedsAreBounded(t *testing.T) {
	inHouse(t, 10, func(t *testing.T, h *house) {
		ask := func(id string) *carrier {
			return h.open(t, func(o *gateway.StreamOptions) {
				o.Subscription = subscribe(t, gateway.Query{IDs: []string{id}}, everything)
			})
		}
		for i := range 2 * gateway.MaxIdleFeeds {
			ask(fmt.Sprint(i)).stop()
			if i%3 == 0 {
				ask("again and again").stop()
			}
		}
		if n := h.hub.Feeds(); n != gateway.MaxIdleFeeds {
			t.Errorf("%d feeds without a stream, want %d", n, gateway.MaxIdleFeeds)
		}
		time.Sleep(2 * gateway.FeedLife)
		ask("new").stop()
		if feeds, keys := h.hub.Feeds(), h.hub.IndexKeys(); feeds != 1 || keys != 1 {
			t.Errorf("%d feeds, %d keys after all but one were forgotten", feeds, keys)
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
		if diff := cmp.Diff(map[string]float64{"bellhop_feeds": 0, "bellhop_hub_sequence": 7, "bellhop_log_reads_total": 0}, got); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}
