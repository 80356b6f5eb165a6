package eventlog_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bellhop/gateway/eventlog"
)

func unreadable(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "bellhop_log_unreadable_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no such metric")
	return 0
}

// TestDamagedRecord overwrites bytes in the middle of the log.
func TestDamagedRecord(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	store(t, l, events(0, 1000)...)
	closeLog(t, l)
	f, err := os.OpenFile(blocksOf(t, dir, "EVENTS")[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("#####"), 100_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	reg := prometheus.NewRegistry()
	l = open(t, eventlog.Options{Dir: dir, Registerer: reg})
	if got := l.Opened(); got != (eventlog.Opening{Clean: true}) {
		t.Errorf("got %+v, want a clean opening", got)
	}
	records := read(t, l, 0)
	if len(records) != 999 {
		t.Errorf("got %d records, want all of 1000 but one", len(records))
	}
	if got := unreadable(t, reg); got != 1 {
		t.Errorf("got %v unreadable records, want 1", got)
	}
	follow(t.Context(), l, 0).wait(t, 999)
	store(t, l, event(1000))
	checkOrder(t, read(t, l, 1000), 1001, 1000, 1001)
}

// TestDamagedTail takes records from the log's end between a clean closing and
// the next opening.
func TestDamagedTail(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string, size int64) error{
		"cut":         func(_ *testing.T, file string, size int64) error { return os.Truncate(file, size/2) },
		"overwritten": func(t *testing.T, file string, size int64) error { return zero(file, size/2, size) },
		"last record": func(t *testing.T, file string, size int64) error { return zero(file, size-60, size-50) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, eventlog.Options{Dir: dir})
			store(t, l, events(0, 1000)...)
			all := read(t, l, 0)
			var positions []string
			for seq := range uint64(1001) {
				positions = append(positions, string(l.AppendPosition(nil, seq)))
			}
			closeLog(t, l)
			file := blocksOf(t, dir, "EVENTS")[0]
			fi, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(t, file, fi.Size()); err != nil {
				t.Fatal(err)
			}

			l = open(t, eventlog.Options{Dir: dir})
			left := len(read(t, l, 0))
			if left >= 1000 {
				t.Fatal("nothing was damaged")
			}
			got := l.Opened()
			if !got.LostTail || !got.Clean {
				t.Errorf("got %+v, want a lost tail after a clean closing", got)
			}
			if left > 0 && !got.LostFrom.Equal(all[left-1].Logged) {
				t.Errorf("lost from %v, want %v, the last record that is left", got.LostFrom, all[left-1].Logged)
			}
			for seq, p := range positions {
				if _, known, good := l.Resolve(p); known != (seq <= left) || good != known {
					t.Fatalf("position %s: known %v, good %v, but %d records are left", p, known, good, left)
				}
			}
			_, last := l.Bounds()
			end := string(l.AppendPosition(nil, last))
			store(t, l, events(5000, 5010)...)
			if _, known, good := l.Resolve(end); !known || !good {
				t.Errorf("position %s of the end after the loss: known %v, good %v", end, known, good)
			}
			checkOrder(t, read(t, l, last), last+1, 5000, 5010)
			for seq := last; seq <= last+10; seq++ {
				if p := string(l.AppendPosition(nil, seq)); slices.Contains(positions, p) && int(seq) > left {
					t.Errorf("position %s is given twice", p)
				}
			}
			closeLog(t, l)
			l = open(t, eventlog.Options{Dir: dir})
			if got := l.Opened(); got.LostTail {
				t.Errorf("got %+v, want the loss told of once", got)
			}
		})
	}
}

func zero(file string, from, to int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(make([]byte, to-from), from)
	return err
}

func TestDamagedEpochs(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	store(t, l, events(0, 10)...)
	old := string(l.AppendPosition(nil, 5))
	closeLog(t, l)
	if err := os.WriteFile(filepath.Join(dir, "epochs.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	l = open(t, eventlog.Options{Dir: dir, Registerer: reg})
	if _, known, _ := l.Resolve(old); known {
		t.Error("a position of a lost table is known")
	}
	for seq := range uint64(11) {
		p := string(l.AppendPosition(nil, seq))
		if got, known, good := l.Resolve(p); got != seq || !known || !good {
			t.Errorf("position %s: got %d, known %v, good %v", p, got, known, good)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "bellhop_log_last_sequence"); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// TestDamagedDescription takes from the log what the server knows it by.
func TestDamagedDescription(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	store(t, l, events(0, 10)...)
	closeLog(t, l)
	if err := os.WriteFile(filepath.Join(folderOf(dir, "EVENTS"), "meta.sum"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := 10; n < 12; n++ {
		l = open(t, eventlog.Options{Dir: dir})
		if got := l.Opened(); got != (eventlog.Opening{Clean: true}) {
			t.Errorf("got %+v, want a clean opening", got)
		}
		store(t, l, event(n))
		checkOrder(t, read(t, l, 0), 1, 0, n+1)
		closeLog(t, l)
	}
}
