package gateway

import (
	"context"
	"slices"
	"sync"
	"time"
)

// dismissPage is how many entities at most leave in one append.
const dismissPage = 256

// sink is what one source writes to. It is the source's only way into the log,
// so that what it says of an entity's past is right.
type sink struct {
	Keeper
	Inbox
	source string
	log    Log
	hub    *Hub

	mu sync.Mutex // held while records go to the log
}

func (s *sink) Append(ctx context.Context, records []*Record, done func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendLocked(ctx, records, done)
}

func (s *sink) appendLocked(ctx context.Context, records []*Record, done func()) error {
	undo := s.hub.present.send(records)
	err := s.log.Append(ctx, records, done)
	if err != nil {
		undo()
	}
	return err
}

func (s *sink) Latest(typ, id string) *Event {
	key, _ := (&Event{Source: s.source, Type: typ, ID: id}).Key()
	return s.hub.present.event(key)
}

func (s *sink) Present(typ string) []*Event { return s.hub.present.of(s.source, typ) }

// dismiss logs that the entities have gone which have been done for so long.
func (s *sink) dismiss(ctx context.Context, keep time.Duration) error {
	s.mu.Lock() // until it is logged, lest an entity comes back in between
	defer s.mu.Unlock()
	now := time.Now()
	var gone []*Record
	for _, e := range s.Present("") {
		if since, done := e.DoneSince(now); done && now.Sub(since) >= keep {
			gone = append(gone, &Record{Event: &Event{
				Source: e.Source, Type: e.Type, ID: e.ID, Origin: OriginBackfill, Received: now, Gone: true,
			}})
		}
	}
	for page := range slices.Chunk(gone, dismissPage) {
		if err := s.appendLocked(ctx, page, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) Report(status Status) { s.hub.Report(status) }
