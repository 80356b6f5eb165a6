package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills the disk under a running gateway and frees it again. What
// was sent meanwhile arrives late, but once, and whoever asks is told that
// something is wrong.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Skipf("no disk of one's own to fill: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources("keepalive: 1s"), issuer, "data: "+filepath.Join(disk, "data"))
	l := g.listen(t, allOf(t), "")
	token := mint(t, "late", everything)

	rounds := 2
	if long() {
		rounds = 10
	}
	note, said := strings.Repeat("x", 10<<10), 0
	tell := func() {
		hotels.at(said % 2).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, said, note))
		said++
	}
	for range rounds {
		ballast := fill(t, filepath.Join(disk, "ballast"))
		for _, name := range []string{"prague", "brno"} {
			eventually(t, name+" stale", func() bool {
				tell()
				time.Sleep(20 * time.Millisecond) // a hotel's pace; the log's deadline is what is waited for
				s := g.source(name)
				return s.State == "stale" && s.Reason == "log"
			})
		}
		l.awaitSource("prague", "stale")
		if status, body := g.get(g.url + "/readyz"); status != 200 || strings.TrimSpace(body) != `{"status":"degraded","degraded":["log"]}` {
			t.Errorf("/readyz: %d %s", status, body)
		}
		if !strings.Contains(g.log.String(), `level=ERROR msg="the log cannot be written`) {
			t.Error("no alarm in the process's log")
		}
		for range 20 {
			tell()
		}
		// Streams open, resume and are told, all the same.
		late := g.newListener(t, token, "")
		late.resumeAt(l.lastID())
		for _, s := range readySources(t, late.connect()) {
			if s.State != "stale" || s.Reason != "log" {
				t.Errorf("ready tells %+v", s)
			}
		}
		late.drop()
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		g.awaitState("live")
		l.awaitSource("prague", "live")
		eventually(t, "/readyz ready", func() bool {
			_, body := g.get(g.url + "/readyz")
			return strings.TrimSpace(body) == `{"status":"ready"}`
		})
		hotels.at(0).tell(resource(fmt.Sprint("healed ", said), "Clean"))
		l.awaitID(fmt.Sprint("healed ", said))
	}
	eventually(t, "every event", func() bool { return countNumbers(t, l) >= said })
	var got [2][]int // of each hotel, in the order of arrival
	for _, b := range l.logged() {
		if n, err := strconv.Atoi(b.event(t).ID); err == nil {
			got[n%2] = append(got[n%2], n)
		}
	}
	for hotel, numbers := range got {
		if !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != said/2+said%2*(1-hotel) {
			t.Errorf("%s: of %d events in all came %v", hotelNames[hotel], said, numbers)
		}
	}
	if len(l.logged()) != said+rounds {
		t.Errorf("%d records, want %d", len(l.logged()), said+rounds)
	}
	// The present state has them all, also after a restart.
	snapshot := func(when string) {
		s := g.listen(t, token, "snapshot=true")
		if end := s.await("bellhop.snapshot"); end.data != fmt.Sprintf(`{"count":%d}`, said+rounds) {
			t.Errorf("%s: a snapshot of %s, want %d", when, end.data, said+rounds)
		}
		s.drop()
	}
	snapshot("healed")
	// From the first event on: a write that broke off may have taken the sequence
	// before it, which then counts as trimmed.
	want := l.logged()
	begin := want[0].id
	want = want[1:]
	g.stop()
	g.start()
	snapshot("after a restart")
	again := g.newListener(t, token, "")
	again.resumeAt(begin)
	again.connect()
	hotels.at(0).tell(resource("the-end", "Clean"))
	again.awaitID("the-end")
	sameBlocks(t, "after a restart", again.logged()[:len(want)], want)
}

func countNumbers(t *testing.T, l *listener) (n int) {
	for _, b := range l.logged() {
		if _, err := strconv.Atoi(b.event(t).ID); err == nil {
			n++
		}
	}
	return n
}

// fill writes a file until the disk takes nothing more.
func fill(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// TestFullDiskAtStart starts a gateway where there is no room: it answers that
// it is not ready, and becomes so when there is.
func TestFullDiskAtStart(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Skipf("no disk of one's own to fill: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	ballast := fill(t, filepath.Join(disk, "ballast"))
	hotels := newHotels(t, 1)
	g := newGateway(t, hotels.sources(), issuer, "data: "+filepath.Join(disk, "data"))
	g.launch()
	eventually(t, "the alarm", func() bool {
		return strings.Contains(g.log.String(), `level=ERROR msg="the log cannot be opened, trying again`)
	})
	if status, body := g.get(g.url + "/readyz"); status != 503 || strings.TrimSpace(body) != `{"status":"starting"}` {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	g.awaitReady()
	g.awaitState("live")
	l := g.listen(t, allOf(t), "")
	hotels.at(0).tell(resource("healed", "Clean"))
	l.awaitID("healed")
}
