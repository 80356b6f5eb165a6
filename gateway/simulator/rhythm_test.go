package simulator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// legal are the changes of state that an entity may be told to make; one
// that begins with none is new.
var legal = map[string][]string{
	"Resource": {
		"Dirty Clean", "Clean Inspected", "Clean Dirty", "Inspected Dirty",
		"Dirty OutOfOrder", "Clean OutOfOrder", "Inspected OutOfOrder", "OutOfOrder Dirty",
		"Dirty OutOfService", "Clean OutOfService", "Inspected OutOfService", "OutOfService Dirty",
		"Dirty Dirty", "Clean Clean", "Inspected Inspected", "OutOfOrder OutOfOrder", "OutOfService OutOfService", // another name
	},
	"Reservation": {
		" Inquired", " Optional", " Confirmed",
		"Inquired Confirmed", "Optional Confirmed",
		"Inquired Canceled", "Optional Canceled", "Confirmed Canceled",
		"Confirmed Started", "Started Processed",
		"Confirmed Confirmed", "Started Started", // another room or time
	},
	"DeviceCommand": {
		" Pending", "Pending Received", "Received Processing", "Processing Processed", "Processing Error",
		"Pending Cancelled", "Received Cancelled", "Processing Cancelled",
	},
}

// follower believes what it is told, like a client that misses nothing, and
// says what cannot be.
type follower struct {
	rooms        map[string]wire
	reservations map[string]wire
	commands     map[string]wire
	occupant     map[string]string // room -> reservation
}

func newFollower(s simulator.State) *follower {
	f := &follower{map[string]wire{}, map[string]wire{}, map[string]wire{}, map[string]string{}}
	for _, r := range s.Rooms {
		f.rooms[r.ID] = wire{Type: "Resource", Id: r.ID, State: string(r.State)}
	}
	for _, r := range s.Reservations {
		f.reservations[r.ID] = reservationWire(r)
		if r.State == simulator.ReservationStarted {
			f.occupant[*r.RoomID] = r.ID
		}
	}
	for _, c := range s.Commands {
		f.commands[c.ID] = wire{Type: "DeviceCommand", Id: c.ID, State: string(c.State)}
	}
	return f
}

func reservationWire(r simulator.Reservation) wire {
	from, to := r.StartUTC(), r.EndUTC()
	return wire{
		Type: "Reservation", Id: r.ID, State: string(r.State),
		StartUtc: &from, EndUtc: &to, AssignedResourceId: r.RoomID,
	}
}

func (f *follower) follow(t *rapid.T, e simulator.Event) {
	w := decode(t, e.Body)
	known := map[string]map[string]wire{
		"Resource": f.rooms, "Reservation": f.reservations, "DeviceCommand": f.commands,
	}[w.Type]
	if known == nil {
		checkPrice(t, w, string(e.Body))
		return
	}
	before := known[w.Id]
	if step := before.State + " " + w.State; !slices.Contains(legal[w.Type], step) {
		t.Fatalf("%s: %s goes from %q to %q", e.HotelTime, w.Type, before.State, w.State)
	}
	known[w.Id] = w
	switch w.Type {
	case "Resource":
		f.checkRoom(t, e, w)
	case "Reservation":
		f.checkReservation(t, e, before, w)
	}
}

func (f *follower) checkRoom(t *rapid.T, e simulator.Event, w wire) {
	if f.occupant[w.Id] != "" && strings.HasPrefix(w.State, "OutOf") {
		t.Fatalf("%s: an occupied room goes %s", e.HotelTime, w.State)
	}
}

func (f *follower) checkReservation(t *rapid.T, e simulator.Event, before, w wire) {
	if w.StartUtc == nil || w.EndUtc == nil || !w.StartUtc.Before(*w.EndUtc) {
		t.Fatalf("%s: reservation from %v to %v", e.HotelTime, w.StartUtc, w.EndUtc)
	}
	if before.State == "Started" {
		delete(f.occupant, *before.AssignedResourceId)
	}
	if w.State != "Started" {
		return
	}
	if w.AssignedResourceId == nil {
		t.Fatalf("%s: a guest without a room", e.HotelTime)
	}
	room := *w.AssignedResourceId
	if other := f.occupant[room]; other != "" {
		t.Fatalf("%s: %s goes into a room where %s is", e.HotelTime, w.Id, other)
	}
	moved := before.State != "Started" || *before.AssignedResourceId != room
	if s := f.rooms[room].State; moved && s != "Clean" && s != "Inspected" {
		t.Fatalf("%s: a guest goes into a room that is %s", e.HotelTime, s)
	}
	f.occupant[room] = w.Id
}

