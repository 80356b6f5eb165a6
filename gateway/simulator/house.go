package simulator

import (
	"slices"
	"time"
)

// house is the hotel as a story: who is in it, and what happens next. It
// knows nothing of sockets and of the wall clock only its stamps. It is not
// safe for concurrent use.
type house struct {
	chance chance
	rare   chance // for what happens so seldom that the rest of life should not depend on it
	zone   *time.Location
	now    time.Time // the hotel's clock at the latest happening
	agenda agenda
	told   []tiding // of the present happening
	mirror mirror
	kept   int // reservations that are over; of commands and blocks a quarter

	categories   []Category
	rates        []*Rate
	devices      []Device
	furnished    int // devices that every socket knows of
	rooms        []*room
	roomByID     map[string]*room
	reservations []*reservation // those not over
	past         []*reservation // those over, oldest first
	commands     []*Command     // oldest first
	lifted       []string       // ids of blocks that are over, oldest first
	prices       prices
	number       int // of the latest reservation
}

// tiding is an event, and how many devices a socket must know of to be told.
type tiding struct {
	event   object
	devices int
}

// step lets the next thing on the agenda happen, and returns its events.
func (h *house) step() []tiding {
	e := h.agenda.pop()
	h.now = e.at
	e.do()
	return h.takeTold()
}

func (h *house) takeTold() []tiding {
	told := h.told
	h.told = nil
	return told
}

func (h *house) tell(o object) { h.told = append(h.told, tiding{event: o}) }

// on schedules do; what should have happened already happens next.
func (h *house) on(at time.Time, do func()) {
	if at.Before(h.now) {
		at = h.now
	}
	h.agenda.add(at.Truncate(time.Second), do)
}

func (h *house) in(from, to time.Duration, do func()) {
	h.on(h.now.Add(h.chance.duration(from, to)), do)
}

// between schedules do for some time of day between from and to, or, when
// that is past or passing, soon.
func (h *house) between(day time.Time, from, to time.Duration, do func()) {
	at := h.clock(day, h.chance.duration(from, to))
	if at.Before(h.now) {
		at = h.now.Add(h.chance.duration(time.Minute, 40*time.Minute))
	}
	h.on(at, do)
}

// clock is a time of day in the hotel's zone. An offset beyond 24h is a time
// of the next morning.
func (h *house) clock(day time.Time, offset time.Duration) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, 0, int(offset/time.Second), 0, h.zone)
}

// today is the date of the hotel's day, which begins at [nightEnd]: by the
// clock on the wall, whatever daylight saving made of the night.
func (h *house) today() time.Time {
	local := h.now.In(h.zone)
	y, m, d := local.Date()
	if local.Hour() < int((nightEnd-24*time.Hour)/time.Hour) {
		d--
	}
	return time.Date(y, m, d, 0, 0, 0, 0, h.zone)
}

// setRoom changes a room's state, where it differs, and tells of it.
func (h *house) setRoom(r *room, s RoomState) {
	if r.State == s {
		return
	}
	r.State = s
	r.touch()
	h.announceRoom(r)
}

// announceRoom shows and tells what a room is.
func (h *house) announceRoom(r *room) {
	h.mirror.showRoom(r.Room)
	h.tell(roomEvent(r))
}

// announce shows and tells what a reservation is.
func (h *house) announce(r *reservation) {
	h.mirror.showReservation(r.Reservation)
	h.tell(reservationEvent(r))
}

// announceCommand shows and tells what a command is.
func (h *house) announceCommand(c *Command) {
	h.mirror.showCommand(*c)
	known := 1 + slices.IndexFunc(h.devices, func(d Device) bool { return d.ID == c.DeviceID })
	if known <= h.furnished {
		known = 0
	}
	h.told = append(h.told, tiding{commandEvent(c), known})
}

// changed tells of a reservation's change, and files those that are over.
func (h *house) changed(r *reservation) {
	r.touch()
	h.announce(r)
	if r.State.final() {
		h.hold(r, nil)
		h.reservations = slices.DeleteFunc(h.reservations, func(o *reservation) bool { return o == r })
		h.past = keep(append(h.past, r), h.kept, func(o *reservation) { h.mirror.forgetReservation(o.ID, o.Customer.ID) })
	}
}

// hold moves a reservation's claim to another room, or gives it up.
func (h *house) hold(r *reservation, to *room) {
	if r.room != nil {
		r.room.booked = slices.DeleteFunc(r.room.booked, func(o *reservation) bool { return o == r })
	}
	if r.room = to; to != nil {
		to.booked = append(to.booked, r)
	}
}

// assign gives a reservation the room that it is to have.
func (h *house) assign(r *reservation, to *room) {
	h.hold(r, to)
	r.RoomID = new(to.ID)
}

// choose is a random room of those that are fit, or nil.
func (h *house) choose(fit func(*room) bool) *room {
	first := h.chance.IntN(len(h.rooms))
	for i := range h.rooms {
		if r := h.rooms[(first+i)%len(h.rooms)]; fit(r) {
			return r
		}
	}
	return nil
}

// guests are the reservations whose guests are in the house.
func (h *house) guests() []*reservation {
	var in []*reservation
	for _, r := range h.reservations {
		if r.State == ReservationStarted {
			in = append(in, r)
		}
	}
	return in
}

// keep cuts the oldest off what is longer than n, and forgets each.
func keep[T any](s []T, n int, forget func(T)) []T {
	over := max(len(s)-n, 0)
	for _, old := range s[:over] {
		forget(old)
	}
	clear(s[:over])
	return s[over:]
}
