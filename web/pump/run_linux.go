package pump

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// run is the pump's goroutine; another one waits for the sockets.
func (p *pump) run(ctx context.Context) error {
	defer p.epoll.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.poll(ctx) })
	group.Go(func() error {
		defer p.closeAll()
		defer p.epoll.SetDeadline(time.Unix(1, 0)) // wakes poll
		p.loop(ctx)
		return nil
	})
	return group.Wait()
}

func (p *pump) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var set time.Duration // what the timer is set to, since the pump began
	for {
		if len(p.due) > 0 && p.due[0].due != set {
			set = p.due[0].due
			timer.Reset(set - time.Since(p.begun))
		}
		select {
		case <-p.posted:
			p.empty(time.Now())
		case events := <-p.ready:
			p.look(events, time.Now())
			p.handled <- struct{}{}
		case now := <-timer.C:
			set = 0
			p.tick(now)
		case <-ctx.Done():
			return
		}
	}
}

// poll hands over what epoll has to say, until ctx ends.
func (p *pump) poll(ctx context.Context) error {
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	events := make([]unix.EpollEvent, 256)
	for ctx.Err() == nil {
		var n int
		var waited error
		err := raw.Read(func(fd uintptr) bool {
			n, waited = unix.EpollWait(int(fd), events, 0)
			return n > 0 || waited != nil && !errors.Is(waited, unix.EINTR)
		})
		if err = errors.Join(err, waited); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("epoll wait: %w", err)
		}
		select {
		case p.ready <- events[:n]:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-p.handled:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// empty does what the inbox asks for.
func (p *pump) empty(now time.Time) {
	p.mu.Lock()
	in := p.inbox
	p.inbox = p.spare
	p.mu.Unlock()
	for _, c := range in.taken {
		p.take(c, now)
	}
	for _, slot := range in.ended { // before the stirred: nothing new is for them
		if c := p.slots[slot].conn; c != nil && c.stream.Over(now) { // not the slot's next one
			p.bye(c, now)
		}
	}
	for _, g := range in.stirred {
		g.dirty.Store(false) // before looking, so that what comes meanwhile stirs again
		p.deliver(g, now)
	}
	clear(in.taken)
	clear(in.stirred)
	p.spare = inbox{in.taken[:0], in.stirred[:0], in.ended[:0]}
}

// take makes a connection one of the pump's.
func (p *pump) take(c *conn, now time.Time) {
	feed := c.stream.Feed()
	g := p.groups[feed]
	if g == nil {
		g = &group{pump: p, feed: feed}
		p.groups[feed] = g
	}
	c.group, c.place = g, int32(len(g.conns))
	g.conns = append(g.conns, c)
	if len(p.free) == 0 {
		p.slots = append(p.slots, slot{})
		p.free = append(p.free, int32(len(p.slots)-1))
	}
	c.slot = p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	at := &p.slots[c.slot]
	at.conn = c
	// Edge-triggered, so that a socket is registered once and for all.
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: c.slot, Pad: at.generation,
	}
	if err := unix.EpollCtl(p.epollFD, unix.EPOLL_CTL_ADD, int(c.fd), &event); err != nil {
		p.Logger.Error("stream not carried", "err", err)
		p.close(c, Gone)
		return
	}
	c.stream.Watch(g, int(c.slot))
	p.wake(c, c.stream.Due(), now)
	if c.stream.Over(now) { // asked to before it was watched
		p.bye(c, now)
		return
	}
	p.write(c, now) // what came between the stream's beginning and its watching
}

// look handles what epoll says of the sockets.
func (p *pump) look(events []unix.EpollEvent, now time.Time) {
	for _, e := range events {
		at := &p.slots[e.Fd]
		c := at.conn
		if c == nil || at.generation != e.Pad {
			continue // of a socket that has been closed since
		}
		switch {
		case e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0, e.Events&unix.EPOLLIN != 0 && !discard(int(c.fd)):
			p.close(c, c.ending(Gone))
		case e.Events&unix.EPOLLOUT != 0 && c.blocked:
			p.goOn(c, now)
		}
	}
}

// discard reads and forgets what a client sends after its request. It reports
// false when the client has closed, or sends without end.
func discard(fd int) bool {
	var buf [4096]byte
	for range 16 {
		n, err := unix.Read(fd, buf[:])
		switch {
		case err == unix.EAGAIN:
			return true
		case n <= 0 && err != unix.EINTR:
			return false
		}
	}
	return false
}

// tick looks at the connections that are due.
func (p *pump) tick(now time.Time) {
	for len(p.due) > 0 && p.due[0].due <= now.Sub(p.begun) {
		switch c := p.due[0]; {
		case c.blocked && !c.closing && writable(int(c.fd)):
			p.wake(c, now.Add(p.WriteTimeout), now) // it took something, and this pump was too busy to see it
			p.write(c, now)
		case c.blocked || c.closing:
			p.close(c, c.ending(Cut))
		default:
			p.goOn(c, now)
		}
	}
}

// goOn writes whatever there is for a connection that may take something now,
// and that may have been quiet for long.
func (p *pump) goOn(c *conn, now time.Time) {
	if !c.closing && c.stream.Over(now) {
		p.bye(c, now)
		return
	}
	p.write(c, now) // first: a heartbeat says that everything was given
	if c.gone() || c.blocked || c.closing {
		return
	}
	if p.say(c, c.stream.Tick(now), now); !c.gone() && !c.blocked {
		p.wake(c, c.stream.Due(), now)
	}
}

// wake sets when the connection is looked at again, which is not at once. Some
// deadlines are dates: how far away they are is a matter of the clock as it is set
// now, while the pump's own goes on evenly.
func (p *pump) wake(c *conn, due, now time.Time) {
	c.due = now.Sub(p.begun) + max(due.Sub(now), time.Millisecond)
	if c.index < 0 {
		heap.Push(&p.due, c)
		return
	}
	heap.Fix(&p.due, int(c.index))
}

// ending returns the reason of a connection that ends now: its own, once it was
// given all.
func (c *conn) ending(otherwise string) string {
	if c.closing && c.rest == nil {
		return c.reason
	}
	return otherwise
}

// close ends the connection. Whatever was not taken is the system's to send or
// to drop.
func (p *pump) close(c *conn, reason string) {
	unix.Close(int(c.fd))
	at := &p.slots[c.slot]
	at.conn = nil
	at.generation++
	p.free = append(p.free, c.slot)
	if c.index >= 0 {
		heap.Remove(&p.due, int(c.index))
	}
	g := c.group
	last := len(g.conns) - 1
	g.conns[c.place], g.conns[last].place = g.conns[last], c.place
	g.conns[last] = nil
	if g.conns = g.conns[:last]; last == 0 {
		delete(p.groups, g.feed)
	}
	c.done(reason)
}

// closeAll ends what the pump still has.
func (p *pump) closeAll() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.empty(time.Now())
	for i := range p.slots {
		if c := p.slots[i].conn; c != nil {
			p.close(c, c.ending(Gone))
		}
	}
}

// dueHeap has the connection first that is due first.
type dueHeap []*conn

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h *dueHeap) Push(x any) {
	c := x.(*conn)
	c.index = int32(len(*h))
	*h = append(*h, c)
}

func (h *dueHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	c.index = -1
	return c
}
