package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	if diff := cmp.Diff(want, entriesOf(tb, in), cmp.Comparer(equalJSON)); diff != "" {
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

// TestInboxTickets loses what was in the inbox between two openings: its tickets
// must not come again, the log may have their events.
func TestInboxTickets(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string) error{
		"folder": func(_ *testing.T, dir string) error { return os.RemoveAll(folderOf(dir, "INBOX")) },
		"tail":   func(t *testing.T, dir string) error { return half(blocksOf(t, dir, "INBOX")[0], true) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, eventlog.Options{Dir: dir})
			var last uint64
			for n := range 50 {
				last = put(t, l.Inbox("prague"), event(n))
			}
			closeLog(t, l)
			if err := lose(t, dir); err != nil {
				t.Fatal(err)
			}
			l = open(t, eventlog.Options{Dir: dir})
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

// TestDamagedInbox takes from the inbox what the server knows it by.
func TestDamagedInbox(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	entry := gateway.Entry{Ticket: put(t, l.Inbox("prague"), event(0)), Records: events(0, 1)}
	closeLog(t, l)
	if err := os.Remove(folderOf(dir, "INBOX") + "/meta.sum"); err != nil {
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

// TestInboxFull puts what has no room until something else is forgotten.
func TestInboxFull(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	in := l.Inbox("prague")
	sized := func(n, size int) []*gateway.Record {
		r := event(n)
		r.Event.Object = fmt.Appendf(nil, `{"X":"%s"}`, strings.Repeat("x", size))
		return []*gateway.Record{r}
	}
	first := gateway.Entry{Records: sized(0, 7000)}
	first.Ticket = put(t, in, first.Records...)
	if err := eventlog.LimitInbox(t.Context(), l, 10_000); err != nil {
		t.Fatal(err)
	}
	second := gateway.Entry{Records: sized(1, 6000)}
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := in.Put(ctx, second.Records); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that it waited", err)
	}
	checkInbox(t, in, first)
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { second.Ticket, err = in.Put(t.Context(), second.Records) })
	forget(t, in, first.Ticket+1)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	checkInbox(t, in, second)
}

// TestInboxReopened puts while the log is broken again and again: each entry is
// there once, under its ticket.
func TestInboxReopened(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	const putters, each = 8, 100
	in := l.Inbox("prague")
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
	for range 4 {
		time.Sleep(20 * time.Millisecond)
		eventlog.Break(l, false)
	}
	wg.Wait()
	slices.SortFunc(want, func(a, b gateway.Entry) int { return int(a.Ticket) - int(b.Ticket) })
	checkInbox(t, in, want...)
}
