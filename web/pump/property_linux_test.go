package pump_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bellhop/gateway"
	"bellhop/gateway/gatewaytest"
	"bellhop/web/pump"
)

// The kinds of acts of a schedule.
const (
	actSay = iota
	actOpen
	actEnd
	actWake
	actRest
	acts
)

// An act is a step of a schedule.
type act struct {
	kind     int
	sizes    []int // of the events said, in one frame
	types    []int // of the events said; of the stream opened, the first
	manner   manner
	after    int  // when the client does what it does
	tcp      bool // the stream's connection
	back     int  // so many records before the log's end the stream begins
	stream   int  // that is ended or woken, of those open
	beforeIt bool // the stream opened is ended before the pump has it
}

var (
	eventTypes = []string{"Resource", "Reservation", "PriceUpdate"}
	sizes      = []int{0, 0, 1, 10, 100, 100, 1000, 1000, 5000, 20_000, 100_000, 200_000, 1<<20 - 20}
)

func drawAct(t *rapid.T) act {
	a := act{
		kind:  rapid.SampledFrom([]int{actSay, actSay, actSay, actOpen, actOpen, actEnd, actWake, actRest}).Draw(t, "kind"),
		types: rapid.SliceOfN(rapid.IntRange(0, len(eventTypes)-1), 4, 4).Draw(t, "types"),
	}
	switch a.kind {
	case actSay:
		a.sizes = rapid.SliceOfN(rapid.SampledFrom(sizes), 1, 4).Draw(t, "sizes")
	case actOpen:
		a.manner = manner(rapid.IntRange(0, int(manners)-1).Draw(t, "manner"))
		a.after = rapid.SampledFrom([]int{1, 50, 5000, 300_000}).Draw(t, "after")
		a.tcp, a.back = rapid.Bool().Draw(t, "tcp"), rapid.IntRange(0, 5).Draw(t, "back")
		a.beforeIt = rapid.IntRange(0, 9).Draw(t, "end before it is taken") == 0
	default:
		a.stream = rapid.IntRange(0, 9).Draw(t, "stream")
	}
	return a
}

// A carried is a stream that the pumps have or had.
type carried struct {
	*reader
	stream *gateway.Stream
	types  []string
	from   uint64 // the sequence that it goes on behind
	missed string // what its beginning wrote
	ended  bool   // was asked to, before the schedule's end

	mu   sync.Mutex
	done []string // the reasons that done was called with
}

func (c *carried) reasons() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// want returns all that the stream shows of the log.
func (c *carried) want(l *gatewaytest.Log) string {
	var b strings.Builder
	for _, r := range l.Records()[c.from:] {
		if len(c.types) == 0 || r.Event.Type == c.types[0] {
			b.WriteString(blockOf(r))
		}
	}
	return b.String()
}

// A stage is where a schedule is played.
type stage struct {
	*rapid.T
	tb      testing.TB
	house   *house
	pumps   *pump.Pumps
	tcp     network
	streams []*carried
}

func (s *stage) play(a act) {
	switch a.kind {
	case actSay:
		var events []*gateway.Record
		for i, size := range a.sizes {
			events = append(events, event(eventTypes[a.types[i]], size))
		}
		s.house.say(events...)
	case actOpen:
		s.open(a)
	case actRest:
		time.Sleep(200 * time.Microsecond)
	default:
		if len(s.streams) == 0 {
			return
		}
		c := s.streams[a.stream%len(s.streams)]
		if a.kind == actEnd {
			c.ended = true
			c.stream.End(gateway.ByeClosed, 0)
		} else {
			c.rouse(sleepy)
		}
	}
}

