package eventlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

type entities = map[gateway.EntityKey]*gateway.Record

// lasting returns the record of the nth entity that the log has at seq.
func lasting(n int, seq uint64) *gateway.Record {
	r := event(n)
	r.Event.ID = fmt.Sprintf("ID.%d", n)
	r.Event.Object = fmt.Appendf(nil, `{"Number":%d,"At":%d}`, n, seq)
	r.Seq, r.Logged = seq, time.Date(2026, 11, 21, 8, 0, 0, int(seq), time.UTC)
	return r
}

func lastings(from, to int) []*gateway.Record {
	var records []*gateway.Record
	for n := from; n < to; n++ {
		records = append(records, lasting(n, uint64(n+1)))
	}
	return records
}

func keyOf(r *gateway.Record) gateway.EntityKey {
	key, _ := r.Event.Key()
	return key
}

func byKey(records ...*gateway.Record) entities {
	m := make(entities)
	for _, r := range records {
		m[keyOf(r)] = r
	}
	return m
}

func saveState(tb testing.TB, l *eventlog.Log, changed []*gateway.Record, gone []gateway.EntityKey, upTo uint64) {
	tb.Helper()
	if err := l.SaveState(tb.Context(), changed, gone, upTo); err != nil {
		tb.Fatal(err)
	}
}

func loadState(tb testing.TB, l *eventlog.Log) (kept entities, upTo uint64) {
	tb.Helper()
	kept = make(entities)
	upTo, err := l.LoadState(tb.Context(), func(r *gateway.Record) {
		if kept[keyOf(r)] != nil {
			tb.Errorf("entity %v is there twice", keyOf(r))
		}
		kept[keyOf(r)] = r
	})
	if err != nil {
		tb.Fatal(err)
	}
	return kept, upTo
}

// equalJSON compares as cmp does, which takes long.
func equalJSON(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

func checkState(tb testing.TB, l *eventlog.Log, want entities, wantUpTo uint64) {
	tb.Helper()
	got, upTo := loadState(tb, l)
	if diff := cmp.Diff(want, got, cmp.Comparer(equalJSON)); diff != "" {
		tb.Errorf("state (-want +got):\n%s", diff)
	}
	if upTo != wantUpTo {
		tb.Errorf("complete up to %d, want %d", upTo, wantUpTo)
	}
}

// TestState saves, loads and opens anew at random, against a map.
func TestState(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	opts := eventlog.Options{Dir: t.TempDir()}
	l := open(t, opts)
	want, upTo := make(entities), uint64(0)
	checkState(t, l, want, 0)
	for range 25 {
		changed := make(entities)
		for range random.IntN(150) {
			upTo++
			r := lasting(random.IntN(500), upTo)
			changed[keyOf(r)] = r
		}
		var gone []gateway.EntityKey
		for n := range 500 {
			if key := keyOf(lasting(n, 1)); changed[key] == nil && random.IntN(20) == 0 {
				gone = append(gone, key) // whether it is there or not
				delete(want, key)
			}
		}
		maps.Copy(want, changed)
		records := slices.Collect(maps.Values(changed))
		switch random.IntN(8) {
		case 0:
			closeLog(t, l)
			l = open(t, opts)
		case 1:
			eventlog.Break(l, random.IntN(2) == 0)
		case 2: // a save that breaks off is repeated
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(3000))*time.Microsecond)
			_ = l.SaveState(ctx, records, gone, upTo)
			cancel()
		}
		saveState(t, l, records, gone, upTo)
		if random.IntN(4) == 0 {
			checkState(t, l, want, upTo)
		}
	}
	closeLog(t, l)
	l = open(t, opts)
	checkState(t, l, want, upTo)
}

func TestStateHasAnyEntity(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	odd := lasting(1, 1)
	odd.Event.Source, odd.Event.ID = "_upto", "a.b *>\x00=ä"
	channel := lasting(2, 2)
	channel.Event.Type, channel.Event.ID = "airy.channel.connected", "c"
	channel.Event.Entity = []byte(`{"Name":"chat"}`)
	channel.Event.Before = &gateway.Attributes{State: "Old"}
	saveState(t, l, []*gateway.Record{odd, channel}, nil, 2)
	checkState(t, l, byKey(odd, channel), 2)
	left := lasting(2, 3)
	left.Event.Type, left.Event.ID = "airy.channel.disconnected", "C"
	saveState(t, l, []*gateway.Record{left}, nil, 3)
	checkState(t, l, byKey(odd, left), 3)

	passing := lasting(3, 4)
	passing.Event.Type = "PriceUpdate"
	for name, bad := range map[string]*gateway.Record{"no lasting state": passing, "gap": {Gap: &gateway.Gap{Source: "prague"}}, "neither": {}} {
		if err := l.SaveState(t.Context(), []*gateway.Record{bad}, nil, 9); err == nil {
			t.Errorf("%s: saved", name)
		}
	}
	checkState(t, l, byKey(odd, left), 3)
}

