package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTrimmed resumes from places that the log no longer reaches back to.
func TestTrimmed(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "history: {size: 256KiB}", "stream: {heartbeat: 100ms}")
	begun := time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
	witness := g.listen(t, allOf(t), "")
	const said = 200
	for i := range said {
		hotels.at(0).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, i, strings.Repeat("x", 8<<10)))
		witness.awaitID(strconv.Itoa(i))
	}
	all := witness.logged()

	resumed := func(at, query string) *listener {
		l := g.newListener(t, allOf(t), query)
		l.resumeAt(at)
		l.connect()
		return l
	}
	since := g.listen(t, allOf(t), "since="+begun)
	since.awaitID(strconv.Itoa(said - 1))
	left := since.logged()
	first := len(all) - len(left)
	if first < said/2 || len(left) < 10 {
		t.Fatalf("%d of %d records are left of what does not fit", len(left), said)
	}
	edge := resumed(all[first-1].id, "") // trimmed itself, but nothing behind it
	beyond := resumed(all[first-2].id, "")
	early := resumed(all[0].id, "")
	again := resumed(all[0].id, "since="+begun)
	hotels.at(0).tell(resource("next", "Clean"))
	next := witness.awaitID("next")
	for name, c := range map[string]struct {
		l     *listener
		reset bool
		want  []block
	}{
		"since":             {since, true, append(left, next)},
		"at the edge":       {edge, false, append(left, next)},
		"beyond the edge":   {beyond, true, []block{next}},
		"at the first":      {early, true, []block{next}},
		"the first, since":  {again, true, append(left, next)},
		"who was there all": {witness, false, append(all, next)},
	} {
		c.l.awaitPosition(next.id)
		sameBlocks(t, name, c.l.logged(), c.want)
		blocks := c.l.all()
		reset := blocks[1].name == "bellhop.reset"
		if reset != c.reset || reset && (blocks[1].data != `{"reason":"trimmed"}` || blocks[0].id != "" || blocks[1].id == "") {
			t.Errorf("%s: begins with %v, %v", name, blocks[0], blocks[1])
		}
	}
}

// TestLongAbsence resumes from further back than anything is kept in memory, while
// more is said.
func TestLongAbsence(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	witness := g.listen(t, allOf(t), "")
	begin := witness.lastID()
	const frames, each = 34, 500 // the gateway remembers 16 384 records
	for f := range frames {
		var events []string
		for i := range each {
			events = append(events, resource(fmt.Sprint("room-", f*each+i), []string{"Clean", "Dirty"}[i%2]))
		}
		hotels.at(0).tell(events...)
	}
	witness.awaitID(fmt.Sprint("room-", frames*each-1))
	speech := hotels.at(0).speak(2 * time.Millisecond)
	var late []*listener
	for _, query := range []string{"", "state=Dirty", "id=room-7,room-16999,the-end"} {
		l := g.newListener(t, allOf(t), query)
		l.resumeAt(begin)
		l.connect()
		late = append(late, l)
	}
	for range 50 {
		witness.await("Resource")
	}
	speech.end()
	hotels.at(0).tell(resource("the-end", "Dirty"))
	witness.awaitID("the-end")
	for _, l := range late {
		l.awaitID("the-end")
	}
	all := witness.logged()
	sameBlocks(t, "all", late[0].logged(), all)
	var dirty, few []block
	for _, b := range all {
		if strings.Contains(b.data, `"Dirty"`) {
			dirty = append(dirty, b)
		}
		if id := b.event(t).ID; id == "room-7" || id == "room-16999" || id == "the-end" {
			few = append(few, b)
		}
	}
	sameBlocks(t, "the dirty ones", late[1].logged(), dirty)
	sameBlocks(t, "three rooms", late[2].logged(), few)
}
