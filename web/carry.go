package web

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"bellhop/gateway"
)

// Why a stream ended where no bellhop.bye says it.
const (
	endGone = "gone" // the client went away
	endCut  = "cut"  // the client did not take a write in time
	endLog  = "log"  // the log could not be read
)

// batchSize is about how much is written at once.
const batchSize = 64 << 10

// farewellTimeout is how long a client has to take the last block.
const farewellTimeout = time.Second

// errEnded says that a stream was asked to end.
var errEnded = errors.New("stream ended")

// batches are the buffers between a feed's frames and a connection's; a stream
// has one only while it writes.
var batches = sync.Pool{New: func() any { return new(gateway.Batch) }}

// A carrier brings one stream to its client by net/http: over TLS, HTTP/2 and
// wherever the socket itself is not to be had.
type carrier struct {
	*openStream
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for each write
	maxLag  uint64
	metrics *metrics
}

// carry writes the stream until it or its client ends.
func (s *Server) carry(w http.ResponseWriter, r *http.Request, o *openStream) {
	defer o.Close()
	log := s.logger.With("stream", o.id)
	log.Debug("stream opened", "iss", o.token.Issuer, "sub", o.token.Subject, "address", o.address)
	c := carrier{o, w, http.NewResponseController(w), s.stream.WriteTimeout, uint64(s.stream.MaxLag), s.metrics}
	defer c.control.SetWriteDeadline(time.Time{})

	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	reason := c.end(c.run(r.Context()))
	s.metrics.ended.WithLabelValues(reason).Inc()
	log.Debug("stream ended", "reason", reason)
}

// run writes what the stream missed and then what comes, until the stream was
// asked to end, the client has gone, or nothing can be written any more.
func (c *carrier) run(ctx context.Context) error {
	if err := c.Begin(ctx, c.write); err != nil {
		return err
	}
	close(c.live)
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
			return errEnded
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
		if lag > c.maxLag {
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
	c.metrics.delivered(b)
	if cap(b.Data) > 4*batchSize {
		b.Data = nil // one large event must not stay in the pool for good
	}
	return nil
}

// write sends whole blocks and waits until the kernel has them. A stream that
// was asked to end takes nothing more.
func (c *carrier) write(b []byte) error {
	select {
	case <-c.Ended():
		return errEnded
	default:
	}
	return c.send(b, c.timeout)
}

func (c *carrier) send(b []byte, timeout time.Duration) error {
	if len(b) == 0 {
		return nil
	}
	if err := c.control.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	c.metrics.bytes.Add(float64(len(b)))
	return c.control.Flush()
}

// end says farewell where that can still be heard, and returns why the stream
// ended.
func (c *carrier) end(err error) string {
	select {
	case <-c.Ended():
		block, reason := c.Farewell()
		if errors.Is(err, errEnded) && c.send(block, farewellTimeout) == nil {
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
