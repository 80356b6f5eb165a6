package gateway_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// storedLog is a log of which only positions and bounds are asked.
type storedLog struct {
	stillLog
	first uint64
}

func (l *storedLog) Bounds() (first, last uint64) { return l.first, l.first }

func (l *storedLog) Resolve(position string) (seq uint64, known, good bool) {
	seq, err := strconv.ParseUint(strings.TrimPrefix(position, "k3v9."), 10, 64)
	return seq, err == nil, err == nil
}

// A returner is a stream that came back, with what it must be given: what is
// replayed to it alone, record by record, and then what comes.
type returner struct {
	*gateway.Stream
	sub     *gateway.Subscription
	variant gateway.Variant
	whole   bool // it is given whole blocks only
	want    []byte
	got     []byte
	live    int // events that it must be given live
	events  int // that it was told to have been given
}

// An estate is a hub without a log, and all that it was told.
type estate struct {
	t       *rapid.T
	hub     *gateway.Hub
	log     *storedLog
	seq     uint64
	records []*gateway.Record
	views   []*gateway.Subscription
	streams []*returner
	down    bool
}

func (e *estate) dispatch(rec *gateway.Record) {
	e.hub.Dispatch(rec)
	e.records = append(e.records, rec)
	for _, s := range e.streams {
		block := e.hub.FrameAs(rec, s.sub, s.variant)
		s.want = append(s.want, block...)
		if block != nil && rec.Event != nil && bytes.Contains(block, []byte(`"event":`)) {
			s.live++
		}
	}
}

func (e *estate) record() *gateway.Record {
	e.seq += rapid.Uint64Range(1, 3).Draw(e.t, "step") // what lies between was erased
	rec := &gateway.Record{Seq: e.seq}
	switch rapid.IntRange(0, 9).Draw(e.t, "kind") {
	case 0:
		rec.Gap = &gateway.Gap{Source: "prague", Types: []string{"Odd", "Resource"}, From: time.Unix(1, 0), To: time.Unix(2, 0), Reason: gateway.GapAPI}
	default:
		rec.Event = drawEvent(e.t)
		rec.Event.Received = time.Unix(int64(e.seq), 0)
		if rapid.Bool().Draw(e.t, "was there") {
			before := drawEvent(e.t).Attributes
			rec.Event.Before = &before
		}
		if rapid.IntRange(0, 5).Draw(e.t, "gone") == 0 {
			rec.Event.Gone, rec.Event.Attributes = true, gateway.Attributes{}
		}
	}
	return rec
}

// drawView draws a subscription of any kind, also with masks.
func drawView(t *rapid.T) *gateway.Subscription {
	grants, query := rapid.SampledFrom(modelGrants).Draw(t, "model's grants"), rapid.SampledFrom(modelQueries).Draw(t, "query")
	if s, err := gateway.NewSubscription(grants, query); err == nil && rapid.Bool().Draw(t, "masked") {
		return s
	}
	return drawSubscription(t)
}

