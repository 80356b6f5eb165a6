package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

// tellingHotel is a hotel that its API tells all of, whose time stands still,
// and the configuration of a gateway that is quick to ask.
func tellingHotel(t testing.TB, further ...string) (hotel, string) {
	t.Helper()
	hotels := newHotelsWith(t, simulator.Options{Rooms: 12, Limiter: simulator.Limiter{Calls: -1}})
	h := hotels.at(0)
	h.Skip(3 * time.Hour)
	config := hotels.sources(append([]string{"keepalive: 300ms", "backfill: true", "backfill_settle: 300ms", "api_budget: {requests: 1000, per: 1s, reserve: 20}"}, further...)...)
	return h, config
}

// rooms are the active rooms' states by id, as the hotel knows them.
func (h hotel) rooms() map[string]string {
	rooms := make(map[string]string)
	for _, r := range h.State().Rooms {
		if r.Active {
			rooms[r.ID] = string(r.State)
		}
	}
	return rooms
}

// turn puts the i'th room into its next state.
func (h hotel) turn(i int) (id string) {
	h.t.Helper()
	for _, next := range []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean, simulator.RoomInspected} {
		room := h.State().Rooms[i]
		if room.State != next {
			if err := h.SetRoom(room.ID, next); err != nil {
				h.t.Fatal(err)
			}
			return room.ID
		}
	}
	return ""
}

// snapshot opens a stream with a snapshot and returns the rooms in it.
func (g *gateway) snapshot(t testing.TB) (rooms map[string]string, l *listener) {
	t.Helper()
	l = g.listen(t, allOf(t), "type=Resource&snapshot=true")
	end := l.await("bellhop.snapshot")
	if end.id == "" {
		t.Error("the snapshot's end has no id")
	}
	rooms = make(map[string]string)
	for _, b := range l.all() {
		switch {
		case b.name == "bellhop.snapshot":
			var said struct{ Count int }
			if b.decode(t, &said); said.Count != len(rooms) {
				t.Errorf("a snapshot of %d says it has %d", len(rooms), said.Count)
			}
			return rooms, l
		case b.id != "":
			t.Errorf("an id before the snapshot's end: %v", b)
		case !b.control():
			e := b.event(t)
			if e.Origin != "snapshot" {
				t.Errorf("%v is of origin %s", b, e.Origin)
			}
			rooms[e.ID] = member(t, string(e.Event), "State")
		}
	}
	return rooms, l
}

// awaitSnapshot waits until a snapshot is what the hotel knows.
func (g *gateway) awaitSnapshot(t testing.TB, what string, h hotel) {
	t.Helper()
	var got, want map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("%s: snapshot %v, hotel %v", what, got, want)
		}
	}()
	eventually(t, "the snapshot "+what, func() bool {
		var l *listener
		got, l = g.snapshot(t)
		l.drop()
		want = h.rooms()
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
}

// A snapshot is what the hotel knows: at the first start, when the log has long
// forgotten, after a stop and a kill, when its store was deleted, and when the log
// or all of the data is an older copy.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	h, sources := tellingHotel(t)
	g := startGateway(t, sources, issuer, "history: {age: 1s, sync: 20ms}")
	g.awaitSnapshot(t, "at the first start", h)
	image := filepath.Join(t.TempDir(), "image")
	copyFolder(t, g.data, image)

	time.Sleep(1500 * time.Millisecond) // beyond the history
	old := g.newListener(t, allOf(t), "since=2000-01-01T00:00:00Z&type=Resource")
	if b := old.connect(); !strings.Contains(old.await("bellhop.reset").data, "trimmed") {
		t.Errorf("the log has not forgotten: %v", b)
	}
	g.awaitSnapshot(t, "older than the log", h)
	_, l := g.snapshot(t)
	id := h.turn(0)
	l.awaitID(id)
	g.stop()
	g.start()
	g.awaitSnapshot(t, "after a stop", h)
	h.turn(1)
	g.kill()
	h.turn(2)
	if err := h.DeactivateRoom(h.State().Rooms[3].ID); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.awaitSnapshot(t, "after a kill", h)

	time.Sleep(1500 * time.Millisecond)
	g.kill()
	if err := os.RemoveAll(g.store(t, "STATE")); err != nil {
		t.Fatal(err)
	}
	h.turn(4)
	g.start()
	g.awaitSnapshot(t, "without its store", h)
	said := g.newListener(t, allOf(t), "since=2000-01-01T00:00:00Z")
	said.connect()
	said.match("a gap over all that lasts", func(b block) bool {
		var lost gap
		return b.name == "bellhop.gap" && strings.Contains(b.data, `"log"`) && func() bool {
			b.decode(t, &lost)
			return slices.Contains(lost.Types, "Resource") && slices.Contains(lost.Types, "Reservation")
		}()
	})

	copyFolder(t, g.data, image)
	before := filepath.Join(t.TempDir(), "before")
	copyFolder(t, g.data, before)
	_, l = g.snapshot(t)
	l.awaitID(h.turn(5))
	time.Sleep(time.Second) // it is kept beside the log, too
	g.kill()
	log := g.store(t, "EVENTS")
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	copyFolder(t, strings.Replace(log, g.data, before, 1), log)
	g.start()
	g.awaitSnapshot(t, "with an older log", h)

	g.kill()
	copyFolder(t, image, g.data)
	h.turn(6)
	g.start()
	g.awaitSnapshot(t, "with older data", h)
}

