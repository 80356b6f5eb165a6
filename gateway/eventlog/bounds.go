package eventlog

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// watchEvery is how old the first sequence of the bounds may be.
const watchEvery = time.Second

// Bounds implements [gateway.Log]. It asks nobody: first is up to a second old,
// last is not.
func (l *Log) Bounds() (first, last uint64) {
	first = l.first.Load()
	return first, max(l.last.Load(), first-1)
}

// AppendPosition implements [gateway.Log].
func (l *Log) AppendPosition(dst []byte, seq uint64) []byte {
	dst = append(append(dst, l.table.Load().of(seq)...), '.')
	return strconv.AppendUint(dst, seq, 10)
}

// Resolve implements [gateway.Log]. For a position that is known it asks the
// stream what has been trimmed; while that cannot be had the bounds of up to a
// second ago hold.
func (l *Log) Resolve(position string) (seq uint64, known, good bool) {
	seq, known = l.table.Load().resolve(position, l.last.Load())
	if !known {
		return 0, false, false
	}
	l.refresh(context.Background())
	return seq, true, seq+1 >= l.first.Load()
}

// watch keeps the bounds fresh.
func (l *Log) watch(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.refresh(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refresh asks the present session, if there is one, for the bounds.
func (l *Log) refresh(ctx context.Context) {
	s := l.session()
	if s == nil {
		return
	}
	if st, err := s.state(ctx); err == nil {
		l.observe(st)
	}
}

// observe takes what the stream says of itself.
func (l *Log) observe(st streamState) {
	raise(&l.first, st.First)
	l.reached(st.Last)
	l.metrics.bytes.Set(float64(st.Bytes))
	l.marks.add(st)
}

// reached says that the log has come to seq.
func (l *Log) reached(seq uint64) {
	if raise(&l.last, seq) {
		l.more.say()
	}
}

// raise makes v at least n and reports whether it was less.
func raise(v *atomic.Uint64, n uint64) bool {
	for {
		old := v.Load()
		if old >= n {
			return false
		}
		if v.CompareAndSwap(old, n) {
			return true
		}
	}
}

// signal tells all who wait that something has come.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// wait returns a channel that the next say closes.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) say() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
