package gateway

import (
	"bytes"
	"slices"
	"time"
)

// sources is what is known of each source's state. It is not safe for
// concurrent use.
type sources struct {
	list    []Status
	trouble time.Time // since when the log cannot be written; zero when it can
	texts   [][]byte  // of the list, what openings say; nil when that has changed
}

func newSources(names []string, now time.Time) sources {
	var s sources
	for _, name := range names {
		s.list = append(s.list, Status{Source: name, State: StateDown, Reason: ReasonDial, Since: now})
	}
	return s
}

// report takes over a status; Since changes with state or reason only, and
// Confirmed never goes back.
func (s *sources) report(status Status, now time.Time) {
	s.texts = nil
	i := slices.IndexFunc(s.list, func(have Status) bool { return have.Source == status.Source })
	if i < 0 {
		return
	}
	have := &s.list[i]
	if have.State != status.State || have.Reason != status.Reason {
		have.State, have.Reason, have.Since = status.State, status.Reason, now
	}
	if status.Confirmed.After(have.Confirmed) {
		have.Confirmed = status.Confirmed
	}
	have.Backfill = status.Backfill
}

func (s *sources) logTrouble(trouble bool, now time.Time) {
	s.texts = nil
	switch {
	case trouble && s.trouble.IsZero():
		s.trouble = now
	case !trouble && !s.trouble.IsZero():
		s.trouble = time.Time{}
		for i := range s.list { // until now it was shown as stale
			s.list[i].Since = now
		}
	}
}

// all returns the states as they are shown: while the log cannot be written,
// every source is stale.
func (s *sources) all() []Status {
	shown := slices.Clone(s.list)
	if s.trouble.IsZero() {
		return shown
	}
	for i := range shown {
		shown[i].State, shown[i].Reason, shown[i].Since = StateStale, ReasonLog, s.trouble
	}
	return shown
}

// shown returns what a subscription may be told: the sources it can show and,
// as unknown, those it names that do not exist.
func (s *sources) shown(sub *Subscription) []Status {
	out := []Status{}
	for _, status := range s.all() {
		if sub.Shows(status.Source) {
			status.Backfill = nil
			out = append(out, status)
		}
	}
	return append(out, s.unknown(sub)...)
}

// unknown returns what a subscription may be told of those sources that it names
// and that do not exist.
func (s *sources) unknown(sub *Subscription) (out []Status) {
	for _, name := range sub.names {
		if !slices.ContainsFunc(s.list, func(have Status) bool { return have.Source == name }) {
			out = append(out, Status{Source: name, State: StateUnknown})
		}
	}
	return out
}

// appendShown appends what shown returns as JSON.
func (s *sources) appendShown(dst []byte, sub *Subscription) []byte {
	if s.texts == nil {
		for _, status := range s.all() {
			status.Backfill = nil
			s.texts = append(s.texts, marshal(status))
		}
	}
	dst = append(dst, '[')
	for i, text := range s.texts {
		if sub.Shows(s.list[i].Source) {
			dst = append(append(dst, text...), ',')
		}
	}
	for _, status := range s.unknown(sub) {
		dst = append(append(dst, marshal(status)...), ',')
	}
	return append(bytes.TrimSuffix(dst, []byte(",")), ']')
}

// changed returns those of the shown sources whose state is not what the stream
// was told.
func (s *sources) changed(sub *Subscription, told []Status) []Status {
	return slices.DeleteFunc(s.shown(sub), func(now Status) bool {
		return slices.ContainsFunc(told, func(was Status) bool {
			return was.Source == now.Source && was.State == now.State && was.Reason == now.Reason
		})
	})
}

// Statuses returns the state of all sources, in the order of the configuration.
func (h *Hub) Statuses() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sources.all()
}

// Report takes what a source says of itself; see [Sink].
func (h *Hub) Report(status Status) {
	h.change(func(s *sources, now time.Time) { s.report(status, now) })
}

// LogTrouble says whether the log can be written. While it cannot, no source is
// live.
func (h *Hub) LogTrouble(trouble bool) {
	h.change(func(s *sources, now time.Time) { s.logTrouble(trouble, now) })
}

// change applies f and tells the feeds of every source whose state it changed.
func (h *Hub) change(f func(*sources, time.Time)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.sources.all()
	f(&h.sources, time.Now())
	for i, now := range h.sources.all() {
		if now.State == before[i].State && now.Reason == before[i].Reason {
			continue
		}
		now.Backfill = nil
		said := block{data: h.encode(nil, 0, "", nameSource, marshal(now))}
		for _, feed := range h.feeds {
			if feed.sub.Shows(now.Source) {
				h.appendLocked(feed, said, 0)
			}
		}
	}
	h.wakeLocked()
}
