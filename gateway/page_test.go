package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// A page is a client that shows entities, and does with each block what the
// contract tells it to. Everything that it is given it holds against the log's
// history, by the reference. It outlives its connections.
type page struct {
	asked
	unnamed bool
	masked  bool // some grant hides a member that a filter of it reads
	log     *memoryLog

	held  map[gateway.EntityKey]any // what each event says, without its origin
	last  string                    // the last id
	at    uint64                    // everything up to here was given
	clear uint64                    // nothing between at and here was to be given
	loose bool                      // trimming was faster than the hub: a snapshot may be ahead of its place

	// Of the present connection.
	carrier *carrier
	read    int    // so many bytes of it were taken in
	first   bool   // nothing of it was
	reset   string // the reason that the opening must give, empty for none
	anew    bool   // a snapshot is under way, or about to be
	count   int    // of its events
}

// key returns the entity that an event tells of.
func (p *page) key(source, typ, id string) gateway.EntityKey {
	key, _ := (&gateway.Event{Source: source, Type: typ, ID: id}).Key()
	return key
}

// connect opens a stream of the hub, from where the page is.
func (p *page) connect(h *gateway.Hub, stall, limit int) {
	sub, err := gateway.NewSubscription(p.grants, p.query)
	if err != nil {
		panic(err)
	}
	p.reset, p.anew, p.first, p.read = "", p.last == "", true, 0
	if p.last != "" {
		if _, known, good := p.log.Resolve(p.last); !good {
			p.anew, p.reset = true, "foreign"
			if known {
				p.reset = "trimmed"
			}
		}
	}
	t := timing()
	t.Expires = t.Expires.AddDate(1, 0, 0)
	p.carrier = &carrier{
		stream: h.Open(gateway.StreamOptions{Subscription: sub, Variant: gateway.Variant{Unnamed: p.unnamed, Snapshot: true}, Resume: p.last, Timing: t}),
		stall:  stall, resume: make(chan struct{}), limit: limit,
	}
	p.carrier.start()
}

// disconnect cuts the connection where a share, in thousandths, of what has not
// been taken in has come through.
func (p *page) disconnect(share int) error {
	if p.carrier == nil {
		return nil
	}
	all := p.carrier.given()
	if p.carrier.stalled() {
		close(p.carrier.resume)
	}
	p.carrier.stop()
	err := p.take(all[:p.read+(len(all)-p.read)*share/1000])
	p.carrier = nil
	return err
}

// take reads the whole blocks of all that was given by now.
func (p *page) take(all []byte) error {
	fresh := all[p.read:]
	end := bytes.LastIndex(fresh, []byte("\n\n")) + 2
	if end < 2 {
		return nil
	}
	p.read += end
	for _, b := range parseBlocks(fresh[:end]) {
		if err := p.apply(b); err != nil {
			return fmt.Errorf("at %d, anew %t: %+v: %w", p.at, p.anew, b, err)
		}
		if b.id != "" {
			p.last = b.id
		}
	}
	return nil
}

func (p *page) apply(b block) error {
	if p.first != (b.name == "bellhop.ready") {
		return errors.New("ready is not the first, or not alone")
	}
	if b.id != "" && p.anew && b.name != "bellhop.snapshot" {
		return errors.New("an id before the snapshot's end")
	}
	switch b.name {
	case "bellhop.ready":
		return p.ready(b)
	case "bellhop.reset":
		return p.startOver(b)
	case "bellhop.snapshot":
		return p.complete(b)
	case "bellhop.source":
		return nil
	case "bellhop.heartbeat":
		return p.reach(b)
	}
	if p.anew {
		return p.part(b)
	}
	return p.news(b)
}

func (p *page) ready(b block) error {
	p.first = false
	var ready struct {
		Position string
		Resumed  bool
	}
	if err := json.Unmarshal([]byte(b.data), &ready); err != nil {
		return err
	}
	want := p.last
	if p.anew {
		want = ""
		p.drop()
	}
	if b.id != want || ready.Position != want || ready.Resumed == p.anew {
		return fmt.Errorf("want the position %q", want)
	}
	return nil
}

