package mews_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bellhop/gateway"
)

// sink is a log that stores at once, unless told to block or to be late, with an
// inbox and notes that outlive a source.
type sink struct {
	mu       sync.Mutex
	latest   map[gateway.EntityKey]*gateway.Event
	inbox    []gateway.Entry
	ticket   uint64
	notes    map[string]string
	records  []*gateway.Record
	dones    []func()
	statuses []gateway.Status
	kept     time.Time

	late     bool          // guarded by mu: what is taken is stored when store is called
	failing  error         // guarded by mu: of Confirmed
	refusing error         // guarded by mu: of KeepConfirmed
	stuck    error         // guarded by mu: of Forget
	room     int           // guarded by mu: entries that the inbox has room for, 0 for any number
	ended    error         // guarded by mu: of whatever writes
	blocking chan struct{} // guarded by mu: Append waits until it is closed
}

func (s *sink) set(f func(*sink)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *sink) Append(ctx context.Context, records []*gateway.Record, done func()) error {
	s.mu.Lock()
	blocking := s.blocking
	s.mu.Unlock()
	if blocking != nil {
		select {
		case <-blocking:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.ended != nil {
		return s.ended
	}
	s.records = append(s.records, records...)
	for _, rec := range records {
		s.remember(rec.Event)
	}
	if done == nil {
		return nil
	}
	if s.late {
		s.dones = append(s.dones, done)
		return nil
	}
	done()
	return nil
}

// remember takes an event for the latest of its entity.
func (s *sink) remember(e *gateway.Event) {
	if e == nil {
		return
	}
	key, lasts := e.Key()
	switch {
	case !lasts:
	case e.Gone:
		delete(s.latest, key)
	default:
		if s.latest == nil {
			s.latest = make(map[gateway.EntityKey]*gateway.Event)
		}
		s.latest[key] = e
	}
}

func (s *sink) Latest(typ, id string) *gateway.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, _ := (&gateway.Event{Source: "prague", Type: typ, ID: id}).Key()
	return s.latest[key]
}

func (s *sink) Present(typ string) (events []*gateway.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.latest {
		if typ == "" || e.Type == typ {
			events = append(events, e)
		}
	}
	return events
}

func (s *sink) Put(_ context.Context, records []*gateway.Record) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return 0, s.ended
	}
	if s.room > 0 && len(s.inbox) >= s.room {
		return 0, gateway.ErrInboxFull
	}
	entry := gateway.Entry{}
	for _, rec := range records { // as if they were written and read again
		e := *rec.Event
		entry.Records = append(entry.Records, &gateway.Record{Event: &e})
	}
	s.ticket++
	entry.Ticket = s.ticket
	s.inbox = append(s.inbox, entry)
	return s.ticket, nil
}

func (s *sink) Forget(_ context.Context, before uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	if s.stuck != nil {
		return s.stuck
	}
	s.inbox = slices.DeleteFunc(s.inbox, func(e gateway.Entry) bool { return e.Ticket < before })
	return nil
}

func (s *sink) Entries(context.Context) ([]gateway.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.inbox), nil
}

func (s *sink) Note(_ context.Context, _, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.notes[name]; ok {
		return []byte(value), s.failing
	}
	return nil, s.failing
}

func (s *sink) KeepNote(_ context.Context, _, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.refusing, s.ended); err != nil {
		return err
	}
	if s.notes == nil {
		s.notes = make(map[string]string)
	}
	if s.notes[name] = string(value); value == nil {
		delete(s.notes, name)
	}
	return nil
}

// store says of the n oldest late appends that they are stored.
func (s *sink) store(n int) {
	s.mu.Lock()
	dones := s.dones[:n]
	s.dones = s.dones[n:]
	s.mu.Unlock()
	for _, done := range dones {
		done()
	}
}

func (s *sink) Report(status gateway.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = append(s.statuses, status)
}

func (s *sink) Confirmed(context.Context, string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept, s.failing
}

func (s *sink) KeepConfirmed(_ context.Context, _ string, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.refusing, s.ended); err != nil {
		return err
	}
	s.kept = t
	return nil
}

// now returns the latest status.
func (s *sink) now() gateway.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statuses) == 0 {
		return gateway.Status{}
	}
	return s.statuses[len(s.statuses)-1]
}

func (s *sink) keptMoment() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// states returns the changes of state as "state reason".
func (s *sink) states() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, status := range s.statuses {
		line := strings.TrimSpace(fmt.Sprint(status.State, " ", status.Reason))
		lines = append(lines, line)
	}
	return slices.Compact(lines)
}

func (s *sink) taken() []*gateway.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// log returns the records: events as "Type id", gaps as "gap reason from to" in
// seconds.
func (s *sink) log() []string {
	var lines []string
	for _, r := range s.taken() {
		if g := r.Gap; g != nil {
			lines = append(lines, fmt.Sprintf("gap %s %v %v", g.Reason, seconds(g.From), seconds(g.To)))
			continue
		}
		lines = append(lines, r.Event.Type+" "+r.Event.ID)
	}
	return lines
}
