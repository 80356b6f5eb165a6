package gateway

import "time"

type feedKey struct {
	view    string
	variant Variant
}

// Feeds returns how many feeds there are.
func (h *Hub) Feeds() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.feeds)
}

// feedLocked returns the feed of a subscription, a new one where there is none.
func (h *Hub) feedLocked(sub *Subscription, v Variant) *Feed {
	key := feedKey{sub.view, v}
	f := h.feeds[key]
	if f == nil {
		f = newFeed(sub, v)
		h.feeds[key] = f
		h.index.add(f)
	}
	return f
}

// join puts a stream into its feed, where it goes on from the place in the log
// that it asked for, or returns false when the ring no longer reaches back to
// that. What the stream missed is in the feed's list or, where there was no room
// for that, among the records returned, which are to be given first. A position
// that another gateway gave may be ahead of this one's head; the stream then
// passes over what is new here only.
func (h *Hub) join(s *Stream) (missed []*rendering, joined bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := s.asked
	if a.newest {
		a.at = max(a.at, h.head.Load())
	}
	seq := a.at
	if seq < h.ring.floor {
		return nil, false
	}
	f := h.enterLocked(a.Subscription, a.Variant)
	if seq < h.head.Load() && !f.past.reaches(seq) {
		h.mu.Unlock()
		h.recall(f, seq)
		h.mu.Lock()
	}
	head, tail := h.head.Load(), f.tail.Load()
	at := tail
	switch {
	case seq >= head:
	case f.past.reaches(seq):
		at = f.past.at(seq, tail)
		f.past.used = time.Now()
	case seq >= h.ring.floor:
		missed = h.shownLocked(f, seq, head)
	default: // it has moved on meanwhile
		h.leaveLocked(f)
		return nil, false
	}
	if seq > head {
		s.ahead = seq
	}
	s.feed, s.joined = f, tail.ordinal
	if a.sources == nil {
		a.sources = h.sources.appendShown(nil, f.sub)
	} else {
		a.changed = h.sources.changed(f.sub, a.told)
	}
	s.cursor.Store(at)
	return missed, true
}

// enterLocked returns the feed for one stream more.
func (h *Hub) enterLocked(sub *Subscription, v Variant) *Feed {
	f := h.feedLocked(sub, v)
	f.streams++
	if f.idle {
		f.idle = false
		h.idle--
	}
	return f
}

func (h *Hub) leave(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.unwatchLocked()
	h.leaveLocked(s.feed)
}

func (h *Hub) leaveLocked(f *Feed) {
	if f.streams--; f.streams > 0 {
		return
	}
	if h.idle >= maxIdleFeeds {
		h.dropLocked(feedKey{f.sub.view, f.variant}, f)
		return
	}
	f.left, f.idle = time.Now(), true
	h.idle++
}

// sweep ends feeds, and pasts of feeds, that nobody came back to.
func (h *Hub) sweep(stop <-chan struct{}) {
	tick := time.NewTicker(feedLife / 4)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			h.tidy(now)
		}
	}
}

func (h *Hub) tidy(now time.Time) {
	h.older.sweep(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, f := range h.feeds {
		if f.streams == 0 && now.Sub(f.left) >= feedLife {
			h.dropLocked(key, f)
		}
		h.tidyLocked(f, now)
	}
	h.snapshots.sweep(now)
}

// dropLocked ends a feed without streams.
func (h *Hub) dropLocked(key feedKey, f *Feed) {
	delete(h.feeds, key)
	h.index.remove(f)
	h.forgetLocked(f)
	if f.idle {
		h.idle--
	}
}
