package gateway

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The reasons of bellhop.bye.
const (
	ByeShutdown = "shutdown" // the gateway drains
	ByeSlow     = "slow"     // the reader lags too far behind
	ByeExpired  = "expired"  // the token has expired
	ByeRevoked  = "revoked"  // the token or its key is no longer good
	ByeLifetime = "lifetime" // the stream has lived long enough
	ByeBusy     = "busy"     // another stream of the subject took its place
	ByeDraining = "draining" // the gateway takes no new streams
	ByeClosed   = "closed"   // an operator closed it
)

// ErrEnded is returned by [Stream.Begin] for a stream that has to end: its token
// has expired, its life is over, or [Stream.End] was called.
var ErrEnded = errors.New("stream ended")

// StreamOptions are what one request for a stream asks for.
type StreamOptions struct {
	ID           string // the stream's own name, for logs
	Subscription *Subscription
	Variant      Variant
	Resume       string    // the position to go on from, or empty
	Since        time.Time // begin with what was logged from then on, or zero
	Timing       Timing
}

// Stream is one open response: a cursor into its feed's list and the few
// deadlines of its own. It knows nothing of how its blocks are carried.
//
// Its carrier first calls [Stream.Begin], which writes the opening, and then,
// until the stream ends, takes what was missed and what is new with [Stream.Take]
// whenever [Stream.Wake] or the time of [Stream.Due] says so. These are for one
// goroutine at a time; [Stream.End], [Stream.Lag] and [Stream.Live] may be called
// from anywhere.
type Stream struct {
	hub   *Hub
	asked *asked // nil since the end of Begin
	clock clock

	feed    *Feed                 // set by joining
	joined  uint64                // the ordinal of the feed's last frame then; set by joining
	ahead   uint64                // where the stream was ahead of the hub, its place in the log; set by joining
	begun   atomic.Bool           // Begin has returned
	cursor  atomic.Pointer[frame] // the last frame given or passed over; nil until joined and once closed
	skip    int                   // so many bytes of the frame behind it were given
	slab    *slab                 // that the cursor is in, nil for none
	watcher Watcher               // guarded by the hub's lock
	key     int                   // what the watcher knows it by; guarded by the hub's lock

	bye   atomic.Pointer[farewell] // nil until the stream has to end; set with mu held
	mu    sync.Mutex
	ended chan struct{} // nil while nobody waits for it; guarded by mu
}

type farewell struct {
	reason string
	retry  time.Duration
}

// Open returns a new stream. [Stream.Close] must be called when it is done with.
func (h *Hub) Open(o StreamOptions) *Stream {
	return &Stream{hub: h, asked: &asked{StreamOptions: o}, clock: newClock(o.Timing, h.zero, time.Now())}
}

// Close takes the stream out of its feed. It may be called again.
func (s *Stream) Close() {
	if s.cursor.Swap(nil) != nil {
		s.hub.leave(s)
	}
}

// End asks the stream to end with bellhop.bye and the reason; a retry above zero
// tells the client how long to stay away. The first call counts.
func (s *Stream) End(reason string, retry time.Duration) {
	if s.bye.Load() == nil && s.endOnce(&farewell{reason, retry}) {
		s.tellEnded()
	}
}

func (s *Stream) endOnce(bye *farewell) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bye.CompareAndSwap(nil, bye) {
		return false
	}
	if s.ended != nil {
		close(s.ended)
	}
	return true
}

// Ended returns a channel that is closed once [Stream.End] has been called.
func (s *Stream) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
		if s.bye.Load() != nil {
			close(s.ended)
		}
	}
	return s.ended
}

// Farewell returns the stream's last block and its reason, after Ended was
// closed.
func (s *Stream) Farewell() (block []byte, reason string) {
	bye := s.bye.Load()
	return s.hub.encode(nil, bye.retry, "", nameBye, marshal(reasonData{bye.reason})), bye.reason
}

// Lag returns how many blocks of its feed the stream has not been given yet.
func (s *Stream) Lag() uint64 {
	at := s.cursor.Load()
	if at == nil {
		return 0
	}
	// A frame is linked, and may be given, a moment before it is the tail.
	return max(s.feed.tail.Load().ordinal, at.ordinal) - at.ordinal
}

// Live reports whether the stream has been given all that it missed: what there
// was when it began. From then on a lag is its client's own.
func (s *Stream) Live() bool {
	at := s.cursor.Load()
	return s.begun.Load() && at != nil && s.liveAt(at)
}

// Wake returns a channel that is closed when there may be more to take. It is
// to be asked for before [Stream.Take], so that nothing falls between the two.
func (s *Stream) Wake() <-chan struct{} { return s.feed.waking() }

// Batch is what [Stream.Take] gives.
type Batch struct {
	Data   []byte // whole blocks
	Blocks int
	Events int       // of those that were not missed
	Oldest time.Time // when the first of these came from upstream; zero without events
}

// Take appends to b whole blocks that the stream has not been given, until there
// are none or more than limit bytes are in it.
func (s *Stream) Take(b *Batch, limit int) {
	at := s.cursor.Load()
	for len(b.Data) < limit {
		next := at.next.Load()
		if next == nil {
			break
		}
		at = next
		if s.passes(at) {
			continue
		}
		b.Data = append(b.Data, at.data...)
		b.Blocks++
		if at.received != 0 && !s.missed(at) {
			if b.Events == 0 {
				b.Oldest = time.Unix(0, at.received)
			}
			b.Events++
		}
	}
	s.cursor.Store(at)
	if b.Blocks > 0 {
		s.clock.written(s.hub.since(time.Now()))
	}
}

// Due returns when [Stream.Tick] wants to be called.
func (s *Stream) Due() time.Time { return s.clock.due(s.hub.zero) }

// Tick returns the blocks that are due by the clock alone, nil when there are
// none: a heartbeat after silence, the warning before the token's end. They must
// not be changed. It ends the stream when its token has expired or its life is
// over.
func (s *Stream) Tick(now time.Time) []byte {
	if s.Over(now) {
		return nil
	}
	var b []byte
	if s.clock.expiring(now) {
		b = s.hub.encode(nil, 0, "", nameExpiring, marshal(expiresData{stamp(time.Unix(0, s.clock.expires))}))
	}
	// The head before the cursor: a heartbeat says that everything up to its
	// position was given, and what is not linked yet is behind the head.
	head := s.hub.Head()
	if s.clock.silent(s.hub.since(now)) {
		if at, next := s.next(); next == nil {
			// A frame may be linked, and given, before the head is where it stands.
			b = follow(b, s.hub.heartbeat(max(head, s.ahead, at.seq), now))
		}
	}
	if b != nil {
		s.clock.written(s.hub.since(now))
	}
	return b
}

// follow returns first with then behind it; it does not copy what stands alone.
func follow(first, then []byte) []byte {
	if first == nil {
		return then
	}
	return append(first, then...)
}

// jitter returns a duration between (1-share) and (1+share) of d.
func jitter(d time.Duration, share float64) time.Duration {
	return time.Duration(float64(d) * (1 - share + 2*share*rand.Float64()))
}
