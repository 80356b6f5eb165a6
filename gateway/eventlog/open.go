package eventlog

import (
	"context"
	"fmt"
	"time"

	"bellhop/gateway"
)

// open opens a session and begins an epoch under it. On an error there may be a
// session all the same, which serves readers: on a full disk the epoch cannot
// be kept, but the log can be read.
func (l *Log) open(ctx context.Context) (*session, error) {
	s, err := openSession(ctx, &l.opts)
	if err != nil {
		return nil, err
	}
	l.setSession(s)
	return s, l.begin(ctx, s)
}

// leave ends a session that open returned.
func (l *Log) leave(s *session) {
	if s != nil {
		l.setSession(nil)
		s.close()
	}
}

// session returns the present session, nil when there is none.
func (l *Log) session() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *Log) setSession(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = s
	close(l.changed)
	l.changed = make(chan struct{})
}

// await returns the present session, waiting until there is one.
func (l *Log) await(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		s, changed := l.current, l.changed
		l.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-l.quit:
			return nil, gateway.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try calls f with the present session, and again with the next one where f
// failed because its session was ended.
func (l *Log) try(ctx context.Context, f func(*session) error) error {
	for {
		s, err := l.await(ctx)
		if err != nil {
			return err
		}
		err = f(s)
		if err == nil || ctx.Err() != nil || l.session() == s {
			return err
		}
	}
}

// begin looks for a lost tail and begins the epoch.
func (l *Log) begin(ctx context.Context, s *session) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	end, err := s.readable(ctx, st)
	if err != nil {
		return err
	}

	old := l.table.Load()
	known := max(old.least(), l.last.Load()) // what must be there
	opening := Opening{
		Clean:    old.Closed != nil || len(old.Epochs) == 0 && st.Last == 0,
		LostTail: min(st.Last, end.seq) < known || end.seq < st.Last && l.opening.Load() == nil, // later, what was not acknowledged is written again
	}
	if prev := l.opening.Load(); prev == nil && !opening.Clean {
		l.log.Info("the log was not closed properly before", "last", end.seq)
	}
	if opening.LostTail {
		opening.LostFrom = end.at
		if end.at.IsZero() { // nothing is left; what is older than this had been trimmed anyway
			opening.LostFrom = time.Now().Add(-l.opts.MaxAge)
		}
		l.log.Error("the log lost its tail", "last", end.seq, "expected", max(known, st.Last), "since", end.at)
	}

	// What this process has seen keeps its position: the writer sees to it that
	// no other record gets its sequence.
	table := old.begin(newName(), max(end.seq, l.last.Load()))
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
