package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

// The model test draws a program, runs it against a hub in a bubble, and then
// reads what every stream got against the list of all that was ever appended.
// It is drawn before the bubble, since rapid works outside of one only.

// A step is one thing that happens.
type step struct {
	do      string
	n       int           // how many, or which
	pause   time.Duration // for sleep
	records []recordSpec  // for append
	stream  streamSpec    // for open
}

type recordSpec struct {
	source, typ, id, state, room string
	more, gap                    bool
}

func (r recordSpec) record() *gateway.Record {
	if r.gap {
		return &gateway.Record{Gap: &gateway.Gap{
			Source: r.source, Types: []string{"PriceUpdate", r.typ}, From: time.Unix(1, 0), To: time.Unix(2, 0), Reason: gateway.GapAPI,
		}}
	}
	e := newEvent(r.source, r.typ, r.id, fmt.Sprintf(`{"State":%q,"AssignedResourceId":%q}`, r.state, r.room))
	e.More, e.Received = r.more, time.Now()
	return &gateway.Record{Event: e}
}

type streamSpec struct {
	asked
	unnamed bool
	resume  string        // how the position asked for is come by
	n       int           // of the stream, or how far back
	since   time.Duration // how long ago; negative for no since
	stall   int
	limit   int
}

var modelGrants = [][]gateway.Grant{
	{everything},
	{{Sources: []string{"prague"}, Types: []string{"*"}}},
	{{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Dirty"}, Redact: []string{"event.STATE"}}, {Sources: []string{"brno"}, Types: []string{"Resource", "Reservation"}}},
	{{Sources: []string{"*"}, Types: []string{"*"}, IDs: []string{"A"}}, {Sources: []string{"*"}, Types: []string{"Odd"}}},
	{{Sources: []string{"*"}, Types: []string{"*"}, Fields: []string{"event.State"}}},
	{{Sources: []string{"prague", "nowhere"}, Types: []string{"Reservation", "Resource"}, Resources: []string{"a"}}},
}

var modelQueries = []gateway.Query{
	{}, {}, {Types: []string{"Resource"}}, {IDs: []string{"B", "a"}}, {States: []string{"Dirty"}}, {Resources: []string{"r", "A"}},
	{Sources: []string{"prague"}}, {Sources: []string{"nowhere", "brno"}}, {Types: []string{"Odd", "PriceUpdate"}, IDs: []string{"c"}},
	{Rates: []string{"x"}}, {From: time.Unix(0, 0)},
}

func drawStep(t *rapid.T) step {
	of := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	s := step{
		do: of("do", "append", "append", "append", "append", "open", "open", "open", "close", "end", "report", "report", "trouble",
			"trim", "erase", "epoch", "hold", "follow", "resume", "sleep", "wait"),
		n: rapid.IntRange(0, 20).Draw(t, "n"),
	}
	switch s.do {
	case "append":
		for range rapid.IntRange(1, 5).Draw(t, "records") {
			s.records = append(s.records, recordSpec{
				source: of("source", "prague", "brno"), typ: of("type", "Resource", "Reservation", "Odd"), id: of("id", "a", "B", "c"),
				state: of("state", "Dirty", "Clean"), room: of("room", "r", "a"),
				more: rapid.Bool().Draw(t, "more"), gap: rapid.IntRange(0, 9).Draw(t, "gap") == 0,
			})
		}
	case "open":
		s.stream = streamSpec{
			asked:   asked{rapid.SampledFrom(modelGrants).Draw(t, "grants"), rapid.SampledFrom(modelQueries).Draw(t, "query")},
			unnamed: rapid.IntRange(0, 3).Draw(t, "unnamed") == 0,
			resume:  of("resume", "", "", "", "last", "last", "back", "back", "back", "oldest", "foreign"),
			n:       rapid.IntRange(0, 12).Draw(t, "back"),
			since:   rapid.SampledFrom([]time.Duration{-1, -1, -1, 0, time.Millisecond, 20 * time.Second, time.Hour}).Draw(t, "since"),
			stall:   rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "stall"),
			limit:   rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(t, "limit"),
		}
		if _, err := gateway.NewSubscription(s.stream.grants, s.stream.query); err != nil {
			s.stream.asked = one(everything, gateway.Query{})
		}
	case "sleep":
		s.pause = rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, gateway.GatherFrame, 5 * time.Second, 20 * time.Second, 2 * time.Minute}).Draw(t, "pause")
	}
	return s
}

// A world is what the model knows.
type world struct {
	*house
	appended []*gateway.Record // all there ever were
	erased   map[uint64]bool
	sources  []gateway.Status // as the sources themselves said it
	trouble  bool
	shown    [][]gateway.Status // what was to be seen of all sources, from the start on
	carried  []*modelled
}

