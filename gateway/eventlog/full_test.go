package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// limited returns a folder on a file system of its own with this size, and a
// function that gives it another.
func limited(t *testing.T, size string) (dir string, resize func(size string)) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("a full disk needs a small file system, which cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// fill appends events from n on until the log is in trouble and takes no more,
// and returns the number of the next one.
func fill(t *testing.T, l *eventlog.Log, n int, trouble func() bool) int {
	t.Helper()
	eventually(t, "full disk", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for {
			r := event(n)
			r.Event.Entity = fmt.Appendf(nil, `{"Name":"%s"}`, strings.Repeat("x", 2000))
			if l.Append(ctx, []*gateway.Record{r}, nil) != nil {
				return trouble()
			}
			n++
		}
	})
	return n
}

// TestFullDiskHeals fills the disk and frees space: nothing that was taken is
// missing, and everything is there once and in order.
func TestFullDiskHeals(t *testing.T) {
	dir, resize := limited(t, "4m")
	var h health
	opts := eventlog.Options{Dir: filepath.Join(dir, "data"), OnHealth: h.tell}
	l := open(t, opts)
	f := follow(t.Context(), l, 0)
	n := 0
	for i, size := range []string{"20m", "48m"} {
		n = fill(t, l, n, func() bool { return len(h.all(t)) == 2*i+1 })
		if stored := read(t, l, 0); len(stored) == 0 || len(stored) >= n {
			t.Fatalf("got %d of %d records while the disk is full", len(stored), n)
		}
		resize(size)
		store(t, l, event(n))
		n++
		checkOrder(t, f.wait(t, n), 1, 0, n)
		if told := h.all(t); len(told) != 2*i+2 {
			t.Errorf("told %v, want health again", told)
		}
	}
	closeLog(t, l)
	<-f.err
	l = open(t, opts)
	if got := l.Opened(); got != (eventlog.Opening{Clean: true}) {
		t.Errorf("got %+v, want a clean opening", got)
	}
	checkOrder(t, read(t, l, 0), 1, 0, n)
}

// TestFullDiskCloses ends the log while the disk is full.
func TestFullDiskCloses(t *testing.T) {
	dir, resize := limited(t, "4m")
	var h health
	opts := eventlog.Options{Dir: filepath.Join(dir, "data"), OnHealth: h.tell, Sync: time.Second}
	l, err := eventlog.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	n := fill(t, l, 0, func() bool { return len(h.all(t)) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time was up", err)
	}
	eventually(t, "end", func() bool {
		_, err := l.Read(t.Context(), 0, 1)
		return errors.Is(err, gateway.ErrClosed)
	})
	if err := l.Close(t.Context()); err == nil {
		t.Error("closed without an error, but not all was stored")
	}
	resize("64m")
	l = open(t, opts)
	if got := l.Opened(); got.LostTail {
		t.Errorf("got %+v, want nothing lost that was stored", got)
	}
	left := len(read(t, l, 0))
	if left == 0 || left >= n {
		t.Errorf("got %d of %d records", left, n)
	}
	store(t, l, event(left))
	checkOrder(t, read(t, l, 0), 1, 0, left+1)
}

// TestFullDiskBeside fills the disk and opens the log anew on it: what is kept
// beside the log can be read, and written again once there is space.
func TestFullDiskBeside(t *testing.T) {
	dir, resize := limited(t, "4m")
	var h health
	l := open(t, eventlog.Options{Dir: filepath.Join(dir, "data"), OnHealth: h.tell})
	in := l.Inbox("prague")
	kept := byKey(lastings(0, 10)...)
	saveState(t, l, lastings(0, 10), nil, 10)
	entry := gateway.Entry{Ticket: put(t, in, event(0)), Records: events(0, 1)}
	n := fill(t, l, 0, func() bool { return len(h.all(t)) == 1 })

	checkState(t, l, kept, 10)
	checkInbox(t, in, entry)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	big := events(1, 2)
	big[0].Event.Entity = fmt.Appendf(nil, `{"Name":"%s"}`, strings.Repeat("x", 1<<20))
	if err := l.SaveState(ctx, big, nil, 11); err == nil {
		t.Error("saved on a full disk")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := in.Put(ctx, big); err == nil {
		t.Error("put on a full disk")
	}

	resize("64m")
	saveState(t, l, lastings(10, 20), nil, 20)
	put(t, in, event(1))
	store(t, l, event(n))
	checkOrder(t, read(t, l, 0), 1, 0, n+1)
	if got := entriesOf(t, in); len(got) < 2 {
		t.Errorf("got %d entries, want 2", len(got))
	}
	left, upTo := loadState(t, l)
	if len(left) < 20 || upTo != 20 {
		t.Errorf("got %d entities, complete up to %d, want 20 up to 20", len(left), upTo)
	}
}