func (e *estate) open() {
	sub := rapid.SampledFrom(e.views).Draw(e.t, "view")
	at := rapid.Uint64Range(e.hub.Floor(), max(e.seq, e.hub.Floor())).Draw(e.t, "at")
	s := &returner{sub: sub, variant: gateway.Variant{Unnamed: rapid.Bool().Draw(e.t, "unnamed")}, whole: rapid.Bool().Draw(e.t, "whole")}
	for _, rec := range e.records {
		if rec.Seq > at {
			s.want = append(s.want, e.hub.FrameAs(rec, sub, s.variant)...)
		}
	}
	s.Stream = e.hub.Open(gateway.StreamOptions{Subscription: sub, Variant: s.variant, Resume: fmt.Sprintf("k3v9.%d", at), Timing: timing()})
	opened := false
	err := s.Begin(e.t.Context(), func(b []byte) error {
		if opened {
			s.got = append(s.got, b...)
		}
		opened = true
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.streams = append(e.streams, s)
}

// give gives a stream blocks in its way.
func (e *estate) give(s *returner, run *gateway.Run, limit, bytes int) bool {
	if s.whole {
		var b gateway.Batch
		s.Take(&b, limit)
		s.got = append(s.got, b.Data...)
		s.events += b.Events
		return b.Blocks > 0
	}
	if !s.Join(run, limit) {
		return false
	}
	n := min(bytes, len(run.Data))
	s.got = append(s.got, run.Data[:n]...)
	events, _ := s.Given(run, n, time.Now())
	s.events += events
	return true
}

func (e *estate) report() {
	e.down = !e.down
	state, reason := gateway.StateLive, gateway.Reason("")
	if e.down {
		state, reason = gateway.StateDown, gateway.ReasonClosed
	}
	e.hub.Report(gateway.Status{Source: "prague", State: state, Reason: reason})
	status := e.hub.Statuses()[0]
	data := must(status.MarshalJSON())
	for _, s := range e.streams {
		if s.sub.Shows("prague") {
			s.want = append(s.want, encode(nil, 0, "", "bellhop.source", data)...)
		}
	}
}

// overtake has trimming be faster than the hub.
func (e *estate) overtake() {
	e.log.first = e.seq + 10
	e.seq += 9
	reset := encode(nil, 0, fmt.Sprintf("k3v9.%d", e.seq), "bellhop.reset", []byte(`{"reason":"trimmed"}`))
	for _, s := range e.streams {
		s.want = append(s.want, reset...)
	}
	e.records = nil
	e.dispatch(e.record())
}

func (e *estate) counted() {
	_, counted, taken, renderedCounted, rendered := e.hub.Pasts()
	if counted != taken || renderedCounted != rendered {
		e.t.Fatalf("pasts take %d, counted are %d; encoded records %d, counted are %d", taken, counted, rendered, renderedCounted)
	}
}

// However a stream comes back, and whatever its feed, others and the ring have
// been through, it is given what is replayed to it alone, record by record, and
// nothing of it counts as live.
func TestPastGivesWhatReplayDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log := &storedLog{first: 1}
		ring := rapid.IntRange(1, 40).Draw(rt, "ring")
		e := &estate{t: rt, log: log, hub: gateway.NewHubWithRing(gateway.HubOptions{Log: log, Encode: encode, Sources: []string{"prague"}}, ring)}
		sizes := rapid.SampledFrom([]int{0, 200, 1000, 1 << 20})
		e.hub.SetPasts(sizes.Draw(rt, "pasts"), sizes.Draw(rt, "rendered"))
		e.views = rapid.SliceOfN(rapid.Custom(drawView), 1, 3).Draw(rt, "views")
		var run gateway.Run
		pick := func() *returner { return e.streams[rapid.IntRange(0, len(e.streams)-1).Draw(rt, "which")] }
		acts := map[string]func(*rapid.T){
			"dispatch": func(*rapid.T) {
				for range rapid.IntRange(1, 6).Draw(rt, "records") {
					e.dispatch(e.record())
				}
			},
			"open": func(*rapid.T) { e.open() },
			"give": func(*rapid.T) {
				if len(e.streams) > 0 {
					e.give(pick(), &run, rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(rt, "limit"), rapid.IntRange(1, 700).Draw(rt, "bytes"))
				}
			},
			"round": func(*rapid.T) { // as a pump does
				run.Forget()
				limit := rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(rt, "limit")
				for _, s := range e.streams {
					e.give(s, &run, limit, 1<<20)
				}
			},
			"report":   func(*rapid.T) { e.report() },
			"overtake": func(*rapid.T) { e.overtake() },
			"tidy": func(*rapid.T) {
				e.hub.Tidy(time.Now().Add(rapid.SampledFrom([]time.Duration{0, 2 * gateway.FeedLife}).Draw(rt, "later")))
			},
			"": func(*rapid.T) { e.counted() },
		}
		rt.Repeat(acts)
		for i, s := range e.streams {
			run.Forget()
			for e.give(s, &run, 1<<20, 1<<20) {
			}
			if !s.Live() || s.Lag() != 0 {
				rt.Errorf("stream %d: live %t, %d behind", i, s.Live(), s.Lag())
			}
			if !bytes.Equal(s.got, s.want) || s.events != s.live {
				rt.Fatalf("stream %d of %s: %d live events, want %d\n%s\nwant\n%s", i, s.sub.Query(), s.events, s.live, s.got, s.want)
			}
			s.Close()
		}
		e.hub.Tidy(time.Now().Add(2 * gateway.FeedLife))
		e.counted()
		if pasts, counted, _, _, _ := e.hub.Pasts(); pasts != 0 || counted != 0 {
			rt.Fatalf("%d pasts are left, of %d bytes", pasts, counted)
		}
	})
}

