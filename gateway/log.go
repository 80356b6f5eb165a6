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

// Keeper keeps the last confirmed moment of each source durably, so that the
// next start knows where a gap begins.
type Keeper interface {
	// Confirmed returns the moment kept for source, the zero time when there is
	// none.
	Confirmed(ctx context.Context, source string) (time.Time, error)
	// KeepConfirmed keeps t for source. What is kept is earlier than t by as
	// much as the log's own tail may lose in a crash.
	KeepConfirmed(ctx context.Context, source string, t time.Time) error
}
