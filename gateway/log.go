package gateway

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrTrimmed is returned for a place in the log whose continuation has been
	// trimmed by age or size.
	ErrTrimmed = errors.New("trimmed")
	// ErrClosed is returned by a log that has been closed.
	ErrClosed = errors.New("log closed")
	// ErrInboxFull is returned by an inbox that has no room for an entry until
	// others are forgotten.
	ErrInboxFull = errors.New("inbox full")
)

// Log is the ordered, durable record of events. All methods may be called
// concurrently.
type Log interface {
	// Append takes records, in order and behind all that was taken before, and
	// calls done (when not nil) once all of them are stored. It waits while too
	// much is under way, until ctx ends. Taken records are tried until they are
	// stored, in order and each once, or the log is closed; done is not called
	// then. Append keeps the records; done runs on the log's goroutine and must
	// not block.
	Append(ctx context.Context, records []*Record, done func()) error

	// Follow calls f with every record after the sequence after, in order and
	// as they come, until ctx ends or the log is closed. It goes on by itself
	// after troubles of the log. What has been trimmed or erased is passed over.
	Follow(ctx context.Context, after uint64, f func(*Record)) error

	// Read returns up to limit records after the sequence after, oldest first,
	// none at the log's end. It returns [ErrTrimmed] when something after it has
	// been trimmed.
	Read(ctx context.Context, after uint64, limit int) ([]*Record, error)

	// Since returns the sequence before the first record that was logged at t or
	// later. Where something logged at t or later may have been trimmed, trimmed
	// is true and after is the sequence before the first record that is left.
	Since(ctx context.Context, t time.Time) (after uint64, trimmed bool, err error)

	// Bounds returns the first sequence that has not been trimmed and the last
	// one that is stored; last is first-1 when the log is empty.
	Bounds() (first, last uint64)

	// AppendPosition appends the position of seq, as clients see it, to dst:
	// the name of the epoch that seq belongs to, a dot, and seq.
	AppendPosition(dst []byte, seq uint64) []byte

	// Resolve returns the sequence that a position names, whether it is one of
	// this log and, of those, whether nothing after it has been trimmed.
	Resolve(position string) (seq uint64, known, good bool)
}

// StateStore keeps the present state beside the log: the latest record of each
// entity with a lasting state, however old. Methods may be called concurrently.
type StateStore interface {
	// LoadState calls f with every record that is kept, in any order, and returns
	// the sequence of the log up to which the state is complete, 0 for none.
	LoadState(ctx context.Context, f func(*Record)) (upTo uint64, err error)
	// SaveState keeps changed in place of what is kept of the same entities,
	// forgets those that are gone, and then keeps that the state is complete up
	// to the sequence upTo. Where it fails part of it may have been done; it can
	// be repeated.
	SaveState(ctx context.Context, changed []*Record, gone []EntityKey, upTo uint64) error
}

// Inbox keeps what was read from an upstream and cannot be logged yet, as
// durably as the log. An inbox is one source's. Methods may be called
// concurrently.
type Inbox interface {
	// Put keeps records as one entry. Tickets grow from entry to entry, also
	// over restarts and losses. It returns [ErrInboxFull] at once where there is
	// no room; while the log cannot be written it waits, until ctx ends.
	Put(ctx context.Context, records []*Record) (ticket uint64, err error)
	// Forget drops all entries whose tickets are below before.
	Forget(ctx context.Context, before uint64) error
	// Entries returns what is in the inbox, oldest first.
	Entries(ctx context.Context) ([]Entry, error)
}

// Entry is one entry of an [Inbox].
type Entry struct {
	Ticket  uint64
	Records []*Record
}

// Keeper keeps what each source must know at its next start: the last confirmed
// moment, where a gap begins, and small notes of its own.
type Keeper interface {
	// Confirmed returns the moment kept for source, the zero time when there is
	// none.
	Confirmed(ctx context.Context, source string) (time.Time, error)
	// KeepConfirmed keeps t for source. What is kept is earlier than t by as
	// much as the log's own tail may lose in a crash.
	KeepConfirmed(ctx context.Context, source string, t time.Time) error
	// Note returns what was kept for source under name, nil when there is
	// nothing.
	Note(ctx context.Context, source, name string) ([]byte, error)
	// KeepNote keeps a small value for source under name; nil drops it.
	KeepNote(ctx context.Context, source, name string, value []byte) error
}
