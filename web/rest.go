package web

import (
	"context"
	"runtime/debug"
	measures "runtime/metrics"
	"time"
)

// How it is found that a process rests, and holds more memory than it uses.
const (
	restCheck = time.Second
	// restShare is how little, of the memory in use, a resting process allocates
	// from one check to the next, and restTime how little it works.
	restShare = 1.0 / 16
	restTime  = restCheck / 10
	// restSlack and restSpare are how much more than it uses, and than could be given
	// back the last time, is worth it.
	restSlack = 4 << 20
	restSpare = 1.25
)

// The runtime's measures that tell of it; see package [runtime/metrics].
const (
	heapAllocated = iota
	heapLive
	heapObjects
	heapUnused
	heapFree
)

// GiveBack gives memory back to the system whenever the process comes to rest,
// until ctx ends. When thousands connect at once or a flood passes the heap grows
// to twice what is in use then, and the runtime, left alone, keeps that for
// minutes: of a stream that only waits it was more than the stream itself. It
// returns nil, and is for one goroutine of the process.
func GiveBack(ctx context.Context) error {
	samples := []measures.Sample{
		heapAllocated: {Name: "/gc/heap/allocs:bytes"},
		heapLive:      {Name: "/gc/heap/live:bytes"},
		heapObjects:   {Name: "/memory/classes/heap/objects:bytes"},
		heapUnused:    {Name: "/memory/classes/heap/unused:bytes"},
		heapFree:      {Name: "/memory/classes/heap/free:bytes"},
	}
	tick := time.NewTicker(restCheck)
	defer tick.Stop()
	left := 0.0 // what was held after the last time, more than in use: it is in pieces
	for before, worked := 0.0, processTime(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		measures.Read(samples)
		value := func(i int) float64 { return float64(samples[i].Value.Uint64()) }
		allocated, live := value(heapAllocated)-before, value(heapLive)
		now := processTime()
		busy := now-worked > restTime // collecting in the midst of a long delivery would hold it up
		before, worked = value(heapAllocated), now
		held := value(heapObjects) + value(heapUnused) + value(heapFree)
		spare := held - restSpare*live
		left = min(left, max(spare, 0))
		if !busy && allocated < restShare*live && spare > left+restSlack {
			debug.FreeOSMemory()
			measures.Read(samples)
			left = max(0, value(heapObjects)+value(heapUnused)+value(heapFree)-restSpare*value(heapLive))
		}
	}
}
