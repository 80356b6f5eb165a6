package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(helper(dir))
	}
	if dir := os.Getenv(besideDir); dir != "" {
		os.Exit(beside(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens a log that is closed with the test.
func open(tb testing.TB, o eventlog.Options) *eventlog.Log {
	tb.Helper()
	if o.Sync == 0 {
		o.Sync = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	l, err := eventlog.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeLog(tb, l) })
	return l
}

func closeLog(tb testing.TB, l *eventlog.Log) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		tb.Error(err)
	}
}

func event(n int) *gateway.Record {
	return &gateway.Record{Event: &gateway.Event{
		Source:   "prague",
		Type:     "Reservation",
		ID:       fmt.Sprintf("ID.%d", n%50),
		Origin:   gateway.OriginLive,
		Received: time.Date(2026, 11, 21, 8, 0, 0, n, time.UTC),
		Object:   fmt.Appendf(nil, `{"Number":%d}`, n),
	}}
}

func events(from, to int) []*gateway.Record {
	var records []*gateway.Record
	for n := from; n < to; n++ {
		records = append(records, event(n))
	}
	return records
}

// store appends and waits until all is stored.
func store(tb testing.TB, l *eventlog.Log, records ...*gateway.Record) {
	tb.Helper()
	done := make(chan struct{})
	if err := l.Append(tb.Context(), records, func() { close(done) }); err != nil {
		tb.Fatal(err)
	}
	wait(tb, done)
}

func wait(tb testing.TB, done <-chan struct{}) {
	tb.Helper()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		tb.Fatal("not done within a minute")
	}
}

// read returns all records after a sequence.
func read(tb testing.TB, l *eventlog.Log, after uint64) []*gateway.Record {
	tb.Helper()
	var all []*gateway.Record
	for {
		records, err := l.Read(tb.Context(), after, 1000)
		if err != nil {
			tb.Fatal(err)
		}
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
		after = records[len(records)-1].Seq
	}
}

// follower collects what Follow hands out.
type follower struct {
	mu      sync.Mutex
	records []*gateway.Record
	more    chan struct{}
	err     chan error
}

func follow(ctx context.Context, l *eventlog.Log, after uint64) *follower {
	f := &follower{more: make(chan struct{}, 1), err: make(chan error, 1)}
	go func() {
		f.err <- l.Follow(ctx, after, func(r *gateway.Record) {
			f.mu.Lock()
			f.records = append(f.records, r)
			f.mu.Unlock()
			select {
			case f.more <- struct{}{}:
			default:
			}
		})
	}()
	return f
}

// wait returns the records once there are n.
func (f *follower) wait(tb testing.TB, n int) []*gateway.Record {
	tb.Helper()
	deadline := time.After(60 * time.Second)
	for {
		f.mu.Lock()
		records := f.records
		f.mu.Unlock()
		if len(records) >= n {
			return records
		}
		select {
		case <-f.more:
		case <-deadline:
			tb.Fatalf("got %d records within a minute, want %d", len(records), n)
		}
	}
}

// checkOrder fails the test unless records are events from..to, in order, each
// once, from the sequence seq on.
func checkOrder(tb testing.TB, records []*gateway.Record, seq uint64, from, to int) {
	tb.Helper()
	if len(records) != to-from {
		tb.Fatalf("got %d records, want %d", len(records), to-from)
	}
	for i, r := range records {
		if got, want := string(r.Event.Object), fmt.Sprintf(`{"Number":%d}`, from+i); got != want {
			tb.Fatalf("record %d: got %s, want %s", i, got, want)
		}
		if got, want := r.Seq, seq+uint64(i); got != want {
			tb.Fatalf("record %d: got sequence %d, want %d", i, got, want)
		}
	}
}

// ignoreLogged compares records as they were followed with those that were read.
var ignoreLogged = cmpopts.IgnoreFields(gateway.Record{}, "Logged")

