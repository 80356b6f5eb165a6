package eventlog_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// eventually waits until f holds.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(60 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within a minute", what)
		}
	}
}

func TestTrimmedBySize(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxBytes: 100 << 10})
	early := string(l.AppendPosition(nil, 5))
	begin := time.Now()
	store(t, l, events(0, 2000)...)
	if _, known, good := l.Resolve(early); !known || good {
		t.Errorf("trimmed position: known %v, good %v, want known only", known, good)
	}
	first, last := l.Bounds()
	if first < 1000 || last != 2000 {
		t.Fatalf("got bounds %d, %d, want the later half of 2000 at most", first, last)
	}
	for after, want := range map[uint64]error{0: gateway.ErrTrimmed, first - 2: gateway.ErrTrimmed, first - 1: nil, last: nil} {
		if _, err := l.Read(t.Context(), after, 10); !errors.Is(err, want) {
			t.Errorf("read after %d: got %v, want %v", after, err, want)
		}
		position := string(l.AppendPosition(nil, after))
		if _, known, good := l.Resolve(position); !known || good != (want == nil) {
			t.Errorf("position %s: known %v, good %v, want %v", position, known, good, want == nil)
		}
	}
	checkOrder(t, read(t, l, first-1), first, int(first-1), 2000)
	f := follow(t.Context(), l, 0) // passes over what is gone
	checkOrder(t, f.wait(t, int(last-first+1)), first, int(first-1), 2000)

	if after, trimmed, err := l.Since(t.Context(), begin); err != nil || !trimmed || after != first-1 {
		t.Errorf("since the beginning: got %d, %v, %v, want %d, trimmed", after, trimmed, err, first-1)
	}
	if after, trimmed, err := l.Since(t.Context(), time.Now()); err != nil || trimmed || after != last {
		t.Errorf("since now: got %d, %v, %v, want %d", after, trimmed, err, last)
	}
}

func TestTrimmedByAge(t *testing.T) {
	dir := t.TempDir()
	const age = 500 * time.Millisecond
	l := open(t, eventlog.Options{Dir: dir, MaxAge: age})
	store(t, l, events(0, 10)...)
	begin := string(l.AppendPosition(nil, 0))
	end := string(l.AppendPosition(nil, 10))
	eventually(t, "trimming", func() bool { _, _, good := l.Resolve(begin); return !good })
	eventually(t, "trimming of all", func() bool { first, _ := l.Bounds(); l.Resolve(begin); return first == 11 })
	if first, last := l.Bounds(); first != 11 || last != 10 {
		t.Errorf("got bounds %d, %d, want 11, 10", first, last)
	}
	if _, known, good := l.Resolve(end); !known || !good {
		t.Errorf("the end's position: known %v, good %v, want both", known, good)
	}
	if _, err := l.Read(t.Context(), 3, 10); !errors.Is(err, gateway.ErrTrimmed) {
		t.Errorf("read: got %v, want ErrTrimmed", err)
	}
	if got := read(t, l, 10); len(got) != 0 {
		t.Errorf("read at the end: got %d records", len(got))
	}
	closeLog(t, l)

	l = open(t, eventlog.Options{Dir: dir, MaxAge: time.Hour})
	if got := l.Opened(); got.LostTail {
		t.Errorf("got %+v, want no lost tail", got)
	}
	if _, known, good := l.Resolve(end); !known || !good {
		t.Errorf("the end's position after a restart: known %v, good %v, want both", known, good)
	}
	store(t, l, event(10))
	checkOrder(t, read(t, l, 10), 11, 10, 11)
}

// TestSinceQuiet asks for the time between two records, the earlier of which
// has been trimmed: nothing that was logged since then is missing.
func TestSinceQuiet(t *testing.T) {
	const age = 2 * time.Second
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxAge: age})
	begin := time.Now()
	store(t, l, event(0))
	l.Resolve(string(l.AppendPosition(nil, 1)))
	between := time.Now()
	eventually(t, "trimming", func() bool {
		after, trimmed, err := l.Since(t.Context(), begin)
		if err != nil {
			t.Fatal(err)
		}
		return trimmed && after == 1
	})
	if after, trimmed, err := l.Since(t.Context(), between); err != nil || trimmed || after != 1 {
		t.Errorf("empty log: got %d, %v, %v, want 1", after, trimmed, err)
	}
	store(t, l, event(1))
	if after, trimmed, err := l.Since(t.Context(), between); err != nil || trimmed || after != 1 {
		t.Errorf("got %d, %v, %v, want 1", after, trimmed, err)
	}
	if after, trimmed, err := l.Since(t.Context(), begin); err != nil || !trimmed || after != 1 {
		t.Errorf("since the beginning: got %d, %v, %v, want 1, trimmed", after, trimmed, err)
	}
}

