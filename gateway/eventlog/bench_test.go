package eventlog_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
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

// BenchmarkLatency is the way from an append to a follower while appends are so few
// that none is gathered.
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
		b.StopTimer()
		time.Sleep(eventlog.GatherFor)
		b.StartTimer()
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

// manyEntities returns the records of n entities of a hotel.
func manyEntities(n int) []*gateway.Record {
	var records []*gateway.Record
	for i := range n {
		r := typical(i)
		r.Event.ID = fmt.Sprintf("bfee2c44-98f9-4a9b-8b8e-%012d", i)
		r.Seq, r.Logged = uint64(i+1), time.Now()
		records = append(records, r)
	}
	return records
}

// BenchmarkSaveState saves so many entities at once.
func BenchmarkSaveState(b *testing.B) {
	for _, n := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := open(b, eventlog.Options{Dir: b.TempDir()})
			records := manyEntities(n)
			for b.Loop() {
				saveState(b, l, records, nil, 1)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "entities/s")
		})
	}
}

// BenchmarkLoadState loads 100 000 entities, and says what memory the server
// takes for them.
func BenchmarkLoadState(b *testing.B) {
	dir := b.TempDir()
	l := open(b, eventlog.Options{Dir: dir})
	saveState(b, l, manyEntities(100_000), nil, 1)
	closeLog(b, l)
	before := heap()
	l = open(b, eventlog.Options{Dir: dir})
	for b.Loop() {
		n := 0
		if _, err := l.LoadState(b.Context(), func(*gateway.Record) { n++ }); err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(int64(heap()-before))/1e6, "MB")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkAppendBeside appends while the state that it makes is saved twice a
// second; BenchmarkAppend is without.
func BenchmarkAppendBeside(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	records := manyEntities(10_000)
	stop := make(chan struct{})
	var saver sync.WaitGroup
	saver.Go(func() {
		t := time.NewTicker(500 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := l.SaveState(context.Background(), records, nil, 1); err != nil {
					b.Error(err)
				}
			case <-stop:
				return
			}
		}
	})
	done := make(chan struct{})
	n := 0
	for b.Loop() {
		if err := l.Append(b.Context(), records[n:n+1], nil); err != nil {
			b.Fatal(err)
		}
		n = (n + 1) % len(records)
	}
	if err := l.Append(b.Context(), nil, func() { close(done) }); err != nil {
		b.Fatal(err)
	}
	<-done
	close(stop)
	saver.Wait()
}

func BenchmarkInbox(b *testing.B) {
	l := open(b, eventlog.Options{Dir: b.TempDir()})
	in := l.Inbox("prague")
	r := []*gateway.Record{typical(0)}
	var last atomic.Uint64
	put := func() {
		ticket, err := in.Put(b.Context(), r)
		if err != nil {
			b.Error(err)
		}
		last.Store(ticket)
	}
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			put()
		}
	})
	b.Run("put by 16", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				put()
			}
		})
	})
	b.Run("put 100 and forget", func(b *testing.B) {
		for b.Loop() {
			for range 100 {
				put()
			}
			if err := in.Forget(b.Context(), last.Load()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