func checkPrice(t *rapid.T, w wire, body string) {
	if w.Type != "PriceUpdate" || w.RateId == nil || !strings.Contains(body, `"ResourceCategoryId":`) {
		t.Fatalf("event %s", body)
	}
	if (w.StartUtc == nil) != (w.EndUtc == nil) || w.StartUtc != nil && w.EndUtc.Before(*w.StartUtc) {
		t.Fatalf("interval of %s", body)
	}
}

// compare holds what was believed against what is.
func (f *follower) compare(t *rapid.T, s simulator.State) {
	for _, r := range s.Rooms {
		if got := f.rooms[r.ID].State; got != string(r.State) {
			t.Fatalf("room %s: told %s, is %s", r.Name, got, r.State)
		}
	}
	for _, r := range s.Reservations {
		if d := cmp.Diff(reservationWire(r), f.reservations[r.ID]); d != "" {
			t.Fatalf("reservation %s (-is +told):\n%s", r.Number, d)
		}
	}
	for _, c := range s.Commands {
		if got := f.commands[c.ID].State; got != string(c.State) {
			t.Fatalf("command %s: told %s, is %s", c.ID, got, c.State)
		}
	}
}

// checkBook looks for two reservations that hold one room at one time.
func checkBook(t *rapid.T, s simulator.State) {
	byRoom := map[string][]simulator.Reservation{}
	for _, r := range s.Reservations {
		if r.RoomID == nil || r.State == simulator.ReservationCanceled || r.State == simulator.ReservationProcessed {
			continue
		}
		for _, o := range byRoom[*r.RoomID] {
			if r.StartUTC().Before(o.EndUTC()) && o.StartUTC().Before(r.EndUTC()) {
				t.Fatalf("reservations %s and %s both have room %s", r.Number, o.Number, *r.RoomID)
			}
		}
		byRoom[*r.RoomID] = append(byRoom[*r.RoomID], r)
	}
}

// checkOverdue looks for what should have happened and did not.
func checkOverdue(t *rapid.T, s simulator.State) {
	for _, r := range s.Reservations {
		late := s.HotelTime.Sub(r.ScheduledStartUTC)
		if r.State == simulator.ReservationConfirmed && late > 14*time.Hour {
			t.Fatalf("reservation %s is awaited for %v", r.Number, late)
		}
		late = s.HotelTime.Sub(r.ScheduledEndUTC)
		if r.State == simulator.ReservationStarted && late > 14*time.Hour {
			t.Fatalf("guest of %s should have left %v ago", r.Number, late)
		}
	}
}

func TestHotelLife(t *testing.T) {
	begin := rapid.OneOf(
		rapid.Just(time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)), // the night has 25 hours
		rapid.Just(time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)),  // the night has 23
		rapid.Just(time.Date(2026, 11, 22, 2, 45, 0, 0, time.UTC)), // late arrivals meet the next day's plan
		rapid.Map(rapid.IntRange(0, 200*24*60), func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		s, err := simulator.New(simulator.Options{
			Seed:    rapid.Uint64().Draw(t, "seed"),
			Rooms:   rapid.IntRange(1, 60).Draw(t, "rooms"),
			Start:   begin.Draw(t, "start"),
			Journal: 1e6,
		})
		if err != nil {
			t.Fatal(err)
		}
		h := s.Hotels()[0]
		f := newFollower(h.State())
		for range rapid.IntRange(1, 5).Draw(t, "skips") {
			before := h.State()
			h.Skip(time.Duration(rapid.IntRange(1, 30*60).Draw(t, "skip")) * time.Minute)
			events, complete := h.EventsAfter(before.Seq)
			if !complete {
				t.Fatal("the journal forgot")
			}
			for _, e := range events {
				if e.HotelTime.Before(before.HotelTime) {
					t.Fatalf("event of %s after %s", e.HotelTime, before.HotelTime)
				}
				f.follow(t, e)
			}
			after := h.State()
			f.compare(t, after)
			checkBook(t, after)
			checkOverdue(t, after)
		}
	})
}

