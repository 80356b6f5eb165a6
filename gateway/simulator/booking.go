package simulator

import (
	"strconv"
	"strings"
	"time"
)

// nights is how long somebody stays.
func (h *house) nights() int { return min(1+h.chance.count(1.1), longestStay) }

// reserve enters a reservation that holds a room, of the category asked for
// or, failing that, any. It is nil when the hotel is full.
func (h *house) reserve(day time.Time, nights int, state ReservationState) *reservation {
	start, end := h.clock(day, arrival), h.clock(day.AddDate(0, 0, nights), departure)
	wanted := h.categories[pick(h.chance, floorPlan[:])]
	free := func(o *room) bool { return o.free(start, end, nil) }
	held := h.choose(func(o *room) bool { return o.CategoryID == wanted.ID && free(o) })
	if held == nil {
		held = h.choose(free)
	}
	if held == nil {
		return nil
	}
	h.number++
	now := newStamps(time.Now())
	r := &reservation{Reservation: Reservation{
		ID: h.chance.id(), Number: strconv.Itoa(h.number), State: state, Origin: pick(h.chance, origins),
		Customer: Customer{ID: h.chance.id(), FirstName: pick(h.chance, firstNames), LastName: pick(h.chance, lastNames), Stamps: now},
		GroupID:  h.chance.id(), RateID: pick(h.chance, h.rates).ID, CategoryID: wanted.ID, Persons: 1 + h.chance.IntN(2),
		ScheduledStartUTC: start.UTC(), ScheduledEndUTC: end.UTC(), Stamps: now,
	}}
	r.Customer.Email = strings.ToLower(r.Customer.FirstName+"."+r.Customer.LastName) + "." + r.Number + "@guest.example"
	r.Customer.Phone = "+420 555 " + r.Number
	h.hold(r, held)
	if h.chance.happens(0.7) {
		r.RoomID = new(held.ID)
	}
	h.reservations = append(h.reservations, r)
	h.foresee(r)
	return r
}

// foresee schedules a reservation's change of mind, for those that will have
// one.
func (h *house) foresee(r *reservation) {
	left := r.ScheduledStartUTC.Add(-3 * time.Hour).Sub(h.now)
	if left > time.Hour && h.chance.happens(0.12) {
		reason := pick(h.chance, []string{"RequestedByGuest", "BookedElsewhere", "PriceTooHigh"})
		h.in(30*time.Minute, left, func() { h.cancel(r, reason) })
	}
}

// receiveBooking is a booking made now, for one room or for a few together.
func (h *house) receiveBooking() {
	lead := min(int(h.chance.ExpFloat64()*meanLead), longestLead)
	if h.now.After(h.clock(h.today(), 21*time.Hour)) {
		lead++
	}
	day, nights := h.today().AddDate(0, 0, lead), h.nights()
	state := ReservationConfirmed
	if lead > 2 {
		state = pick(h.chance, []ReservationState{state, state, state, state, state, ReservationOptional, ReservationInquired})
	}
	rooms := 1
	if h.chance.happens(0.06) {
		rooms += 1 + h.chance.IntN(3)
	}
	var group []*reservation
	for range rooms {
		if r := h.reserve(day, nights, state); r != nil {
			group = append(group, r)
		}
	}
	for _, r := range group {
		r.GroupID = group[0].GroupID
		h.announce(r)
		if lead == 0 {
			h.expect(r, day)
		}
	}
	if state != ReservationConfirmed {
		h.in(time.Hour, 30*time.Hour, func() { h.decide(group) })
	}
}

// decide confirms what was only asked for or held, or lets it go.
func (h *house) decide(group []*reservation) {
	confirm := h.chance.happens(0.7)
	for _, r := range group {
		switch {
		case !confirm:
			h.cancel(r, "ConfirmationMissed")
		case r.State == ReservationInquired, r.State == ReservationOptional:
			r.State = ReservationConfirmed
			h.changed(r)
		}
	}
}