// Streams that come back to many feeds at once, while records come: each is given
// every one behind its position, once and in order.
func TestManyComeBackAtOnce(t *testing.T) {
	const events, streams = 300, 60
	log := &storedLog{first: 1}
	hub := gateway.NewHubWithRing(gateway.HubOptions{Log: log, Encode: encode, Sources: []string{"prague"}}, 1<<14)
	for i := range events {
		hub.Dispatch(&gateway.Record{Seq: uint64(i + 1), Event: newEvent("prague", "Resource", "room", `{}`)})
	}
	var group sync.WaitGroup
	for i := range streams {
		sub := subscribe(t, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{fmt.Sprintf("event.x%d", i%3)}})
		group.Go(func() {
			at := (i * 37) % events
			s := hub.Open(gateway.StreamOptions{Subscription: sub, Resume: fmt.Sprintf("k3v9.%d", at), Timing: timing()})
			defer s.Close()
			if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
				t.Error(err)
				return
			}
			var got []byte
			var run gateway.Run
			for wake := s.Wake(); len(ids(parseBlocks(got))) < 2*events-at; wake = s.Wake() {
				if s.Join(&run, 10_000) {
					got = append(got, run.Data...)
					s.Given(&run, len(run.Data), time.Now())
					continue
				}
				<-wake
			}
			for n, b := range parseBlocks(got) {
				if want := fmt.Sprintf("k3v9.%d", at+n+1); b.id != want {
					t.Errorf("stream %d: %s, want %s", i, b.id, want)
					return
				}
			}
		})
	}
	for i := range events {
		hub.Dispatch(&gateway.Record{Seq: uint64(events + i + 1), Event: newEvent("prague", "Resource", "room", `{}`)})
	}
	group.Wait()
}

// Streams that come back to the same place are given the same by one run, but for
// what a source said between their joining: the later one's opening says that.
// Nothing that was missed counts as live.
func TestComersBackShare(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		h.say("1", "2", "3")
		synctest.Wait()
		o := gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Resume: "e1.1"}
		first, second := h.begin(t, o), h.begin(t, o)
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		third := h.begin(t, o)
		h.say("4")
		synctest.Wait()
		var run gateway.Run
		give := func(s *gateway.Stream, events int, names ...string) {
			t.Helper()
			defer s.Close()
			if s.Live() || s.Lag() == 0 {
				t.Errorf("live %t, %d behind, before it was given anything", s.Live(), s.Lag())
			}
			s.Join(&run, 1<<20)
			var got []string
			for _, b := range parseBlocks(run.Data) {
				got = append(got, b.name)
			}
			if diff := cmp.Diff(names, got); diff != "" {
				t.Errorf("blocks (-want +got):\n%s", diff)
			}
			if n, _ := s.Given(&run, len(run.Data), time.Now()); n != events || !s.Live() || s.Lag() != 0 {
				t.Errorf("%d live events, want %d; then live %t, %d behind", n, events, s.Live(), s.Lag())
			}
		}
		give(first, 1, "Resource", "Resource", "bellhop.source", "Resource")
		give(second, 1, "Resource", "Resource", "bellhop.source", "Resource")
		give(third, 1, "Resource", "Resource", "Resource")
	})
}
