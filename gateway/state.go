package gateway

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// How the present state is kept beside the log: what has changed so long ago, which
// is looked for in so many steps, lest all that comes meanwhile have to wait for much
// at once; so many records at a time, and so long for these. What a crash keeps from
// being kept is read again from the log.
const (
	keepStateAfter = 500 * time.Millisecond
	keepStateSteps = 10
	keepStatePage  = 1000
	keepStateLimit = 10 * time.Second
	reachPause     = 5 * time.Millisecond
)

// kept is what is known of the kept state.
type kept struct {
	mu   sync.Mutex // held while it is written
	upTo uint64     // complete up to here
	torn bool       // log and state disagree: until that has been mended it is kept as it is

	// Set by load.
	ahead      []*Record // of entities whose latest events the log has lost
	incomplete bool      // some of what has been trimmed from the log may be missing
}

// loadState takes over the kept state. It returns the sequence up to which the
// log need not be read again for its sake.
func (h *Hub) loadState(ctx context.Context) (from uint64, err error) {
	first, last := h.log.Bounds()
	if h.store == nil {
		return last, nil
	}
	var records []*Record
	upTo, err := h.store.LoadState(ctx, func(rec *Record) {
		if rec.Seq > last {
			h.kept.ahead = append(h.kept.ahead, rec)
			return
		}
		records = append(records, rec)
	})
	if err != nil {
		return 0, fmt.Errorf("kept state: %w", err)
	}
	h.present.keep(records)
	h.kept.upTo = upTo
	h.kept.torn = upTo > last || len(h.kept.ahead) > 0
	if upTo == 0 || h.kept.torn {
		// Of an entity whose latest event was lost, the log may have the one before.
		return max(first, 1) - 1, nil
	}
	return upTo, nil
}

// trimmed notes, while the log is loaded, that all up to seq has gone from it
// unread.
func (h *Hub) trimmed(seq uint64) {
	if h.store != nil && seq > h.kept.upTo {
		h.kept.incomplete, h.kept.torn = true, true
	}
}

// mended has the state be kept again: the log has all up to seq that makes it
// agree.
func (h *Hub) mended(ctx context.Context, seq uint64) error {
	if err := h.reach(ctx, seq); err != nil {
		return err
	}
	h.kept.mu.Lock()
	h.kept.torn, h.kept.ahead = false, nil
	h.kept.mu.Unlock()
	return h.SaveState(ctx)
}

// keepState keeps the present state as it changes, until stop is closed, and once
// more then.
func (h *Hub) keepState(stop <-chan struct{}) {
	if h.store == nil {
		return
	}
	tick := time.NewTicker(keepStateAfter / keepStateSteps)
	defer tick.Stop()
	var heads [keepStateSteps]uint64 // at the last ticks
	failed := false
	for i, going := 0, true; going; i = (i + 1) % keepStateSteps {
		due := uint64(math.MaxUint64)
		select {
		case <-tick.C:
			due, heads[i] = heads[i], h.head.Load()
			if due == 0 || i > 0 && (failed || !h.present.changedBy(due)) {
				continue
			}
		case <-stop:
			going = false
		}
		err := h.saveState(context.Background(), due)
		if err != nil && !failed {
			h.logger.Warn("the present state cannot be kept, trying again", "err", err)
		}
		failed = err != nil
	}
}

// SaveState keeps what has changed of the present state since it was last kept.
// The hub does so by itself all the time, once log and state agree.
func (h *Hub) SaveState(ctx context.Context) error { return h.saveState(ctx, math.MaxUint64) }

// saveState keeps what has changed up to a sequence of the log, and later changes of
// the same.
func (h *Hub) saveState(ctx context.Context, due uint64) error {
	if h.store == nil {
		return nil
	}
	h.kept.mu.Lock()
	defer h.kept.mu.Unlock()
	if h.kept.torn {
		return nil
	}
	h.mu.Lock()
	c := h.present.changes(due, h.head.Load())
	h.mu.Unlock()
	if c.upTo == h.kept.upTo && len(c.all) == 0 {
		return nil
	}
	if err := h.saveChanges(ctx, c); err != nil {
		h.present.changeAgain(c)
		return err
	}
	h.kept.upTo = c.upTo
	return nil
}

func (h *Hub) saveChanges(ctx context.Context, c changes) error {
	records := c.records
	for len(records) > keepStatePage {
		if err := h.savePage(ctx, records[:keepStatePage], nil, h.kept.upTo); err != nil {
			return err
		}
		records = records[keepStatePage:]
	}
	return h.savePage(ctx, records, c.gone, c.upTo)
}

func (h *Hub) savePage(ctx context.Context, changed []*Record, gone []EntityKey, upTo uint64) error {
	ctx, cancel := context.WithTimeout(ctx, keepStateLimit)
	defer cancel()
	return h.store.SaveState(ctx, changed, gone, upTo)
}

// reach waits until the log has been read up to seq.
func (h *Hub) reach(ctx context.Context, seq uint64) error {
	for h.head.Load() < seq {
		select {
		case <-time.After(reachPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