// TestStateRemovedLate has a removal arrive after the entity came back.
func TestStateRemovedLate(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	r := lasting(1, 1)
	saveState(t, l, []*gateway.Record{r}, nil, 1)
	if err := eventlog.RemoveLate(t.Context(), l, keyOf(r)); err != nil {
		t.Fatal(err)
	}
	checkState(t, l, byKey(r), 1)
}

func TestStateEnds(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.SaveState(ctx, lastings(0, 10), nil, 10); err == nil {
		t.Error("saved beyond its context's end")
	}
	if _, err := l.LoadState(ctx, nil); err == nil {
		t.Error("loaded beyond its context's end")
	}
	closeLog(t, l)
	if err := l.SaveState(t.Context(), lastings(0, 10), nil, 10); err == nil {
		t.Error("saved beyond the log's end")
	}
}

// folderOf returns the folder of a stream.
func folderOf(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream)
}

// blocksOf returns the files that have a stream's messages, the newest last.
func blocksOf(tb testing.TB, dir, stream string) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(folderOf(dir, stream), "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		tb.Fatal(files, err)
	}
	slices.Sort(files)
	return files
}

// half cuts a file in half or, where it shall keep its size, overwrites some of
// its middle.
func half(file string, cut bool) error {
	fi, err := os.Stat(file)
	if err != nil {
		return err
	}
	if cut {
		return os.Truncate(file, fi.Size()/2)
	}
	return zero(file, fi.Size()/2, fi.Size()/2+10)
}

// TestDamagedState damages the files of a state between a closing and the next
// opening, with and without the server's own index of them.
func TestDamagedState(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int // of each of 60 entities
		index  bool
		damage func(folder, block string) error
		whole  bool // all is there, and known to be
	}{
		{"nothing", 10, false, func(_, _ string) error { return nil }, true},
		{"folder gone", 10, true, func(folder, _ string) error { return os.RemoveAll(folder) }, false},
		{"description gone", 10, true, func(folder, _ string) error { return os.Remove(folder + "/meta.inf") }, true},
		{"description damaged", 10, true, func(folder, _ string) error { return half(folder+"/meta.inf", false) }, true},
		{"block gone", 100_000, false, func(_, block string) error { return os.Remove(block) }, false},
		{"cut", 10, true, func(_, block string) error { return half(block, true) }, false},
		{"cut, no index", 10, false, func(_, block string) error { return half(block, true) }, false},
		{"entity damaged", 10, true, func(_, block string) error { return half(block, false) }, false},
		{"entity damaged, no index", 10, false, func(_, block string) error { return half(block, false) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, eventlog.Options{Dir: dir})
			all := lastings(0, 60)
			for _, r := range all {
				r.Event.Entity = fmt.Appendf(nil, `{"Name":"%s"}`, strings.Repeat("x", c.size))
			}
			saveState(t, l, all, nil, 60)
			closeLog(t, l)
			folder := folderOf(dir, "STATE")
			if !c.index {
				if err := os.Remove(folder + "/msgs/index.db"); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.damage(folder, blocksOf(t, dir, "STATE")[0]); err != nil {
				t.Fatal(err)
			}

			l = open(t, eventlog.Options{Dir: dir})
			want, upTo := loadState(t, l)
			if whole := len(want) == len(all); whole != c.whole {
				t.Errorf("got %d entities of %d, want all: %v", len(want), len(all), c.whole)
			}
			if c.whole && upTo != 60 || !c.whole && upTo != 0 {
				t.Errorf("complete up to %d", upTo)
			}
			again := lastings(0, 40)
			saveState(t, l, again, nil, 90)
			maps.Copy(want, byKey(again...))
			checkState(t, l, want, 90)
			closeLog(t, l)
			l = open(t, eventlog.Options{Dir: dir})
			checkState(t, l, want, 90)
		})
	}
}

// TestStateCutShort takes the state's last messages, as a power cut may: what
// follows an earlier mark is to be read from the log again.
func TestStateCutShort(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, Sync: 10 * time.Millisecond})
	saveState(t, l, lastings(0, 20), nil, 20)
	time.Sleep(25 * time.Millisecond) // until the next mark has a place of its own
	saveState(t, l, lastings(20, 60), nil, 60)
	closeLog(t, l)
	if err := half(blocksOf(t, dir, "STATE")[0], true); err != nil {
		t.Fatal(err)
	}
	l = open(t, eventlog.Options{Dir: dir})
	got, upTo := loadState(t, l)
	if upTo != 20 || len(got) < 20 || len(got) >= 60 {
		t.Errorf("got %d entities, complete up to %d, want 20 and more, up to 20", len(got), upTo)
	}
}

func TestStateOfOtherVersion(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	all := lastings(0, 10)
	saveState(t, l, all, nil, 10)
	if err := eventlog.SpoilState(t.Context(), l, keyOf(all[0]), `{"v":0}`); err != nil {
		t.Fatal(err)
	}
	checkState(t, l, byKey(all[1:]...), 0)
	checkState(t, l, byKey(all[1:]...), 0)
	saveState(t, l, all[:1], nil, 11)
	checkState(t, l, byKey(all...), 11)
}
