package eventlog

import (
	"context"
	"sync"
	"time"

	"bellhop/gateway"
)

// What may be under way before an append waits. A batch is taken whole once
// there is room, so both may be passed by one batch.
const (
	maxPending      = 4096
	maxPendingBytes = 32 << 20
)

// entry is a record on its way into the stream. One without a subject bears
// nothing but its done, for an append of no records.
type entry struct {
	subject string
	data    []byte
	record  *gateway.Record // as it is read from data, nil where that has to be done
	seq     uint64          // the sequence that it has, or will have
	taken   time.Time       // when it was taken
	done    func()          // called once it is stored, may be nil
}

func newEntry(r *gateway.Record) (entry, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return entry{}, err
	}
	data, same, err := gateway.EncodeRecord(r)
	if err == nil {
		err = checkSize(data)
	}
	if err != nil {
		return entry{}, err
	}
	return entry{subject: subject, data: data, record: same, taken: time.Now()}, nil
}

// marshal returns the bytes that are stored for r.
func marshal(r *gateway.Record) ([]byte, error) {
	if r.Event == nil && r.Gap == nil {
		return nil, errNoRecord
	}
	data, err := gateway.MarshalRecord(r)
	if err != nil {
		return nil, err
	}
	return data, checkSize(data)
}

func checkSize(data []byte) error {
	if len(data) > maxPayload-maxHeader {
		return errTooLarge
	}
	return nil
}

// intake holds what was taken until the writer fetches it, and bounds what is
// under way.
type intake struct {
	ready chan struct{} // has a value when the writer has something to look at

	mu      sync.Mutex
	waiting []entry
	count   int // under way, here and at the writer
	bytes   int
	closed  bool
	room    chan struct{} // closed when room comes or the intake closes
}

func newIntake() *intake {
	return &intake{ready: make(chan struct{}, 1), room: make(chan struct{})}
}

// put takes entries, all or none.
func (q *intake) put(ctx context.Context, entries []entry) error {
	for {
		room, err := q.tryPut(entries)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryPut takes entries or returns a channel that is closed when it is worth
// trying again.
func (q *intake) tryPut(entries []entry) (room <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, gateway.ErrClosed
	}
	if q.fullLocked() {
		return q.room, nil
	}
	q.waiting = append(q.waiting, entries...)
	q.count += len(entries)
	for i := range entries {
		q.bytes += len(entries[i].data)
	}
	q.wake()
	return nil, nil
}

// take returns what was put since the last take.
func (q *intake) take() []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := q.waiting
	q.waiting = nil
	return entries
}

// release says that so much is no longer under way.
func (q *intake) release(count, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.fullLocked()
	q.count -= count
	q.bytes -= bytes
	if full && !q.fullLocked() {
		q.sayRoomLocked()
	}
}

func (q *intake) fullLocked() bool { return q.count >= maxPending || q.bytes >= maxPendingBytes }

func (q *intake) sayRoomLocked() {
	close(q.room)
	q.room = make(chan struct{})
}

// close refuses all further entries.
func (q *intake) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.sayRoomLocked()
	q.wake()
}

// drained reports whether the intake is closed and all that it took is stored.
func (q *intake) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.count == 0
}

func (q *intake) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}

func (q *intake) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