func (s *stage) open(a act) {
	c := new(carried)
	if i := a.types[0]; i > 0 { // the first stands for all
		c.types = eventTypes[i : i+1]
	}
	var resume string
	if _, last := s.house.log.Bounds(); a.back > 0 {
		c.from = last - min(uint64(a.back), last)
		resume = string(s.house.log.AppendPosition(nil, c.from))
	} else {
		c.from = s.house.hub.Head()
		resume = string(s.house.log.AppendPosition(nil, c.from))
	}
	c.stream, c.missed = s.house.begin(s.tb, quiet(), resume, c.types...)
	connect := unixPair
	if a.tcp {
		connect = s.tcp
	}
	fd, theirs := connect(s.tb)
	c.reader = startReader(theirs, a.manner, a.after)
	if a.beforeIt {
		c.ended = true
		c.stream.End(gateway.ByeClosed, 0)
	}
	s.pumps.Take(fd, c.stream, func(reason string) {
		c.stream.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done = append(c.done, reason)
	})
	s.streams = append(s.streams, c)
}

// rouse wakes the client if it is of this manner.
func (c *carried) rouse(m manner) {
	select {
	case <-c.wake:
	default:
		if c.manner == m {
			close(c.wake)
		}
	}
}

// settle has every client that takes all get all, and then ends all streams.
func (s *stage) settle() {
	for _, c := range s.streams {
		c.rouse(sleepy)
		if c.manner.takesAll() && !c.ended {
			want := len(c.want(s.house.log)) - len(c.missed)
			eventually(s.tb, "the rest", func() bool { return c.len() >= want })
		}
	}
	for _, c := range s.streams {
		c.stream.End(gateway.ByeShutdown, 0)
	}
	for _, c := range s.streams {
		if c.manner.takesAll() {
			eventually(s.tb, "done", func() bool { return len(c.reasons()) > 0 })
		}
	}
}

// check holds a stream's transcript against the log.
func (s *stage) check(i int, c *carried) {
	got, want := c.missed+c.text(), c.want(s.house.log)
	reason := gateway.ByeShutdown
	if c.ended {
		reason = gateway.ByeClosed
	}
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	events, rest := got[:n], got[n:]
	bye := rest == byeOf(reason)
	whole := events == "" || strings.HasSuffix(events, "\"}}\n\n")
	done := c.reasons()
	switch {
	case len(done) != 1:
		s.Errorf("stream %d: done was called with %q", i, done)
	case !strings.HasPrefix(byeOf(reason), rest), rest != "" && !whole:
		s.Errorf("stream %d: got %s\nof %s", i, brief(got), brief(want))
	case c.manner.takesAll() && !c.ended && (!bye || events != want || done[0] != reason):
		s.Errorf("stream %d: got %d bytes of %d, bye %v, done %q", i, len(events), len(want), bye, done)
	case c.manner.takesAll() && done[0] != reason && done[0] != pump.Cut: // it may have been slower than a second
		s.Errorf("stream %d: done %q", i, done)
	case c.manner.takesAll() && (done[0] == reason) != bye:
		s.Errorf("stream %d: done %q, bye %v", i, done, bye)
	}
}

// Whatever streams, clients and pumps do, every client gets a piece of what its
// stream shows of the log: from its beginning on, in order, each block once and
// whole, but for the last where the connection was cut; with a farewell where one
// is due. And nothing is left of any of it.
func TestTranscripts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		schedule := rapid.SliceOfN(rapid.Custom(drawAct), 5, 40).Draw(rt, "schedule")
		before := descriptors(t)
		tcp, closeListener := loopback(t, 32<<10)
		s := &stage{T: rt, tb: t, house: openHouse(), tcp: tcp}
		var err error
		if s.pumps, err = pump.New(pump.Options{WriteTimeout: time.Minute, Delivered: func(int, int, time.Time) {}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.pumps.Run(ctx) }()
		for _, a := range schedule {
			s.play(a)
		}
		s.settle()
		cancel()
		if err := <-ended; err != nil {
			rt.Error(err)
		}
		s.house.stop()
		closeListener()
		for i, c := range s.streams {
			c.rouse(stalled)
			<-c.over
			s.check(i, c)
		}
		if after := descriptors(t); after != before {
			rt.Errorf("%d descriptors, %d before", after, before)
		}
	})
}
