package mews

import (
	"time"

	"bellhop/gateway"
)

// maxSettling is how many entities at most are to be read again; beyond it the
// hourly reading has to do.
const maxSettling = 100_000

// settling are entities that are to be read again after a while, oldest first,
// because the API contradicted an event or did not know it in time. By then it has
// made up its mind.
type settling struct {
	line []settlement
	in   map[gateway.EntityKey]bool

	open  int       // how many there are, those that are being read included
	since time.Time // from when on a process that knows nothing of them has to read what was updated; zero for none
}

type settlement struct {
	key gateway.EntityKey
	id  string // as the upstream wrote it
	due time.Time
}

// settleLater has an entity read again, of which something was said or updated at
// since.
func (d *desk) settleLater(key gateway.EntityKey, id string, since time.Time) {
	s := &d.settling
	if s.in[key] || len(s.line) == maxSettling {
		return
	}
	if s.in == nil {
		s.in = make(map[gateway.EntityKey]bool)
	}
	s.in[key] = true
	s.line = append(s.line, settlement{key, id, time.Now().Add(d.settle)})
	if s.open++; s.open == 1 || since.Before(s.since) {
		s.since = since
	}
}

// settled says that one of them has been read.
func (s *settling) settled() {
	if s.open--; s.open == 0 {
		s.since = time.Time{}
	}
}

// settleAll has the entities of events read again: while these waited for room,
// what was read may have told of something later.
func (d *desk) settleAll(records []*gateway.Record) {
	for _, rec := range records {
		if e := rec.Event; e != nil && d.fetches[e.Type] != nil {
			d.settleLater(d.key(e.Type, e.ID), e.ID, e.Received)
		}
	}
}

// due returns when the next entity is to be read again; the zero time for none.
func (s *settling) due() time.Time {
	if len(s.line) == 0 {
		return time.Time{}
	}
	return s.line[0].due
}

// startSettling asks for those entities whose time has come.
func (d *desk) startSettling(now time.Time) {
	s := &d.settling
	for len(s.line) > 0 && !s.line[0].due.After(now) {
		next := s.line[0]
		s.line = s.line[1:]
		delete(s.in, next.key)
		d.fetches[next.key.Kind].want(want{id: next.id, due: now})
	}
}
