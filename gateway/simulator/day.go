package simulator

import "time"

// Times of the hotel's day.
const (
	departure = 11 * time.Hour // rooms are to be left by
	arrival   = 15 * time.Hour // rooms are to be had from
	audit     = 27 * time.Hour // the night auditor's round
	nightEnd  = 28 * time.Hour // and the next day's beginning
)

// planDay schedules what this day of the hotel will bring, and the planning
// of the next.
func (h *house) planDay() {
	day := h.today()
	h.planArrivals(day)
	h.planDepartures(day)
	h.planStays(day)
	h.planHousekeeping(day)
	h.planRepairs(day)
	h.planBookings(day)
	h.forgetPrices(day)
	h.planRenovation(day)
	h.on(h.clock(day, nightEnd), h.planDay)
}

// planArrivals assigns the rooms of those who come today, all at once as a
// front desk does in the morning, and lets them come.
func (h *house) planArrivals(day time.Time) {
	var due []*reservation
	for _, r := range h.reservations {
		if r.State == ReservationConfirmed && r.ScheduledStartUTC.Before(h.clock(day, nightEnd)) {
			due = append(due, r)
		}
	}
	h.between(day, 7*time.Hour, 9*time.Hour, func() {
		for _, r := range due {
			h.assignHeld(r)
		}
	})
	for _, r := range due {
		h.expect(r, day)
	}
}

// expect schedules the arrival of one who comes today: most come early in
// the evening, a few not at all.
func (h *house) expect(r *reservation, day time.Time) {
	if h.chance.happens(0.02) {
		h.between(day, 23*time.Hour, 24*time.Hour, func() { h.cancel(r, "NoShow") })
		return
	}
	latest := arrival + h.chance.duration(time.Hour, 8*time.Hour)
	h.between(day, arrival, latest, func() { h.checkIn(r) })
}

func (h *house) planDepartures(day time.Time) {
	for _, r := range h.guests() {
		h.expectToLeave(r, day)
	}
}

func (h *house) expectToLeave(r *reservation, day time.Time) {
	if r.ScheduledEndUTC.Before(h.clock(day, nightEnd)) {
		h.between(day, 7*time.Hour, departure+30*time.Minute, func() { h.checkOut(r) })
	}
}

// planStays schedules what guests want who are in the house or soon will be:
// another room, another night, another key.
func (h *house) planStays(day time.Time) {
	in := float64(len(h.guests()))
	h.repeat(h.chance.count(in*0.04), day, 10*time.Hour, 21*time.Hour, h.moveGuest)
	h.repeat(h.chance.count(in*0.03), day, 9*time.Hour, 20*time.Hour, h.reshuffle)
	h.repeat(h.chance.count(in*0.06), day, 17*time.Hour, 22*time.Hour, h.prolong)
	h.repeat(h.chance.count(in*0.10), day, 9*time.Hour, nightEnd, h.replaceKey)
}

func (h *house) planHousekeeping(day time.Time) {
	shifts := len(h.rooms)/roomsPerFloor + 1
	for range shifts {
		h.between(day, 8*time.Hour, 9*time.Hour, func() { h.clean(h.clock(day, 17*time.Hour)) })
	}
	for range len(h.rooms)/48 + 1 {
		h.between(day, 15*time.Hour, 16*time.Hour, func() { h.clean(h.clock(day, 23*time.Hour)) })
	}
	for floor := 1; floor <= h.rooms[len(h.rooms)-1].Floor; floor++ {
		at := h.clock(day, audit+time.Duration(floor%12)*4*time.Minute)
		h.on(at, func() { h.nightAudit(floor) })
	}
}

func (h *house) planRepairs(day time.Time) {
	size := float64(len(h.rooms)) / 48
	h.repeat(h.chance.count(0.8*size), day, 9*time.Hour, 18*time.Hour, h.breakDown)
	h.repeat(h.chance.count(0.6*size), day, 9*time.Hour, 16*time.Hour, h.closeBriefly)
}

// planBookings spreads the demand over the day; some of it comes at night,
// from elsewhere.
func (h *house) planBookings(day time.Time) {
	n := h.chance.count(demand * float64(len(h.rooms)))
	for range n {
		from, to := 8*time.Hour, 23*time.Hour
		if h.chance.happens(0.3) {
			from, to = 22*time.Hour, nightEnd
		}
		h.between(day, from, to, h.receiveBooking)
	}
}

func (h *house) repeat(n int, day time.Time, from, to time.Duration, do func()) {
	for range n {
		h.between(day, from, to, do)
	}
}