// store returns the folder of one of the log's streams.
func (g *gateway) store(t testing.TB, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(g.data, "*", "*", "streams", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("the store %s: %v %v", name, found, err)
	}
	return found[0]
}

// Without backfill a snapshot is what was heard, and a missing store is said.
func TestSnapshotOfWhatWasHeard(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "snapshot: {keep: 1s}")
	l := g.listen(t, allOf(t), "snapshot=true")
	l.await("bellhop.snapshot")
	hotels.at(0).tell(resource("a", "Dirty"), resource("b", "Dirty"), `{"Type":"PriceUpdate","Id":"p"}`, resource("a", "Clean"))
	hotels.at(0).tell(`{"Type":"Reservation","Id":"r","State":"Confirmed","StartUtc":"2099-01-01T00:00:00Z","EndUtc":"2099-01-02T00:00:00Z"}`)
	l.awaitID("r")
	rooms, _ := g.snapshot(t)
	if fmt.Sprint(rooms) != "map[a:Clean b:Dirty]" {
		t.Errorf("the snapshot is %v", rooms)
	}
	dirty := g.listen(t, allOf(t), "state=Dirty&snapshot=true")
	dirty.awaitID("b")
	hotels.at(0).tell(resource("b", "Inspected"))
	if b := dirty.await("bellhop.left"); b.data != `{"source":"prague","type":"Resource","id":"b"}` {
		t.Errorf("left: %v", b)
	}
	// A stay that is over leaves when it has been kept for long enough.
	hotels.at(0).tell(`{"Type":"Reservation","Id":"r","State":"Processed","StartUtc":"2099-01-01T00:00:00Z","EndUtc":"2099-01-02T00:00:00Z"}`)
	over := l.awaitID("r")
	left := l.await("bellhop.left")
	if left.data != `{"source":"prague","type":"Reservation","id":"r"}` || left.at.Sub(over.at) < 900*time.Millisecond {
		t.Errorf("%v after %v", left, left.at.Sub(over.at))
	}
}

// A token that may not call an operation loses that operation's reading, which
// is said, and nothing else.
func TestOperationRefused(t *testing.T) {
	t.Parallel()
	h, sources := tellingHotel(t)
	g := startGateway(t, sources, issuer)
	g.awaitSnapshot(t, "at the start", h)
	l := g.listen(t, allOf(t), "")
	if err := h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Operations: []string{"reservations/getAll/2023-06-06"}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Refuse(simulator.Refusal{Status: 503}); err != nil {
		t.Fatal(err)
	}
	h.Drop(1001, "")
	g.awaitState("down")
	turned := h.turn(0)
	h.Admit()
	l.match("the room, read", func(b block) bool {
		return b.name == "Resource" && b.event(t).ID == turned && b.event(t).Origin == "backfill"
	})
	var reasons []string
	for len(reasons) < 2 {
		var lost gap
		l.await("bellhop.gap").decode(t, &lost)
		reasons = append(reasons, fmt.Sprint(lost.Reason, lost.Types))
	}
	slices.Sort(reasons)
	if got := strings.Join(reasons, " "); got != "api[Reservation] upstream[DeviceCommand PriceUpdate]" {
		t.Errorf("gaps: %s", got)
	}
	g.awaitState("live")
	g.awaitSnapshot(t, "of rooms", h)
	if log := g.log.String(); !strings.Contains(log, "reservations/getAll/2023-06-06") {
		t.Error("the process's log does not name the operation")
	}
}

