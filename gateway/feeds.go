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

// join puts a stream that has been given everything up to seq into its feed. It
// returns the records that it must be given before it follows its cursor, and
// false when the ring no longer reaches back to seq. A position that another
// gateway gave may be ahead of this one's head; the stream then passes over what
// is new here only.
func (h *Hub) join(s *Stream, seq uint64) ([]*Record, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	missed, ok := h.ring.after(seq)
	if !ok {
		return nil, false
	}
	s.feed = h.feedLocked(s.sub, s.variant)
	s.sub = s.feed.sub // the same in meaning: one for all of them
	s.feed.streams++
	if s.feed.idle {
		s.feed.idle = false
		h.idle--
	}
	s.from = seq
	s.cursor.Store(s.feed.tail.Load())
	s.changed = h.sources.changed(s.sub, s.told)
	return missed, true
}

func (h *Hub) leave(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.unwatchLocked()
	f := s.feed
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

// sweep ends feeds that nobody came back to.
func (h *Hub) sweep(stop <-chan struct{}) {
	tick := time.NewTicker(feedLife / 4)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			h.mu.Lock()
			for key, f := range h.feeds {
				if f.streams == 0 && now.Sub(f.left) >= feedLife {
					h.dropLocked(key, f)
				}
			}
			h.snapshots.sweep(now)
			h.mu.Unlock()
		}
	}
}

// dropLocked ends a feed without streams.
func (h *Hub) dropLocked(key feedKey, f *Feed) {
	delete(h.feeds, key)
	h.index.remove(f)
	if f.idle {
		h.idle--
	}
}