// A modelled stream is one with what it must begin with.
type modelled struct {
	*carrier
	spec   streamSpec
	sub    *gateway.Subscription
	resume string
	start  uint64
	reset  string // the reason, empty for none
	told   int    // the index in shown when it opened
	closed bool   // by its client
	ended  bool   // by End
}

func (w *world) append(specs []recordSpec) {
	var records []*gateway.Record
	for _, s := range specs {
		records = append(records, s.record())
	}
	w.log.Append(context.Background(), records, nil)
	w.appended = append(w.appended, records...)
}

func (w *world) do(s step) {
	switch s.do {
	case "append":
		w.append(s.records)
	case "open":
		w.open(s.stream)
	case "close":
		if m := w.pick(s.n); m != nil && !m.closed && !m.stalled() {
			m.closed = true
			m.stop()
		}
	case "end":
		if m := w.pick(s.n); m != nil {
			m.ended = true
			m.stream.End(gateway.ByeClosed, 0)
		}
	case "report":
		status := &w.sources[s.n%len(w.sources)]
		status.State = []gateway.State{gateway.StateLive, gateway.StateCatchingUp, gateway.StateStale, gateway.StateDown}[s.n%4]
		status.Reason = []gateway.Reason{"", "", gateway.ReasonSilent, gateway.ReasonClosed}[s.n%4]
		w.hub.Report(*status)
		w.remember()
	case "trouble":
		w.trouble = s.n%2 == 0
		w.hub.LogTrouble(w.trouble)
		w.remember()
	case "trim":
		first, _ := w.log.Bounds()
		w.log.trim(first + uint64(s.n))
	case "erase":
		if n := len(w.appended); n > 0 {
			seq := w.appended[max(0, n-1-s.n)].Seq
			w.erased[seq] = true
			w.log.erase(seq)
		}
	case "epoch":
		w.log.begin()
	case "hold":
		w.log.hold(true)
	case "follow":
		w.log.hold(false)
	case "resume":
		w.resumeAll()
	case "sleep":
		time.Sleep(s.pause)
	case "wait":
		synctest.Wait()
	}
}

func (w *world) pick(n int) *modelled {
	if len(w.carried) == 0 {
		return nil
	}
	return w.carried[n%len(w.carried)]
}

// stalled reports that the carrier may be waiting for resume.
func (c *carrier) stalled() bool {
	if c.stall == 0 {
		return false
	}
	select {
	case <-c.resume:
		return false
	default:
		return true
	}
}

func (w *world) resumeAll() {
	for _, m := range w.carried {
		if m.stalled() {
			close(m.carrier.resume)
		}
	}
}

// remember notes what is to be seen of the sources from now on.
func (w *world) remember() {
	now := slices.Clone(w.sources)
	for i := range now {
		if w.trouble {
			now[i].State, now[i].Reason = gateway.StateStale, gateway.ReasonLog
		}
	}
	w.shown = append(w.shown, now)
}

// open opens a stream when all is quiet, so that the model knows where it must
// begin.
func (w *world) open(spec streamSpec) {
	synctest.Wait()
	sub, err := gateway.NewSubscription(spec.grants, spec.query)
	if err != nil {
		panic(err)
	}
	m := &modelled{spec: spec, sub: sub, resume: w.resumePosition(spec), told: len(w.shown) - 1}
	o := gateway.StreamOptions{
		ID: fmt.Sprintf("s-%d", len(w.carried)), Subscription: sub, Variant: gateway.Variant{Unnamed: spec.unnamed},
		Resume: m.resume, Timing: timing(),
	}
	if spec.since >= 0 {
		o.Since = time.Now().Add(-spec.since)
	}
	w.expect(m, o)
	m.carrier = &carrier{stream: w.hub.Open(o), stall: spec.stall, resume: make(chan struct{}), limit: spec.limit}
	m.carrier.start()
	w.carried = append(w.carried, m)
	synctest.Wait()
}

func (w *world) resumePosition(spec streamSpec) string {
	_, last := w.log.Bounds()
	switch spec.resume {
	case "last":
		if m := w.pick(spec.n); m != nil {
			for _, b := range slices.Backward(parseBlocks(m.given())) {
				if b.id != "" {
					return b.id
				}
			}
		}
	case "back":
		return w.log.position(last - min(last, uint64(spec.n)))
	case "oldest":
		return w.log.position(0)
	case "foreign":
		return "other.1"
	}
	return ""
}