// The budget holds with a thousand events a second, each enriched: the API is
// called less often than it allows, and nobody waits for long.
//
// It runs alone: a machine that is busy with other tests makes all wait.
func TestBudget(t *testing.T) {
	window, length := 3*time.Second, 8*time.Second
	if long() {
		window, length = 30*time.Second, 100*time.Second
	}
	hotels := newHotelsWith(t, simulator.Options{Rooms: 1000, Limiter: simulator.Limiter{Calls: 200, Window: window}, Journal: 200_000})
	h := hotels.at(0)
	g := startGateway(t, hotels.sources(
		"backfill: true", "backfill_settle: 1s", "enrich: [Resource]", "entity_fields: {Resource: [Name, State]}",
		fmt.Sprintf("api_budget: {requests: 180, per: %v, reserve: 20}", window),
	), issuer, "log: {level: info}")
	l := g.listen(t, allOf(t), "type=Resource")
	rooms := h.State().Rooms
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	said := 0
	for begun := time.Now(); time.Since(begun) < length; <-tick.C {
		for range 10 {
			state := []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean}[said/len(rooms)%2]
			_ = h.SetRoom(rooms[said%len(rooms)].ID, state) // one that is out of order stays so
			said++
		}
	}
	h.turn(0)
	l.awaitID(rooms[0].ID)
	var waits []time.Duration
	bare := 0
	for _, b := range l.all() {
		if b.name != "Resource" || b.event(t).Origin != "live" {
			continue
		}
		if e := b.event(t); len(e.Entity) == 0 {
			bare++
		} else {
			waits = append(waits, b.at.Sub(e.Received))
		}
	}
	slices.Sort(waits)
	if len(waits) == 0 {
		t.Fatal("no event had its entity")
	}
	t.Logf("%d events said in %v, %d with their entity, %d without; delivered within %v (median), %v (99 %%)",
		said, length, len(waits), bare, waits[len(waits)/2], waits[len(waits)*99/100])
	calls := h.Calls()
	most := 0
	for i, first := range calls {
		n := 0
		for _, c := range calls[i:] {
			if c.At.Sub(first.At) < window {
				n++
			}
		}
		most = max(most, n)
	}
	operations := make(map[string]int)
	for _, c := range calls {
		operations[c.Operation]++
	}
	t.Logf("%d calls, at most %d in %v: %v", len(calls), most, window, operations)
	if most > 200 || h.Limited() > 0 {
		t.Errorf("%d calls in %v, %d refused", most, window, h.Limited())
	}
	if v := h.Violations(); len(v) > 0 {
		t.Errorf("calls that went against the API's documents: %q", v)
	}
	if bare > len(waits) {
		t.Errorf("%d of %d events went without their entity", bare, bare+len(waits))
	}
}

// What the socket never said is found when an operator asks for it.
func TestLoadOnDemand(t *testing.T) {
	t.Parallel()
	h, sources := tellingHotel(t)
	g := startGateway(t, sources, issuer)
	g.awaitSnapshot(t, "at the start", h)
	if err := h.SetQuirks(simulator.Quirks{Dropped: 1}); err != nil {
		t.Fatal(err)
	}
	l := g.listen(t, allOf(t), "type=Resource")
	turned := h.turn(0)
	for source, want := range map[string]int{"nowhere": http.StatusNotFound, "prague": http.StatusAccepted} {
		answer, err := plain.Post(g.admin+"/sources/"+source+"/load", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", source, answer.StatusCode, want)
		}
	}
	if e := l.awaitID(turned).event(t); e.Origin != "backfill" {
		t.Errorf("the room comes by %s", e.Origin)
	}
	g.awaitSnapshot(t, "after the load", h)
}
