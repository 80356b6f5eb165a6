package gateway

import (
	"slices"
	"sort"
)

// A ring is the log's tail in memory, from which streams resume whatever their
// subscription. It is not safe for concurrent use.
type ring struct {
	records  []*Record // oldest first
	bytes    int
	maxLen   int
	maxBytes int
	floor    uint64 // all records after it that the log has are in the ring
}

func (r *ring) add(rec *Record) {
	r.records = append(r.records, rec)
	r.bytes += rec.size()
	for len(r.records) > r.maxLen || r.bytes > r.maxBytes && len(r.records) > 1 {
		oldest := r.records[0]
		r.records[0] = nil
		r.records = r.records[1:]
		r.bytes -= oldest.size()
		r.floor = oldest.Seq
	}
}

// clear empties the ring; what comes next follows on seq.
func (r *ring) clear(seq uint64) { r.records, r.bytes, r.floor = nil, 0, seq }

// after returns the records behind seq, oldest first; ok is false when some of
// them are no longer in the ring. The slice is the caller's.
func (r *ring) after(seq uint64) (records []*Record, ok bool) {
	if seq < r.floor {
		return nil, false
	}
	i := sort.Search(len(r.records), func(i int) bool { return r.records[i].Seq > seq })
	return slices.Clone(r.records[i:]), true
}

// size is about what the record takes in memory.
func (r *Record) size() int {
	const overhead = 512
	if r.Event == nil {
		return overhead
	}
	return overhead + len(r.Event.Object) + len(r.Event.Entity)
}
