package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A record is one event as a reader dispatched it.
type record struct {
	Name string // "message" where the stream gave none
	ID   string // the last that the stream gave up to here
	Data string
}

// What a stream may hold and a careless encoder or reader breaks. U+2028 and
// U+2029 end a line for some, and so does CR.
var awkwardTexts = []string{
	"", " ", "  two before and two behind  ", `"quoted" and \back\slashed\`, "tab\tand bell\a", "line\nfeed", "carriage\rreturn", "both\r\n\r\n",
	"\nid: forged\nevent: forged\ndata: forged\n\n", "data: x", ": a comment", "id:", "nul \x00 inside", "\ufeffmark", "line\u2028and\u2029paragraph",
	"Příliš žluťoučký kůň", "日本語 العربية", "👩🏽‍🍳 e\u0301 \U0010FFFF", "</script><!--", strings.Repeat("a", 100_000) + strings.Repeat("日", 20_000),
}

// What a reader that parses and writes again would change.
var awkwardValues = []string{
	"1e400", "-1E-400", "12345678901234567890", "0.1000000000000000055511151231257827", "-0", "1.0", "null", "[]", `[[],{},""]`,
	strings.Repeat(`{"a":[`, 1000) + "0" + strings.Repeat("]}", 1000), `{"":"","a":1,"a":2}`, `"\u0041\ud83d\ude00\/"`,
}

// Types that nobody has heard of.
var awkwardTypes = []string{"x", "Typ s mezerou", "Žluťoučký", "data", "id", "retry", "event:data", ":", " ", `"`, "messages", "Opened"}

// controls are the names of the blocks that the gateway makes.
var controls = []string{
	"bellhop.ready", "bellhop.source", "bellhop.left", "bellhop.gap", "bellhop.reset",
	"bellhop.snapshot", "bellhop.heartbeat", "bellhop.expiring", "bellhop.bye",
}

// awkwardEvents returns events with all of that, and the names under which they
// come. Some are refused, each on grounds of its own, and none may show.
func awkwardEvents() (events, names []string) {
	add := func(kind, member string) {
		events = append(events, fmt.Sprintf(`{"Type":%s,"Id":"e-%d",%s}`, literal(kind), len(events), member))
	}
	for _, text := range awkwardTexts {
		add("Resource", `"State":`+literal(text)+`,"and a member":1`)
	}
	for _, value := range awkwardValues {
		add("Resource", `"State":"Dirty","Odd":`+value)
	}
	for _, kind := range awkwardTypes {
		add(kind, `"Odd": [ 1 , 2 ]`)
	}
	events = append(events, `{"Type":"message","Id":"refused"}`, `{"Type":"bellhop.ready","Id":"refused"}`,
		`{"Type":"Resource"}`, `{"Type":"A\nB","Id":"refused"}`, `null`)
	return events, slices.Concat([]string{"Resource"}, awkwardTypes, controls)
}

// literal returns s in JSON with all of it that may stand as it is.
func literal(s string) string {
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(quote(s))
}

// Every reader dispatches the same events, of the same names, ids and data, as
// the strict parser of these tests finds in the bytes, and nothing besides. The
// first half they are given from the log, the second as it happens.
func TestReadersAgree(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {heartbeat: 1s}")
	raw := g.listen(t, allOf(t), "")
	events, names := awkwardEvents()
	half := len(events) / 2
	hotels.at(0).tell(events[:half]...)
	raw.awaitID(fmt.Sprintf("e-%d", half-1))

	s := stream{gateway: g, token: allOf(t), begin: raw.all()[0].id, names: names}
	ctx, cancel := context.WithCancel(context.Background())
	recorders := make([]recorder, len(readers))
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for i, r := range readers {
		if r.lacks() == "" {
			r.start(ctx, t, s, &running, recorders[i].add)
		}
	}
	for i, r := range readers {
		if r.lacks() == "" {
			eventually(t, r.name+": the first half", func() bool { return recorders[i].heard(fmt.Sprintf(`"e-%d"`, half-1)) })
		}
	}
	for _, e := range append(events[half:], resource("the-end", "Clean")) {
		hotels.at(0).tell(e)
	}
	end := raw.awaitID("the-end")

	var want recorder
	for _, b := range raw.all() {
		want.add(record{b.name, b.id, b.data})
	}
	if got, want := len(want.lasting()), len(awkwardTexts)+len(awkwardValues)+len(awkwardTypes)+2; got != want {
		t.Fatalf("the raw reader has %d records, want %d: all events, ready and the end", got, want)
	}
	for i, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			if lacks := r.lacks(); lacks != "" {
				missTool(t, lacks)
			}
			eventually(t, "a heartbeat after the end", func() bool { return recorders[i].over(end.id) })
			if diff := cmp.Diff(want.lasting(), recorders[i].lasting()); diff != "" {
				t.Errorf("(-raw +reader):\n%.4000s", diff)
			}
		})
	}
}

// A recorder is what a reader has dispatched.
type recorder struct {
	mu      sync.Mutex
	records []record
}

func (r *recorder) add(one record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, one)
}

func (r *recorder) all() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// heard reports whether the data of an event has the text.
func (r *recorder) heard(text string) bool {
	return slices.ContainsFunc(r.all(), func(one record) bool { return strings.Contains(one.Data, text) })
}

// over reports a heartbeat after the event of the id: until then a reader may
// make something up.
func (r *recorder) over(id string) bool {
	all := r.all()
	end := slices.IndexFunc(all, func(one record) bool { return one.ID == id })
	return end >= 0 && slices.ContainsFunc(all[end:], func(one record) bool { return one.Name == "bellhop.heartbeat" })
}

// lasting returns the records without what differs from stream to stream: when
// heartbeats came, and what is in ready.
func (r *recorder) lasting() []record {
	all := slices.DeleteFunc(r.all(), func(one record) bool { return one.Name == "bellhop.heartbeat" })
	for i := range all {
		if all[i].Name == "bellhop.ready" {
			all[i].Data = ""
		}
	}
	return all
}

// The product's own reader goes on where it was when the gateway is killed under
// it: each event is printed once.
func TestTailGoesOn(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {retry: 100ms}")
	raw := g.listen(t, allOf(t), "")
	ctx, cancel := context.WithCancel(context.Background())
	var printed recorder
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	startTail(ctx, t, stream{gateway: g, token: allOf(t), begin: raw.lastID()}, &running, printed.add)

	var told []string
	for range 3 {
		for range 4 {
			told = append(told, fmt.Sprintf("room-%d", len(told)))
			hotels.at(0).tell(resource(told[len(told)-1], "Dirty"))
		}
		last := told[len(told)-1]
		eventually(t, last+" printed", func() bool { return printed.heard(`"` + last + `"`) })
		g.kill()
		g.start()
	}
	var heard []string
	for _, one := range printed.all() {
		if one.Name == "Resource" {
			heard = append(heard, member(t, one.Data, "id"))
		}
	}
	if diff := cmp.Diff(told, heard); diff != "" {
		t.Errorf("(-told +printed):\n%s", diff)
	}
}