func (p *page) drop() {
	p.anew, p.count = true, 0
	p.held = make(map[gateway.EntityKey]any)
}

// startOver takes a reset: the one that the opening owes, or one that trimming
// brought.
func (p *page) startOver(b block) error {
	want := p.reset
	if p.reset = ""; want == "" {
		want = "trimmed"
		if first, _ := p.log.Bounds(); first <= p.at+1 {
			return fmt.Errorf("nothing behind %d was trimmed", p.at)
		}
	}
	p.drop()
	if b.data != fmt.Sprintf(`{"reason":%q}`, want) || b.id != "" {
		return fmt.Errorf("want %s, without an id", want)
	}
	return nil
}

// part takes an event of a snapshot.
func (p *page) part(b block) error {
	said, origin, err := p.said(b)
	if err != nil {
		return err
	}
	key := p.keyOf(said)
	if _, twice := p.held[key]; twice || key.Kind == "" || origin != "snapshot" || p.reset != "" {
		return fmt.Errorf("no event of a snapshot, or not here (twice: %t)", twice)
	}
	p.held[key] = said
	p.count++
	return nil
}

// said returns what an event's block says, and its origin.
func (p *page) said(b block) (said object, origin any, err error) {
	said, ok := parseTree([]byte(b.data)).(object)
	if !ok || len(said) < 6 || said[3].Name != "origin" {
		return nil, nil, errors.New("no event")
	}
	name := said[1].Value
	if p.unnamed {
		name = ""
	}
	if name != b.name {
		return nil, nil, fmt.Errorf("want the name %q", name)
	}
	origin = said[3].Value
	return slices.Delete(said, 3, 4), origin, nil
}

func (p *page) keyOf(said object) gateway.EntityKey {
	return p.key(said[0].Value.(string), said[1].Value.(string), said[2].Value.(string))
}

// complete takes a snapshot's end: what is held now is what there was at its
// place.
func (p *page) complete(b block) error {
	seq, known, _ := p.log.Resolve(b.id)
	if !p.anew || p.reset != "" || !known || b.data != fmt.Sprintf(`{"count":%d}`, p.count) {
		return fmt.Errorf("not the end of a snapshot of %d", p.count)
	}
	p.anew, p.at, p.clear = false, seq, seq
	if p.loose {
		return nil
	}
	return p.holds(seq)
}

// holds compares what is held with the present state at a place in the log.
func (p *page) holds(seq uint64) error {
	want := make(map[gateway.EntityKey]any)
	for key, e := range presentState(p.log.history()[:seq]) {
		if g, shown := refMatches(p.grants, p.query, e); shown {
			want[key] = p.saying(g, e)
		}
	}
	if p.masked { // of what is hidden nothing is told: some may be held that is no longer shown
		for key := range p.held {
			if _, shown := want[key]; !shown {
				want[key] = p.held[key]
			}
		}
	}
	if !reflect.DeepEqual(want, p.held) {
		return fmt.Errorf("not what there is at %d (-want +got):\n%s", seq, cmp.Diff(want, p.held))
	}
	return nil
}

// saying is what an event's data says, without its origin.
func (p *page) saying(g gateway.Grant, e *gateway.Event) object {
	return slices.Delete(refData(g, e).(object), 3, 4)
}

// reach passes over what was not to be given.
func (p *page) reach(b block) error {
	seq, known, _ := p.log.Resolve(b.id)
	if !known || seq < p.at || p.log.position(seq) != b.id {
		return errors.New("the position goes back")
	}
	if rec := p.next(seq); rec != nil {
		return fmt.Errorf("passes over %d", rec.Seq)
	}
	p.at = seq
	return nil
}

