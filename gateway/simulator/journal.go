package simulator

import (
	"encoding/json"
	"slices"
	"time"
)

// Event is one thing that happened in a hotel, as its socket tells it when
// nothing is wrong.
type Event struct {
	Seq       uint64          `json:"seq"`       // from 1, without gaps
	Frame     uint64          `json:"frame"`     // events of one frame share it
	At        time.Time       `json:"at"`        // by the wall clock
	HotelTime time.Time       `json:"hotelTime"` // by the hotel's
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Body      json.RawMessage `json:"event"`
}

// journal holds the latest events of a hotel, oldest first.
type journal struct {
	limit   int
	events  []Event
	frames  uint64
	trimmed time.Time // when the latest event that was dropped happened
}

func (j *journal) seq() uint64 {
	if len(j.events) == 0 {
		return 0
	}
	return j.events[len(j.events)-1].Seq
}

// record enters the events of one frame.
func (j *journal) record(events []object, hotelTime time.Time) {
	j.frames++
	now, seq := time.Now().UTC(), j.seq()
	for i, o := range events {
		j.events = append(j.events, Event{
			Seq: seq + uint64(i) + 1, Frame: j.frames, At: now, HotelTime: hotelTime.UTC(),
			Type: o.text("Type"), ID: o.text("Id"), Body: o.append(nil),
		})
	}
	// Twice the limit may pile up, so that trimming costs nothing per event.
	if over := len(j.events) - j.limit; over > j.limit {
		j.trimmed = j.events[over-1].At
		j.events = slices.Delete(j.events, 0, over)
	}
}

// between returns the events in [from, to), and whether those are all that
// there were.
func (j *journal) between(from, to time.Time) ([]Event, bool) {
	byTime := func(e Event, t time.Time) int { return e.At.Compare(t) }
	first, _ := slices.BinarySearchFunc(j.events, from, byTime)
	last, _ := slices.BinarySearchFunc(j.events, to, byTime)
	return slices.Clone(j.events[first:max(first, last)]), j.trimmed.IsZero() || from.After(j.trimmed)
}

// after returns the events with a number above seq, and whether those are
// all that there were.
func (j *journal) after(seq uint64) ([]Event, bool) {
	first, _ := slices.BinarySearchFunc(j.events, seq+1, func(e Event, n uint64) int {
		return int(int64(e.Seq - n))
	})
	complete := len(j.events) == 0 || seq+1 >= j.events[0].Seq
	return slices.Clone(j.events[first:]), complete
}
