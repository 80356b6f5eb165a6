//go:build linux

package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

// give gives a stream a piece of what its connection brings.
func give(t testing.TB, l *loop, s *stream, piece []byte) {
	t.Helper()
	if err := l.take(s, append(bytes.Clone(s.rest), piece...), len(piece)); err != nil {
		t.Fatal(err)
	}
}

func newTestStream() (*loop, *stream) {
	return &loop{opening: 1, byes: make(map[string]int), latency: new(histogram)}, &stream{phase: waiting, step: 1}
}

// TestTakePieces holds what is counted against what was sent, however that is
// cut.
func TestTakePieces(t *testing.T) {
	h := newHotel(3)
	rapid.Check(t, func(t *rapid.T) {
		var sent []byte
		var id string
		events, retry := 0, 0
		sent = append(sent, head...)
		for i := range rapid.IntRange(0, 20).Draw(t, "blocks") {
			switch rapid.SampledFrom([]string{"event", "frame", "heartbeat", "ready", "comment"}).Draw(t, "kind") {
			case "event":
				id = fmt.Sprintf("e.%d", i)
				sent = fmt.Appendf(sent, "id: %s\nevent: Reservation\ndata: {\"event\":%s}\n\n", id, h.appendEvent(nil, time.Now(), uint32(events)))
				events++
			case "frame":
				id = fmt.Sprintf("e.%d", i)
				sent = fmt.Appendf(sent, "id: %s\nevent: Reservation\ndata: [%s,%s]\n\n", id,
					h.appendEvent(nil, time.Now(), uint32(events)), h.appendEvent(nil, time.Now(), uint32(events+1)))
				events += 2
			case "heartbeat":
				id = fmt.Sprintf("h.%d", i)
				sent = fmt.Appendf(sent, "id: %s\nevent: bellhop.heartbeat\ndata: {\"now\":\"@\"}\n\n", id)
			case "ready":
				retry = 1000 + i
				sent = fmt.Appendf(sent, "retry: %d\nevent: bellhop.source\ndata: {}\n\n", retry)
			case "comment":
				sent = append(sent, ": nobody@home\n\n"...)
			}
		}
		half := rapid.IntRange(0, 1).Draw(t, "half") == 1
		whole := len(sent)
		if half { // one that is broken off does not count
			sent = fmt.Appendf(sent, "id: x\nevent: Reservation\ndata: {\"event\":%s}\n", h.appendEvent(nil, time.Now(), uint32(events)))
		}

		l, s := newTestStream()
		for rest := sent; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if err := l.take(s, append(bytes.Clone(s.rest), rest[:n]...), n); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if l.delivered != events || l.faults != 0 || int(s.next) != events {
			t.Fatalf("delivered %d with %d faults (%s), next %d; want %d and none", l.delivered, l.faults, l.fault, s.next, events)
		}
		if string(s.id) != id || s.retry != time.Duration(retry)*time.Millisecond {
			t.Fatalf("id %q, retry %v; want %q, %d ms", s.id, s.retry, id, retry)
		}
		if len(s.rest) != len(sent)-whole {
			t.Fatalf("%d bytes are kept, want %d", len(s.rest), len(sent)-whole)
		}
	})
}

// TestTakeFaults has events lost, doubled and swapped.
func TestTakeFaults(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []uint32
		faults  int
		owed    int // of ten
	}{
		"exact":   {[]uint32{1, 3, 5, 7, 9}, 0, 0},
		"lost":    {[]uint32{1, 3, 7, 9}, 1, 0},
		"doubled": {[]uint32{1, 3, 3, 5, 7, 9}, 1, 0},
		"swapped": {[]uint32{1, 5, 3, 7, 9}, 2, 0},
		"foreign": {[]uint32{1, 2, 3, 5, 7, 9}, 1, 0},
		"early":   {[]uint32{0, 1, 3, 5, 7, 9}, 1, 0},
		"tail":    {[]uint32{1, 3}, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := newTestStream()
			s.next, s.step = 1, 2
			give(t, l, s, []byte(head))
			for _, n := range c.numbers {
				give(t, l, s, fmt.Appendf(nil, "data: %s\n\n", newHotel(1).appendEvent(nil, time.Now(), n)))
			}
			if (l.faults > 0) != (c.faults > 0) || s.owed(10) != c.owed {
				t.Errorf("%d faults (%s), %d owed; want %d, %d", l.faults, l.fault, s.owed(10), c.faults, c.owed)
			}
		})
	}
}

