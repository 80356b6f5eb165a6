package simulator_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

func TestRenameRoom(t *testing.T) {
	m := newMews(t, simulator.Options{})
	before := m.State()
	room := before.Rooms[3]
	if err := m.RenameRoom(room.ID, "Blue room"); err != nil {
		t.Fatal(err)
	}
	events, _ := m.EventsAfter(before.Seq)
	want := fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":%q}`, room.ID, room.State)
	if d := cmp.Diff([]string{want}, bodies(events)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if rows := m.rows("resources/getAll", members{"Names": []string{"Blue room"}, "Extent": allRooms}); len(rows) != 1 || rows[0]["Id"] != room.ID {
		t.Errorf("rows %v", rows)
	}
	if got := m.State().Rooms[3]; got.Name != "Blue room" || got.Version != room.Version+1 || m.Layout().Rooms[3].Name != "Blue room" {
		t.Errorf("room %+v", got)
	}
	if m.RenameRoom(room.ID, "") == nil || !errors.Is(m.RenameRoom("nowhere", "x"), simulator.ErrNoRoom) {
		t.Error("mistakes are taken")
	}
}

// empty is an empty room in which nobody is and that is in order, but that
// somebody has booked.
func (m *mews) empty() simulator.Room {
	m.t.Helper()
	s := m.State()
	taken, booked := map[string]bool{}, map[string]bool{}
	for _, r := range s.Reservations {
		if r.RoomID != nil {
			taken[*r.RoomID] = taken[*r.RoomID] || r.State == simulator.ReservationStarted
			booked[*r.RoomID] = booked[*r.RoomID] || r.State == simulator.ReservationConfirmed
		}
	}
	i := slices.IndexFunc(s.Rooms, func(r simulator.Room) bool {
		return r.Active && !taken[r.ID] && booked[r.ID] && r.State != simulator.RoomOutOfOrder
	})
	if i < 0 {
		m.t.Fatal("no such room")
	}
	return s.Rooms[i]
}

func (m *mews) shown(room string, inactive bool) []members {
	m.t.Helper()
	return m.rows("resources/getAll", members{"ResourceIds": []string{room}, "Extent": members{"Resources": true, "Inactive": inactive}})
}

func TestDeactivateRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{})
		room := m.empty()
		time.Sleep(time.Hour)
		if err := m.DeactivateRoom(room.ID); err != nil {
			t.Fatal(err)
		}
		if n := len(m.shown(room.ID, false)); n != 0 {
			t.Errorf("%d rows of a deactivated room", n)
		}
		rows := m.shown(room.ID, true)
		if len(rows) != 1 || rows[0]["IsActive"] != false || rows[0]["UpdatedUtc"] != time.Now().UTC().Format(time.RFC3339) {
			t.Errorf("rows with inactive ones: %v", rows)
		}
		if m.SetRoom(room.ID, simulator.RoomOutOfService) == nil {
			t.Error("it can be put out of service")
		}
		seq := m.State().Seq
		if err := m.ReactivateRoom(room.ID); err != nil {
			t.Fatal(err)
		}
		if rows := m.shown(room.ID, false); len(rows) != 1 || rows[0]["IsActive"] != true {
			t.Errorf("rows of a room that is back: %v", rows)
		}
		if m.State().Seq != seq {
			t.Error("an event tells of the return")
		}
	})
}

// TestDeactivatedRoomsAreLeftAlone: nobody has them, cleans them, closes them
// or speaks of them.
func TestDeactivatedRoomsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		m := &mews{w.Hotels()[0], t, w.Handler()}
		m.Pause()
		gone := map[string]bool{}
		for range 8 {
			room := m.empty()
			m.set(room.ID, simulator.RoomDirty)
			if err := m.DeactivateRoom(room.ID); err != nil {
				t.Fatal(err)
			}
			gone[room.ID] = true
		}
		c := w.connect(t)
		moved := false
		events, _ := m.EventsAfter(0)
		for _, e := range events {
			moved = moved || e.Type == "Reservation"
		}
		if !moved {
			t.Error("nobody was moved")
		}
		for range 12 {
			for _, r := range m.State().Reservations {
				over := r.State == simulator.ReservationCanceled || r.State == simulator.ReservationProcessed
				if !over && r.RoomID != nil && gone[*r.RoomID] {
					t.Fatalf("reservation %s has a deactivated room", r.Number)
				}
			}
			m.Hotel.Skip(day)
		}
		m.Say()
		synctest.Wait()
		for _, e := range rawEvents(t, c.got()) {
			if w := decode(t, []byte(e)); gone[w.Id] {
				t.Fatalf("told of a deactivated room: %s", e)
			}
		}
	})
}

func TestDeactivateOccupiedRoom(t *testing.T) {
	m := newMews(t, simulator.Options{})
	for _, r := range m.State().Reservations {
		if r.State == simulator.ReservationStarted && m.DeactivateRoom(*r.RoomID) == nil {
			t.Fatal("a guest is put out")
		}
	}
	for err := range slices.Values([]error{m.DeactivateRoom("nowhere"), m.ReactivateRoom("nowhere")}) {
		if !errors.Is(err, simulator.ErrNoRoom) {
			t.Errorf("unknown room: %v", err)
		}
	}
}

