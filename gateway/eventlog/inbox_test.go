package eventlog_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

func put(tb testing.TB, in gateway.Inbox, records ...*gateway.Record) (ticket uint64) {
	tb.Helper()
	ticket, err := in.Put(tb.Context(), records)
	if err != nil {
		tb.Fatal(err)
	}
	return ticket
}

func forget(tb testing.TB, in gateway.Inbox, before uint64) {
	tb.Helper()
	if err := in.Forget(tb.Context(), before); err != nil {
		tb.Fatal(err)
	}
}

func entriesOf(tb testing.TB, in gateway.Inbox) []gateway.Entry {
	tb.Helper()
	entries, err := in.Entries(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return entries
}

func checkInbox(tb testing.TB, in gateway.Inbox, want ...gateway.Entry) {
	tb.Helper()
	if diff := gocmp.Diff(want, entriesOf(tb, in), gocmp.Comparer(equalJSON)); diff != "" {
		tb.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestInbox(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	in, other := l.Inbox("prague"), l.Inbox("a.b *>")
	checkInbox(t, in)
	forget(t, in, 1<<60)
	rich := event(1)
	rich.Event.Entity = []byte(`{"Name":"101"}`)
	gap := &gateway.Record{Gap: &gateway.Gap{Source: "prague", Types: []string{"PriceUpdate"}, Reason: gateway.GapSize}}
	var want []gateway.Entry
	for _, records := range [][]*gateway.Record{{event(0)}, {rich, gap, event(2)}, nil} {
		want = append(want, gateway.Entry{Ticket: put(t, in, records...), Records: records})
	}
	foreign := gateway.Entry{Ticket: put(t, other, event(9)), Records: events(9, 10)}
	for i := range want[1:] {
		if want[i].Ticket >= want[i+1].Ticket {
			t.Errorf("ticket %d came after %d", want[i+1].Ticket, want[i].Ticket)
		}
	}
	checkInbox(t, in, want...)
	checkInbox(t, other, foreign)
	forget(t, in, want[1].Ticket)
	checkInbox(t, in, want[1:]...)
	eventlog.Break(l, false)
	closeLog(t, l)

	l = open(t, eventlog.Options{Dir: dir})
	in, other = l.Inbox("prague"), l.Inbox("a.b *>")
	later := gateway.Entry{Ticket: put(t, in, event(3)), Records: events(3, 4)}
	if later.Ticket <= foreign.Ticket {
		t.Errorf("ticket %d came after %d", later.Ticket, foreign.Ticket)
	}
	checkInbox(t, in, want[1], want[2], later)
	forget(t, in, want[2].Ticket)
	checkInbox(t, in, want[2], later)
	forget(t, in, later.Ticket)
	checkInbox(t, in, later)
	forget(t, in, later.Ticket+1)
	checkInbox(t, in)
	checkInbox(t, other, foreign)

	huge := event(1)
	huge.Event.Object = fmt.Appendf(nil, `{"X":"%s"}`, strings.Repeat("x", 8<<20))
	for name, bad := range map[string]*gateway.Record{"too large": huge, "neither": {}} {
		if _, err := in.Put(t.Context(), []*gateway.Record{bad}); err == nil {
			t.Errorf("%s: put", name)
		}
	}
}

// TestInboxTickets loses what was in the inbox: its tickets must not come again,
// the log may have their events.
func TestInboxTickets(t *testing.T) {
	folder := func(_ *testing.T, dir string) error { return os.RemoveAll(folderOf(dir, "INBOX_prague")) }
	closed := func(lose func(*testing.T, string) error) func(*testing.T, *eventlog.Log, string) *eventlog.Log {
		return func(t *testing.T, l *eventlog.Log, dir string) *eventlog.Log {
			closeLog(t, l)
			if err := lose(t, dir); err != nil {
				t.Fatal(err)
			}
			return open(t, eventlog.Options{Dir: dir})
		}
	}
	for name, lose := range map[string]func(t *testing.T, l *eventlog.Log, dir string) *eventlog.Log{
		"folder": closed(folder),
		"tail":   closed(func(t *testing.T, dir string) error { return half(blocksOf(t, dir, "INBOX_prague")[0], true) }),
		"folder, by a running process": func(t *testing.T, l *eventlog.Log, dir string) *eventlog.Log {
			if err := folder(t, dir); err != nil {
				t.Fatal(err)
			}
			eventlog.Break(l, false)
			eventually(t, "loss", func() bool { return len(entriesOf(t, l.Inbox("prague"))) == 0 })
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, eventlog.Options{Dir: dir})
			var last uint64
			for n := range 50 {
				last = put(t, l.Inbox("prague"), event(n))
			}
			l = lose(t, l, dir)
			left := entriesOf(t, l.Inbox("prague"))
			if len(left) >= 50 {
				t.Fatal("nothing was lost")
			}
			ticket := put(t, l.Inbox("prague"), event(50))
			if ticket <= last {
				t.Errorf("ticket %d came after %d", ticket, last)
			}
			checkInbox(t, l.Inbox("prague"), append(left, gateway.Entry{Ticket: ticket, Records: events(50, 51)})...)
		})
	}
}

// TestInboxTicketsByTheClock has the clock set back between two openings, the
// inbox lost, and the table of epochs, but not all of them.
func TestInboxTicketsByTheClock(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	check := func() {
		t.Helper()
		l := open(t, eventlog.Options{Dir: dir})
		ticket := put(t, l.Inbox("prague"), event(0))
		if ticket <= last {
			t.Errorf("ticket %d came after %d", ticket, last)
		}
		last = ticket
		closeLog(t, l)
	}
	lose := func(what string) {
		t.Helper()
		if err := os.RemoveAll(what); err != nil {
			t.Fatal(err)
		}
	}
	check()
	file, err := os.ReadFile(dir + "/epochs.json")
	if err != nil {
		t.Fatal(err)
	}
	var table map[string]any
	if err := json.Unmarshal(file, &table); err != nil {
		t.Fatal(err)
	}
	table["number"] = time.Now().Add(1000 * time.Hour).Unix() // as if it had been that late
	if file, err = json.Marshal(table); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/epochs.json", file, 0o600); err != nil {
		t.Fatal(err)
	}
	check()
	lose(folderOf(dir, "INBOX_prague"))
	check()
	lose(dir + "/epochs.json")
	check()
}

