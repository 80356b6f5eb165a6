package gateway

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Feed is all streams with one subscription. What is to be shown to them is
// encoded once and linked to its list, in which each stream has a cursor of its
// own: a reader that falls behind costs one pointer. A feed outlives its last
// stream by a minute, so that a page that reloads finds it.
type Feed struct {
	sub     *Subscription
	variant Variant

	// tail is the last frame of the list; only the hub appends, under its lock.
	tail atomic.Pointer[frame]
	// wake is closed, and forgotten, when streams should look at their cursors;
	// nil while nobody waits.
	wake atomic.Pointer[chan struct{}]

	// recalling is held while the past is made to reach further back. The hub's
	// lock is not waited for with it held, but by the one who does so.
	recalling sync.Mutex

	// Guarded by the hub's lock.
	watchers  []watching
	standings []standing // the index's
	past      *past      // nil while nobody came back
	streams   int        // how many have joined
	left      time.Time  // when the last of them went
	idle      bool       // is counted as a feed without streams
	seen      uint64     // the last record that was matched against the feed
	stirred   bool       // has frames that its streams were not woken for
}

// watching is how many streams of a feed a watcher carries.
type watching struct {
	watcher Watcher
	streams int
}

// firstOrdinal leaves room for what came before.
const firstOrdinal = 1 << 62

// feedLife is how long a feed outlives its last stream.
const feedLife = time.Minute

// maxIdleFeeds is how many feeds without streams are kept; beyond them a feed
// ends with its last stream, so that nobody fills the memory with questions.
const maxIdleFeeds = 1024

// Variant is what a client chose of the form in which events come.
type Variant struct {
	// Unnamed leaves out the event's name, so that a page's onmessage hears it.
	Unnamed bool
	// Snapshot begins with the present state wherever the stream cannot go on
	// from a position.
	Snapshot bool
}

// A frame is a block ready for the wire, linked to the one after it. It is
// immutable but for the link, which is set once, and the slab that begins with it.
type frame struct {
	next     atomic.Pointer[frame]
	slab     atomic.Pointer[slab]
	data     []byte // nil for a frame that only leads to another
	ordinal  uint64 // its place in the feed's list
	seq      uint64 // its place in the log; 0 for what has none
	received int64  // when the upstream's frame was read, in Unix nanoseconds; 0 for what is no event
	shared   bool   // others hold data, too
}

func newFrame(b block, seq uint64) *frame {
	f := &frame{data: b.data, seq: seq, shared: b.shared}
	if !b.received.IsZero() {
		f.received = b.received.UnixNano()
	}
	return f
}

// size is about what the frame takes beyond what others hold.
func (f *frame) size() int {
	if f.shared {
		return frameSize
	}
	return frameSize + len(f.data)
}

func newFeed(sub *Subscription, v Variant) *Feed {
	f := &Feed{sub: sub, variant: v}
	f.tail.Store(&frame{ordinal: firstOrdinal})
	return f
}

// append links a frame to the feed's list. The hub's lock is held.
func (f *Feed) append(b block, seq uint64) *frame {
	tail, next := f.tail.Load(), newFrame(b, seq)
	next.ordinal = tail.ordinal + 1
	tail.next.Store(next)
	f.tail.Store(next)
	return next
}

// stir wakes the feed's streams. The hub's lock is held.
func (f *Feed) stir() {
	f.stirred = false
	if wake := f.wake.Swap(nil); wake != nil {
		close(*wake)
	}
	for _, w := range f.watchers {
		w.watcher.Stirred()
	}
}

// waking returns the channel that the next stir closes.
func (f *Feed) waking() <-chan struct{} {
	for {
		if wake := f.wake.Load(); wake != nil {
			return *wake
		}
		wake := make(chan struct{})
		if f.wake.CompareAndSwap(nil, &wake) {
			return wake
		}
	}
}

// watchLocked counts a stream in for its watcher.
func (f *Feed) watchLocked(w Watcher) {
	i := slices.IndexFunc(f.watchers, func(have watching) bool { return have.watcher == w })
	if i < 0 {
		i = len(f.watchers)
		f.watchers = append(f.watchers, watching{watcher: w})
	}
	f.watchers[i].streams++
}

func (f *Feed) unwatchLocked(w Watcher) {
	i := slices.IndexFunc(f.watchers, func(have watching) bool { return have.watcher == w })
	if f.watchers[i].streams--; f.watchers[i].streams == 0 {
		f.watchers = slices.Delete(f.watchers, i, i+1)
	}
}
