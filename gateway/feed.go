package gateway

import (
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

	// Guarded by the hub's lock.
	watchers map[Watcher]int // and how many streams each carries
	streams  int             // how many have joined
	left     time.Time       // when the last of them went
	idle     bool            // is counted as a feed without streams
	seen     uint64          // the last record that was matched against the feed
	stirred  bool            // has frames that its streams were not woken for
}

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
// immutable but for the link, which is set once.
type frame struct {
	next     atomic.Pointer[frame]
	data     []byte
	ordinal  uint64    // its place in the feed's list
	seq      uint64    // its place in the log; 0 for what has none
	received time.Time // when the upstream's frame was read; zero for what is no event
}

func newFeed(sub *Subscription, v Variant) *Feed {
	f := &Feed{sub: sub, variant: v, watchers: make(map[Watcher]int)}
	f.tail.Store(new(frame))
	return f
}

// append links data to the feed's list. The hub's lock is held.
func (f *Feed) append(data []byte, seq uint64, received time.Time) {
	tail := f.tail.Load()
	next := &frame{data: data, ordinal: tail.ordinal + 1, seq: seq, received: received}
	tail.next.Store(next)
	f.tail.Store(next)
}

// stir wakes the feed's streams. The hub's lock is held.
func (f *Feed) stir() {
	f.stirred = false
	if wake := f.wake.Swap(nil); wake != nil {
		close(*wake)
	}
	for w := range f.watchers {
		w.Stirred()
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
