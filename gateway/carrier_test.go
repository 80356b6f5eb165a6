package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
)

// timing is that of streams of which a test wants nothing special.
func timing() gateway.Timing {
	return gateway.Timing{Heartbeat: 15 * time.Second, Retry: 3 * time.Second, Expires: time.Now().Add(24 * time.Hour), Warn: time.Minute}
}

// A carrier carries a stream to nowhere, as web does to a browser.
type carrier struct {
	stream *gateway.Stream
	stall  int           // the write at which it waits for resume; 0 for none
	resume chan struct{} // closed to go on
	limit  int           // of a batch

	cancel context.CancelFunc
	done   chan struct{}
	writes int   // the carrier's own
	err    error // of Begin or of the context; set before done is closed

	mu  sync.Mutex
	got []byte
}

func carry(stream *gateway.Stream) *carrier {
	c := &carrier{stream: stream, limit: 64 << 10}
	c.start()
	return c
}

func (c *carrier) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		defer c.stream.Close()
		c.err = c.run(ctx)
	}()
}

func (c *carrier) run(ctx context.Context) error {
	err := c.stream.Begin(ctx, c.write)
	for err == nil {
		wake := c.stream.Wake()
		c.catchUp()
		timer := time.NewTimer(time.Until(c.stream.Due()))
		select {
		case <-wake:
		case now := <-timer.C:
			c.catchUp()
			c.give(c.stream.Tick(now))
		case <-c.stream.Ended():
			err = gateway.ErrEnded
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
	}
	if errors.Is(err, gateway.ErrEnded) {
		last, _ := c.stream.Farewell()
		c.give(last)
	}
	return err
}

func (c *carrier) give(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, b...)
}

// given returns all that was given until now.
func (c *carrier) given() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func (c *carrier) write(b []byte) error {
	if c.writes++; c.writes == c.stall {
		<-c.resume
	}
	c.give(b)
	return nil
}

func (c *carrier) catchUp() {
	for {
		var b gateway.Batch
		if c.stream.Take(&b, c.limit); b.Blocks == 0 {
			return
		}
		c.give(b.Data)
	}
}

func (c *carrier) stop() {
	c.cancel()
	<-c.done
}

// blocks returns all that was given, once nothing moves any more.
func (c *carrier) blocks() []block {
	synctest.Wait()
	return parseBlocks(c.given())
}

// rest returns what was given behind the opening.
func (c *carrier) rest() []block { return c.blocks()[1:] }

// A house is a log and a hub that tails it, in a bubble.
type house struct {
	log  *memoryLog
	hub  *gateway.Hub
	stop func() error // ends the hub and returns its error
}

// openHouse runs a hub with so many records in memory. To be called in a bubble,
// where stop must be called too.
func openHouse(log *memoryLog, ring int, sources ...string) *house {
	h := &house{log: log, hub: gateway.NewHubWithRing(gateway.HubOptions{Log: log, Encode: encode, Sources: sources}, ring)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.hub.Run(ctx) }()
	h.stop = func() error {
		cancel()
		return <-ended
	}
	<-h.hub.Loaded()
	return h
}

// inHouse runs f in a bubble with a house that has the sources prague and brno.
func inHouse(t *testing.T, ring int, f func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(newLog(), ring, "prague", "brno")
		defer h.stop()
		f(t, h)
	})
}

// open opens a stream of everything, as change alters it, and carries it until
// the test ends.
func (h *house) open(t *testing.T, change func(*gateway.StreamOptions)) *carrier {
	o := gateway.StreamOptions{ID: "s-1", Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()}
	if change != nil {
		change(&o)
	}
	c := carry(h.hub.Open(o))
	t.Cleanup(c.stop)
	synctest.Wait()
	return c
}

func resumeAt(position string) func(*gateway.StreamOptions) {
	return func(o *gateway.StreamOptions) { o.Resume = position }
}

// say appends events of one room, in the given states.
func (h *house) say(states ...string) {
	for _, s := range states {
		h.append(newEvent("prague", "Resource", "room", `{"State":"`+s+`"}`))
	}
}

func (h *house) append(events ...*gateway.Event) {
	var records []*gateway.Record
	for _, e := range events {
		records = append(records, &gateway.Record{Event: e})
	}
	h.log.Append(context.Background(), records, nil)
}

// A line is what most tests look at of a block.
type line struct{ ID, Name string }

func lines(blocks []block) (out []line) {
	for _, b := range blocks {
		out = append(out, line{b.id, b.name})
	}
	return out
}

func ids(blocks []block) (out []string) {
	for _, b := range blocks {
		out = append(out, b.id)
	}
	return slices.Compact(out)
}
