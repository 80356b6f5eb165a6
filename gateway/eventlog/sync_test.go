package eventlog_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway/eventlog"
)

// TestSyncWritten changes files and looks at what is to be synced then.
func TestSyncWritten(t *testing.T) {
	dir := t.TempDir()
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	now := time.Now()
	write := func(name, text string, at time.Time) {
		t.Helper()
		path := filepath.Join(streams, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(streams, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := eventlog.NewSyncer(dir)
	check := func(step string, files, folders []string) {
		t.Helper()
		gotFiles, gotFolders, err := s.Written(now)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		for _, got := range [][]string{gotFiles, gotFolders} {
			for i := range got {
				got[i], _ = filepath.Rel(streams, got[i])
			}
		}
		if diff := cmp.Diff([][]string{files, folders}, [][]string{gotFiles, gotFolders}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}

	check("no folder", nil, nil)
	long := now.Add(-time.Hour)
	write("EVENTS/msgs/1.blk", "a", long)
	write("EVENTS/msgs/2.blk", "a", long)
	write("STATE/msgs/1.blk", "a", long)
	write("STATE/meta.inf", "a", now)
	check("new files", []string{"EVENTS/msgs/1.blk", "EVENTS/msgs/2.blk", "STATE/msgs/1.blk"}, []string{"EVENTS/msgs", "STATE/msgs"})
	check("nothing", nil, nil)
	write("EVENTS/msgs/2.blk", "ab", long)
	check("longer", []string{"EVENTS/msgs/2.blk"}, nil)
	write("EVENTS/msgs/1.blk", "b", long.Add(time.Millisecond))
	check("other bytes", []string{"EVENTS/msgs/1.blk"}, nil)
	write("STATE/msgs/1.blk", "b", now.Add(-time.Millisecond))
	check("just now", []string{"STATE/msgs/1.blk"}, nil)
	check("perhaps again since", []string{"STATE/msgs/1.blk"}, nil)
	now = now.Add(2 * time.Second)
	check("perhaps right after it was looked at", []string{"STATE/msgs/1.blk"}, nil)
	check("long ago", nil, nil)
	remove("EVENTS/msgs/1.blk")
	remove("STATE")
	check("removed", nil, nil)
	write("EVENTS/msgs/1.blk", "b", long)
	check("come again", []string{"EVENTS/msgs/1.blk"}, []string{"EVENTS/msgs"})
}

// What the server writes is where it is looked for.
func TestSyncFindsTheLog(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, Sync: time.Hour})
	s := eventlog.NewSyncer(dir)
	store(t, l, events(0, 1)...)
	block := filepath.Join(dir, "jetstream", "$G", "streams", "EVENTS", "msgs", "1.blk")
	if files, _, err := s.Written(time.Now()); err != nil || !slices.Contains(files, block) {
		t.Errorf("written %v, %v, want %s among them", files, err, block)
	}
	if err := s.Sync(time.Now()); err != nil {
		t.Errorf("sync: %v", err)
	}
}
