package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// A reader follows one stream's transcript.
type reader struct {
	w    *world
	m    *modelled
	at   uint64                    // the place in the log up to which all was given
	told map[string]gateway.Status // by source
	seen map[string]int            // how far in shown, by source
}

// check reads all that the stream got.
func (w *world) check(m *modelled) error {
	blocks := parseBlocks(m.given())
	r := &reader{w: w, m: m, at: m.start, told: make(map[string]gateway.Status), seen: make(map[string]int)}
	rest, err := r.opening(blocks)
	if err != nil {
		return err
	}
	for i, b := range rest {
		if b.name == "bellhop.bye" {
			if !m.ended || i != len(rest)-1 || b.id != "" {
				return fmt.Errorf("a bye at %d of %d", i, len(rest))
			}
			return nil
		}
		if err := r.read(b); err != nil {
			return fmt.Errorf("block %d of %d, %+v: %w", i, len(rest), b, err)
		}
	}
	if m.closed || m.ended {
		return nil
	}
	return r.complete()
}

func (r *reader) opening(blocks []block) ([]block, error) {
	m := r.m
	if len(blocks) == 0 || blocks[0].name != "bellhop.ready" {
		return nil, errors.New("no ready")
	}
	var ready struct {
		Position, View, Stream string
		Resumed                bool
		Heartbeat              float64
		Sources                []statusData
	}
	if err := json.Unmarshal([]byte(blocks[0].data), &ready); err != nil {
		return nil, err
	}
	position := r.w.log.position(m.start)
	want := block{retry: blocks[0].retry, id: position, name: "bellhop.ready", data: blocks[0].data}
	if m.reset != "" {
		want.id = ""
	}
	if blocks[0] != want || ready.Position != want.id || ready.Resumed != (m.resume != "" && m.reset == "") || ready.Heartbeat != 15 || ready.View != m.sub.View() {
		return nil, fmt.Errorf("ready %+v, want the position %q", blocks[0], want.id)
	}
	if err := r.tellReady(ready.Sources); err != nil {
		return nil, err
	}
	blocks = blocks[1:]
	if m.reset == "" {
		return blocks, nil
	}
	want = block{id: position, name: "bellhop.reset", data: fmt.Sprintf(`{"reason":%q}`, m.reset)}
	if len(blocks) == 0 || blocks[0] != want {
		return nil, fmt.Errorf("%+v, want %+v", blocks, want)
	}
	return blocks[1:], nil
}

type statusData struct {
	Source string
	State  gateway.State
	Reason gateway.Reason
}

// tellReady holds what ready said against what was to be seen when the stream
// opened.
func (r *reader) tellReady(got []statusData) error {
	want := []statusData{}
	for _, s := range r.w.shown[r.m.told] {
		if r.m.could(s.Source) {
			want = append(want, statusData{s.Source, s.State, s.Reason})
			r.told[s.Source], r.seen[s.Source] = s, r.m.told
		}
	}
	named := r.m.spec.query.Sources
	if named == nil {
		for _, g := range r.m.spec.grants {
			named = append(named, g.Sources...)
		}
	}
	if slices.Contains(named, "nowhere") && r.m.could("nowhere") {
		want = append(want, statusData{"nowhere", gateway.StateUnknown, ""})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("sources of ready (-want +got):\n%s", diff)
	}
	return nil
}

// read takes the next block.
func (r *reader) read(b block) error {
	if b.name == "bellhop.source" {
		return r.source(b)
	}
	seq, known, _ := r.w.log.Resolve(b.id)
	if !known || seq < r.at || r.w.log.position(seq) != b.id {
		return fmt.Errorf("the position goes back from %d", r.at)
	}
	switch b.name {
	case "bellhop.heartbeat":
		if missed := r.next(); missed != nil && missed.Seq <= seq {
			return fmt.Errorf("passes over %d", missed.Seq)
		}
	case "bellhop.reset":
		first, _ := r.w.log.Bounds()
		if b.data != `{"reason":"trimmed"}` || first <= r.at+1 {
			return fmt.Errorf("but nothing behind %d was trimmed", r.at)
		}
	default:
		if err := r.record(b, seq); err != nil {
			return err
		}
	}
	r.at = seq
	return nil
}

// next returns the next record that the stream must be given, nil for none. An
// erased one it may be given.
func (r *reader) next() *gateway.Record {
	for _, rec := range r.w.appended {
		if rec.Seq > r.at && !r.w.erased[rec.Seq] && r.m.shows(rec) != nil {
			return rec
		}
	}
	return nil
}

func (r *reader) record(b block, seq uint64) error {
	if next := r.next(); seq == r.at || next != nil && next.Seq < seq {
		return fmt.Errorf("follows on %d, before %d", r.at, next.Seq)
	}
	rec := r.w.appended[seq-1]
	want := r.m.shows(rec)
	if want == nil || b.name != r.m.name(rec) {
		return errors.New("not to be shown")
	}
	if diff := cmp.Diff(want, parseTree([]byte(b.data))); diff != "" {
		return fmt.Errorf("data (-want +got):\n%s", diff)
	}
	return nil
}

// source takes a change of state, which must be a later one that was to be seen.
func (r *reader) source(b block) error {
	var got statusData
	if err := json.Unmarshal([]byte(b.data), &got); err != nil {
		return err
	}
	was, ok := r.told[got.Source]
	if !ok || b.id != "" || was.State == got.State && was.Reason == got.Reason {
		return errors.New("no news")
	}
	for i := r.seen[got.Source]; i < len(r.w.shown); i++ {
		for _, s := range r.w.shown[i] {
			if s.Source == got.Source && s.State == got.State && s.Reason == got.Reason {
				r.told[got.Source], r.seen[got.Source] = s, i
				return nil
			}
		}
	}
	return errors.New("never was so")
}

// complete holds what the stream got in all against what there is.
func (r *reader) complete() error {
	if missed := r.next(); missed != nil {
		return fmt.Errorf("never got %d, being at %d", missed.Seq, r.at)
	}
	for _, s := range r.w.shown[len(r.w.shown)-1] {
		if told, ok := r.told[s.Source]; ok && (told.State != s.State || told.Reason != s.Reason) {
			return fmt.Errorf("%s: told %s %s last, but it is %s %s", s.Source, told.State, told.Reason, s.State, s.Reason)
		}
	}
	return nil
}
