package pump

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"bellhop/gateway"
)

// Supported says that this system has pumps.
const Supported = true

// Pumps share the streams among them.
type Pumps struct {
	pumps []*pump
	next  atomic.Uint64
}

// New returns as many pumps as there are processors to run them. They run when
// [Pumps.Run] is called.
func New(o Options) (*Pumps, error) {
	p := new(Pumps)
	for range runtime.GOMAXPROCS(0) {
		one, err := newPump(o)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.pumps = append(p.pumps, one)
	}
	return p, nil
}

func (p *Pumps) close() error {
	var errs []error
	for _, one := range p.pumps {
		errs = append(errs, one.epoll.Close())
	}
	return errors.Join(errs...)
}

// Run pumps until ctx ends, and then closes all sockets.
func (p *Pumps) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range p.pumps {
		group.Go(func() error { return one.run(ctx) })
	}
	return group.Wait()
}

// Take hands over a stream whose Begin has returned, and the socket that it
// goes to: a descriptor that does not block and that nobody else uses. Done is
// called when both are done with, at once after Run has ended; the stream is the
// caller's to close then.
func (p *Pumps) Take(fd int, s *gateway.Stream, done Done) {
	one := p.pumps[p.next.Add(1)%uint64(len(p.pumps))]
	c := &conn{fd: int32(fd), stream: s, done: done, index: -1}
	if !one.post(func(in *inbox) { in.taken = append(in.taken, c) }) {
		unix.Close(fd)
		done(Gone)
	}
}

// A pump owns the sockets of its streams.
type pump struct {
	Options
	begun   time.Time
	epoll   *os.File
	epollFD int                    // the same; [os.File.Fd] would make it block
	ready   chan []unix.EpollEvent // from the poller
	handled chan struct{}          // to the poller: the events have been looked at

	mu     sync.Mutex
	inbox  inbox         // guarded by mu
	closed bool          // guarded by mu: nobody looks into the inbox any more
	posted chan struct{} // one token: something is in the inbox

	// Owned by run.
	spare  inbox // an empty one, to change the inbox for
	slots  []slot
	free   []int32
	groups map[*gateway.Feed]*group
	due    dueHeap
	joined gateway.Run // of the round under way; empty between rounds, or it would keep a list alive
}

// An inbox holds what other goroutines want of the pump.
type inbox struct {
	taken   []*conn
	stirred []*group // with new blocks
	ended   []int    // the slots of streams that were asked to end
}

// A slot is where a connection is found by the number in its epoll data. The
// generation tells an event of a closed connection from its successor's.
type slot struct {
	conn       *conn
	generation int32
}

// A group is the streams of one feed that this pump carries.
type group struct {
	pump  *pump
	feed  *gateway.Feed
	conns []*conn
	dirty atomic.Bool // is in the inbox
}

// A conn is one stream's socket.
type conn struct {
	stream *gateway.Stream
	group  *group
	done   Done
	rest   []byte        // of what is not of the feed, or comes before the end, and was not taken yet
	reason string        // of the end, when closing
	due    time.Duration // since the pump began: when to look at it again; to give it up, when it is blocked or closing

	fd      int32
	slot    int32 // in the pump's
	place   int32 // in its group
	index   int32 // in the heap of what is due; -1 before it is taken and once it is closed
	blocked bool  // the socket takes nothing now
	closing bool  // nothing comes after rest
}

// gone reports whether the connection has been closed.
func (c *conn) gone() bool { return c.index < 0 }

func newPump(o Options) (*pump, error) {
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	// A descriptor that does not block is waited for by the runtime's own
	// poller: a goroutine in epoll_wait would hold a processor.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &pump{
		Options: o,
		begun:   time.Now(),
		epoll:   os.NewFile(uintptr(fd), "epoll"),
		epollFD: fd,
		ready:   make(chan []unix.EpollEvent),
		handled: make(chan struct{}, 1),
		posted:  make(chan struct{}, 1),
		groups:  make(map[*gateway.Feed]*group),
	}, nil
}

// post puts something into the inbox and wakes the pump. It reports false when
// the pump has ended.
func (p *pump) post(put func(*inbox)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	put(&p.inbox)
	select {
	case p.posted <- struct{}{}:
	default:
	}
	return true
}

var _ gateway.Watcher = (*group)(nil)

// Stirred implements [gateway.Watcher].
func (g *group) Stirred() {
	if g.dirty.CompareAndSwap(false, true) {
		g.pump.post(func(in *inbox) { in.stirred = append(in.stirred, g) })
	}
}

// Ended implements [gateway.Watcher].
func (g *group) Ended(slot int) {
	g.pump.post(func(in *inbox) { in.ended = append(in.ended, slot) })
}
