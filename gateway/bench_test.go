package gateway_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bellhop/gateway"
)

// stillLog is a log of which only the positions are asked.
type stillLog struct{ gateway.Log }

func (stillLog) Bounds() (first, last uint64) { return 1, 0 }

func (stillLog) Resolve(position string) (seq uint64, known, good bool) {
	seq, err := strconv.ParseUint(strings.TrimPrefix(position, "k3v9."), 10, 64)
	return seq, err == nil, err == nil
}

func (stillLog) AppendPosition(dst []byte, seq uint64) []byte {
	return strconv.AppendUint(append(dst, "k3v9."...), seq, 10)
}

func benchHub() *gateway.Hub {
	return gateway.NewHub(gateway.HubOptions{Log: stillLog{}, Encode: encode, Sources: []string{"prague"}})
}

// openAt opens a stream of the hub that is live.
func openAt(b *testing.B, hub *gateway.Hub, sub *gateway.Subscription) *gateway.Stream {
	s := hub.Open(gateway.StreamOptions{Subscription: sub, Timing: gateway.Timing{Heartbeat: time.Minute, Expires: time.Now().Add(time.Hour)}})
	if err := s.Begin(b.Context(), func([]byte) error { return nil }); err != nil {
		b.Fatal(err)
	}
	return s
}

const benchObject = `{"Type":"Resource","Id":"c9120b7e-55a4-4f0b-9c7d-b1e900f2a303","State":"Dirty"}`

func benchEvent(id int) *gateway.Event {
	return newEvent("prague", "Resource", fmt.Sprintf("room-%d", id), benchObject)
}

// What an event costs that one feed shows must not grow with the feeds that do
// not.
func BenchmarkHubMatch(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprintf("ids/%d", n), func(b *testing.B) {
			hub := benchHub()
			for i := range n {
				openAt(b, hub, subscribe(b, gateway.Query{IDs: []string{fmt.Sprintf("room-%d", i)}}, everything))
			}
			dispatch(b, hub, benchEvent(n/2))
			runtime.KeepAlive(hub)
		})
	}
	b.Run("all/10000", func(b *testing.B) {
		hub := benchHub()
		for i := range 10_000 {
			openAt(b, hub, subscribe(b, gateway.Query{Types: []string{"Resource", fmt.Sprint(i)}}, everything))
		}
		dispatch(b, hub, benchEvent(0))
	})
}

func dispatch(b *testing.B, hub *gateway.Hub, e *gateway.Event) {
	b.ReportAllocs()
	runtime.GC() // of what it took to open the feeds
	var seq uint64
	for b.Loop() {
		seq++
		hub.Dispatch(&gateway.Record{Seq: seq, Event: e})
	}
}

// From an event to the bytes of its block.
func BenchmarkEncode(b *testing.B) {
	hub := benchHub()
	rec := &gateway.Record{Seq: 1041, Event: benchEvent(1)}
	for name, g := range map[string]gateway.Grant{
		"whole":  everything,
		"redact": {Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.State"}},
		"fields": {Sources: []string{"*"}, Types: []string{"*"}, Fields: []string{"event.State"}},
	} {
		b.Run(name, func(b *testing.B) {
			sub := subscribe(b, gateway.Query{}, g)
			b.ReportAllocs()
			for b.Loop() {
				if hub.Frame(rec, sub) == nil {
					b.Fatal("not shown")
				}
			}
		})
	}
}

// One event to all streams of a feed.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			hub := benchHub()
			sub := subscribe(b, gateway.Query{}, everything)
			streams := make([]*gateway.Stream, n)
			for i := range streams {
				streams[i] = openAt(b, hub, sub)
			}
			e := benchEvent(1)
			var seq uint64
			var batch gateway.Batch
			b.ReportAllocs()
			for b.Loop() {
				seq++
				hub.Dispatch(&gateway.Record{Seq: seq, Event: e})
				for _, s := range streams {
					batch.Data, batch.Blocks = batch.Data[:0], 0
					if s.Take(&batch, 64<<10); batch.Blocks != 1 {
						b.Fatal("nothing to take")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/stream")
		})
	}
}