// TestDamagedInbox takes from the inbox what the server knows it by.
func TestDamagedInbox(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	entry := gateway.Entry{Ticket: put(t, l.Inbox("prague"), event(0)), Records: events(0, 1)}
	closeLog(t, l)
	if err := os.Remove(folderOf(dir, "INBOX_prague") + "/meta.sum"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l = open(t, eventlog.Options{Dir: dir})
		checkInbox(t, l.Inbox("prague"), entry)
		closeLog(t, l)
	}
}

// TestInboxLargeEntry puts more than a message holds.
func TestInboxLargeEntry(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	in := l.Inbox("prague")
	large := events(0, 2)
	for _, r := range large {
		r.Event.Object = fmt.Appendf(nil, `{"X":"%s"}`, strings.Repeat("x", 4<<20))
	}
	want := []gateway.Entry{{Ticket: put(t, in, large...), Records: large}, {Ticket: put(t, in, event(2)), Records: events(2, 3)}}
	checkInbox(t, in, want...)
	forget(t, in, want[0].Ticket)
	checkInbox(t, in, want...)
	forget(t, in, want[0].Ticket+1) // what follows in it is nothing without its beginning
	checkInbox(t, in, want[1])
}

// sized returns a record with an object of more than size bytes.
func sized(n, size int) []*gateway.Record {
	r := event(n)
	r.Event.Object = fmt.Appendf(nil, `{"X":"%s"}`, strings.Repeat("x", size))
	return []*gateway.Record{r}
}

func limit(t *testing.T, l *eventlog.Log, source string, size int64) {
	t.Helper()
	if err := eventlog.LimitInbox(t.Context(), l, source, size); err != nil {
		t.Fatal(err)
	}
}

// TestInboxFull puts what has no room until something else is forgotten. Other
// sources have room of their own.
func TestInboxFull(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), Sync: 20 * time.Millisecond})
	in, other := l.Inbox("prague"), l.Inbox("brno")
	first := gateway.Entry{Records: sized(0, 7000)}
	first.Ticket = put(t, in, first.Records...)
	limit(t, l, "prague", 10_000)
	second := gateway.Entry{Records: sized(1, 6000)}
	for range 3 {
		if _, err := in.Put(t.Context(), second.Records); !errors.Is(err, gateway.ErrInboxFull) {
			t.Errorf("got %v, want that it is full", err)
		}
	}
	checkInbox(t, in, first)
	foreign := gateway.Entry{Ticket: put(t, other, second.Records...), Records: second.Records}
	forget(t, in, first.Ticket+1)
	eventually(t, "room", func() bool {
		var err error
		second.Ticket, err = in.Put(t.Context(), second.Records)
		if err != nil && !errors.Is(err, gateway.ErrInboxFull) {
			t.Fatal(err)
		}
		return err == nil
	})
	checkInbox(t, in, second)
	checkInbox(t, other, foreign)
}

// TestInboxFullMidway puts an entry of several messages of which some have room:
// they do not keep it.
func TestInboxFullMidway(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	in := l.Inbox("prague")
	first := gateway.Entry{Ticket: put(t, in, event(0)), Records: events(0, 1)}
	limit(t, l, "prague", 12<<20)
	large := append(sized(1, 6<<20), sized(2, 7<<20)...)
	if _, err := in.Put(t.Context(), large); !errors.Is(err, gateway.ErrInboxFull) {
		t.Errorf("got %v, want that it is full", err)
	}
	second := gateway.Entry{Ticket: put(t, in, large[1]), Records: large[1:]}
	checkInbox(t, in, first, second)
}

