//go:build linux

package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that are at most a thirty-second of
// them wide, so that it takes millions without memory or sorting.
type histogram struct {
	counts [64 * 32]uint32
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.total++
}

// quantile returns the duration that a share p of all are not longer than, as
// well as the buckets tell; 0 where there are none.
func (h *histogram) quantile(p float64) time.Duration {
	rank := uint64(p * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); n > 0 && seen > min(rank, h.total-1) {
			return time.Duration(bucketEnd(i))
		}
	}
	return 0
}

// bucketOf returns the bucket of v: the place of its highest bit, and the five
// bits after that.
func bucketOf(v uint64) int {
	if v < 32 {
		return int(v)
	}
	shift := bits.Len64(v) - 6
	return shift<<5 + int(v>>shift)
}

// bucketEnd returns the largest value of bucket i.
func bucketEnd(i int) uint64 {
	if i < 64 {
		return uint64(i)
	}
	shift := i>>5 - 1
	return uint64(i-shift<<5+1)<<shift - 1
}
