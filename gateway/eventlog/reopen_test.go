package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bellhop/gateway/eventlog"
)

// health remembers what OnHealth was told.
type health struct {
	mu   sync.Mutex
	told []error
}

func (h *health) tell(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, err)
}

// all returns what was told and reports a repetition.
func (h *health) all(tb testing.TB) []error {
	tb.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, err := range h.told {
		if (err != nil) != (i%2 == 0) {
			tb.Errorf("told %v: want trouble and health in turns, trouble first", h.told)
		}
	}
	return h.told
}

// TestReopened breaks the log while it is written and followed, and opens it
// anew in between: everything arrives once and in order.
func TestReopened(t *testing.T) {
	for round := range 8 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Logf("seed %d", seed)
			breakOften(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func breakOften(t *testing.T, random *rand.Rand) {
	var h health
	opts := eventlog.Options{Dir: t.TempDir(), OnHealth: h.tell}
	l := open(t, opts)
	f := follow(context.Background(), l, 0)
	var done []int // all done run on one goroutine
	n := 0
	for range 3 + random.IntN(8) {
		for range 1 + random.IntN(4) {
			from := n
			n += 1 + random.IntN(100)
			upTo := n
			if err := l.Append(t.Context(), events(from, n), func() { done = append(done, upTo) }); err != nil {
				t.Fatal(err)
			}
		}
		switch random.IntN(5) {
		case 0, 1:
			eventlog.Break(l, false)
		case 2:
			eventlog.Break(l, true)
		case 3:
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		case 4:
			closeLog(t, l)
			<-f.err
			l = open(t, opts)
			checkOrder(t, read(t, l, 0), 1, 0, n)
			f = follow(context.Background(), l, 0)
		}
	}
	checkOrder(t, f.wait(t, n), 1, 0, n)
	closeLog(t, l)
	<-f.err
	h.all(t)
	if !slices.IsSorted(done) || done[len(done)-1] != n {
		t.Errorf("appends were done in the order %v, want up to %d", done, n)
	}
	l = open(t, opts)
	checkOrder(t, read(t, l, 0), 1, 0, n)
}

// TestPositionsOutliveReopening keeps a position under each opening inside the
// process.
func TestPositionsOutliveReopening(t *testing.T) {
	var h health
	l := open(t, eventlog.Options{Dir: t.TempDir(), OnHealth: h.tell})
	positions := map[string]uint64{}
	for i := range 4 {
		store(t, l, events(i*10, i*10+10)...)
		for seq := uint64(i * 10); seq <= uint64(i*10+10); seq++ {
			positions[string(l.AppendPosition(nil, seq))] = seq
		}
		eventlog.Break(l, i%2 == 0)
		eventually(t, "healing", func() bool { return len(h.all(t)) == 2*i+2 })
		for p, want := range positions {
			if seq, known, good := l.Resolve(p); seq != want || !known || !good {
				t.Fatalf("position %s: got %d, known %v, good %v, want %d", p, seq, known, good, want)
			}
			if got := string(l.AppendPosition(nil, want)); got != p {
				t.Fatalf("the position of %d was %s and is %s", want, p, got)
			}
		}
	}
}

// TestRefused has a record refused that is followed by others which would not
// be: none may overtake it.
func TestRefused(t *testing.T) {
	var h health
	l := open(t, eventlog.Options{Dir: t.TempDir(), OnHealth: h.tell})
	if err := eventlog.LimitMessages(t.Context(), l, 1000); err != nil {
		t.Fatal(err)
	}
	big := event(10)
	big.Event.Entity = fmt.Appendf(nil, `{"Name":"%s"}`, strings.Repeat("x", 2000))
	records := append(append(events(0, 10), big), events(11, 100)...)
	if err := l.Append(t.Context(), records, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "trouble", func() bool { return len(h.all(t)) > 0 })
	if err := eventlog.LimitMessages(t.Context(), l, -1); err != nil {
		t.Fatal(err)
	}
	store(t, l, event(100))
	checkOrder(t, read(t, l, 0), 1, 0, 101)
	eventually(t, "healing", func() bool { told := h.all(t); return told[len(told)-1] == nil })
}
