package eventlog_test

import (
	"context"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// typical returns an event of the size that a reservation's update has.
func typical(n int) *gateway.Record {
	r := event(n)
	r.Event.ID = "bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11"
	r.Event.Object = []byte(`{"Type":"Reservation","Id":"bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11","State":"Started","StartUtc":"2026-11-21T14:00:00Z","EndUtc":"2026-11-23T11:00:00Z","AssignedResourceId":"20e00c32-d561-4008-8609-82d8aa525714"}`)
	return r
}

func BenchmarkAppend(b *testing.B) {
	for name, sync := range map[string]time.Duration{"sync=1s": time.Second, "sync=0": 0} {
		b.Run(name, func(b *testing.B) {
			l, err := eventlog.Open(b.Context(), eventlog.Options{Dir: b.TempDir(), Sync: sync})
			if err != nil {
				b.Fatal(err)
			}
			defer closeLog(b, l)
			r := typical(0)
			done := make(chan struct{})
			for b.Loop() {
				if err := l.Append(b.Context(), []*gateway.Record{r}, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Append(b.Context(), nil, func() { close(done) }); err != nil {
				b.Fatal(err)
			}
			<-done
		})
	}
}

// BenchmarkLatency is the way from an append to a follower.
func BenchmarkLatency(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	came := make(chan struct{})
	go func() { _ = l.Follow(ctx, 0, func(*gateway.Record) { came <- struct{}{} }) }()
	r := typical(0)
	for b.Loop() {
		if err := l.Append(b.Context(), []*gateway.Record{r}, nil); err != nil {
			b.Fatal(err)
		}
		<-came
	}
}

func BenchmarkRead(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	r := typical(0)
	var records []*gateway.Record
	for range 20 * 512 {
		records = append(records, r)
	}
	store(b, l, records...)
	after := uint64(0)
	for b.Loop() {
		page, err := l.Read(b.Context(), after, 512)
		if err != nil || len(page) != 512 {
			b.Fatal(len(page), err)
		}
		after = (after + 512) % (20 * 512)
	}
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkResolve(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	store(b, l, typical(0))
	p := string(l.AppendPosition(nil, 1))
	for b.Loop() {
		if _, _, good := l.Resolve(p); !good {
			b.Fatal("not good")
		}
	}
}

func BenchmarkAppendPosition(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		dst = l.AppendPosition(dst[:0], 123456)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	l := open(b, eventlog.Options{Dir: dir})
	store(b, l, events(0, 1000)...)
	closeLog(b, l)
	for b.Loop() {
		l, err := eventlog.Open(b.Context(), eventlog.Options{Dir: dir, Sync: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		closeLog(b, l)
		b.StartTimer()
	}
}