func TestAppendReadFollow(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	if first, last := l.Bounds(); first != 1 || last != 0 {
		t.Fatalf("empty log: got bounds %d, %d, want 1, 0", first, last)
	}
	f := follow(t.Context(), l, 0)
	gap := &gateway.Record{Gap: &gateway.Gap{
		Source: "prague", Types: []string{"PriceUpdate"}, Reason: gateway.GapUpstream,
		From: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
	}}
	rich := event(1)
	rich.Event.Entity = []byte(`{"Name":"101"}`)
	rich.Event.More = true
	rich.Event.Attributes = gateway.Attributes{State: "Dirty"}
	want := []*gateway.Record{event(0), rich, gap}

	before := time.Now()
	store(t, l, want...)
	if first, last := l.Bounds(); first != 1 || last != 3 {
		t.Errorf("got bounds %d, %d, want 1, 3", first, last)
	}
	followed, got := f.wait(t, 3), read(t, l, 0)
	if diff := cmp.Diff(followed, got, ignoreLogged); diff != "" {
		t.Errorf("followed and read differ:\n%s", diff)
	}
	for i, r := range followed {
		if r.Logged.Before(got[i].Logged) || r.Logged.After(time.Now()) {
			t.Errorf("record %d: logged at %v, and followed at %v", i, got[i].Logged, r.Logged)
		}
	}
	for i, r := range got {
		if r.Seq != uint64(i+1) || r.Logged.Before(before) || r.Logged.After(time.Now()) {
			t.Errorf("record %d: got sequence %d, logged at %v", i, r.Seq, r.Logged)
		}
		r.Seq, r.Logged = 0, time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := read(t, l, 1); len(got) != 2 || got[0].Seq != 2 {
		t.Errorf("after 1: got %v, want records 2 and 3", got)
	}
	for _, after := range []uint64{3, 4, 1 << 60, ^uint64(0)} {
		if got := read(t, l, after); len(got) != 0 {
			t.Errorf("after %d: got %d records, want none", after, len(got))
		}
	}
	if got, err := l.Read(t.Context(), 0, 2); err != nil || len(got) != 2 {
		t.Errorf("limit 2: got %d records, %v", len(got), err)
	}
}

func TestDoneInOrder(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	const n = 300
	var got []int // all done run on one goroutine
	done := make(chan struct{})
	for i := range n {
		records := events(i, i+i%3) // every third append is of no records
		if err := l.Append(t.Context(), records, func() {
			got = append(got, i)
			if i == n-1 {
				close(done)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, done)
	for i := range n {
		if got[i] != i {
			t.Fatalf("call %d was of append %d", i, got[i])
		}
	}
}

func TestAppendRefusesWhole(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	long, empty, huge := event(1), event(1), event(1)
	long.Event.ID = strings.Repeat("x", 5000)
	empty.Event.ID = ""
	huge.Event.Object = fmt.Appendf(nil, `{"X":"%s"}`, strings.Repeat("x", 8<<20))
	for name, bad := range map[string]*gateway.Record{
		"long id": long, "no id": empty, "too large": huge, "neither": {},
		"gap of no source": {Gap: &gateway.Gap{}},
	} {
		err := l.Append(t.Context(), []*gateway.Record{event(0), bad}, func() { t.Errorf("%s: done", name) })
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	store(t, l, event(7))
	checkOrder(t, read(t, l, 0), 1, 7, 8)
}

// TestAnyName appends what no name check was asked about.
func TestAnyName(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	var want []string
	for _, id := range []string{".", "*", ">", " ", "a.b", "=", "ÄÖ", "\x00\r\n", "\xff", strings.Repeat("*", gateway.MaxID)} {
		r := event(0)
		r.Event.Type, r.Event.ID = id[:min(len(id), gateway.MaxType)], id
		r.Event.Object = []byte(`{}`)
		store(t, l, r)
		want = append(want, id)
	}
	if got := read(t, l, 0); len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	f := follow(context.Background(), l, 0)
	const n = 6000
	stored := 0
	for i := 0; i < n; i += 500 {
		if err := l.Append(t.Context(), events(i, i+500), func() { stored += 500 }); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	if stored != n {
		t.Errorf("got %d records stored, want %d", stored, n)
	}
	if err := <-f.err; !errors.Is(err, gateway.ErrClosed) {
		t.Errorf("follow: got %v, want ErrClosed", err)
	}
	if err := l.Append(t.Context(), events(0, 1), nil); !errors.Is(err, gateway.ErrClosed) {
		t.Errorf("append: got %v, want ErrClosed", err)
	}
	if _, err := l.Read(t.Context(), 0, 1); !errors.Is(err, gateway.ErrClosed) {
		t.Errorf("read: got %v, want ErrClosed", err)
	}
	if _, _, err := l.Since(t.Context(), time.Now()); !errors.Is(err, gateway.ErrClosed) {
		t.Errorf("since: got %v, want ErrClosed", err)
	}
	closeLog(t, l) // once more is nothing

	l = open(t, eventlog.Options{Dir: dir})
	if got := l.Opened(); got != (eventlog.Opening{Clean: true}) {
		t.Errorf("got %+v, want a clean opening", got)
	}
	checkOrder(t, read(t, l, 0), 1, 0, n)
}

func TestFollowEnds(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(ctx, l, 0)
	store(t, l, event(0))
	f.wait(t, 1)
	cancel()
	if err := <-f.err; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, eventlog.Options{Dir: dir})
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want a folder closed to others", fi.Mode(), err)
	}
	_, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir})
	if want := "data folder " + dir + " is in use by another process"; err == nil || err.Error() != want {
		t.Errorf("second opening: got %v, want %s", err, want)
	}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(file, "data")}); err == nil {
		t.Error("opened a folder within a file")
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, Registerer: reg})
	store(t, l, events(0, 3)...)
	const want = `
# HELP bellhop_log_appends_total Records that were stored.
# TYPE bellhop_log_appends_total counter
bellhop_log_appends_total 3
# HELP bellhop_log_first_sequence Sequence of the first record that has not been trimmed.
# TYPE bellhop_log_first_sequence gauge
bellhop_log_first_sequence 1
# HELP bellhop_log_last_sequence Sequence of the last record that is stored.
# TYPE bellhop_log_last_sequence gauge
bellhop_log_last_sequence 3
# HELP bellhop_log_pending Appends that are under way.
# TYPE bellhop_log_pending gauge
bellhop_log_pending 0
# HELP bellhop_log_reopens_total Attempts to open the log anew inside the process, after it could not be written.
# TYPE bellhop_log_reopens_total counter
bellhop_log_reopens_total 0
# HELP bellhop_log_unreadable_total Records that a reader passed over because they are damaged.
# TYPE bellhop_log_unreadable_total counter
bellhop_log_unreadable_total 0
# HELP bellhop_log_writable Whether the log can be written, 1 or 0.
# TYPE bellhop_log_writable gauge
bellhop_log_writable 1
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "bellhop_log_appends_total", "bellhop_log_first_sequence",
		"bellhop_log_last_sequence", "bellhop_log_pending", "bellhop_log_reopens_total", "bellhop_log_unreadable_total", "bellhop_log_writable")
	if err != nil {
		t.Error(err)
	}
	if _, err := eventlog.Open(t.Context(), eventlog.Options{Dir: t.TempDir(), Registerer: reg}); err == nil {
		t.Error("two logs on one registry")
	}
	closeLog(t, l)
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 0 {
		t.Errorf("after closing: got %d metrics, %v", n, err)
	}
	open(t, eventlog.Options{Dir: dir, Registerer: reg})
}
