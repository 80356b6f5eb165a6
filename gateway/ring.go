package gateway

import (
	"math/bits"
	"slices"
	"sort"
)

// A ring is the log's tail in memory, from which streams resume whatever their
// subscription. Records that have a key in common are linked, the later to the
// earlier, so that what concerns few of them need not look at all. It is not safe
// for concurrent use.
type ring struct {
	records  []*rendering // oldest first
	bytes    int
	maxLen   int
	maxBytes int
	floor    uint64 // all records after it that the log has are in the ring

	gone  uint64   // so many records have left: records are numbered, from 1, as they come
	heads []uint64 // the number of the last record of each slot of hashes, 0 for none
}

// A link leads from a record to the one before it in the same slot.
type link struct {
	slot uint32
	back uint32 // so many records before; 0 when that has left
}

// add puts a record behind all others. It is found by the hashes.
func (r *ring) add(rec *rendering, hashes []uint64) {
	if r.heads == nil {
		const perRecord = 4 // about as many slots have one
		r.heads = make([]uint64, 1<<bits.Len(uint(perRecord*r.maxLen-1)))
	}
	r.records = append(r.records, rec)
	r.bytes += rec.rec.size()
	number := r.gone + uint64(len(r.records))
	rec.links = rec.few[:0]
	for _, hash := range hashes {
		slot := r.slot(hash)
		last := r.heads[slot]
		switch {
		case last == number:
			continue
		case last <= r.gone:
			rec.links = append(rec.links, link{slot: slot})
		default:
			rec.links = append(rec.links, link{slot, uint32(number - last)})
		}
		r.heads[slot] = number
	}
	for len(r.records) > r.maxLen || r.bytes > r.maxBytes && len(r.records) > 1 {
		oldest := r.records[0]
		r.records[0] = nil
		r.records = r.records[1:]
		r.gone++
		r.bytes -= oldest.rec.size()
		r.floor = oldest.rec.Seq
		oldest.drop()
	}
}

func (r *ring) slot(hash uint64) uint32 { return uint32(hash & uint64(len(r.heads)-1)) }

// clear empties the ring; what comes next follows on seq.
func (r *ring) clear(seq uint64) {
	for _, rec := range r.records {
		rec.drop()
	}
	r.gone += uint64(len(r.records))
	r.records, r.bytes, r.floor = nil, 0, seq
}

// behind returns the index of the first record behind seq.
func (r *ring) behind(seq uint64) int {
	return sort.Search(len(r.records), func(i int) bool { return r.records[i].rec.Seq > seq })
}

// between returns the records behind after and up to upTo, oldest first. The
// slice is the caller's.
func (r *ring) between(after, upTo uint64) []*rendering {
	return slices.Clone(r.records[r.behind(after):r.behind(upTo)])
}

// found is between with only those records that have one of the hashes, and by
// chance some others.
func (r *ring) found(after, upTo uint64, hashes []uint64) []*rendering {
	from, to := r.gone+uint64(r.behind(after)), r.gone+uint64(r.behind(upTo))
	if from == to {
		return nil
	}
	var numbers []uint64
	for _, hash := range hashes {
		if numbers = r.appendLinked(numbers, r.slot(hash), from, to); uint64(len(numbers)) > (to-from)/2 {
			return r.between(after, upTo) // to sort them would cost as much
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	out := make([]*rendering, len(numbers))
	for i, n := range numbers {
		out[i] = r.numbered(n)
	}
	return out
}

func (r *ring) numbered(n uint64) *rendering { return r.records[n-1-r.gone] }

// appendLinked appends the numbers of a slot's records behind from and up to to,
// the last first.
func (r *ring) appendLinked(dst []uint64, slot uint32, from, to uint64) []uint64 {
	for n := r.heads[slot]; n > max(from, r.gone); {
		if n <= to {
			dst = append(dst, n)
		}
		back := r.numbered(n).back(slot)
		if back == 0 {
			break
		}
		n -= back
	}
	return dst
}

// back returns how far back the record before this one in the slot is, 0 when
// there is none.
func (r *rendering) back(slot uint32) uint64 {
	i := slices.IndexFunc(r.links, func(l link) bool { return l.slot == slot })
	return uint64(r.links[i].back)
}

// size is about what the record takes in memory.
func (r *Record) size() int {
	const overhead = 512
	if r.Event == nil {
		return overhead
	}
	return overhead + len(r.Event.Object) + len(r.Event.Entity)
}
