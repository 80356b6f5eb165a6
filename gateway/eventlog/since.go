package eventlog

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Since implements [gateway.Log].
func (l *Log) Since(ctx context.Context, t time.Time) (after uint64, trimmed bool, err error) {
	err = l.try(ctx, func(s *session) error {
		// What is appended from here on is behind this state's last.
		st, err := s.state(ctx)
		if err != nil {
			return err
		}
		found, err := s.at(ctx, clampTime(t))
		if err != nil {
			return err
		}
		after = st.Last
		if len(found) > 0 {
			after = found[0].seq - 1
		}
		// What is trimmed from here on its reader will be told of.
		if st, err = s.state(ctx); err != nil {
			return err
		}
		l.observe(st)
		trimmed = st.First > 1 && !t.After(l.trimmedUntil(st))
		if after = max(after, st.First-1); trimmed {
			after = st.First - 1
		}
		return nil
	})
	return after, trimmed, err
}

// clampTime keeps t within what a stream's nanoseconds can say.
func clampTime(t time.Time) time.Time {
	if low := time.Unix(0, 0); t.Before(low) {
		return low
	}
	if high := time.Unix(0, math.MaxInt64); t.After(high) {
		return high
	}
	return t
}

// trimmedUntil returns a time no earlier than the logging of what has been
// trimmed.
func (l *Log) trimmedUntil(st streamState) time.Time {
	until := l.marks.bound(st.First - 1)
	if st.Messages > 0 && st.FirstTime.Before(until) {
		return st.FirstTime
	}
	return until
}

// maxMarks bounds the marks; beyond it every second one is dropped.
const maxMarks = 4096

// marks remember when some of the records were logged, for the time when these
// have been trimmed: what was logged since an hour ago may be complete although
// the log's first record is younger than that.
type marks struct {
	mu   sync.Mutex
	list []mark
}

// mark says that the record seq, and all before it, were logged no later than
// at.
type mark struct {
	seq uint64
	at  time.Time
}

// add takes the last record of the stream's present state as a mark. The first
// state of a run also tells of what was trimmed before.
func (m *marks) add(st streamState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == 0 {
		m.list = []mark{{st.First - 1, st.oldest()}}
	}
	if st.Last > m.list[len(m.list)-1].seq && !st.LastTime.IsZero() {
		m.list = append(m.list, mark{st.Last, st.LastTime})
	}
	// What is before the mark that bounds the trimmed ones is of no more use.
	i := min(m.find(st.First-1), len(m.list)-1)
	m.list = slices.Delete(m.list, 0, i)
	if len(m.list) > maxMarks {
		m.thin()
	}
}

// thin drops every second mark, but not the newest.
func (m *marks) thin() {
	kept := m.list[:0]
	for i := range m.list {
		if (len(m.list)-i)%2 == 1 {
			kept = append(kept, m.list[i])
		}
	}
	m.list = kept
}

// bound returns a time no earlier than the logging of seq and all before it.
func (m *marks) bound(seq uint64) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(seq); i < len(m.list) {
		return m.list[i].at
	}
	return time.Now()
}

// find returns the index of the first mark at seq or behind it.
func (m *marks) find(seq uint64) int {
	i, _ := slices.BinarySearchFunc(m.list, seq, func(k mark, seq uint64) int {
		switch {
		case k.seq < seq:
			return -1
		case k.seq > seq:
			return 1
		}
		return 0
	})
	return i
}

// oldest returns when the stream's first record was logged or, when it has
// none, when its last was; now if that is not known either.
func (st streamState) oldest() time.Time {
	for _, t := range []time.Time{st.FirstTime, st.LastTime} {
		if t.Unix() > 0 {
			return t
		}
	}
	return time.Now()
}
