//go:build linux

package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTable(t *testing.T) {
	var medians table
	for _, v := range []struct{ gateway, floor float64 }{{12, 10}, {10, 10}, {40, 20}} {
		medians.add("steady", []figure{
			{"CPU", "us", v.gateway, v.floor, "floor", "1.1 x"},
			alone("memory", "KiB", v.gateway*2, "5"),
		})
	}
	medians.add("idle", nil)
	var b bytes.Buffer
	if err := medians.print(&b); err != nil {
		t.Fatal(err)
	}
	want := `scenario  figure  gateway  beside it      ratio  aim    runs
steady    CPU     12 us    10 us (floor)  1.20   1.1 x  3
steady    memory  24 KiB                         5      3
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{8, 2, 4, 6}, 5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: got %v, want %v", c.values, got, c.want)
		}
	}
}

// TestHistogram holds quantiles against those of the sorted durations.
func TestHistogram(t *testing.T) {
	if got := new(histogram).quantile(.5); got != 0 {
		t.Errorf("empty: got %v, want 0", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, 1<<50), 1, 200).Draw(t, "all")
		p := rapid.Float64Range(0, 1).Draw(t, "p")
		var h histogram
		for _, d := range all {
			h.add(time.Duration(d))
		}
		slices.Sort(all)
		want := all[min(int(p*float64(len(all))), len(all)-1)]
		if got := int64(h.quantile(p)); got < want || got > want+want/32 {
			t.Fatalf("quantile %v: got %d, want %d or at most a thirty-second more", p, got, want)
		}
	})
}