func TestTakeControl(t *testing.T) {
	l, s := newTestStream()
	give(t, l, s, []byte(head+"retry: 2000\nid: e.7\nevent: bellhop.ready\ndata: {}\n\n"))
	if s.phase != ready || l.ready != 1 || l.opening != 0 || string(s.id) != "e.7" || s.retry != 2*time.Second {
		t.Errorf("after ready: %+v", s)
	}
	give(t, l, s, []byte("event: bellhop.bye\ndata: {\"reason\":\"slow\"}\n\n"))
	if l.byes[`{"reason":"slow"}`] != 1 || l.faults != 0 {
		t.Errorf("after bye: %v, %d faults", l.byes, l.faults)
	}
	give(t, l, s, []byte("event: bellhop.reset\ndata: {\"reason\":\"trimmed\"}\n\n"))
	if l.faults != 1 {
		t.Error("a reset is no fault")
	}
}

func TestTakeRefusals(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 401 Unauthorized\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		head + "data: " + string(make([]byte, restSize)),
	} {
		l, s := newTestStream()
		if err := l.take(s, []byte(answer), len(answer)); err == nil {
			t.Errorf("%.40q was taken", answer)
		}
	}
}

// TestStartAt holds what a stream is owed from a number on against counting.
func TestStartAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Uint32Range(1, 30).Draw(t, "step")
		first := rapid.Uint32Range(0, step-1).Draw(t, "first")
		from := rapid.Uint32Range(0, 1000).Draw(t, "from")
		end := rapid.Uint32Range(0, 1000).Draw(t, "end")
		s := &stream{next: first + step*rapid.Uint32Range(0, 50).Draw(t, "been"), step: step}
		s.startAt(from)
		want := 0
		for n := from; n < end; n++ {
			if n%step == first {
				want++
			}
		}
		if got := s.owed(end); got != want {
			t.Fatalf("owed %d, want %d", got, want)
		}
	})
}

func FuzzTake(f *testing.F) {
	f.Add([]byte("id: 1\nevent: Resource\ndata: "+string(newHotel(1).appendEvent(nil, time.Unix(0, 1), 0))+"\n\n"), uint16(40))
	f.Add([]byte("retry: 99\n\nevent: bellhop.bye\ndata\n\n\n: @\n"), uint16(3))
	f.Add([]byte("data: @@stamp@00000000\n\ndata: 00000000-0000-0000-stamp@0000000"), uint16(7))
	f.Fuzz(func(t *testing.T, sent []byte, cut uint16) {
		if len(sent) > restSize/2 {
			return
		}
		at := min(int(cut), len(sent))
		whole, one := newTestStream()
		give(t, whole, one, append([]byte(head), sent...))
		pieces, two := newTestStream()
		give(t, pieces, two, []byte(head))
		give(t, pieces, two, sent[:at])
		give(t, pieces, two, sent[at:])
		if whole.delivered != pieces.delivered || whole.faults != pieces.faults || one.next != two.next ||
			string(one.id) != string(two.id) || one.retry != two.retry || string(one.rest) != string(two.rest) {
			t.Errorf("cut at %d: %+v and %+v", at, one, two)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l, s := newTestStream()
	s.phase, s.retry = ready, time.Second
	var sent []byte
	const events = 200
	for n := range uint32(events) {
		sent = fmt.Appendf(sent, "id: k3v9.%d\nevent: Reservation\ndata: {\"source\":\"hotel-0000\",\"type\":\"Reservation\",\"event\":%s}\n\n", n, newHotel(9).appendEvent(nil, time.Now(), n))
	}
	b.SetBytes(int64(len(sent)))
	b.ReportAllocs()
	for b.Loop() {
		s.next = 0
		if err := l.take(s, sent, len(sent)); err != nil || l.faults > 0 {
			b.Fatal(err, l.fault)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
