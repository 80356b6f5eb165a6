package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// BenchmarkAppendFollow is the way of an event through the log, as fast as it goes
// and at so many events a second over 200 sources, and what CPU it takes.
func BenchmarkAppendFollow(b *testing.B) {
	for _, rate := range []int{0, 2000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) { appendFollow(b, rate) })
	}
}

func appendFollow(b *testing.B, rate int) {
	l := open(b, eventlog.Options{Dir: b.TempDir(), Sync: time.Second})
	ctx, cancel := context.WithCancel(b.Context())
	came := make(chan struct{}, 1<<20)
	var took []time.Duration
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Follow(ctx, 0, func(r *gateway.Record) {
			took = append(took, time.Since(r.Event.Received))
			came <- struct{}{}
		})
	}()
	sources := make([]string, 200)
	for i := range sources {
		sources[i] = fmt.Sprintf("hotel-%d", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	n, begun, cpu := 0, time.Now(), cpuTime()
	for b.Loop() {
		r := typical(n)
		r.Event.Source = sources[n%len(sources)]
		if rate > 0 {
			time.Sleep(time.Until(begun.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		}
		r.Event.Received = time.Now()
		if err := l.Append(b.Context(), []*gateway.Record{r}, nil); err != nil {
			b.Fatal(err)
		}
		n++
	}
	for range n {
		<-came
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(n), "cpu-us/event")
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "events/s")
	cancel()
	<-ended
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// cpuTime returns what CPU the process has taken.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