// copied returns the entries in a copy of the folder, which is all that a
// process has that comes after a crash.
func copied(t *testing.T, dir string) []gateway.Entry {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l := open(t, eventlog.Options{Dir: to})
	defer closeLog(t, l)
	return entriesOf(t, l.Inbox("prague"))
}

// TestForgottenLate forgets what may not have been synced where it is now, and
// so stays on the disk for a while.
func TestForgottenLate(t *testing.T) {
	for _, c := range []struct {
		sync   time.Duration
		before func(last uint64) uint64
		kept   int
	}{
		{time.Hour, func(last uint64) uint64 { return last }, 3},
		{time.Hour, func(uint64) uint64 { return 1 << 62 }, 3},
		{0, func(last uint64) uint64 { return last }, 1},
	} {
		dir := t.TempDir()
		l, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir, Sync: c.sync})
		if err != nil {
			t.Fatal(err)
		}
		in := l.Inbox("prague")
		var all, want []gateway.Entry
		for n := range 3 {
			all = append(all, gateway.Entry{Ticket: put(t, in, event(n)), Records: events(n, n+1)})
		}
		before := c.before(all[2].Ticket)
		if before == all[2].Ticket {
			want = all[2:]
		}
		forget(t, in, before)
		forget(t, in, all[1].Ticket) // has been
		checkInbox(t, in, want...)
		if got := copied(t, dir); len(got) != c.kept {
			t.Errorf("sync %v: got %d entries on the disk, want %d", c.sync, len(got), c.kept)
		}
		want = append(want, gateway.Entry{Ticket: put(t, in, event(3)), Records: events(3, 4)})
		checkInbox(t, in, want...)
		closeLog(t, l)
		l = open(t, eventlog.Options{Dir: dir})
		checkInbox(t, l.Inbox("prague"), want...)
		closeLog(t, l)
	}
}

// TestKeepInboxes opens the log with other sources than it had.
func TestKeepInboxes(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	keep := func(sources ...string) {
		t.Helper()
		if err := l.KeepInboxes(t.Context(), sources); err != nil {
			t.Fatal(err)
		}
	}
	keep()
	entries := make(map[string]gateway.Entry)
	for _, source := range []string{"prague", "a.b *>", "gone"} {
		entries[source] = gateway.Entry{Ticket: put(t, l.Inbox(source), event(0)), Records: events(0, 1)}
	}
	store(t, l, event(0))
	saveState(t, l, lastings(0, 3), nil, 3)
	closeLog(t, l)

	l = open(t, eventlog.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	keep("a.b *>", "new")
	checkInbox(t, l.Inbox("a.b *>"), entries["a.b *>"])
	checkInbox(t, l.Inbox("prague"))
	checkInbox(t, l.Inbox("gone"))
	if got, before := put(t, l.Inbox("gone"), event(1)), entries["gone"].Ticket; got <= before {
		t.Errorf("ticket %d came after %d", got, before)
	}
	checkOrder(t, read(t, l, 0), 1, 0, 1)
	checkState(t, l, byKey(lastings(0, 3)...), 3)
}

// TestInboxOfNoName uses sources that no stream can be named after.
func TestInboxOfNoName(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	for _, source := range []string{"", strings.Repeat("x", 129), strings.Repeat(".", 100)} {
		in := l.Inbox(source)
		if _, err := in.Put(t.Context(), events(0, 1)); err == nil {
			t.Errorf("%q: put", source)
		}
		if _, err := in.Entries(t.Context()); err == nil {
			t.Errorf("%q: has entries", source)
		}
		if err := in.Forget(t.Context(), 1); err == nil {
			t.Errorf("%q: forgot", source)
		}
	}
}

// TestInboxReopened puts while the log is broken again and again, and answers are
// lost: each entry is there once, under its ticket.
func TestInboxReopened(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	const putters, each = 8, 100
	in := l.Inbox("prague")
	checkInbox(t, in) // so that it is there: the server leaks a stream that it creates while it ends
	var mu sync.Mutex
	var want []gateway.Entry
	var wg sync.WaitGroup
	for p := range putters {
		wg.Go(func() {
			for n := range each {
				records := events(p*each+n, p*each+n+1)
				ticket, err := in.Put(t.Context(), records)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want = append(want, gateway.Entry{Ticket: ticket, Records: records})
				mu.Unlock()
			}
		})
	}
	for n := range 6 {
		time.Sleep(20 * time.Millisecond)
		if n%2 == 0 {
			eventlog.Break(l, false)
		} else {
			eventlog.BreakPuts(l)
		}
	}
	wg.Wait()
	slices.SortFunc(want, func(a, b gateway.Entry) int { return cmp.Compare(a.Ticket, b.Ticket) })
	checkInbox(t, in, want...)
}