// next returns the first record behind at and up to seq that is to be given.
func (p *page) next(seq uint64) *gateway.Record {
	all := p.log.history()
	for p.clear = max(p.clear, p.at); p.clear < min(seq, uint64(len(all))); p.clear++ {
		if name, _ := p.want(all, all[p.clear]); name != "" {
			return all[p.clear]
		}
	}
	return nil
}

// news takes what a record gives.
func (p *page) news(b block) error {
	seq, known, _ := p.log.Resolve(b.id)
	if !known || seq <= p.at || p.log.position(seq) != b.id {
		return errors.New("no news")
	}
	if rec := p.next(seq - 1); rec != nil {
		return fmt.Errorf("passes over %d", rec.Seq)
	}
	all := p.log.history()
	rec := all[seq-1]
	name, data := p.want(all, rec)
	if name == "" {
		return errors.New("not to be shown")
	}
	p.at = seq
	switch name {
	case "bellhop.gap":
		if b.name != name {
			return errors.New("want a gap")
		}
		return nil
	case "bellhop.left":
		if diff := cmp.Diff(data, parseTree([]byte(b.data))); b.name != name || diff != "" {
			return fmt.Errorf("want bellhop.left (-want +got):\n%s", diff)
		}
		delete(p.held, p.key(rec.Event.Source, rec.Event.Type, rec.Event.ID))
		return nil
	}
	said, origin, err := p.said(b)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(data, any(said)); diff != "" || origin != string(rec.Event.Origin) {
		return fmt.Errorf("origin %v (-want +got):\n%s", origin, diff)
	}
	if key := p.keyOf(said); key.Kind != "" {
		p.held[key] = said
	}
	return nil
}

// want says what the page must be given for a record: the block's name, a type
// or that of a control event, and what it says; no name for nothing.
func (p *page) want(all []*gateway.Record, rec *gateway.Record) (name string, data any) {
	if g := rec.Gap; g != nil {
		for _, typ := range g.Types {
			if slices.ContainsFunc(p.grants, func(gr gateway.Grant) bool { return refCould(gr, p.query, g.Source, typ) }) {
				return "bellhop.gap", nil
			}
		}
		return "", nil
	}
	e := rec.Event
	if g, shown := refMatches(p.grants, p.query, e); shown && !e.Gone {
		return e.Type, p.saying(g, e)
	}
	if refLeaves(p.grants, p.query, eventBefore(all, rec), e) {
		return "bellhop.left", object{{"source", e.Source}, {"type", e.Type}, {"id", e.ID}}
	}
	return "", nil
}

// settled holds the page, when all is quiet, against what there is.
func (p *page) settled() error {
	if err := p.take(p.carrier.given()); err != nil {
		return err
	}
	_, last := p.log.Bounds()
	switch rec := p.next(last); {
	case p.first || p.anew:
		return errors.New("it has not begun")
	case rec != nil:
		return fmt.Errorf("never got %d, being at %d", rec.Seq, p.at)
	}
	return p.holds(last)
}

// presentState returns the latest event of each entity that is there after the
// records.
func presentState(records []*gateway.Record) map[gateway.EntityKey]*gateway.Event {
	there := make(map[gateway.EntityKey]*gateway.Event)
	for _, rec := range records {
		if rec.Event == nil {
			continue
		}
		key, lasts := rec.Event.Key()
		switch {
		case !lasts:
		case rec.Event.Gone:
			delete(there, key)
		default:
			there[key] = rec.Event
		}
	}
	return there
}

// eventBefore returns the event of the same entity before rec's, nil when there
// is none or the entity was not there.
func eventBefore(all []*gateway.Record, rec *gateway.Record) *gateway.Event {
	key, lasts := rec.Event.Key()
	if !lasts {
		return nil
	}
	for _, r := range slices.Backward(all[:rec.Seq-1]) {
		if r.Event == nil {
			continue
		}
		if have, lasts := r.Event.Key(); !lasts || have != key {
			continue
		}
		if r.Event.Gone {
			return nil
		}
		return r.Event
	}
	return nil
}
