package gateway

import (
	"sort"
	"time"
)

const (
	// slabFrames is how many frames make a slab. It begins where their ordinals
	// are a multiple of it, so that all who come by use the same.
	slabFrames = 256
	// slabBytes is how much a slab holds at most.
	slabBytes = 1 << 20
)

// A slab is the blocks of some frames, one behind another, in one piece: what
// streams that have far to go are given, wherever they begin in it, so that
// nothing has to be joined for each. It is immutable, and lives as long as its
// first frame or a stream that is in it.
type slab struct {
	before *frame   // leads to the first of them
	frames []*frame // empty where there can be no slab
	ends   []int32  // of each frame's block, in data
	events []int16  // how many of the frames before, and that one, are events
	data   []byte
}

// newSlab makes the slab of the frames behind before. There is none of frames that
// some streams pass over, or that are large: these are joined.
func newSlab(before *frame) *slab {
	size := 0
	f := before
	for range slabFrames {
		f = f.next.Load()
		if size += len(f.data); f.seq == 0 || size > slabBytes {
			return new(slab)
		}
	}
	s := &slab{
		before: before, frames: make([]*frame, 0, slabFrames), ends: make([]int32, 0, slabFrames),
		events: make([]int16, 0, slabFrames), data: make([]byte, 0, size),
	}
	events := int16(0)
	f = before
	for range slabFrames {
		f = f.next.Load()
		if f.received != 0 {
			events++
		}
		s.data = append(s.data, f.data...)
		s.frames, s.ends, s.events = append(s.frames, f), append(s.ends, int32(len(s.data))), append(s.events, events)
	}
	return s
}

// holds reports whether the frame behind f is one of the slab's.
func (s *slab) holds(f *frame) bool {
	if s == nil || len(s.frames) == 0 {
		return false
	}
	n := f.ordinal - s.before.ordinal
	return n < slabFrames && s.frames[n] == f.next.Load()
}

// end returns where in data the first n blocks end.
func (s *slab) end(n uint64) int {
	if n == 0 {
		return 0
	}
	return int(s.ends[n-1])
}

// counted returns how many of the first n frames are events.
func (s *slab) counted(n uint64) int {
	if n == 0 {
		return 0
	}
	return int(s.events[n-1])
}

// slabBehind returns the slab that the stream, whose cursor is at, is in or comes
// to, nil where it has to have its blocks joined.
func (s *Stream) slabBehind(at *frame) *slab {
	switch {
	case s.slab.holds(at):
	case beginsSlab(at) && s.farBehind(at):
		first := at.next.Load()
		sl := first.slab.Load()
		if sl == nil {
			sl = newSlab(at)
			first.slab.Store(sl) // another goroutine's is as good
		}
		if s.slab = sl; !sl.holds(at) || first.seq <= s.ahead {
			s.slab = nil
		}
	default:
		s.slab = nil
	}
	return s.slab
}

// beginsSlab reports whether a slab can begin behind f.
func beginsSlab(f *frame) bool { return (f.ordinal+1)%slabFrames == 0 }

// farBehind reports whether there are so many frames behind f that a slab, if it
// began there or a little later, would be whole.
func (s *Stream) farBehind(f *frame) bool {
	return s.feed.tail.Load().ordinal >= f.ordinal+slabFrames
}

// lay makes r what the stream, whose cursor is at, has not been given of a slab.
func (s *Stream) lay(r *Run, sl *slab, at *frame) {
	*r = Run{own: r.own, first: at, skip: s.skip, ahead: s.ahead, joined: s.joined, slab: sl, last: sl.frames[slabFrames-1], More: true}
	r.Data = sl.data[sl.end(at.ordinal-sl.before.ordinal)+s.skip:]
}

// givenOf is Given for a run that is of a slab.
func (s *Stream) givenOf(r *Run, n int) (events int, oldest time.Time) {
	sl := r.slab
	from := r.first.ordinal - sl.before.ordinal
	upTo := sl.end(from) + r.skip + n
	to := uint64(sort.Search(len(sl.ends), func(i int) bool { return int(sl.ends[i]) > upTo }))
	if to > from {
		s.cursor.Store(sl.frames[to-1])
	}
	s.skip = upTo - sl.end(to)
	live := from // the first that was not missed
	if s.joined > sl.before.ordinal {
		live = max(live, min(s.joined-sl.before.ordinal, to))
	}
	events = sl.counted(to) - sl.counted(live)
	for i := live; events > 0 && oldest.IsZero(); i++ {
		if received := sl.frames[i].received; received != 0 {
			oldest = time.Unix(0, received)
		}
	}
	return events, oldest
}
