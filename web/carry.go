package web

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"bellhop/gateway"
	"bellhop/web/pump"
)

// Why a stream ended where no bellhop.bye says it.
const (
	endGone = pump.Gone
	endCut  = pump.Cut
	endLog  = "log" // the log could not be read
)

// batchSize is about how much is written at once.
const batchSize = 64 << 10

// farewellTimeout is how long a client has to take the last block.
const farewellTimeout = time.Second

// batches are the buffers between a feed's frames and a connection's; a stream
// has one only while it writes.
var batches = sync.Pool{New: func() any { return new(gateway.Batch) }}

// A wire is what blocks are written to.
type wire interface {
	SetWriteDeadline(time.Time) error
	Write([]byte) (int, error)
	Flush() error
}

// A response is the wire of net/http.
type response struct {
	http.ResponseWriter
	*http.ResponseController
}

// A carrier brings one stream to its client by a goroutine of its own: to its
// end over TLS and HTTP/2, elsewhere until a pump takes over.
type carrier struct {
	*openStream
	wire
	timeout time.Duration // for each write
	maxLag  uint64
	metrics *metrics
}

func (s *Server) carrier(o *openStream, w wire) *carrier {
	o.attach(w)
	return &carrier{o, w, s.stream.WriteTimeout, uint64(s.stream.MaxLag), s.metrics}
}

// carry writes the stream until it or its client ends.
func (s *Server) carry(w http.ResponseWriter, r *http.Request, o *openStream) {
	s.begun(o)
	if pumps := s.pumps.Load(); pumps != nil {
		if conn := takeOver(w, r); conn != nil {
			s.carrySocket(r.Context(), conn, w.Header(), o, pumps)
			return
		}
	}
	c := s.carrier(o, response{w, http.NewResponseController(w)})
	reason := c.end(c.run(r.Context()))
	o.attach(nil)
	s.ended(o, reason)
}

// begun and ended stand around each stream that is carried.
func (s *Server) begun(o *openStream) {
	s.metrics.streams.Inc()
	s.logger.Debug("stream opened", "stream", o.id, "iss", o.token.Issuer, "sub", o.token.Subject, "address", o.address)
}

func (s *Server) ended(o *openStream, reason string) {
	o.Close()
	s.registry.remove(o)
	s.metrics.streams.Dec()
	s.metrics.ended.WithLabelValues(reason).Inc()
	s.logger.Debug("stream ended", "stream", o.id, "reason", reason)
}

// run writes what the stream missed and then what comes, until the stream has to
// end, the client has gone, or nothing can be written any more.
func (c *carrier) run(ctx context.Context) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	return c.follow(ctx)
}

// begin writes the stream's opening, and what it must be given before it can
// follow its feed.
func (c *carrier) begin(ctx context.Context) error { return c.Begin(ctx, c.write) }

// follow writes what comes.
func (c *carrier) follow(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wake := c.Wake()
		if err := c.catchUp(); err != nil {
			return err
		}
		timer.Reset(time.Until(c.Due()))
		select {
		case <-wake:
		case now := <-timer.C:
			if err := c.write(c.Tick(now)); err != nil {
				return err
			}
		case <-c.Ended():
			return gateway.ErrEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// catchUp writes everything from the cursor to the head.
func (c *carrier) catchUp() error {
	for {
		lag := c.Lag()
		if lag == 0 {
			return nil
		}
		if lag > c.maxLag && c.Live() {
			c.End(gateway.ByeSlow, 0)
		}
		if err := c.writeBatch(); err != nil {
			return err
		}
	}
}

func (c *carrier) writeBatch() error {
	b := batches.Get().(*gateway.Batch)
	defer batches.Put(b)
	*b = gateway.Batch{Data: b.Data[:0]}
	c.Take(b, batchSize)
	if err := c.write(b.Data); err != nil {
		return err
	}
	c.metrics.delivered(b.Events, b.Oldest)
	if cap(b.Data) > 4*batchSize {
		b.Data = nil // one large event must not stay in the pool for good
	}
	return nil
}

// write sends whole blocks and waits until the kernel has them. A stream that
// has to end takes nothing more.
func (c *carrier) write(b []byte) error {
	if c.Over(time.Now()) {
		return gateway.ErrEnded
	}
	if err := c.send(b, c.timeout); err != nil {
		return err
	}
	// HTTP/2 resets a stream when the deadline passes, also when nothing is written.
	return c.SetWriteDeadline(time.Time{})
}

func (c *carrier) send(b []byte, timeout time.Duration) error {
	if len(b) == 0 {
		return nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.Write(b); err != nil {
		return err
	}
	c.metrics.bytes.Add(float64(len(b)))
	return c.Flush()
}

// end says farewell where that can still be heard, and returns why the stream
// ended.
func (c *carrier) end(err error) string {
	select {
	case <-c.Ended():
		block, reason := c.Farewell()
		if errors.Is(err, gateway.ErrEnded) && c.send(block, farewellTimeout) == nil {
			return reason
		}
		return endCut
	default:
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return endCut
	case errors.Is(err, gateway.ErrClosed):
		return endLog
	}
	return endGone
}
