package simulator

import (
	"math"
	"strconv"
	"time"
)

const (
	roomsPerFloor = 12
	// demand is the number of rooms asked for a day, of each room: with the
	// usual length of stay, and what is canceled, some seven of ten are let.
	demand      = 0.4
	meanLead    = 8 // days from booking to arrival
	longestLead = 45
	seededDays  = 30 // how far ahead a new hotel has bookings
	longestStay = 7  // nights
)

var (
	hotelNames    = []string{"Hotel Meridian", "The Lantern House", "Hotel Juniper", "Quayside Rooms", "Hotel Belvoir", "The Old Customs House"}
	categoryNames = []string{"Classic", "Superior", "Deluxe", "Suite"}
	// floorPlan says by position on the floor which category a room has.
	floorPlan  = [roomsPerFloor]int{0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3}
	firstNames = []string{"Ada", "Bruno", "Carla", "Dario", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja", "Luca", "Mira", "Nils", "Olga", "Pavel", "Rosa", "Samir", "Tove", "Yann"}
	lastNames  = []string{"Almeida", "Berg", "Costa", "Dvorak", "Eriksen", "Fontaine", "Grant", "Horvat", "Ibsen", "Jansen", "Keller", "Lindt", "Moreau", "Novak", "Olsen", "Petit", "Rossi", "Sato", "Tamm", "Weiss"}
	origins    = []string{"Distributor", "ChannelManager", "ChannelManager", "Commander", "Connector"}
)

// newHouse builds a hotel as it is at start: guests in their rooms, others
// expected, and the day planned.
func newHouse(seed uint64, o Options, zone *time.Location) *house {
	h := &house{
		chance:   newChance(seed, 1),
		rare:     newChance(seed, 3),
		zone:     zone,
		now:      o.Start,
		kept:     o.Kept,
		roomByID: make(map[string]*room),
		prices:   make(prices),
		number:   10_000,
	}
	h.mirror.prices = make(prices)
	h.furnish(o.Rooms)
	h.book(seededDays)
	h.planDay()
	h.in(0, 10*time.Minute, h.revisePrices)
	h.takeTold()
	h.mirror.showAll(h)
	h.mirror.lag = o.Lag
	return h
}

func (h *house) furnish(rooms int) {
	built := newStamps(time.Now().AddDate(-2, 0, 0))
	for _, name := range categoryNames {
		h.categories = append(h.categories, Category{ID: h.chance.id(), Name: name})
	}
	for _, name := range []string{"Flexible", "Saver", "Bed and breakfast", "Company"} {
		rate := &Rate{ID: h.chance.id(), Name: name, Stamps: built}
		if name == "Saver" {
			rate.BaseRateID = new(h.rates[0].ID)
		}
		h.rates = append(h.rates, rate)
	}
	for _, name := range []string{"Encoder left", "Encoder right"} {
		h.devices = append(h.devices, Device{ID: h.chance.id(), Name: name, Type: keyCutter})
	}
	h.furnished = len(h.devices)
	for i := range rooms {
		floor, place := i/roomsPerFloor+1, i%roomsPerFloor
		category := h.categories[floorPlan[place]]
		r := &room{Room: Room{
			ID: h.chance.id(), Name: strconv.Itoa(floor*100 + place + 1), Floor: floor, Active: true,
			Category: category.Name, CategoryID: category.ID, State: RoomInspected, Stamps: built,
		}}
		h.rooms = append(h.rooms, r)
		h.roomByID[r.ID] = r
	}
}

// book fills the house and the weeks ahead with reservations, as if the
// hotel had been open for long.
func (h *house) book(days int) {
	today := h.today()
	for d := -longestStay; d <= days; d++ {
		arrival := today.AddDate(0, 0, d)
		lead := max(d, 0)
		expected := demand * float64(len(h.rooms)) * math.Exp(-float64(lead)/meanLead)
		for range h.chance.count(expected) {
			h.seedReservation(arrival, d < 0)
		}
	}
	for _, r := range h.rooms {
		switch {
		case r.guest != nil:
			r.State = RoomDirty
		case h.chance.happens(0.1):
			r.State = RoomClean
		}
	}
}

// seedReservation enters one that was made in the past, and whose guest,
// when past, is in the house.
func (h *house) seedReservation(arrival time.Time, past bool) {
	nights := h.nights()
	if past && !h.clock(arrival.AddDate(0, 0, nights), departure).After(h.now) {
		return
	}
	r := h.reserve(arrival, nights, ReservationConfirmed)
	if r == nil {
		return
	}
	r.Stamps = newStamps(time.Now().Add(-h.chance.duration(time.Hour, 20*24*time.Hour)))
	r.Customer.Stamps = r.Stamps
	if past {
		h.assign(r, r.room)
		r.State = ReservationStarted
		r.ActualStartUTC = new(r.ScheduledStartUTC.Add(h.chance.duration(0, 6*time.Hour)))
		r.room.guest = r
	}
}
