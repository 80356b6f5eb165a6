package eventlog

import (
	"context"
	"fmt"
	"time"
)

// open opens a session, begins an epoch under it, and makes it the present one.
func (l *Log) open(ctx context.Context) (*session, error) {
	s, err := openSession(ctx, &l.opts)
	if err != nil {
		return nil, err
	}
	if err := l.begin(ctx, s); err != nil {
		l.setSession(nil)
		s.close()
		return nil, err
	}
	return s, nil
}

// begin looks for a lost tail and begins the epoch. The session serves readers
// from the first moment, as on a full disk the epoch may not be kept for a long
// time.
func (l *Log) begin(ctx context.Context, s *session) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	end, err := s.readable(ctx, st)
	if err != nil {
		return err
	}
	l.setSession(s)

	old := l.table.Load()
	known := max(old.least(), l.last.Load()) // what must be there
	opening := Opening{
		Clean:    old.Closed != nil || len(old.Epochs) == 0 && st.Last == 0,
		LostTail: st.Last < known || end.seq < st.Last,
	}
	if opening.LostTail {
		opening.LostFrom = end.at
		l.log.Error("the log lost its tail", "last", end.seq, "expected", max(known, st.Last), "since", end.at)
	}

	// What this process has seen keeps its position: the writer sees to it that
	// no other record gets its sequence.
	seen := l.last.Load()
	table := old.begin(newName(), max(end.seq, seen), max(st.Last, seen)+1)
	if err := table.save(l.opts.Dir); err != nil {
		return err
	}
	l.table.Store(table)
	if prev := l.opening.Load(); prev == nil || opening.LostTail {
		l.opening.Store(&opening)
	}
	l.observe(st)
	return nil
}

// end is the last readable record of the stream.
type end struct {
	seq uint64
	at  time.Time
}

// readable returns the stream's last readable record. Where all has been
// trimmed, that counts as read.
func (s *session) readable(ctx context.Context, st streamState) (end, error) {
	if st.First > st.Last {
		return end{st.Last, st.LastTime}, nil
	}
	// What follows a sequence can be asked for, so the search halves what is
	// left: something is at low or behind it, nothing at high or behind it.
	low, high := end{seq: st.First - 1}, st.Last+1
	for probe := st.Last; low.seq+1 < high; probe = low.seq + (high-low.seq)/2 {
		found, err := s.batch(ctx, probe, 1)
		if err != nil {
			return end{}, fmt.Errorf("find the log's end: %w", err)
		}
		if len(found) == 0 {
			high = probe
		} else {
			low = end{found[0].seq, found[0].at}
		}
	}
	return low, nil
}
