package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKilled kills the process again and again while events flow to fifty
// clients. Each of them, resuming by its id, is given every record of the log
// once and in order; and what the log has not is within a gap that says so.
func TestKilled(t *testing.T) {
	t.Parallel()
	const clients = 50
	kills := 3
	if long() {
		kills = 20
	}
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {heartbeat: 200ms}", "limits: {per_subject: 100}")
	begun := time.Now().Add(-time.Second)
	token := allOf(t)
	var all []*listener
	for range clients {
		l := g.listen(t, token, "")
		l.keep()
		all = append(all, l)
	}
	speech := hotels.at(0).speak(10 * time.Millisecond)
	for range kills {
		for range 20 + rand.IntN(40) {
			all[0].await("Resource")
		}
		g.kill()
		g.start()
	}
	all[0].await("Resource")
	speech.end()
	hotels.at(0).tell(resource("the-end", "Clean"))

	want := g.history(t, begun, "the-end")
	checkNumbers(t, want, speech, kills)
	for i, l := range all {
		l.awaitID("the-end")
		sameBlocks(t, fmt.Sprintf("client %d", i), l.logged(), want)
	}
}

// history returns all that was logged since a time, up to the event of an id.
func (g *gateway) history(t *testing.T, since time.Time, last string) []block {
	t.Helper()
	l := g.listen(t, allOf(t), "since="+since.UTC().Format(time.RFC3339))
	end := l.awaitID(last)
	log := l.logged()
	return log[:1+slices.IndexFunc(log, func(b block) bool { return b.id == end.id })]
}

// sameBlocks holds what a client got, over all of its connections, against the
// log.
func sameBlocks(t *testing.T, who string, got, want []block) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: %d of %d records; the next would be %v", who, len(got), len(want), want[i])
			return
		case i >= len(want):
			t.Errorf("%s: more than the %d records of the log: %v", who, len(want), got[i])
			return
		case got[i].id != want[i].id || got[i].name != want[i].name || got[i].data != want[i].data:
			t.Errorf("%s: record %d is %v, want %v", who, i, got[i], want[i])
			return
		}
	}
}

// upgrade is how long after the client the server may take a socket for open;
// what it says meanwhile it says to nobody.
const upgrade = 250 * time.Millisecond

// checkNumbers holds the log against what was said: in order, each once, and
// what is missing said within the times of the gap that stands in its place.
func checkNumbers(t *testing.T, log []block, s *speech, gaps int) {
	t.Helper()
	next, found := 0, 0
	var lost gap
	for _, b := range log {
		if b.name == "bellhop.gap" {
			b.decode(t, &lost)
			if found++; lost.Reason != "upstream" {
				t.Errorf("gap: %v", b)
			}
			continue
		}
		n, err := strconv.Atoi(b.event(t).ID)
		if err != nil {
			n = len(s.said)
		}
		if n < next {
			t.Fatalf("%d came again, or late: %v", n, b)
		}
		for ; next < n; next++ {
			if at := s.said[next]; at.Before(lost.From) || at.After(lost.To.Add(upgrade)) {
				t.Fatalf("%d, said at %v, is lost without a word; the last gap is %+v", next, at, lost)
			}
		}
		next++
	}
	if found != gaps {
		t.Errorf("%d gaps, want %d", found, gaps)
	}
}

// TestDropped breaks a client's connection off a hundred times, after so many
// bytes, wherever that is in a block.
func TestDropped(t *testing.T) {
	t.Parallel()
	drops := 100
	if long() {
		drops = 2000
	}
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	begun := time.Now().Add(-time.Second)
	l := g.listen(t, allOf(t), "")
	witness := g.listen(t, allOf(t), "")
	speech := hotels.at(0).speak(5 * time.Millisecond)
	for range drops {
		witness.await("Resource") // so that there is something to be missed
		l.dial(1 + rand.Int64N(3000))
		if rand.IntN(4) == 0 {
			l.drop() // in the midst of whatever is under way
		} else if err := l.awaitEnd(); err != nil {
			t.Fatalf("the stream ended with %v before its limit", err)
		}
	}
	l.connect()
	speech.end()
	hotels.at(0).tell(resource("the-end", "Clean"))
	want := g.history(t, begun, "the-end")
	checkNumbers(t, want, speech, 0)
	l.awaitID("the-end")
	sameBlocks(t, "the client", l.logged(), want)
}

