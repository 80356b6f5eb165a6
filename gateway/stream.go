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
// Its carrier first calls [Stream.Begin], which writes what was missed, and
// then, until the stream ends, takes what is new with [Stream.Take] whenever
// [Stream.Wake] or the time of [Stream.Due] says so. These are for one goroutine
// at a time; [Stream.End] and [Stream.Lag] may be called from anywhere.
type Stream struct {
	hub     *Hub
	id      string
	sub     *Subscription
	variant Variant
	resume  string
	since   time.Time
	clock   clock

	feed    *Feed                 // set by joining
	from    uint64                // the place in the log from which on the feed's frames are for it; set by joining
	cursor  atomic.Pointer[frame] // the last frame given or passed over; nil until joined and once closed
	skip    int                   // so many bytes of the frame behind it were given
	watcher Watcher               // guarded by the hub's lock
	key     int                   // what the watcher knows it by; guarded by the hub's lock
	told    []Status              // until joined: what ready said of the sources
	changed []Status              // from joining to the end of Begin: what has changed since

	ended chan struct{}
	end   sync.Once
	bye   farewell // set before ended is closed
}

type farewell struct {
	reason string
	retry  time.Duration
}

// Open returns a new stream. [Stream.Close] must be called when it is done with.
func (h *Hub) Open(o StreamOptions) *Stream {
	return &Stream{
		hub: h, id: o.ID, sub: o.Subscription, variant: o.Variant, resume: o.Resume, since: o.Since,
		clock: newClock(o.Timing, time.Now()),
		ended: make(chan struct{}),
	}
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
	s.end.Do(func() {
		s.bye = farewell{reason, retry}
		close(s.ended)
		s.tellEnded()
	})
}

// Ended is closed once [Stream.End] has been called.
func (s *Stream) Ended() <-chan struct{} { return s.ended }

// Farewell returns the stream's last block and its reason, after Ended was
// closed.
func (s *Stream) Farewell() (block []byte, reason string) {
	return s.hub.encode(nil, s.bye.retry, "", nameBye, marshal(reasonData{s.bye.reason})), s.bye.reason
}

// Lag returns how many blocks of its feed the stream has not been given yet.
func (s *Stream) Lag() uint64 {
	at := s.cursor.Load()
	if at == nil {
		return 0
	}
	return s.feed.tail.Load().ordinal - at.ordinal
}

// Wake returns a channel that is closed when there may be more to take. It is
// to be asked for before [Stream.Take], so that nothing falls between the two.
func (s *Stream) Wake() <-chan struct{} { return s.feed.waking() }

// Batch is what [Stream.Take] gives.
type Batch struct {
	Data   []byte // whole blocks
	Blocks int
	Events int
	Oldest time.Time // when the first of its events came from upstream; zero without events
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
		if 0 < at.seq && at.seq <= s.from {
			continue
		}
		b.Data = append(b.Data, at.data...)
		b.Blocks++
		if !at.received.IsZero() {
			if b.Events == 0 {
				b.Oldest = at.received
			}
			b.Events++
		}
	}
	s.cursor.Store(at)
	if b.Blocks > 0 {
		s.clock.written(time.Now())
	}
}

// Due returns when [Stream.Tick] wants to be called.
func (s *Stream) Due() time.Time { return s.clock.due() }

// Tick returns the blocks that are due by the clock alone, nil when there are
// none: a heartbeat after silence, the warning before the token's end. It ends
// the stream when its token has expired or its life is over.
func (s *Stream) Tick(now time.Time) []byte {
	if s.Over(now) {
		return nil
	}
	var b []byte
	if s.clock.expiring(now) {
		b = s.hub.encode(b, 0, "", nameExpiring, marshal(expiresData{stamp(s.clock.timing.Expires)}))
	}
	// The head before the cursor: a heartbeat says that everything up to its
	// position was given, and what is not linked yet is behind the head.
	head := s.hub.Head()
	if s.clock.silent(now) && s.cursor.Load().next.Load() == nil {
		b = append(b, s.hub.heartbeat(max(head, s.from), now)...)
	}
	if b != nil {
		s.clock.written(now)
	}
	return b
}

func (h *Hub) heartbeat(seq uint64, now time.Time) []byte {
	return h.encode(nil, 0, h.position(seq), nameHeartbeat, marshal(nowData{stamp(now)}))
}

// jitter returns a duration between (1-share) and (1+share) of d.
func jitter(d time.Duration, share float64) time.Duration {
	return time.Duration(float64(d) * (1 - share + 2*share*rand.Float64()))
}
