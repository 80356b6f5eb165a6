package simulator

import "time"

// checkIn lets a guest into the room held, or into another one that is
// ready. While there is none the guest waits in the lobby, and late at night
// goes elsewhere.
func (h *house) checkIn(r *reservation) {
	if r.State != ReservationConfirmed {
		return
	}
	if !r.room.ready() {
		other := h.choose(func(o *room) bool {
			return o.ready() && o.CategoryID == r.room.CategoryID && o.free(h.now, r.ScheduledEndUTC, r)
		})
		switch {
		case other != nil:
			h.hold(r, other)
		case h.now.Sub(r.ScheduledStartUTC) > 11*time.Hour:
			h.cancel(r, "ServiceNotAvailable")
			return
		default:
			h.in(15*time.Minute, 25*time.Minute, func() { h.checkIn(r) })
			return
		}
	}
	h.assign(r, r.room)
	r.State = ReservationStarted
	r.ActualStartUTC = new(h.now.UTC())
	r.room.guest = r
	h.changed(r)
	h.cutKey(r)
	h.expectToLeave(r, h.today()) // who comes after the morning's planning
}

func (h *house) checkOut(r *reservation) {
	if r.State != ReservationStarted || r.ScheduledEndUTC.After(h.clock(h.today(), nightEnd)) {
		return // left already, or stays on
	}
	left := r.room
	left.guest = nil
	r.State = ReservationProcessed
	r.ActualEndUTC = new(h.now.UTC())
	h.changed(r)
	h.setRoom(left, RoomDirty)
}

func (h *house) cancel(r *reservation, reason string) {
	switch r.State {
	case ReservationInquired, ReservationOptional, ReservationConfirmed:
		r.State = ReservationCanceled
		r.CancelledUTC = new(time.Now().UTC().Truncate(time.Second))
		r.CancellationReason = &reason
		h.changed(r)
	}
}

// assignHeld makes the held room the assigned one.
func (h *house) assignHeld(r *reservation) {
	if r.State == ReservationConfirmed && r.RoomID == nil {
		h.assign(r, r.room)
		h.changed(r)
	}
}

// moveGuest gives some guest another room, whatever was wrong with the first.
func (h *house) moveGuest() {
	in := h.guests()
	if len(in) == 0 {
		return
	}
	r := pick(h.chance, in)
	to := h.choose(func(o *room) bool { return o.ready() && o.free(h.now, r.ScheduledEndUTC, nil) })
	if to == nil {
		return
	}
	left := r.room
	left.guest = nil
	h.assign(r, to)
	to.guest = r
	h.changed(r)
	h.setRoom(left, RoomDirty)
	h.cutKey(r)
}

// reshuffle gives some later arrival another room of its category.
func (h *house) reshuffle() {
	if len(h.reservations) == 0 {
		return
	}
	r := pick(h.chance, h.reservations)
	if r.State != ReservationConfirmed || r.RoomID == nil {
		return
	}
	to := h.choose(func(o *room) bool {
		return o.CategoryID == r.room.CategoryID && o.free(r.ScheduledStartUTC, r.ScheduledEndUTC, r)
	})
	if to != nil && to != r.room {
		h.assign(r, to)
		h.changed(r)
	}
}

// prolong adds a night to some guest's stay, where nobody waits for the room.
func (h *house) prolong() {
	in := h.guests()
	if len(in) == 0 {
		return
	}
	r := pick(h.chance, in)
	until := h.clock(r.ScheduledEndUTC.In(h.zone).AddDate(0, 0, 1), departure).UTC()
	if r.room.free(h.now, until, r) {
		r.ScheduledEndUTC = until
		h.changed(r)
	}
}