// TestRestored puts back an earlier image of the disk, as after a restored
// backup: what came later is gone, and nobody may take a new record for it.
func TestRestored(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "history: {sync: 20ms}", "stream: {heartbeat: 100ms}")
	begun := time.Now().Add(-time.Second)
	l := g.listen(t, allOf(t), "")
	given := make(map[string]string) // all ids ever given, and for what
	position := make(map[string]string)
	tell := func(ids ...string) {
		for _, id := range ids {
			hotels.at(0).tell(resource(id, "Dirty"))
			b := l.awaitID(id)
			given[b.id], position[id] = b.data, b.id
		}
	}
	tell("kept-1", "kept-2", "kept-3", "kept-4")
	image := filepath.Join(t.TempDir(), "image")
	eventually(t, "the image of the disk has it all", func() bool {
		copyFolder(t, g.data, image)
		return folderHas(t, image, "kept-4")
	})
	lostAt := time.Now()
	tell("lost-1", "lost-2", "lost-3")
	l.match("a heartbeat", func(b block) bool { return b.name == "bellhop.heartbeat" })
	l.drop()

	g.kill()
	if err := os.RemoveAll(g.data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(image, g.data); err != nil {
		t.Fatal(err)
	}
	g.start()

	resumed := func(at, query string) *listener {
		s := g.newListener(t, allOf(t), query)
		s.resumeAt(at)
		s.connect()
		return s
	}
	early, end := resumed(position["kept-2"], ""), resumed(position["kept-4"], "")
	lost, beyond, heartbeat := resumed(position["lost-1"], ""), resumed(position["lost-3"], ""), resumed(l.lastID(), "")
	again := resumed(position["lost-2"], "since="+begun.UTC().Format(time.RFC3339))
	l = g.listen(t, allOf(t), "")
	oldest := g.history(t, begun, "kept-4")
	for _, b := range oldest {
		if given[b.id] != b.data {
			t.Errorf("record %v was %q before", b, given[b.id])
		}
	}
	for _, id := range []string{"new-1", "new-2", "new-3", "new-4"} {
		hotels.at(0).tell(resource(id, "Dirty"))
		if b := l.awaitID(id); given[b.id] != "" {
			t.Errorf("%v has the id of %s", b, given[b.id])
		}
	}
	for name, c := range map[string]struct {
		l     *listener
		reset bool
		want  string
	}{
		"from the middle":       {early, false, "kept-3 kept-4 gap new-1 new-2 new-3 new-4"},
		"from the end":          {end, false, "gap new-1 new-2 new-3 new-4"},
		"from the lost":         {lost, true, "new-1 new-2 new-3 new-4"},
		"from beyond":           {beyond, true, "new-1 new-2 new-3 new-4"},
		"from a lost heartbeat": {heartbeat, true, "new-1 new-2 new-3 new-4"},
		"since":                 {again, true, "kept-1 kept-2 kept-3 kept-4 gap new-1 new-2 new-3 new-4"},
	} {
		c.l.awaitID("new-4")
		blocks := c.l.all()
		if c.reset != (blocks[1].name == "bellhop.reset") || c.reset && (blocks[1].data != `{"reason":"foreign"}` || blocks[0].id != "" || blocks[1].id == "") {
			t.Errorf("%s: begins with %v, %v", name, blocks[0], blocks[1])
		}
		if resumed := strings.Contains(blocks[0].data, `"resumed":true`); resumed == c.reset {
			t.Errorf("%s: %v", name, blocks[0])
		}
		var got []string
		for _, b := range c.l.logged() {
			if b.name == "bellhop.gap" {
				got = append(got, "gap")
				var said gap
				if b.decode(t, &said); said.From.After(lostAt) || said.To.Before(lostAt) {
					t.Errorf("%s: what was lost at %v is not within %v", name, lostAt, b)
				}
			} else {
				got = append(got, b.event(t).ID)
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// copyFolder copies a folder as it is now; files may come and go meanwhile.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			target := filepath.Join(to, strings.TrimPrefix(path, from))
			if d.IsDir() {
				return os.MkdirAll(target, 0o700)
			}
			var content []byte
			if content, err = os.ReadFile(path); err == nil {
				return os.WriteFile(target, content, 0o600)
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// folderHas reports whether some file in a folder has the text.
func folderHas(t *testing.T, folder, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || slices.Contains(strings.Split(string(content), `"`), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
