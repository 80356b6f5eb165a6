package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// keyCutter is the type of the devices that this hotel makes use of.
const keyCutter = "KeyCutter"

// planRenovation schedules what happens to a hotel's rooms about once a
// month: one gets another number, or is closed for some days.
func (h *house) planRenovation(day time.Time) {
	if h.rare.happens(1. / 40) {
		at := h.clock(day, 13*time.Hour)
		h.on(at, func() { h.renumber(pick(h.rare, h.rooms)) })
	}
	if h.rare.happens(1. / 30) {
		at, days := h.clock(day, 14*time.Hour), time.Duration(2+h.rare.IntN(8))
		h.on(at, func() { h.close(days * 24 * time.Hour) })
	}
}

func (h *house) renumber(r *room) {
	if short, ok := strings.CutSuffix(r.Name, "A"); ok {
		h.rename(r, short)
	} else {
		h.rename(r, r.Name+"A")
	}
}

func (h *house) rename(r *room, name string) {
	r.Name = name
	r.touch()
	h.announceRoom(r)
}

// close takes a room that nobody has booked out of the hotel for some time.
func (h *house) close(d time.Duration) {
	first := h.rare.IntN(len(h.rooms))
	for i := range h.rooms {
		r := h.rooms[(first+i)%len(h.rooms)]
		if h.idle(r) && r.free(h.now, h.now.Add(d), nil) {
			h.setActive(r, false)
			h.on(h.now.Add(d), func() { h.setActive(r, true) })
			return
		}
	}
}

// setActive closes a room, whose bookings go elsewhere, or opens it. No event
// tells of that.
func (h *house) setActive(r *room, active bool) {
	if r.Active == active {
		return
	}
	r.Active = active
	r.touch()
	h.mirror.showRoom(r.Room)
	if !active {
		for _, b := range slices.Clone(r.booked) {
			h.relocate(b)
		}
	}
}

// relocate gives a reservation another room for its time, or cancels it.
func (h *house) relocate(r *reservation) {
	to := h.choose(func(o *room) bool { return o.free(r.ScheduledStartUTC, r.ScheduledEndUTC, nil) })
	switch {
	case to == nil:
		h.cancel(r, "ServiceNotAvailable")
	case r.RoomID == nil:
		h.hold(r, to)
	default:
		h.assign(r, to)
		h.changed(r)
	}
}

// inRoom does something to a room and tells what comes of it.
func (h *Hotel) inRoom(id string, do func(*room) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.house.roomByID[id]
	if r == nil {
		return ErrNoRoom
	}
	err := do(r)
	h.tellLocked(h.house.takeTold(), h.clock.now())
	return err
}

// RenameRoom gives a room another name, and tells of it by an event with the
// state that the room has. It fails with [ErrNoRoom], and for an empty name.
func (h *Hotel) RenameRoom(id, name string) error {
	if name == "" {
		return errors.New("a room needs a name")
	}
	return h.inRoom(id, func(r *room) error {
		h.house.rename(r, name)
		return nil
	})
}

// DeactivateRoom takes a room out of the hotel. No event tells of it; its
// bookings are moved to other rooms or canceled, which is told. It fails with
// [ErrNoRoom], and for a room that is occupied or out of order.
func (h *Hotel) DeactivateRoom(id string) error {
	return h.inRoom(id, func(r *room) error {
		if r.guest != nil || r.State == RoomOutOfOrder {
			return fmt.Errorf("room %s is occupied or out of order", r.Name)
		}
		h.house.setActive(r, false)
		return nil
	})
}

// ReactivateRoom brings a room back. No event tells of it. It fails with
// [ErrNoRoom].
func (h *Hotel) ReactivateRoom(id string) error {
	return h.inRoom(id, func(r *room) error {
		h.house.setActive(r, true)
		return nil
	})
}

// LinkDevice adds a device to the hotel, and gives it commands from now on.
// Only sockets that connect later are told of those.
func (h *Hotel) LinkDevice(name string) Device {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := Device{ID: h.house.rare.id(), Name: name, Type: keyCutter}
	h.house.devices = append(h.house.devices, d)
	return d
}