// The same by runs, as many sockets are served by one goroutine.
func BenchmarkJoin(b *testing.B) {
	const n = 10_000
	hub := benchHub()
	sub := subscribe(b, gateway.Query{}, everything)
	streams := make([]*gateway.Stream, n)
	for i := range streams {
		streams[i] = openAt(b, hub, sub)
	}
	e, now := benchEvent(1), time.Now()
	var seq uint64
	var run gateway.Run
	b.ReportAllocs()
	for b.Loop() {
		seq++
		hub.Dispatch(&gateway.Record{Seq: seq, Event: e})
		for _, s := range streams {
			if !s.Join(&run, 64<<10) {
				b.Fatal("nothing to give")
			}
			s.Given(&run, len(run.Data), now)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/stream")
}

// What an event of an entity with a lasting state costs beyond one of any other.
func BenchmarkHubPresent(b *testing.B) {
	for name, typ := range map[string]string{"lasting": "Reservation", "other": "Odd"} {
		b.Run(name, func(b *testing.B) {
			hub := benchHub()
			defer openAt(b, hub, subscribe(b, gateway.Query{IDs: []string{"nobody"}}, everything)).Close()
			events := make([]*gateway.Event, benchEntities)
			for i := range events {
				events[i] = benchStay(i)
				events[i].Type = typ
			}
			var seq uint64
			b.ReportAllocs()
			for b.Loop() {
				hub.Dispatch(&gateway.Record{Seq: seq + 1, Event: events[seq%benchEntities]})
				seq++
			}
		})
	}
}

const benchEntities = 100_000

// benchStay is a reservation as Mews says it.
func benchStay(i int) *gateway.Event {
	id := fmt.Sprintf("bfee2c44-1f84-4326-a862-%012d", i)
	return newEvent("prague", "Reservation", id, fmt.Sprintf(`{"Type":"Reservation","Id":%q,"State":%q,"StartUtc":"2030-01-01T14:00:00Z","EndUtc":"2030-01-04T10:00:00Z","AssignedResourceId":"20e00c32-d561-4008-8609-%012d"}`,
		id, []string{"Started", "Confirmed"}[i%2], i%500))
}

// fullHub is a hub of which the present state is full, and how much of the heap an
// entity takes in it, its record included.
func fullHub(b *testing.B, entities int) (hub *gateway.Hub, perEntity float64) {
	hub = gateway.NewHubWithRing(gateway.HubOptions{Log: stillLog{}, Encode: encode, Sources: []string{"prague"}}, 1)
	before := heap()
	for i := range entities {
		rec := recoded(&gateway.Record{Event: benchStay(i)})
		rec.Seq = uint64(i + 1)
		hub.Dispatch(rec)
	}
	return hub, (heap() - before) / float64(entities)
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// What an entity takes of the heap, its record included, and how long it takes to
// get there.
func BenchmarkPresentHeap(b *testing.B) {
	var perEntity float64
	for b.Loop() {
		_, perEntity = fullHub(b, benchEntities)
	}
	b.ReportMetric(perEntity, "heap-B/entity")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchEntities), "ns/entity")
}

// From the request of a snapshot to its first event and to its last.
func BenchmarkSnapshot(b *testing.B) {
	hub, _ := fullHub(b, benchEntities)
	views := map[string]*gateway.Subscription{
		"all":      subscribe(b, gateway.Query{}, everything),
		"a room":   subscribe(b, gateway.Query{Resources: []string{"20e00c32-d561-4008-8609-000000000007"}}, everything),
		"half":     subscribe(b, gateway.Query{States: []string{"Started"}}, everything),
		"masked":   subscribe(b, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.AssignedResourceId"}}),
		"nothing":  subscribe(b, gateway.Query{States: []string{"Optional"}}, everything),
		"no state": subscribe(b, gateway.Query{Types: []string{"PriceUpdate"}}, everything),
	}
	for _, shared := range []int{0, 256 << 20} {
		for name, sub := range views {
			b.Run(fmt.Sprintf("%s/sharing %d MiB", name, shared>>20), func(b *testing.B) {
				hub.SetShared(shared)
				takeSnapshot(b, hub, sub)
				var first time.Duration
				var writes, bytes int
				b.ReportAllocs()
				for b.Loop() {
					f, w, n := takeSnapshot(b, hub, sub)
					first, writes, bytes = first+f, w, n
				}
				b.ReportMetric(float64(first.Microseconds())/float64(b.N), "us-to-first")
				b.ReportMetric(float64(writes), "writes")
				b.ReportMetric(float64(bytes)/1e6, "MB")
			})
		}
	}
}

// takeSnapshot returns how long it took to the first of its pieces, and how many
// writes and bytes it was.
func takeSnapshot(b *testing.B, hub *gateway.Hub, sub *gateway.Subscription) (first time.Duration, writes, bytes int) {
	begun := time.Now()
	s := hub.Open(gateway.StreamOptions{Subscription: sub, Variant: gateway.Variant{Snapshot: true}, Timing: gateway.Timing{Heartbeat: time.Minute, Expires: time.Now().Add(time.Hour)}})
	defer s.Close()
	err := s.Begin(b.Context(), func(p []byte) error {
		if writes++; writes == 2 { // behind ready
			first = time.Since(begun)
		}
		bytes += len(p)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return first, writes, bytes
}

// A thousand pages that open at once, each with a snapshot of everything.
func BenchmarkSnapshotRush(b *testing.B) {
	const pages = 1000
	for _, views := range []int{1, 10} {
		entities := benchEntities / views // so that there is room for all views
		b.Run(fmt.Sprintf("%d views of %d", views, entities), func(b *testing.B) {
			hub, _ := fullHub(b, entities)
			subs := make([]*gateway.Subscription, views)
			for i := range subs {
				subs[i] = subscribe(b, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{fmt.Sprintf("event.x%d", i)}})
			}
			b.ReportAllocs()
			for b.Loop() {
				var rush sync.WaitGroup
				for i := range pages {
					rush.Go(func() { takeSnapshot(b, hub, subs[i%views]) })
				}
				rush.Wait()
			}
			b.ReportMetric(float64(hub.Shared())/1e6, "MB-shared")
		})
	}
}

// How long the hub stands still for a snapshot's sake.
func BenchmarkSnapshotListing(b *testing.B) {
	hub, _ := fullHub(b, benchEntities)
	sub := subscribe(b, gateway.Query{States: []string{"Optional"}}, everything)
	hub.SetShared(256 << 20)
	b.ReportAllocs()
	for b.Loop() {
		hub.List(sub)
	}
}

// What a request costs before its stream is opened.
func BenchmarkNewSubscription(b *testing.B) {
	g := gateway.Grant{Sources: []string{"prague", "brno"}, Types: []string{"Reservation", "Resource"}, States: []string{"Dirty", "Clean"}, Redact: []string{"event.StartUtc"}}
	q := gateway.Query{Types: []string{"Resource"}, States: []string{"Dirty"}, Resources: []string{"a", "b", "c"}}
	b.ReportAllocs()
	for b.Loop() {
		subscribe(b, q, g)
	}
}

// All streams are cut at once and come back with what they had last, 100 to 5000
// events ago, and fresh ones as many for comparison.
func BenchmarkResume(b *testing.B) {
	const streams, events = 1000, 5000
	for name, feed := range map[string]func(int) gateway.Query{
		"one feed":   func(int) gateway.Query { return gateway.Query{} },
		"1000 feeds": func(i int) gateway.Query { return gateway.Query{IDs: []string{fmt.Sprintf("room-%d", i)}} },
	} {
		subs := make([]*gateway.Subscription, streams)
		for i := range subs {
			subs[i] = subscribe(b, feed(i), everything)
		}
		for _, fresh := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/fresh=%t", name, fresh), func(b *testing.B) {
				blocks := 0
				for b.Loop() {
					b.StopTimer()
					hub := benchHub()
					for i := range events {
						hub.Dispatch(&gateway.Record{Seq: uint64(i + 1), Event: benchEvent(i)})
					}
					b.StartTimer()
					var run gateway.Run
					for i, sub := range subs {
						position := ""
						if !fresh {
							position = fmt.Sprintf("k3v9.%d", (i*7919)%(events-100))
						}
						blocks += comeBack(b, hub, sub, position, &run)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*streams), "us/stream")
				b.ReportMetric(float64(blocks)/float64(b.N*streams), "bytes/stream")
			})
		}
	}
}

