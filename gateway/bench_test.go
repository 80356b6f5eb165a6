package gateway_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"bellhop/gateway"
)

// stillLog is a log of which only the positions are asked.
type stillLog struct{ gateway.Log }

func (stillLog) Bounds() (first, last uint64) { return 1, 0 }

func (stillLog) AppendPosition(dst []byte, seq uint64) []byte {
	return fmt.Appendf(dst, "k3v9.%d", seq)
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
				openAt(b, hub, subscribe(b, gateway.Query{IDs: []string{fmt.Sprintf("room-%d", i)}}, everything)).Close()
			}
			dispatch(b, hub, benchEvent(n/2))
		})
	}
	b.Run("all/10000", func(b *testing.B) {
		hub := benchHub()
		for i := range 10_000 {
			openAt(b, hub, subscribe(b, gateway.Query{Types: []string{"Resource", fmt.Sprint(i)}}, everything)).Close()
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

// What a request costs before its stream is opened.
func BenchmarkNewSubscription(b *testing.B) {
	g := gateway.Grant{Sources: []string{"prague", "brno"}, Types: []string{"Reservation", "Resource"}, States: []string{"Dirty", "Clean"}, Redact: []string{"event.StartUtc"}}
	q := gateway.Query{Types: []string{"Resource"}, States: []string{"Dirty"}, Resources: []string{"a", "b", "c"}}
	b.ReportAllocs()
	for b.Loop() {
		subscribe(b, q, g)
	}
}