// expect says where a stream begins and whether it is told that it could not
// where it wanted to.
func (w *world) expect(m *modelled, o gateway.StreamOptions) {
	if o.Resume != "" {
		seq, known, good := w.log.Resolve(o.Resume)
		if good {
			m.start = seq
			return
		}
		m.reset = "foreign"
		if known {
			m.reset = "trimmed"
		}
	}
	if o.Since.IsZero() {
		first, _ := w.log.Bounds()
		m.start = max(w.hub.Head(), first-1)
		return
	}
	after, trimmed, _ := w.log.Since(context.Background(), o.Since)
	m.start = after
	if trimmed && m.reset == "" {
		m.reset = "trimmed"
	}
}

// shows returns the data that the model's stream must be given for r, nil for
// none.
func (m *modelled) shows(r *gateway.Record) any {
	if r.Gap != nil {
		types := array{}
		for _, typ := range r.Gap.Types {
			if slices.ContainsFunc(m.spec.grants, func(g gateway.Grant) bool { return refCould(g, m.spec.query, r.Gap.Source, typ) }) {
				types = append(types, typ)
			}
		}
		if len(types) == 0 {
			return nil
		}
		return object{{"source", r.Gap.Source}, {"types", types}, {"from", "1970-01-01T00:00:01Z"}, {"to", "1970-01-01T00:00:02Z"}, {"reason", "api"}}
	}
	g, ok := refMatches(m.spec.grants, m.spec.query, r.Event)
	if !ok {
		return nil
	}
	return refData(g, r.Event)
}

func (m *modelled) name(r *gateway.Record) string {
	switch {
	case r.Gap != nil:
		return "bellhop.gap"
	case m.spec.unnamed:
		return ""
	}
	return r.Event.Type
}

// could says which of the sources' names a stream may hear of.
func (m *modelled) could(source string) bool {
	return slices.ContainsFunc(m.spec.grants, func(g gateway.Grant) bool {
		return slices.ContainsFunc(append([]string{"Odd"}, knownTypes...), func(typ string) bool {
			if !refAll(g.Types) && !slices.Contains(g.Types, typ) {
				return false
			}
			return refCould(g, m.spec.query, source, typ)
		})
	})
}

// settle lets everything go to its end: what is held goes on, and one record
// more shows what the hub was overtaken by.
func (w *world) settle() {
	w.log.hold(false)
	w.resumeAll()
	w.append([]recordSpec{{source: "prague", typ: "Resource", id: "a", state: "Dirty", room: "a"}})
	time.Sleep(time.Second)
	synctest.Wait()
}

// runModel runs a program and returns what was wrong, and the log of it.
func runModel(t *testing.T, loaded, ring, page int, program []step) (fault string) {
	synctest.Test(t, func(*testing.T) {
		log := newLog()
		log.page = page
		w := &world{erased: make(map[uint64]bool), sources: []gateway.Status{
			{Source: "prague", State: gateway.StateDown, Reason: gateway.ReasonDial}, {Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonDial},
		}}
		w.house = &house{log: log}
		for i := range loaded {
			w.append([]recordSpec{{source: "prague", typ: "Resource", id: "a", state: []string{"Dirty", "Clean"}[i%2], room: "r"}})
		}
		w.house = openHouse(log, ring, "prague", "brno")
		w.remember()
		for _, s := range program {
			w.do(s)
		}
		w.settle()
		for i, m := range w.carried {
			if err := w.check(m); err != nil {
				fault += fmt.Sprintf("stream %d (from %d): %v\n%s\n", i, m.start, err, m.given())
			}
		}
		for _, m := range w.carried {
			m.stop()
			if lag := m.stream.Lag(); lag != 0 {
				fault += fmt.Sprintf("closed, but %d behind", lag)
			}
		}
		time.Sleep(2 * gateway.FeedLife)
		if n := w.hub.Feeds(); n != 0 {
			fault += fmt.Sprintf("%d feeds are left", n)
		}
		if err := w.stop(); !errors.Is(err, context.Canceled) {
			fault += fmt.Sprintf("the hub ended with %v", err)
		}
	})
	return fault
}

func TestStreamsAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var (
			loaded  = rapid.IntRange(0, 8).Draw(rt, "loaded")
			ring    = rapid.IntRange(1, 8).Draw(rt, "ring")
			page    = rapid.IntRange(1, 4).Draw(rt, "page")
			program = rapid.SliceOfN(rapid.Custom(drawStep), 1, 40).Draw(rt, "program")
		)
		if fault := runModel(t, loaded, ring, page, program); fault != "" {
			rt.Fatal(fault)
		}
	})
}