// comeBack opens a stream and gives it all that it missed, and returns how much
// that was.
func comeBack(b *testing.B, hub *gateway.Hub, sub *gateway.Subscription, position string, run *gateway.Run) (given int) {
	s := hub.Open(gateway.StreamOptions{Subscription: sub, Resume: position, Timing: gateway.Timing{Heartbeat: time.Minute, Expires: time.Now().Add(time.Hour)}})
	if err := s.Begin(b.Context(), func(blocks []byte) error { given += len(blocks); return nil }); err != nil {
		b.Fatal(err)
	}
	for now := time.Now(); s.Join(run, 128<<10); {
		given += len(run.Data)
		s.Given(run, len(run.Data), now)
	}
	return given
}

// A fresh stream from its opening to where it waits, and what it keeps then.
func BenchmarkBegin(b *testing.B) {
	hub := benchHub()
	sub := subscribe(b, gateway.Query{}, everything)
	openAt(b, hub, sub)
	b.ReportAllocs()
	for b.Loop() {
		openAt(b, hub, sub).Close()
	}
	const streams = 10_000
	open := make([]*gateway.Stream, streams)
	before := heap()
	for i := range open {
		open[i] = openAt(b, hub, sub)
	}
	b.ReportMetric((heap()-before)/streams, "B-kept/stream")
	runtime.KeepAlive(open)
}
