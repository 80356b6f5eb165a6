package mews

import (
	"time"

	"bellhop/gateway"
)

// frameGapEvery is the least time between two gaps that broken frames caused.
const frameGapEvery = time.Minute

// faults are the broken frames that are to be announced: the first one with its
// frame, and those of the next minute together when the minute is over. Until
// then, and across restarts, it is the hold of the oldest of them that keeps their
// loss from being forgotten.
type faults struct {
	notBefore time.Time // the next announcement
	gathered  *batch    // the oldest broken one that has not been announced
	last      time.Time // arrival of the newest such
}

// take reports whether the broken batch is to be announced with its records;
// otherwise its loss is gathered, and kept, for all that come until due.
func (f *faults) take(b *batch, now time.Time) (announced bool) {
	switch {
	case f.gathered != nil:
		f.last = b.at
		return false
	case now.Before(f.notBefore):
		gathered := *b
		f.gathered, f.last = &gathered, b.at
		b.release = func() {} // it is kept until that is announced
		return false
	}
	f.notBefore = now.Add(frameGapEvery)
	return true
}

// due returns when the gathered ones are to be announced; the zero time for none.
func (f *faults) due() time.Time {
	if f.gathered == nil {
		return time.Time{}
	}
	return f.notBefore
}

// gap returns the announcement of the gathered ones and what it releases.
func (f *faults) gap(s *Source, now time.Time) (*gateway.Record, func()) {
	oldest := f.gathered
	f.gathered = nil
	f.notBefore = now.Add(frameGapEvery)
	return s.gapOf(s.types, oldest.at, f.last, gateway.GapFrame), oldest.release
}