func TestSince(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	for _, at := range []time.Time{{}, time.Now(), time.Now().AddDate(1000, 0, 0)} {
		if after, trimmed, err := l.Since(t.Context(), at); err != nil || trimmed || after != 0 {
			t.Errorf("empty log since %v: got %d, %v, %v, want 0", at, after, trimmed, err)
		}
	}
	store(t, l, events(0, 3000)...)
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir})
	store(t, l, events(3000, 3100)...)
	records := read(t, l, 0)
	for _, r := range []int{0, 1, 700, 2999, 3000, 3099} {
		at := records[r].Logged
		want := uint64(r)
		for want > 0 && !records[want-1].Logged.Before(at) {
			want--
		}
		if after, trimmed, err := l.Since(t.Context(), at); err != nil || trimmed || after != want {
			t.Errorf("since record %d: got %d, %v, %v, want %d", r+1, after, trimmed, err, want)
		}
	}
	for at, want := range map[time.Time]uint64{{}: 0, time.Now().AddDate(1000, 0, 0): 3100, time.Now(): 3100} {
		if after, trimmed, err := l.Since(t.Context(), at); err != nil || trimmed || after != want {
			t.Errorf("since %v: got %d, %v, %v, want %d", at, after, trimmed, err, want)
		}
	}
}

// TestOvertaken reads slowly what is trimmed at the same time: it gets all of a
// stretch or ErrTrimmed, never a stretch with holes.
func TestOvertaken(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxBytes: 200 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; l.Append(ctx, events(n, n+20), nil) == nil && ctx.Err() == nil; n += 20 {
		}
	}()
	trimmed, whole := 0, 0
	after := uint64(0)
	for trimmed < 5 || whole < 20 {
		records, err := l.Read(t.Context(), after, 64)
		if errors.Is(err, gateway.ErrTrimmed) {
			trimmed++
			after, _ = l.Bounds()
			after--
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Seq != after+1 {
				t.Fatalf("got record %d after %d", r.Seq, after)
			}
			after = r.Seq
		}
		whole++
	}
	cancel()
	<-stopped
}

func TestLimitsChange(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, MaxAge: time.Hour, MaxBytes: 10 << 20})
	store(t, l, events(0, 1000)...)
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir, MaxAge: time.Minute, MaxBytes: 50 << 10})
	if first, last := l.Bounds(); first < 500 || last != 1000 {
		t.Errorf("got bounds %d, %d, want the smaller limit to hold", first, last)
	}
}

func TestRestarts(t *testing.T) {
	dir := t.TempDir()
	positions := map[string]uint64{}
	var names []string
	last := 0
	for range 4 {
		l := open(t, eventlog.Options{Dir: dir})
		for p, want := range positions {
			if seq, known, good := l.Resolve(p); seq != want || !known || !good {
				t.Errorf("position %s: got %d, known %v, good %v", p, seq, known, good)
			}
		}
		positions[string(l.AppendPosition(nil, uint64(last)))] = uint64(last) // an empty log's end too
		store(t, l, events(last, last+10)...)
		last += 10
		p := string(l.AppendPosition(nil, uint64(last)))
		positions[p] = uint64(last)
		name, _, _ := strings.Cut(p, ".")
		names = append(names, name)
		if _, known, _ := l.Resolve(name + "." + strconv.Itoa(last+1)); known {
			t.Error("a position beyond the end is known")
		}
		closeLog(t, l)
	}
	for i, name := range names {
		for _, other := range names[:i] {
			if name == other {
				t.Errorf("two openings have the name %s", name)
			}
		}
	}
}
