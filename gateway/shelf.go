package gateway

import (
	"slices"
	"sync/atomic"
)

// shelfPage is how many places make a page, the unit in which snapshots are
// encoded and shared.
const shelfPage = 64

// A shelf holds the records of the present state in the order of the log. What is
// superseded stays where it is until there is too much of it, so that a listing,
// the state at one place in the log, costs nothing to take and is right for as
// long as it is looked at. A shelf is guarded by its owner's lock.
type shelf struct {
	places   []*place // appended to only
	versions []uint64 // of each page: grows whenever something in it changes
	dead     int      // places that are superseded
}

// A place is where a record stands from its coming to its going.
type place struct {
	rec   *Record
	index int
	until atomic.Uint64 // the sequence of what superseded it, 0 while nothing has
}

// put adds a record behind all others and returns its place.
func (s *shelf) put(rec *Record) *place {
	p := &place{rec: rec, index: len(s.places)}
	s.places = append(s.places, p)
	if p.index/shelfPage == len(s.versions) {
		s.versions = append(s.versions, 0)
	}
	s.versions[p.index/shelfPage]++
	return p
}

// drop says that what is at seq has superseded the place.
func (s *shelf) drop(p *place, seq uint64) {
	p.until.Store(seq)
	s.versions[p.index/shelfPage]++
	s.dead++
}

// crowded reports whether most places are superseded.
func (s *shelf) crowded() bool { return s.dead > max(len(s.places)/2, 16*shelfPage) }

// list returns the state at the place of the log that the shelf has come to.
func (s *shelf) list(at uint64) *listing {
	return &listing{at: at, shelf: s, places: s.places[:len(s.places):len(s.places)], versions: slices.Clone(s.versions)}
}

// A listing is the present state at one place in the log. It is immutable.
type listing struct {
	at       uint64
	shelf    *shelf // that it is of; not to be looked into
	places   []*place
	versions []uint64
}

// page returns the i'th page's records that are of the state, false behind the
// last page.
func (l *listing) page(i int) (records func(yield func(*Record) bool), ok bool) {
	from := i * shelfPage
	if from >= len(l.places) {
		return nil, false
	}
	places := l.places[from:min(from+shelfPage, len(l.places))]
	return func(yield func(*Record) bool) {
		for _, p := range places {
			if until := p.until.Load(); until != 0 && until <= l.at {
				continue
			}
			if !yield(p.rec) {
				return
			}
		}
	}, true
}
