// Package gatewaytest has what tests outside of package gateway put in the place
// of its parts.
package gatewaytest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bellhop/gateway"
)

// Log is a [gateway.Log] in memory, of one epoch named e1. It keeps everything,
// at once, and never fails: a test that wants less embeds it.
type Log struct {
	mu      sync.Mutex
	records []*gateway.Record // the first has the sequence 1
	changed chan struct{}     // closed when there is more
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{changed: make(chan struct{})} }

// Append implements [gateway.Log]. It calls done before it returns.
func (l *Log) Append(_ context.Context, records []*gateway.Record, done func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		r.Seq, r.Logged = uint64(len(l.records)+1), time.Now()
		l.records = append(l.records, r)
	}
	close(l.changed)
	l.changed = make(chan struct{})
	if done != nil {
		done()
	}
	return nil
}

// Follow implements [gateway.Log].
func (l *Log) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
	for {
		l.mu.Lock()
		rest, changed := l.records[after:], l.changed
		l.mu.Unlock()
		for _, r := range rest {
			f(r)
			after = r.Seq
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Read implements [gateway.Log].
func (l *Log) Read(_ context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	rest := l.Records()
	rest = rest[min(after, uint64(len(rest))):]
	return rest[:min(limit, len(rest))], nil
}

// Since implements [gateway.Log].
func (l *Log) Since(_ context.Context, t time.Time) (after uint64, trimmed bool, err error) {
	for _, r := range l.Records() {
		if !r.Logged.Before(t) {
			break
		}
		after = r.Seq
	}
	return after, false, nil
}

// Bounds implements [gateway.Log].
func (l *Log) Bounds() (first, last uint64) { return 1, uint64(len(l.Records())) }

// AppendPosition implements [gateway.Log].
func (l *Log) AppendPosition(dst []byte, seq uint64) []byte {
	return strconv.AppendUint(append(dst, "e1."...), seq, 10)
}

// Resolve implements [gateway.Log].
func (l *Log) Resolve(position string) (seq uint64, known, good bool) {
	number, ok := strings.CutPrefix(position, "e1.")
	seq, err := strconv.ParseUint(number, 10, 64)
	_, last := l.Bounds()
	good = ok && err == nil && seq <= last
	return seq, good, good
}

// Records returns what the log holds; the record with the sequence 1 comes first.
func (l *Log) Records() []*gateway.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.records)
}
