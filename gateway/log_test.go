package gateway_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bellhop/gateway"
)

// memoryLog is a log in memory that can be made to lag, to forget and to fail.
type memoryLog struct {
	page  int  // how many records Read returns at most; 0 for no limit
	coded bool // hands out what was written and read back, as a log on a disk does

	mu      sync.Mutex
	all     []*gateway.Record // all there ever were, but for a lost tail
	records []*gateway.Record // those that are left
	first   uint64            // the first that has not been trimmed
	last    uint64
	trimmed time.Time // when the youngest of what has been trimmed was logged
	epochs  []epoch
	held    uint64        // Follow hands out nothing behind it
	changed chan struct{} // closed when there may be more to follow
	onRead  func()        // called once, behind the next Read
	failure error         // of Read, Since and Follow
	unread  error         // of Read and Since alone
	refused error         // of Append
	accepts int           // how many Appends go well before they are refused
}

type epoch struct {
	name  string
	first uint64
}

func newLog() *memoryLog {
	return &memoryLog{first: 1, held: math.MaxUint64, epochs: []epoch{{"e1", 1}}, changed: make(chan struct{})}
}

func (l *memoryLog) Append(_ context.Context, records []*gateway.Record, done func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil && l.accepts == 0 {
		return l.refused
	}
	l.accepts--
	for _, r := range records {
		if l.coded {
			r = recoded(r)
		}
		l.last++
		r.Seq, r.Logged = l.last, time.Now()
		l.records = append(l.records, r)
		l.all = append(l.all, r)
	}
	l.stirLocked()
	if done != nil {
		done()
	}
	return nil
}

// recoded returns what is read of r once it has been written.
func recoded(r *gateway.Record) *gateway.Record {
	return must(gateway.UnmarshalRecord(must(gateway.MarshalRecord(r))))
}

func (l *memoryLog) stirLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *memoryLog) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
	for {
		rec, changed, err := l.next(after)
		switch {
		case err != nil:
			return err
		case rec != nil:
			f(rec)
			after = rec.Seq
		default:
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (l *memoryLog) next(after uint64) (*gateway.Record, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.behindLocked(after)
	if i == len(l.records) || l.records[i].Seq > l.held {
		return nil, l.changed, l.failure
	}
	return l.records[i], nil, l.failure
}

// behindLocked returns the index of the first record behind seq.
func (l *memoryLog) behindLocked(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.records, seq+1, func(r *gateway.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
	return i
}

func (l *memoryLog) Read(_ context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	page, err := l.read(after, limit)
	if f := l.onRead; f != nil {
		l.onRead = nil
		f()
	}
	return page, err
}

func (l *memoryLog) read(after uint64, limit int) ([]*gateway.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cmp.Or(l.failure, l.unread); err != nil {
		return nil, err
	}
	if after+1 < l.first {
		return nil, gateway.ErrTrimmed
	}
	if l.page > 0 {
		limit = min(limit, l.page)
	}
	rest := l.records[l.behindLocked(after):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (l *memoryLog) Since(_ context.Context, t time.Time) (uint64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cmp.Or(l.failure, l.unread); err != nil {
		return 0, false, err
	}
	if !l.trimmed.IsZero() && !l.trimmed.Before(t) {
		return l.first - 1, true, nil
	}
	for _, r := range l.records {
		if !r.Logged.Before(t) {
			return r.Seq - 1, false, nil
		}
	}
	return l.last, false, nil
}

func (l *memoryLog) Bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.last
}

func (l *memoryLog) AppendPosition(dst []byte, seq uint64) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.epochs[0].name
	for _, e := range l.epochs {
		if e.first <= seq {
			name = e.name
		}
	}
	return fmt.Appendf(dst, "%s.%d", name, seq)
}

func (l *memoryLog) Resolve(position string) (seq uint64, known, good bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, number, _ := strings.Cut(position, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	i := slices.IndexFunc(l.epochs, func(e epoch) bool { return e.name == name })
	if err != nil || i < 0 {
		return 0, false, false
	}
	last := l.last
	if i+1 < len(l.epochs) {
		last = l.epochs[i+1].first - 1
	}
	if seq+1 < l.epochs[i].first || seq > last {
		return 0, false, false
	}
	return seq, true, seq+1 >= l.first
}

// trim forgets everything before first.
func (l *memoryLog) trim(first uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = min(first, l.last+1)
	for len(l.records) > 0 && l.records[0].Seq < first {
		l.trimmed = l.records[0].Logged
		l.records = l.records[1:]
	}
	l.first = max(l.first, first)
}

// erase takes out one record as if it had never been.
func (l *memoryLog) erase(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = slices.DeleteFunc(slices.Clone(l.records), func(r *gateway.Record) bool { return r.Seq == seq })
}

// begin opens an epoch for what comes.
func (l *memoryLog) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if newest := l.epochs[len(l.epochs)-1]; newest.first <= l.last {
		l.epochs = append(l.epochs, epoch{fmt.Sprintf("e%d", len(l.epochs)+1), l.last + 1})
	}
}

// lose takes away everything behind last, as a crash may; nobody may follow
// meanwhile. What comes is another epoch's.
func (l *memoryLog) lose(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = slices.Clone(l.records[:l.behindLocked(last)])
	l.all = slices.Clone(l.all[:last])
	l.last = last
	l.epochs = append(l.epochs, epoch{fmt.Sprintf("e%d", len(l.epochs)+1), last + 1})
}

// refuse has Append return err.
func (l *memoryLog) refuse(err error) { l.refuseAfter(0, err) }

// refuseAfter has Append return err once it has gone well n times; never for n
// below 0.
func (l *memoryLog) refuseAfter(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused, l.accepts = err, n
}

// history returns all there ever were, the nth with the sequence n+1.
func (l *memoryLog) history() []*gateway.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// hold keeps Follow from going on behind what there is now, or lets it.
func (l *memoryLog) hold(held bool) {
	_, last := l.Bounds()
	if !held {
		last = math.MaxUint64
	}
	l.holdAt(last)
}

// holdAt keeps Follow from going on behind seq.
func (l *memoryLog) holdAt(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = seq
	l.stirLocked()
}

// fail makes Read, Since and Follow return err.
func (l *memoryLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
	l.stirLocked()
}

// failReads makes Read and Since return err.
func (l *memoryLog) failReads(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unread = err
}

func (l *memoryLog) position(seq uint64) string { return string(l.AppendPosition(nil, seq)) }
