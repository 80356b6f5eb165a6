package eventlog

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// forgotten is what an inbox need not keep any more. As a rule that is because it
// is in the log, of which a power cut takes what has not been synced: the entry
// must be there until then.
type forgotten struct {
	asked   atomic.Uint64 // entries below are to be forgotten
	dropped atomic.Uint64 // entries below are off the disk

	// Owned by dropLate.
	due uint64 // what was asked until its last turn
}

// Forget implements [gateway.Inbox]. The entries are not to be had any more; their
// room is free once the disk has been told to keep what was written until now, or
// the log is closed.
func (b *inbox) Forget(ctx context.Context, before uint64) error {
	if err := b.over(ctx, func(*session) error { return nil }); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	raise(&b.forgotten.asked, min(before, b.tickets.next()))
	if b.l.opts.Sync > 0 {
		return nil
	}
	return b.drop(ctx, b.forgotten.asked.Load())
}

// drop removes the entries below a ticket from the disk.
func (b *inbox) drop(ctx context.Context, before uint64) error {
	if before <= b.forgotten.dropped.Load() {
		return nil
	}
	err := b.over(ctx, func(s *session) error {
		for _, base := range b.tickets.bases() {
			if before <= base+1 {
				continue
			}
			subject, err := inboxSubject(b.source, base)
			if err != nil {
				return err
			}
			if err := s.purge(ctx, b.stream, subject, before-base); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	b.tickets.dropped(before)
	raise(&b.forgotten.dropped, before)
	return nil
}

// dropLate drops, again and again, what was to be forgotten two syncs ago: one
// may have been under way, and takes its time.
func (l *Log) dropLate(ctx context.Context) {
	if l.opts.Sync == 0 {
		return
	}
	after := 2 * max(l.opts.Sync, minSync)
	t := time.NewTimer(after)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		for _, b := range l.inboxes.all() {
			b.tryDrop(ctx, b.forgotten.due)
			b.forgotten.due = b.forgotten.asked.Load()
		}
		t.Reset(after)
	}
}

// dropAll drops what is to be forgotten, at the log's end.
func (l *Log) dropAll() {
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	for _, b := range l.inboxes.all() {
		b.tryDrop(ctx, b.forgotten.asked.Load())
	}
}

func (b *inbox) tryDrop(ctx context.Context, before uint64) {
	if err := b.drop(ctx, before); err != nil && ctx.Err() == nil {
		b.l.log.Warn("what was forgotten is not dropped yet", "source", b.source, "err", err)
	}
}
