package web_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	r3labs "github.com/r3labs/sse/v2"

	"bellhop/gateway"
	"bellhop/web"
)

// reservation is an event's object of the size that upstreams send.
const reservation = `{"Type":"Reservation","Id":"bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11","State":"Started","StartUtc":"2026-11-21T14:00:00Z",` +
	`"EndUtc":"2026-11-23T11:00:00Z","AssignedResourceId":"20e00c32-d561-4008-8609-82d8aa525714"}`

// BenchmarkFanout brings events to streams on real sockets of this machine, their
// readers being part of the same process; an operation is one event to all. The
// server of r3labs/sse, to which the streams of one topic are one, is the
// baseline.
func BenchmarkFanout(b *testing.B) {
	for name, open := range map[string]func(*testing.B) (url, header string, publish func(int)){"bellhop": openBellhop, "r3labs": openR3labs} {
		for _, streams := range []int{1, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", name, streams), func(b *testing.B) {
				needDescriptors(b, 2*streams+100)
				url, header, publish := open(b)
				fanOut(b, url, header, streams, publish)
			})
		}
	}
}

func openBellhop(b *testing.B) (url, header string, publish func(int)) {
	h := build(b, func(p *plan) { p.Limits = web.Limits{Streams: 20000} })
	return "http://" + h.listen(b, nil) + "/events", bearer(mint(b)), func(int) {
		h.log.Append(b.Context(), []*gateway.Record{event("prague", "Reservation", "bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11", reservation)}, nil)
	}
}

func openR3labs(b *testing.B) (url, header string, publish func(int)) {
	s := r3labs.New()
	s.AutoReplay = false
	s.CreateStream("all")
	b.Cleanup(s.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: s}
	served := make(chan error)
	go func() { served <- server.Serve(ln) }()
	b.Cleanup(func() {
		server.Close()
		<-served
	})
	return "http://" + ln.Addr().String() + "/events?stream=all", "X-None: 1", func(i int) {
		data := fmt.Appendf(nil, `{"source":"prague","type":"Reservation","id":"bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11","origin":"live","received":%q,"event":%s}`,
			time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), reservation)
		s.Publish("all", &r3labs.Event{ID: fmt.Appendf(nil, "e1.%d", i), Event: []byte("Reservation"), Data: data})
	}
}

// needDescriptors skips where the system allows too few of them.
func needDescriptors(b *testing.B, n int) {
	b.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(n) {
		b.Skipf("needs %d descriptors, has %d", n, limit.Cur)
	}
}

// fanOut publishes with at most so many events under way, as fast as they are
// taken.
func fanOut(b *testing.B, url, header string, streams int, publish func(int)) {
	const underWay = 64
	var delivered atomic.Int64
	var readers sync.WaitGroup
	transport := &http.Transport{DisableCompression: true}
	d := door{client: &http.Client{Transport: transport}}
	for range streams {
		body := d.open(b, url, header)
		readers.Go(func() { countBlocks(body, &delivered) })
		b.Cleanup(func() { body.Close() })
	}
	b.Cleanup(readers.Wait)
	b.Cleanup(transport.CloseIdleConnections)
	time.Sleep(50 * time.Millisecond) // first blocks, which are none of ours
	first := delivered.Load()
	await := func(events int) {
		for begun := time.Now(); delivered.Load()-first < int64(events)*int64(streams); runtime.Gosched() {
			if time.Since(begun) > patience {
				b.Fatalf("%d deliveries of %d events to %d streams", delivered.Load()-first, events, streams)
			}
		}
	}
	published := 0
	for b.Loop() {
		publish(published)
		published++
		await(published - underWay)
	}
	await(published)
	b.ReportMetric(float64(delivered.Load()-first)/b.Elapsed().Seconds(), "deliveries/s")
}

// open opens a stream at a whole URL.
func (d door) open(b *testing.B, url, header string) io.ReadCloser {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), "GET", url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = get("", header).header
	answer, err := d.client.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatal(answer, err)
	}
	return answer.Body
}

// countBlocks adds each block that comes to n.
func countBlocks(r io.Reader, n *atomic.Int64) {
	buffer := make([]byte, 1+32<<10)
	for buffer[0] = 'x'; ; { // the byte before
		got, err := r.Read(buffer[1:])
		n.Add(int64(bytes.Count(buffer[:1+got], []byte("\n\n"))))
		buffer[0] = buffer[got]
		if err != nil {
			return
		}
	}
}