// TestHotelIsBusy holds the default hotel to what a page that shows it needs:
// in every hour of its time, 15 seconds, something happens, often enough.
func TestHotelIsBusy(t *testing.T) {
	for seed := range uint64(3) {
		h := newSimulator(t, simulator.Options{Seed: seed}).Hotels()[0]
		h.Skip(7 * day)
		events, _ := h.EventsAfter(0)
		types := map[string]int{}
		frames := 0
		for i, e := range events {
			types[e.Type]++
			if i == 0 {
				continue
			}
			if e.Frame != events[i-1].Frame {
				frames++
			}
			if quiet := e.HotelTime.Sub(events[i-1].HotelTime); quiet > 25*time.Minute {
				t.Errorf("seed %d: nothing for %v", seed, quiet)
			}
		}
		if perDay := frames / 7; perDay < 240 || perDay > 600 {
			t.Errorf("seed %d: %d frames a day", seed, perDay)
		}
		for _, want := range []string{"Resource", "Reservation", "DeviceCommand", "PriceUpdate"} {
			if types[want] < 7*40 {
				t.Errorf("seed %d: %d events of type %s in a week", seed, types[want], want)
			}
		}
	}
}

// TestEverythingHappens looks for each thing that a hotel's life is made of.
func TestEverythingHappens(t *testing.T) {
	h := newSimulator(t, simulator.Options{Journal: 1e6}).Hotels()[0]
	seen := map[string]bool{}
	latest := map[string]wire{}
	h.Skip(30 * day)
	events, _ := h.EventsAfter(0)
	for i, e := range events {
		w := decode(t, e.Body)
		before := latest[w.Id]
		latest[w.Id] = w
		seen[w.Type+" "+w.State] = true
		switch {
		case w.Type == "PriceUpdate":
			seen[priceKind(w)] = true
		case w.Type == "Resource":
			seen[before.State+" to "+w.State] = true
		case before.AssignedResourceId != nil && *before.AssignedResourceId != *w.AssignedResourceId:
			seen["move "+w.State] = true
		}
		if i > 0 && events[i-1].Frame == e.Frame && events[i-1].Type != e.Type {
			seen["mixed frame"] = true
		}
	}
	groups := map[string]int{}
	for _, r := range h.State().Reservations {
		groups[r.GroupID]++
		seen["group"] = seen["group"] || groups[r.GroupID] > 1
	}
	want := []string{
		"group", "mixed frame", "move Confirmed", "move Started", "OutOfOrder to Dirty", "OutOfService to Dirty",
		"price base", "price category", "price throughout", "price one night",
		"Reservation Inquired", "Reservation Optional", "Reservation Confirmed", "Reservation Started", "Reservation Processed", "Reservation Canceled",
		"Resource Dirty", "Resource Clean", "Resource Inspected", "Resource OutOfOrder", "Resource OutOfService",
		"DeviceCommand Pending", "DeviceCommand Received", "DeviceCommand Processing", "DeviceCommand Processed", "DeviceCommand Error", "DeviceCommand Cancelled",
	}
	for _, w := range want {
		if !seen[w] {
			t.Errorf("in a month there was no %s", w)
		}
	}
}

func TestThePastIsForgotten(t *testing.T) {
	h := newSimulator(t, simulator.Options{Rooms: 200}).Hotels()[0]
	h.Skip(30 * day)
	s := h.State()
	over := 0
	for _, r := range s.Reservations {
		if r.State == simulator.ReservationProcessed || r.State == simulator.ReservationCanceled {
			over++
		}
	}
	if over != 2000 || len(s.Commands) != 500 {
		t.Errorf("%d reservations that are over, %d commands", over, len(s.Commands))
	}
}

func priceKind(w wire) string {
	switch {
	case w.StartUtc == nil:
		return "price throughout"
	case w.StartUtc.Equal(*w.EndUtc):
		return "price one night"
	case w.ResourceCategoryId == nil:
		return "price base"
	default:
		return "price category"
	}
}
