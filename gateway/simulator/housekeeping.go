package simulator

import (
	"slices"
	"time"
)

// clean is one attendant's shift: the next dirty room, until the shift ends.
func (h *house) clean(until time.Time) {
	if h.now.After(until) {
		return
	}
	r := h.nextDirty()
	if r == nil {
		h.in(10*time.Minute, 15*time.Minute, func() { h.clean(until) })
		return
	}
	r.inHand = true
	h.in(15*time.Minute, 35*time.Minute, func() {
		r.inHand = false
		if r.State == RoomDirty {
			h.setRoom(r, RoomClean)
			h.in(5*time.Minute, 50*time.Minute, func() { h.inspect(r) })
		}
		h.clean(until)
	})
}

// nextDirty is the room to be done next: empty ones before those of guests
// who stay.
func (h *house) nextDirty() *room {
	todo := func(r *room) bool { return r.State == RoomDirty && r.Active && !r.inHand }
	if r := h.choose(func(r *room) bool { return todo(r) && r.guest == nil }); r != nil {
		return r
	}
	return h.choose(todo)
}

// inspect is the housekeeper's second look; now and then it is not clean.
func (h *house) inspect(r *room) {
	switch {
	case r.State != RoomClean:
	case h.chance.happens(0.05):
		h.setRoom(r, RoomDirty)
	default:
		h.setRoom(r, RoomInspected)
	}
}

// nightAudit declares the occupied rooms of a floor dirty, all at once.
func (h *house) nightAudit(floor int) {
	for _, r := range h.rooms {
		if r.Floor == floor && r.guest != nil && r.State != RoomOutOfService {
			h.setRoom(r, RoomDirty)
		}
	}
}

// breakDown puts an empty room out of order, for hours or days.
func (h *house) breakDown() {
	end := h.now.Add(h.chance.duration(3*time.Hour, 40*time.Hour))
	r := h.choose(func(r *room) bool { return h.idle(r) && r.free(h.now, end, nil) })
	if r == nil {
		return
	}
	b := &Block{
		ID: h.chance.id(), RoomID: r.ID, Active: true,
		StartUTC: h.now.UTC(), EndUTC: end.UTC(), Stamps: newStamps(time.Now()),
	}
	r.blocks = append(r.blocks, b)
	h.mirror.showBlock(*b)
	h.setRoom(r, RoomOutOfOrder)
	h.on(end, func() { h.lift(b, r) })
}

// lift ends a block, and opens the room again.
func (h *house) lift(b *Block, r *room) {
	r.blocks = slices.DeleteFunc(r.blocks, func(o *Block) bool { return o == b })
	b.Active = false
	b.touch()
	h.mirror.showBlock(*b)
	h.lifted = keep(append(h.lifted, b.ID), (h.kept+3)/4, h.mirror.forgetBlock)
	h.reopen(r, RoomOutOfOrder)
}

// closeBriefly puts an empty room out of service, for an hour or two.
func (h *house) closeBriefly() {
	if r := h.choose(h.idle); r != nil {
		h.setRoom(r, RoomOutOfService)
		h.in(time.Hour, 3*time.Hour, func() { h.reopen(r, RoomOutOfService) })
	}
}

func (h *house) reopen(r *room, from RoomState) {
	if r.State == from {
		h.setRoom(r, RoomDirty)
	}
}

// idle reports whether a room is empty, open, and not being cleaned.
func (h *house) idle(r *room) bool {
	return r.Active && r.guest == nil && !r.inHand && r.State != RoomOutOfOrder && r.State != RoomOutOfService
}
