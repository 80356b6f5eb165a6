package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

// Whatever happens to log, state, gateway and connections: when all is quiet,
// every page holds what there is. As in the model test, a program is drawn first
// and then run in a bubble.

// An act is one thing that happens.
type act struct {
	do    string
	n     int // how many, or which
	pause time.Duration
	said  []saying
	view  view
	stall int
	limit int
	share int // in thousandths
}

// A saying is what a source says of an entity.
type saying struct {
	source, typ, id, state, room string
	start, length                int // in seconds
	gone, gap, done, more        bool
}

// A view is what a page asks for.
type view struct {
	asked
	masked bool
}

// views are all kinds of grants, masks and filters.
var views = []view{
	{asked: one(everything, gateway.Query{})},
	{asked: one(everything, gateway.Query{States: []string{"Dirty"}})},
	{asked: one(everything, gateway.Query{Resources: []string{"A", "r"}})},
	{asked: one(everything, gateway.Query{From: bubble.Add(10 * time.Second), To: bubble.Add(20 * time.Second)})},
	{asked: one(everything, gateway.Query{To: bubble.Add(15 * time.Second), States: []string{"Started", "Clean"}})},
	{asked: one(everything, gateway.Query{IDs: []string{"b"}, Sources: []string{"prague"}})},
	{asked: one(everything, gateway.Query{Types: []string{"PriceUpdate", "Odd"}})},
	{asked: one(everything, gateway.Query{Conversations: []string{"r"}, States: []string{"Dirty"}})},
	{asked: one(gateway.Grant{Sources: []string{"*"}, Types: []string{"Resource", "Reservation"}, States: []string{"Dirty", "Started"}}, gateway.Query{})},
	{asked: one(gateway.Grant{Sources: []string{"prague"}, Types: []string{"*"}, Resources: []string{"a"}, Fields: []string{"event.State", "event.AssignedResourceId"}}, gateway.Query{})},
	{asked: one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.AssignedResourceId", "event.Number"}}, gateway.Query{States: []string{"Dirty"}})},
	{asked: asked{[]gateway.Grant{
		{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Dirty"}},
		{Sources: []string{"brno"}, Types: []string{"Resource", "Reservation"}, Redact: []string{"event.State"}},
	}, gateway.Query{}}},
	{asked: asked{[]gateway.Grant{
		{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Dirty"}},
		{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.STATE"}},
	}, gateway.Query{States: []string{"Dirty", "Clean"}}}},
	{asked: asked{[]gateway.Grant{
		{Sources: []string{"*"}, Types: []string{"Reservation"}, Resources: []string{"a"}, Redact: []string{"event.StartUtc"}},
		{Sources: []string{"*"}, Types: []string{"Reservation"}, Resources: []string{"r"}},
	}, gateway.Query{From: bubble.Add(10 * time.Second)}}},
	{masked: true, asked: one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Dirty"}, Redact: []string{"event.State"}}, gateway.Query{})},
	{masked: true, asked: one(gateway.Grant{Sources: []string{"*"}, Types: []string{"Reservation", "Resource"}, Resources: []string{"a", "r"}, Fields: []string{"event.State"}}, gateway.Query{States: []string{"Started", "Dirty"}})},
	{masked: true, asked: asked{[]gateway.Grant{
		{Sources: []string{"*"}, Types: []string{"Reservation"}, States: []string{"Dirty"}, Resources: []string{"a"}, Redact: []string{"event.State"}},
		{Sources: []string{"prague"}, Types: []string{"*"}, States: []string{"Started", "Dirty"}, Fields: []string{"event.AssignedResourceId"}},
	}, gateway.Query{Resources: []string{"a", "b"}}}},
}

func drawSaying(t *rapid.T) saying {
	of := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	rarely := func(label string, n int) bool { return rapid.IntRange(0, n).Draw(t, label) == n }
	return saying{
		source: of("source", "prague", "brno"),
		typ:    of("type", "Resource", "Resource", "Reservation", "Reservation", "Reservation", "DeviceCommand", "PriceUpdate", "Odd", "airy.channel.connected", "airy.channel.disconnected", "airy.unread-count"),
		id:     of("id", "a", "B", "b", "c"),
		state:  of("state", "Dirty", "Clean", "Started", "Processed", ""),
		room:   of("room", "r", "R", "a", ""),
		start:  rapid.SampledFrom([]int{0, 5, 12, 40}).Draw(t, "start"),
		length: rapid.SampledFrom([]int{0, 3, 30}).Draw(t, "length"),
		gone:   rarely("gone", 9), gap: rarely("gap", 12), done: rarely("done", 9), more: rarely("more", 2),
	}
}

func drawAct(t *rapid.T) act {
	a := act{
		do: rapid.SampledFrom([]string{
			"say", "say", "say", "say", "say", "say", "open", "open", "open", "open", "cut", "cut", "cut",
			"trim", "trim", "overtake", "hold", "follow", "refuse", "fail", "heal", "restart", "crash", "release", "sleep", "wait", "look",
		}).Draw(t, "do"),
		n: rapid.IntRange(0, 12).Draw(t, "n"),
	}
	switch a.do {
	case "say", "refuse", "overtake":
		a.said = rapid.SliceOfN(rapid.Custom(drawSaying), 1, 5).Draw(t, "said")
	case "open":
		a.view = rapid.SampledFrom(views).Draw(t, "view")
		a.stall = rapid.SampledFrom([]int{0, 0, 1, 2, 3, 4}).Draw(t, "stall")
		a.limit = rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(t, "limit")
	case "cut":
		a.share = rapid.IntRange(0, 1000).Draw(t, "share")
	case "sleep":
		a.pause = rapid.SampledFrom([]time.Duration{time.Millisecond, 600 * time.Millisecond, 3 * time.Second, 20 * time.Second}).Draw(t, "pause")
	}
	return a
}

// A town is a hotel with its pages.
type town struct {
	t     *testing.T
	hotel *hotel
	*opened
	pages []*page
	said  int  // how many sayings there were
	loose bool // trimming was faster than the hub
	fault []string
}

func (w *town) check(what string, err error) {
	if err != nil {
		w.fault = append(w.fault, what+": "+err.Error())
	}
}

func (w *town) do(a act) {
	switch a.do {
	case "say":
		w.say(a.said, nil)
	case "refuse":
		w.log.refuse(errNoRoom)
		w.say(a.said, errNoRoom)
		w.log.refuse(nil)
	case "open":
		w.open(a)
	case "cut":
		if p := w.pick(a.n); p != nil {
			w.check("cut", p.disconnect(a.share))
		}
	case "trim":
		w.trim(uint64(a.n))
	case "overtake":
		synctest.Wait()
		w.log.hold(true)
		w.say(a.said, nil)
		w.trim(1000)
		w.log.hold(false)
	case "hold", "follow":
		w.log.hold(a.do == "hold")
	case "fail":
		w.hotel.state.fail(a.n)
	case "heal":
		w.hotel.state.fail(-1)
	case "restart", "crash":
		w.restart(a)
	case "release":
		w.releaseAll()
	case "sleep":
		time.Sleep(a.pause)
	case "wait":
		synctest.Wait()
	case "look":
		w.look()
	}
}

// say has sources append what is one append for each of them.
func (w *town) say(said []saying, want error) {
	records := make(map[string][]*gateway.Record)
	for _, s := range said {
		w.said++
		records[s.source] = append(records[s.source], s.record(w.said))
	}
	for source, rs := range records {
		if err := w.sinks[source].Append(context.Background(), rs, nil); !errors.Is(err, want) {
			w.check("append", err)
		}
	}
}

func (s saying) record(n int) *gateway.Record {
	if s.gap {
		return &gateway.Record{Gap: &gateway.Gap{Source: s.source, Types: []string{s.typ}, From: time.Unix(1, 0), To: time.Unix(2, 0), Reason: gateway.GapAPI}}
	}
	if s.gone {
		return &gateway.Record{Event: &gateway.Event{Source: s.source, Type: s.typ, ID: s.id, Origin: gateway.OriginBackfill, Received: time.Now(), Gone: true}}
	}
	object := fmt.Sprintf(`{"Id":%q,"Number":%d,"State":%q,"AssignedResourceId":%q,"conversation_id":%q,"StartUtc":%q`, s.id, n, s.state, s.room, s.room, bubble.Add(time.Duration(s.start)*time.Second).Format(time.RFC3339))
	if s.length > 0 {
		object += fmt.Sprintf(`,"EndUtc":%q`, bubble.Add(time.Duration(s.start+s.length)*time.Second).Format(time.RFC3339))
	}
	e := newEvent(s.source, s.typ, s.id, object+"}")
	e.Received, e.More = time.Now(), s.more
	if s.done {
		e.Done = time.Now().Add(-time.Second)
	}
	return &gateway.Record{Event: e}
}

func (w *town) pick(n int) *page {
	if len(w.pages) == 0 {
		return nil
	}
	return w.pages[n%len(w.pages)]
}

// open opens a new page, or an old one again that was cut off.
func (w *town) open(a act) {
	p := w.pick(a.n)
	if p == nil || len(w.pages) < 5 && a.n%2 == 0 {
		p = &page{asked: a.view.asked, masked: a.view.masked, unnamed: a.n%3 == 0, log: w.log}
		w.pages = append(w.pages, p)
	}
	if p.carrier == nil {
		w.connect(p, a.stall, a.limit)
	}
}

func (w *town) connect(p *page, stall, limit int) {
	synctest.Wait()
	p.loose = w.loose
	p.connect(w.hub, stall, limit)
	synctest.Wait()
}

func (w *town) trim(n uint64) {
	synctest.Wait()
	first, last := w.log.Bounds()
	if first = min(first+n, last+1); first > w.hub.Head()+1 {
		w.loose = true
		for _, p := range w.pages {
			p.loose = true
		}
	}
	w.log.trim(first)
}

// restart ends the gateway and starts another. In a crash what has changed since
// the state was last kept is not kept, but the log has it still.
func (w *town) restart(a act) {
	w.quieten()
	if first, _ := w.log.Bounds(); a.do == "restart" || first > w.hotel.state.complete()+1 {
		w.hotel.state.fail(-1)
		time.Sleep(time.Second)
	}
	for i, p := range w.pages {
		w.check("restart", p.disconnect((a.n*311+i*197)%1001))
	}
	if a.do == "crash" {
		w.hotel.crash(w.t, w.opened)
	} else {
		w.opened.end(w.t)
	}
	w.log.begin()
	w.opened = w.hotel.mustStart(w.t)
}

func (w *town) releaseAll() {
	for _, p := range w.pages {
		if p.carrier != nil && p.carrier.stalled() {
			close(p.carrier.resume)
		}
	}
}

// quieten lets everything go to its end. Where the hub was overtaken it takes one
// record more to show.
func (w *town) quieten() {
	w.log.hold(false)
	w.releaseAll()
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
	if _, last := w.log.Bounds(); w.hub.Head() < last {
		w.say([]saying{{source: "prague", typ: "PriceUpdate", id: "x"}}, nil)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
	}
}

// look holds all pages against what there is.
func (w *town) look() {
	w.quieten()
	for i, p := range w.pages {
		if p.carrier == nil {
			w.connect(p, 0, 1<<20)
		}
		if err := p.settled(); err != nil {
			w.fault = append(w.fault, fmt.Sprintf("page %d, %v %v: %v\n%s", i, p.grants, p.query, err, p.carrier.given()))
		}
	}
}

func runTown(t *testing.T, ring, page, piece, shared int, program []act) string {
	var w *town
	synctest.Test(t, func(*testing.T) {
		h := newHotel()
		h.log.page, h.ring, h.piece, h.shared, h.keep = page, ring, piece, shared, 10*time.Second
		w = &town{t: t, hotel: h, opened: h.mustStart(t)}
		for _, a := range program {
			if w.do(a); w.fault != nil {
				break
			}
		}
		if w.fault == nil {
			w.look()
		}
		w.releaseAll()
		for _, p := range w.pages {
			p.disconnect(0)
		}
		if n := w.hub.Shared(); n < 0 || n > shared {
			w.fault = append(w.fault, fmt.Sprintf("%d bytes of snapshots are shared", n))
		}
		w.opened.end(t)
	})
	return strings.Join(w.fault, "\n")
}

func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var (
			ring    = rapid.IntRange(1, 8).Draw(rt, "ring")
			page    = rapid.IntRange(1, 4).Draw(rt, "page")
			piece   = rapid.SampledFrom([]int{1, 400, 64 << 10}).Draw(rt, "piece")
			shared  = rapid.SampledFrom([]int{0, 1000, 64 << 20}).Draw(rt, "shared")
			program = rapid.SliceOfN(rapid.Custom(drawAct), 1, 40).Draw(rt, "program")
		)
		if fault := runTown(t, ring, page, piece, shared, program); fault != "" {
			rt.Fatal(fault)
		}
	})
}

// all views can be had, or the property says nothing of them.
func TestViewsCanBeHad(t *testing.T) {
	for i, v := range views {
		if _, err := gateway.NewSubscription(v.grants, v.query); err != nil {
			t.Errorf("view %d: %v", i, err)
		}
	}
	if n := slices.IndexFunc(views, func(v view) bool { return v.masked }); n < 0 {
		t.Error("none hides what its filter reads")
	}
}
