package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
)

// A slowLog takes a while for each read, gives no more than so many records, and
// counts.
type slowLog struct {
	gateway.Log
	most  int // 0 for no limit
	reads atomic.Int64
}

func (l *slowLog) Read(ctx context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	l.reads.Add(1)
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.most > 0 {
		limit = min(limit, l.most)
	}
	return l.Log.Read(ctx, after, limit)
}

// farHouse is a hub, in a bubble, whose ring holds but ten of so many records,
// each with an object of so many bytes.
func farHouse(records, size int, encode gateway.Encoder) (*gateway.Hub, *slowLog) {
	log := newLog()
	h := &house{log: log}
	object := `{"Note":"` + strings.Repeat("x", size) + `"}`
	for i := range records {
		h.append(newEvent("prague", "Resource", fmt.Sprintf("room-%d", i), object))
	}
	slow := &slowLog{Log: log}
	hub := gateway.NewHubWithRing(gateway.HubOptions{Log: slow, Encode: encode, Sources: []string{"prague"}}, 10)
	for _, rec := range log.records {
		hub.Dispatch(rec)
	}
	return hub, slow
}

// from returns what a stream that resumes behind seq is given to begin with, but
// for the opening.
func from(ctx context.Context, hub *gateway.Hub, sub *gateway.Subscription, seq int) ([]byte, error) {
	s := hub.Open(gateway.StreamOptions{Subscription: sub, Timing: timing(), Resume: fmt.Sprintf("e1.%d", seq)})
	defer s.Close()
	var data []byte
	err := s.Begin(ctx, func(b []byte) error { data = append(data, b...); return nil })
	_, data, _ = bytes.Cut(data, []byte("\n\n"))
	var rest gateway.Batch
	if err == nil {
		s.Take(&rest, 1<<30)
	}
	return append(data, rest.Data...), err
}

// Of streams that come from far back together, one reads each page for all, and
// what they show alike is encoded once.
func TestOlderIsReadOnceForAll(t *testing.T) {
	const records, streams = 4*512 + 10, 200 // the ring holds what is not a whole page
	synctest.Test(t, func(t *testing.T) {
		count := &counting{name: "Resource"}
		hub, log := farHouse(records, 10, count.encode)
		sub := subscribe(t, gateway.Query{}, everything)
		var together sync.WaitGroup
		for i := range streams {
			together.Go(func() {
				data, err := from(t.Context(), hub, sub, i)
				if n := len(parseBlocks(data)); err != nil || n != records-i {
					t.Errorf("from %d: %d blocks, want %d (%v)", i, n, records-i, err)
				}
			})
		}
		together.Wait()
		if n := log.reads.Load(); n > records/512+2 {
			t.Errorf("the log was read %d times", n)
		}
		if n := count.n.Load(); n != records {
			t.Errorf("%d events were encoded, want each of %d once", n, records)
		}
		before := log.reads.Load()
		hub.Tidy(time.Now().Add(time.Hour))
		if _, err := from(t.Context(), hub, sub, 0); err != nil || log.reads.Load() == before {
			t.Errorf("pages that nobody wanted for an hour are still there (%v)", err)
		}
	})
}

// Who reads for all may go before it is done; the others must not go with it.
func TestOlderReaderGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := farHouse(600, 10, encode)
		sub := subscribe(t, gateway.Query{}, everything)
		ctx, cancel := context.WithCancel(t.Context())
		var together sync.WaitGroup
		together.Go(func() {
			if _, err := from(ctx, hub, sub, 0); err == nil {
				t.Error("it should have been called off")
			}
		})
		synctest.Wait()
		together.Go(func() {
			data, err := from(t.Context(), hub, sub, 0)
			if n := len(parseBlocks(data)); err != nil || n != 600 {
				t.Errorf("%d blocks (%v)", n, err)
			}
		})
		synctest.Wait()
		cancel()
		together.Wait()
	})
}

// A page of large records is not kept, and read by pieces.
func TestOlderLargePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := farHouse(600, 20_000, encode)
		sub := subscribe(t, gateway.Query{}, everything)
		for range 2 {
			data, err := from(t.Context(), hub, sub, 100)
			if n := len(parseBlocks(data)); err != nil || n != 500 {
				t.Errorf("%d blocks (%v)", n, err)
			}
		}
		if n := hub.OlderBytes(); n != 0 {
			t.Errorf("%d bytes are kept", n)
		}
	})
}

// However many read at the same time, by however many reads, what is counted is
// what is kept.
func TestOlderCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, log := farHouse(512*24+10, 2900, encode) // of which some must go
		log.most = 100
		sub := subscribe(t, gateway.Query{IDs: []string{"none"}}, everything)
		var together sync.WaitGroup
		for i := range 24 {
			together.Go(func() {
				if _, err := from(t.Context(), hub, sub, 512*i); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		if counted, held := hub.OlderBytes(), hub.OlderHeld(); counted != held || counted == 0 {
			t.Errorf("%d bytes are counted, %d held", counted, held)
		}
	})
}

// What is kept is bounded, whoever asks for whatever.
func TestOlderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := farHouse(512*30, 4000, encode)
		sub := subscribe(t, gateway.Query{IDs: []string{"none"}}, everything)
		if _, err := from(t.Context(), hub, sub, 0); err != nil {
			t.Error(err)
		}
		if n := hub.OlderBytes(); n < 16<<20 || n > 32<<20 {
			t.Errorf("%d bytes are kept", n)
		}
	})
}
