// Package pump carries many streams with few goroutines: each pump owns the
// sockets of thousands and writes, without blocking, everything from a stream's
// cursor to its feed's head, joined once for all streams that are equally far.
//
// A stream costs no goroutine, no buffer and no timer of the runtime. What a
// client does not take stays in its feed's list, of which the stream holds a
// place; the pump waits for the socket to take more, but no longer than the
// write timeout.
//
// It works on Linux, by epoll; see [Supported].
package pump

import (
	"log/slog"
	"time"
)

// Why a stream ended where no bellhop.bye says it.
const (
	Gone = "gone" // the client went away, or the pump did
	Cut  = "cut"  // the client did not take a write in time
)

// Options are what [New] makes pumps of.
type Options struct {
	// WriteTimeout is how long a client may take nothing while something is
	// there for it.
	WriteTimeout time.Duration
	// Delivered is told, after each round over a feed, how many events and
	// bytes went to streams, and when the oldest of the events came from its
	// upstream; bytes that are no events' are told alone. It is called from
	// several goroutines and must not block.
	Delivered func(events, bytes int, oldest time.Time)
	Logger    *slog.Logger // nil for none
}

// Done is called once when a stream that a pump took has ended and its socket
// is closed, with the reason of its bellhop.bye where the client was given that
// whole, else with [Gone] or [Cut]. It runs on the pump's goroutine and must not
// block.
type Done func(reason string)

const (
	// writeSize is about how much one write takes.
	writeSize = 128 << 10
	// turn is how many writes one client gets before it is the others' turn.
	turn = 8
	// goodbye is how long a client has to close after its last block.
	goodbye = time.Second
)