// TestDeactivateInAFullHouse: with one room there is nowhere to go.
func TestDeactivateInAFullHouse(t *testing.T) {
	for seed := range uint64(20) {
		m := newMews(t, simulator.Options{Seed: seed, Rooms: 1})
		room := m.State().Rooms[0].ID
		if m.DeactivateRoom(room) != nil {
			continue // somebody is in it
		}
		for _, r := range m.State().Reservations {
			if r.State != simulator.ReservationCanceled {
				t.Fatalf("seed %d: reservation %s is %s", seed, r.Number, r.State)
			}
		}
		m.Hotel.Skip(3 * day)
		if n := len(m.rows(reservationsPath, members{"States": []string{"Confirmed", "Started"}})); n != 0 {
			t.Errorf("seed %d: %d bookings of a hotel without rooms", seed, n)
		}
		return
	}
	t.Fatal("no empty house")
}

// TestRenovations looks for what happens about once a month, and not oftener.
func TestRenovations(t *testing.T) {
	m := newMews(t, simulator.Options{Seed: 3, Rooms: 12})
	names := map[string]bool{}
	for _, r := range m.State().Rooms {
		names[r.Name] = true
	}
	renamed, closed, inactive := 0, 0, map[string]bool{}
	for range 300 {
		m.Hotel.Skip(day)
		for _, r := range m.State().Rooms {
			if !names[r.Name] {
				renamed++
				names[r.Name] = true
			}
			if !r.Active && !inactive[r.ID] {
				closed++
			}
			inactive[r.ID] = !r.Active
		}
	}
	if renamed < 1 || renamed > 25 || closed < 3 || closed > 30 {
		t.Errorf("in 300 days %d new names, %d closed rooms", renamed, closed)
	}
}

// TestLinkedDevice: who connected before a device was linked is not told of
// its commands, and is told of everything else.
func TestLinkedDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Seed: 4})
		m := &mews{w.Hotels()[0], t, w.Handler()}
		m.Pause()
		before := w.connect(t)
		device := m.LinkDevice("Encoder at the bar")
		after := w.connect(t)
		m.Hotel.Skip(2 * day)
		synctest.Wait()
		events, _ := m.EventsAfter(0)
		if d := cmp.Diff(told(events), after.got()); d != "" {
			t.Errorf("connected after (-want +got):\n%s", d)
		}
		linked := map[string]bool{}
		for _, c := range m.State().Commands {
			linked[c.ID] = c.DeviceID == device.ID
		}
		events = slices.DeleteFunc(events, func(e simulator.Event) bool { return linked[e.ID] })
		if d := cmp.Diff(told(events), before.got()); d != "" || cmp.Equal(before.got(), after.got()) {
			t.Errorf("connected before (-want +got):\n%s", d)
		}
		rows := m.rows("devices/getAll", members{})
		if len(rows) != 3 || rows[2]["Id"] != device.ID || rows[2]["Name"] != "Encoder at the bar" || len(m.Layout().Devices) != 3 {
			t.Errorf("devices: %v", rows)
		}
	})
}

// TestLateFrameOfALinkedDevice: a frame that is late is still for those who
// know of the device.
func TestLateFrameOfALinkedDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Seed: 4, Quirks: simulator.Quirks{Reordered: 0.5}})
		m := &mews{w.Hotels()[0], t, w.Handler()}
		m.Pause()
		before := w.connect(t)
		device := m.LinkDevice("Encoder at the bar")
		m.Hotel.Skip(2 * day)
		synctest.Wait()
		linked := map[string]bool{}
		for _, c := range m.State().Commands {
			linked[c.ID] = c.DeviceID == device.ID
		}
		for _, e := range rawEvents(t, before.got()) {
			if w := decode(t, []byte(e)); linked[w.Id] {
				t.Fatalf("told of %s", e)
			}
		}
	})
}

func BenchmarkSetRoom(b *testing.B) {
	m := newMews(b, simulator.Options{Rooms: 1000})
	rooms := m.Layout().Rooms
	states := []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean}
	n := 0
	for b.Loop() {
		if err := m.SetRoom(rooms[n%len(rooms)].ID, states[n/len(rooms)%2]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkReservationsByID(b *testing.B) {
	m := newMews(b, simulator.Options{Rooms: 5000, Kept: 100_000, Limiter: simulator.Limiter{Calls: -1}})
	var list []string
	for _, r := range m.State().Reservations[:1000] {
		list = append(list, r.ID)
	}
	for b.Loop() {
		if w := m.call(reservationsPath, members{"ReservationIds": list, "Limitation": page}); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkDay is a day in the life of a large hotel.
func BenchmarkDay(b *testing.B) {
	m := newMews(b, simulator.Options{Rooms: 5000, Kept: 100_000})
	for b.Loop() {
		m.Hotel.Skip(day)
	}
}
