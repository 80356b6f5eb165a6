package pump_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/gateway"
	"bellhop/web/pump"
)

// A delivery is streams whose clients read as fast as one goroutine can.
type delivery struct {
	house   *house
	streams int
	size    int // of an event's note
	want    atomic.Int64
	all     chan struct{} // is told when so many events were delivered
	stop    func()
}

func newDelivery(tb testing.TB, streams, size int) *delivery {
	tb.Helper()
	d := &delivery{house: openHouse(), streams: streams, size: size, all: make(chan struct{}, 1)}
	var delivered atomic.Int64
	p, stopPumps := run(tb, pump.Options{WriteTimeout: time.Minute, Delivered: func(events, _ int, _ time.Time) {
		if delivered.Add(int64(events)) == d.want.Load() {
			d.all <- struct{}{}
		}
	}})
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	var clients []int
	for range streams {
		own, theirs := pair(tb, 0)
		clients = append(clients, theirs)
		s, _ := d.house.begin(tb, quiet(), "")
		p.Take(own, s, func(string) { s.Close() })
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, theirs, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(theirs)}); err != nil {
			tb.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		drain(ctx, epoll)
	}()
	d.stop = func() {
		stopPumps()
		cancel()
		<-ended
		for _, fd := range append(clients, epoll) {
			unix.Close(fd)
		}
		d.house.stop()
	}
	return d
}

// drain reads whatever comes to the sockets that epoll has.
func drain(ctx context.Context, epoll int) {
	events, buf := make([]unix.EpollEvent, 256), make([]byte, 256<<10)
	for ctx.Err() == nil {
		n, _ := unix.EpollWait(epoll, events, 10)
		for i := range max(n, 0) {
			unix.Read(int(events[i].Fd), buf)
		}
	}
}

// round has one event delivered to all streams.
func (d *delivery) round() { d.rounds(1) }

// rounds has events delivered to all streams, as fast as it goes.
func (d *delivery) rounds(n int) {
	d.want.Add(int64(n * d.streams))
	for range n {
		d.house.log.Append(context.Background(), []*gateway.Record{event("Resource", d.size)}, nil)
	}
	<-d.all
}

func BenchmarkDeliver(b *testing.B) {
	for _, streams := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			d := newDelivery(b, streams, 300)
			defer d.stop()
			b.ReportAllocs()
			for b.Loop() {
				d.round()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams), "ns/delivery")
		})
	}
}

// BenchmarkFlood delivers what comes faster than it can be written one by one.
func BenchmarkFlood(b *testing.B) {
	const streams, events = 100, 2000
	d := newDelivery(b, streams, 300)
	defer d.stop()
	b.ReportAllocs()
	for b.Loop() {
		d.rounds(events)
	}
	b.ReportMetric(float64(b.N*streams*events)/b.Elapsed().Seconds(), "deliveries/s")
}
