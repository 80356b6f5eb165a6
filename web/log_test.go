package web_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"bellhop/gateway"
)

// memoryLog is a log in memory, of one epoch named e1. It keeps everything.
type memoryLog struct {
	mu      sync.Mutex
	records []*gateway.Record // the first has the sequence 1
	changed chan struct{}     // closed when there is more
	failure error             // of Read and Since
}

func newLog() *memoryLog { return &memoryLog{changed: make(chan struct{})} }

func (l *memoryLog) Append(_ context.Context, records []*gateway.Record, done func()) error {
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

func (l *memoryLog) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
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

func (l *memoryLog) Read(_ context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, l.failure
	}
	rest := l.records[min(after, uint64(len(l.records))):]
	return rest[:min(limit, len(rest))], nil
}

func (l *memoryLog) Since(_ context.Context, t time.Time) (uint64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return 0, false, l.failure
	}
	for _, r := range l.records {
		if !r.Logged.Before(t) {
			return r.Seq - 1, false, nil
		}
	}
	return uint64(len(l.records)), false, nil
}

func (l *memoryLog) Bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 1, uint64(len(l.records))
}

func (l *memoryLog) AppendPosition(dst []byte, seq uint64) []byte {
	return strconv.AppendUint(append(dst, "e1."...), seq, 10)
}

func (l *memoryLog) Resolve(position string) (seq uint64, known, good bool) {
	number, ok := strings.CutPrefix(position, "e1.")
	seq, err := strconv.ParseUint(number, 10, 64)
	_, last := l.Bounds()
	good = ok && err == nil && seq <= last
	return seq, good, good
}

// fail makes Read and Since return err.
func (l *memoryLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
}

// resource returns an event of a room.
func resource(source, id, state string) *gateway.Record {
	return event(source, "Resource", id, fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":%q}`, id, state))
}

func event(source, typ, id, object string) *gateway.Record {
	return &gateway.Record{Event: &gateway.Event{
		Source: source, Type: typ, ID: id, Origin: gateway.OriginLive, Received: time.Now(),
		Object: []byte(object), Attributes: gateway.ReadAttributes(typ, id, []byte(object)),
	}}
}
