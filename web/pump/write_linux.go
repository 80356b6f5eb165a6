package pump

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// deliver writes a feed's new blocks to all streams that take them.
func (p *pump) deliver(g *group, now time.Time) {
	events, bytes := 0, 0
	var oldest time.Time
	for i := len(g.conns) - 1; i >= 0; i-- { // backwards: one that closes gives its place to the last
		if c := g.conns[i]; !c.blocked && !c.closing {
			e, b, o := p.writeNew(c, now)
			events, bytes = events+e, bytes+b
			if oldest.IsZero() || !o.IsZero() && o.Before(oldest) {
				oldest = o
			}
		}
	}
	p.joined.Forget()
	if bytes > 0 {
		p.Delivered(events, bytes, oldest)
	}
}

// write writes everything that there is for one connection.
func (p *pump) write(c *conn, now time.Time) {
	p.flush(c, now)
	if c.gone() || c.rest != nil || c.closing {
		return
	}
	events, bytes, oldest := p.writeNew(c, now)
	p.joined.Forget()
	if bytes > 0 {
		p.Delivered(events, bytes, oldest)
	}
}

// writeNew writes everything from the stream's cursor to its feed's head, or as
// much as the socket takes. The head is where it was when the run was made that
// all streams of this round share; what has come since stirs again.
func (p *pump) writeNew(c *conn, now time.Time) (events, bytes int, oldest time.Time) {
	for range turn {
		if !c.stream.Join(&p.joined, writeSize) {
			return events, bytes, oldest
		}
		size := len(p.joined.Data)
		n := p.send(c, p.joined.Data, now)
		if n > 0 {
			e, o := c.stream.Given(&p.joined, n, now)
			events, bytes = events+e, bytes+n
			if oldest.IsZero() {
				oldest = o
			}
		}
		if n < size || !p.joined.More {
			return events, bytes, oldest
		}
	}
	c.group.Stirred() // the others first
	return events, bytes, oldest
}

// say writes a block that is not of the feed.
func (p *pump) say(c *conn, block []byte, now time.Time) {
	c.rest = block
	p.flush(c, now)
}

// flush writes the connection's rest. After a last block it tells the client
// that nothing comes any more, and leaves the closing to it: closing at once
// could lose the block to a reset.
func (p *pump) flush(c *conn, now time.Time) {
	if len(c.rest) == 0 {
		return
	}
	n := p.send(c, c.rest, now)
	if n > 0 {
		p.Delivered(0, n, time.Time{})
	}
	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		return
	}
	c.rest = nil
	if c.closing && unix.Shutdown(int(c.fd), unix.SHUT_WR) != nil {
		p.close(c, c.reason)
	}
}

// bye ends the stream with its last block, which comes behind what is left of
// one that the client has the beginning of. For both it has but a moment.
func (p *pump) bye(c *conn, now time.Time) {
	if c.closing {
		return
	}
	block, reason := c.stream.Farewell()
	c.closing, c.reason = true, reason
	p.wake(c, now.Add(goodbye), now)
	p.say(c, slices.Concat(c.rest, c.stream.Begun(), block), now)
}

// send writes b, or as much of it as the socket takes. A client that takes
// nothing more has the write timeout, from the last time that it took something;
// one that has gone is closed.
func (p *pump) send(c *conn, b []byte, now time.Time) int {
	n, err := Send(int(c.fd), b)
	if err != nil {
		p.close(c, Gone)
		return 0
	}
	waits := c.blocked
	c.blocked = n < len(b)
	if c.blocked && !c.closing && (n > 0 || !waits) {
		p.wake(c, now.Add(p.WriteTimeout), now)
	}
	return n
}
