package web_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// ready is the data of bellhop.ready.
type ready struct {
	Position, View, Stream string
	Resumed                bool
	Sources                []status
}

// status is the data of bellhop.source.
type status struct {
	Source, State, Reason string
	Confirmed             time.Time
}

func (h heard) read(v any) error {
	_, data, _ := strings.Cut(h.text.Value(), "data: ")
	return json.Unmarshal([]byte(data), v)
}

// begin judges what a stream begins with.
func (j *judge) begin(blocks []heard) (rest []heard, err error) {
	if len(blocks) == 0 {
		return nil, nil
	}
	var r ready
	first := blocks[0]
	if first.event == "bellhop.bye" { // it had to end before it began
		return blocks, nil
	}
	if first.event != "bellhop.ready" || first.retry == "" || first.read(&r) != nil {
		return nil, fmt.Errorf("begins with %q", first.text.Value())
	}
	if err := j.greet(r); err != nil {
		return nil, fmt.Errorf("%w in %q", err, first.text.Value())
	}
	blocks = blocks[1:]
	if r.Position != first.id || r.Resumed && (j.resume != first.id || !j.reaches(first.id)) {
		return nil, fmt.Errorf("asked for %q, got %q", j.resume, first.text.Value())
	}
	if r.Resumed {
		seq, _ := seqOf(first.id)
		return blocks, j.goOn(first, seq, seq)
	}
	if first.id == "" && (j.resume != "" || !j.snapshot) { // there is to be a reset
		if len(blocks) == 0 {
			return nil, nil
		}
		first, blocks = blocks[0], blocks[1:]
		if err := j.hearReason(first); err != nil {
			return nil, err
		}
	} else if j.resume != "" {
		return nil, fmt.Errorf("asked for %q, got %q", j.resume, first.text.Value())
	}
	return blocks, j.startAnew(first)
}

// reaches reports whether a stream can go on from a position: from one that is
// none it cannot, nor from before what had been trimmed when it began.
func (j *judge) reaches(id string) bool {
	seq, ok := seqOf(id)
	return ok && seq <= uint64(len(j.entries)) && seq+1 >= j.begun
}

// startAnew judges where a stream begins that does not go on from a position:
// what h, ready or a reset, says of it.
func (j *judge) startAnew(h heard) error {
	switch {
	case j.snapshot && h.id != "":
		return fmt.Errorf("before the snapshot: %q", h.text.Value())
	case j.snapshot:
		j.snap = []string{}
		return nil
	case j.since.IsZero():
		return j.goOn(h, j.from, j.to)
	}
	after := uint64(sort.Search(len(j.entries), func(i int) bool { return !j.entries[i].record.Logged.Before(j.since) }))
	if h.id == fmt.Sprint("e1.", after) {
		return j.goOn(h, after, after)
	}
	return j.goOn(h, max(after+1, j.begun-1), j.first-1)
}

// hearReason wants a reset's reason to be so.
func (j *judge) hearReason(h heard) error {
	j.counts["reset"]++
	var data struct{ Reason string }
	if h.event != "bellhop.reset" || h.read(&data) != nil {
		return fmt.Errorf("behind a ready without id: %q", h.text.Value())
	}
	seq, ok := seqOf(j.resume)
	ours := ok && seq <= uint64(len(j.entries))
	so := map[string]bool{
		"foreign": j.resume != "" && !ours,
		"trimmed": j.first > 1 && (ours && seq+1 < j.first || j.resume == "" && !j.since.IsZero()),
	}
	if !so[data.Reason] {
		return fmt.Errorf("asked for %q, since %v, got %q", j.resume, j.since, h.text.Value())
	}
	return nil
}

// goOn has the stream go on from the place that a block names, which is to lie
// between the two.
func (j *judge) goOn(h heard, least, most uint64) error {
	seq, ok := seqOf(h.id)
	if !ok || seq < least || seq > most {
		return fmt.Errorf("goes on from %q, not between %d and %d: %q", h.id, least, most, h.text.Value())
	}
	j.at = seq
	j.next, _ = slices.BinarySearchFunc(j.dues, seq+1, func(d due, seq uint64) int { return cmp.Compare(d.seq(), seq) })
	return nil
}

// seqOf returns the place in the log that an id names.
func seqOf(id string) (uint64, bool) {
	number, ok := strings.CutPrefix(id, "e1.")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, ok && err == nil
}

// greet judges what ready says of view and sources.
func (j *judge) greet(r ready) error {
	if known, ok := j.digests[j.view]; ok && known != r.View {
		return fmt.Errorf("another digest than %s", known)
	}
	j.digests[j.view] = r.View
	if j.streams[r.Stream] {
		return errors.New("a second stream of this name")
	}
	j.streams[r.Stream] = true
	shown := slices.DeleteFunc([]string{"prague", "brno"}, func(source string) bool {
		return !slices.ContainsFunc([]string{"Resource", "PriceUpdate"}, func(typ string) bool { return j.view.could(source, typ) })
	})
	if len(shown) != len(r.Sources) {
		return fmt.Errorf("not the sources %q", shown)
	}
	for i, s := range r.Sources {
		n, err := j.nth(s)
		if s.Source != shown[i] || err != nil {
			return fmt.Errorf("not the source %s: %w", shown[i], err)
		}
		j.told[s.Source] = n
	}
	return nil
}
