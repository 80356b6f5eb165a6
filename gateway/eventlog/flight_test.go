package eventlog

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// fakeStream stores what follows its last sequence and refuses all else.
type fakeStream struct {
	stored []string // the subject of each sequence from 1 on
	inbox  []uint64 // answers that have not been given
}

func (s *fakeStream) publish(e *entry) {
	if e.seq == uint64(len(s.stored))+1 {
		s.stored = append(s.stored, e.subject)
		s.inbox = append(s.inbox, e.seq)
	}
}

// TestFlight appends to a stream that breaks at any moment, with answers
// outstanding, publishes not arrived and, now and then, its tail lost. Each
// entry must be answered for once, in order, under the sequence that it has in
// the stream; what was answered for and lost is made up for by a filler.
func TestFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := fakeStream{stored: make([]string, rapid.IntRange(0, 3).Draw(t, "before"))}
		before := len(stream.stored)
		var f flight
		var added, done []string
		var reported []entry
		settle := func(entries []entry) {
			for _, e := range entries {
				if e.subject != lostSubject {
					done = append(done, e.subject)
					reported = append(reported, e)
				}
			}
		}
		settle(f.resume(uint64(before), uint64(before)))
		lossless := true
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				var batch []entry
				for range rapid.IntRange(1, 4).Draw(t, "batch") {
					subject := strconv.Itoa(len(added))
					added = append(added, subject)
					batch = append(batch, entry{subject: subject})
				}
				f.add(batch)
				settle(f.settle(f.at))
			case 3, 4, 5:
				lose := rapid.Bool().Draw(t, "publishes are lost")
				for e := f.next(); e != nil; e = f.next() {
					if !lose {
						stream.publish(e)
					}
				}
			case 6, 7:
				n := rapid.IntRange(0, len(stream.inbox)).Draw(t, "answers")
				if n > 0 {
					settle(f.settle(stream.inbox[n-1]))
					stream.inbox = stream.inbox[n:]
				}
			case 8:
				if rapid.IntRange(0, 3).Draw(t, "loss") == 0 {
					lossless = false
					stream.stored = stream.stored[:rapid.IntRange(0, len(stream.stored)).Draw(t, "left")]
				}
				stream.inbox = nil
				settle(f.resume(uint64(len(stream.stored)), uint64(len(stream.stored))))
			}
		}
		stream.inbox = nil
		settle(f.resume(uint64(len(stream.stored)), uint64(len(stream.stored))))
		for e := f.next(); e != nil; e = f.next() {
			stream.publish(e)
		}
		settle(f.settle(uint64(len(stream.stored))))

		if !slices.Equal(done, added) {
			t.Fatalf("answered for %v, want %v", done, added)
		}
		for _, e := range reported {
			if e.seq <= uint64(before) {
				t.Fatalf("sequence %d was there before, and was given to %q", e.seq, e.subject)
			}
			if got := stream.stored[e.seq-1]; got != e.subject && (lossless || got != lostSubject) {
				t.Fatalf("sequence %d has %q, but was said to be of %q", e.seq, got, e.subject)
			}
		}
		if lossless && !slices.Equal(stream.stored[before:], added) {
			t.Fatalf("stored %v, want %v", stream.stored[before:], added)
		}
	})
}

// A write that broke off took its sequence and left nothing under it: its entry
// is published again, behind it.
func TestFlightTornWrite(t *testing.T) {
	f := new(flight)
	f.add([]entry{{subject: "ev.a", data: []byte("1")}, {subject: "ev.b", data: []byte("2")}, {subject: "ev.c", data: []byte("3")}})
	for f.next() != nil {
	}
	f.settle(1)
	if stored := f.resume(2, 1); len(stored) != 0 {
		t.Errorf("stored: %v", stored)
	}
	for _, want := range []string{"ev.b", "ev.c"} {
		if e := f.next(); e == nil || e.subject != want || e.seq < 3 {
			t.Errorf("next: %+v, want %s behind 2", e, want)
		}
	}
}
