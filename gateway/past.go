package gateway

import (
	"slices"
	"sort"
	"time"
)

const (
	// sharedPasts bounds what all pasts take. What is beyond is replayed to each
	// stream alone.
	sharedPasts = 64 << 20
	// frameSize is about what a frame takes, its place in a past included.
	frameSize = 80
	// maxUnnumbered is how many frames without a sequence, which do not count, may
	// stand between those of a past.
	maxUnnumbered = 4096
	// pastLife is how long a past is kept after the last stream that came back.
	pastLife = time.Minute
)

// A past is a feed's frames of what is in the ring: a stream that comes back is
// put where it was, and given what it missed as one is that lags. A feed has one
// from the first such stream on, and only as far back as these need it. It is
// guarded by the hub's lock.
type past struct {
	// floor is the sequence behind which all that the feed shows is among the
	// frames.
	floor uint64
	// frames are those with a sequence, oldest first. Each leads to the next,
	// frames without a sequence between them.
	frames []*frame
	before *frame // leads to the first frame or, where there is none, to the feed's last
	size   int
	used   time.Time // when a stream came back last
}

// newPast returns the past of a feed from its last frame on. Head is the last
// record that the feed has been given.
func newPast(tail *frame, head uint64) *past {
	p := &past{floor: head, before: leading(tail), used: time.Now()}
	if tail.seq > 0 {
		p.floor, p.frames, p.size = tail.seq-1, []*frame{tail}, tail.size()
	}
	return p
}

// leading returns an empty frame before next.
func leading(next *frame) *frame {
	f := &frame{ordinal: next.ordinal - 1}
	f.next.Store(next)
	return f
}

// reaches reports whether a stream that was given everything up to seq can go on
// here. The nil past reaches nowhere.
func (p *past) reaches(seq uint64) bool { return p != nil && p.floor <= seq }

// at returns the last frame that a stream which was given everything up to seq
// has behind it. It is tail when nothing came since.
func (p *past) at(seq uint64, tail *frame) *frame {
	switch i := p.behind(seq); i {
	case len(p.frames):
		return tail
	case 0:
		return p.before
	default:
		return p.frames[i-1]
	}
}

// behind returns the index of the first frame behind seq.
func (p *past) behind(seq uint64) int {
	return sort.Search(len(p.frames), func(i int) bool { return p.frames[i].seq > seq })
}

// prepend puts frames, which lead to those that are there, before them: all that
// the feed shows behind floor.
func (p *past) prepend(frames []*frame, size int, floor uint64) {
	if len(frames) > 0 {
		p.before = leading(frames[0])
		p.frames = append(frames, p.frames...)
	}
	p.size += size
	p.floor = floor
}

// trim forgets the frames up to seq, to which nobody can come back any more, and
// returns what they took.
func (p *past) trim(seq uint64) (size int) {
	n := p.behind(seq)
	if n == 0 {
		return 0
	}
	p.before, p.floor = p.frames[n-1], max(p.floor, seq)
	for _, f := range p.frames[:n] {
		size += f.size()
	}
	clear(p.frames[:n])
	p.frames = p.frames[n:]
	p.size -= size
	return size
}

// recall has the feed's past reach back to seq, where there is room for that. It
// is done once for all streams of the feed, and most of it without the hub's
// lock.
func (h *Hub) recall(f *Feed, seq uint64) {
	f.recalling.Lock()
	defer f.recalling.Unlock()
	r := h.recollect(f, seq)
	if r == nil {
		return
	}
	frames, size := r.frames()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pasts.take(-r.reserved)
	p := f.past
	if p != r.past || p.floor != r.upTo { // forgotten meanwhile, or trimmed
		return
	}
	if h.pasts.take(size) {
		p.prepend(frames, size, seq)
	}
}

// A recollection is what a past lacks.
type recollection struct {
	feed     *Feed
	past     *past
	upTo     uint64       // the past's floor
	records  []*rendering // up to there, oldest first
	next     *frame       // what the last of them leads to
	reserved int
}

// recollect returns what the feed's past lacks to reach back to seq, nil for
// nothing that can be had.
func (h *Hub) recollect(f *Feed, seq uint64) *recollection {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq < h.ring.floor {
		return nil
	}
	p := f.past
	if p == nil {
		p = newPast(f.tail.Load(), h.head.Load())
		if !h.pasts.take(p.size) {
			return nil
		}
		f.past = p
	}
	if p.reaches(seq) {
		return nil
	}
	records := h.shownLocked(f, seq, p.floor)
	reserved := len(records) * frameSize
	if !h.pasts.take(reserved) {
		return nil
	}
	return &recollection{f, p, p.floor, records, p.before.next.Load(), reserved}
}

// frames returns the records' frames, linked, and what they take.
func (r *recollection) frames() (frames []*frame, size int) {
	for _, rec := range r.records {
		if b := rec.show(r.feed.sub, r.feed.variant); b.data != nil {
			b.received = time.Time{} // nobody is given it live
			f := newFrame(b, rec.rec.Seq)
			frames = append(frames, f)
			size += f.size()
		}
	}
	next := r.next
	for _, f := range slices.Backward(frames) {
		f.ordinal = next.ordinal - 1
		f.next.Store(next)
		next = f
	}
	return frames, size
}

// shownLocked returns the ring's records behind after and up to upTo that the
// feed may show.
func (h *Hub) shownLocked(f *Feed, after, upTo uint64) []*rendering {
	hashes := []uint64{h.index.gap}
	for _, s := range f.standings {
		if s.hash == h.index.everything {
			return h.ring.between(after, upTo)
		}
		hashes = append(hashes, s.hash)
	}
	return h.ring.found(after, upTo, hashes)
}

// rememberLocked adds the feed's last frame to its past.
func (h *Hub) rememberLocked(f *Feed, last *frame) {
	p := f.past
	if len(p.frames) > 0 && p.frames[0].seq <= h.ring.floor { // what left the ring is nobody else's any more
		h.pasts.take(-p.trim(h.ring.floor))
	}
	if !h.pasts.take(last.size()) {
		h.forgetLocked(f)
		return
	}
	p.frames = append(p.frames, last)
	p.size += last.size()
}

// forgetLocked ends the feed's past. Streams that are still within it go on.
func (h *Hub) forgetLocked(f *Feed) {
	if f.past != nil {
		h.pasts.take(-f.past.size)
		f.past = nil
	}
}

// tidyLocked forgets of a feed's past what nobody will come back to.
func (h *Hub) tidyLocked(f *Feed, now time.Time) {
	if f.past == nil {
		return
	}
	if now.Sub(f.past.used) >= pastLife {
		h.forgetLocked(f)
		return
	}
	p, tail := f.past, f.tail.Load()
	h.pasts.take(-p.trim(h.ring.floor))
	switch {
	case len(p.frames) == 0:
		p.before = leading(tail)
	case tail.ordinal-p.frames[0].ordinal > uint64(len(p.frames)+maxUnnumbered):
		h.forgetLocked(f)
	}
}
