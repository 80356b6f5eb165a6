package gateway

import "time"

// A Watcher carries many streams of one feed, and is told when it has something
// to do. Its methods are called with the hub's lock held, from any goroutine:
// they must not block, nor call back.
type Watcher interface {
	// Stirred says that the feed has new blocks.
	Stirred()
	// Ended says that the stream that it watches under key was asked to end.
	Ended(key int)
}

// Watch has w told of the stream's feed, and of the stream's end, until it is
// closed. It is called after [Stream.Begin]; blocks may be there already, and so
// may the end.
func (s *Stream) Watch(w Watcher, key int) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.watcher, s.key = w, key
	s.feed.watchLocked(w)
}

func (s *Stream) unwatchLocked() {
	if s.watcher != nil {
		s.feed.unwatchLocked(s.watcher)
		s.watcher = nil
	}
}

// tellEnded tells the stream's watcher that the stream was asked to end.
func (s *Stream) tellEnded() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.watcher != nil {
		s.watcher.Ended(s.key)
	}
}

// Feed returns the feed that the stream is in since [Stream.Begin] returned.
func (s *Stream) Feed() *Feed { return s.feed }

// Over reports whether the stream has to end: it was asked to, or its time is up.
func (s *Stream) Over(now time.Time) bool {
	if reason := s.clock.over(now, s.hub.since(now)); reason != "" {
		s.End(reason, 0)
	}
	return s.bye.Load() != nil
}

// A Run is blocks of a feed's list, one behind another: what [Stream.Join] makes
// for all streams that are equally far. Its zero value is empty.
type Run struct {
	Data []byte // may be the list's own: it must not be changed
	More bool   // blocks that were there are not in it

	first  *frame // the one before the first
	skip   int    // so many bytes of the first are not in Data
	last   *frame
	ahead  uint64 // of the stream that it was made for
	joined uint64 // of that, too
	slab   *slab  // that Data is of, nil for none
	own    []byte // what Data is when more than one block is in it
}

// Forget empties the run, but for its memory.
func (r *Run) Forget() { *r = Run{own: r.own} }

// Join makes r what the stream has not been given, up to about limit bytes, and
// reports whether there is anything. Where r is that already, made for another
// stream of the feed, it is left as it is.
func (s *Stream) Join(r *Run, limit int) bool {
	at := s.cursor.Load()
	if r.first == at && s.shares(r) {
		return true
	}
	at, next := s.next()
	if next == nil {
		return false
	}
	if sl := s.slabBehind(at); sl != nil {
		s.lay(r, sl, at)
		return true
	}
	r.first, r.skip, r.ahead, r.joined, r.last, r.slab = at, s.skip, s.ahead, s.joined, next, nil
	r.Data = next.data[s.skip:]
	after := next.next.Load()
	if r.More = after != nil; !r.More || len(r.Data) >= limit {
		return true
	}
	r.own = append(r.own[:0], r.Data...)
	far := s.farBehind(at) // then what follows is to be given by slabs
	for ; after != nil && len(r.own) < limit && !(far && beginsSlab(r.last)); after = after.next.Load() {
		if !s.passes(after) {
			r.own = append(r.own, after.data...)
		}
		r.last = after
	}
	r.Data, r.More = r.own, after != nil
	return true
}

// shares reports whether r, which begins at the stream's cursor, is what Join
// would make: what both joined behind, or both before, is the same for them.
func (s *Stream) shares(r *Run) bool {
	return len(r.Data) > 0 && r.skip == s.skip && r.ahead == s.ahead &&
		(r.joined == s.joined || max(r.joined, s.joined) <= r.first.ordinal || min(r.joined, s.joined) >= r.last.ordinal)
}

// next moves the cursor over frames that are not for the stream, and returns it
// and the frame behind it, nil when there is none.
func (s *Stream) next() (at, next *frame) {
	at = s.cursor.Load()
	was := at
	for next = at.next.Load(); next != nil && s.passes(next); next = at.next.Load() {
		at = next
	}
	if at != was {
		s.cursor.Store(at)
	}
	return at, next
}

// Begun returns what is left of a block that was given in part, nil when there is
// none.
func (s *Stream) Begun() []byte {
	if s.skip == 0 {
		return nil
	}
	return s.cursor.Load().next.Load().data[s.skip:]
}

// passes reports a frame that is not for the stream: it was given that before it
// joined the feed, or has been told by its opening what that says.
func (s *Stream) passes(f *frame) bool {
	if f.seq == 0 {
		return s.missed(f)
	}
	return f.seq <= s.ahead
}

// missed reports a frame that stood in the list when the stream joined its feed.
func (s *Stream) missed(f *frame) bool { return f.ordinal <= s.joined }

// liveAt reports whether a stream with the cursor at f has been given all that it
// missed.
func (s *Stream) liveAt(f *frame) bool { return f.ordinal >= s.joined }

// Given says that the first n bytes of r, which [Stream.Join] made, were given.
// It returns how many events ended in them, and when the first of those came
// from its upstream; what was missed does not count.
func (s *Stream) Given(r *Run, n int, now time.Time) (events int, oldest time.Time) {
	s.clock.written(s.hub.since(now))
	if r.slab != nil {
		return s.givenOf(r, n)
	}
	if n == len(r.Data) && r.last == r.first.next.Load() { // the common case: one block, whole
		s.cursor.Store(r.last)
		s.skip = 0
		if r.last.received != 0 && !s.missed(r.last) {
			return 1, time.Unix(0, r.last.received)
		}
		return 0, time.Time{}
	}
	at := r.first
	left := n + s.skip
	for at != r.last {
		next := at.next.Load()
		if !s.passes(next) {
			if left < len(next.data) {
				break
			}
			left -= len(next.data)
			if next.received != 0 && !s.missed(next) {
				if events == 0 {
					oldest = time.Unix(0, next.received)
				}
				events++
			}
		}
		at = next
	}
	s.cursor.Store(at)
	s.skip = left
	return events, oldest
}
