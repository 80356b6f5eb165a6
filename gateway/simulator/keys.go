package simulator

import "time"

// cutKey sends a key for a guest's room to one of the encoders.
func (h *house) cutKey(r *reservation) {
	c := &Command{
		ID: h.chance.id(), State: CommandPending, DeviceID: pick(h.chance, h.devices).ID,
		ReservationID: r.ID, RoomID: r.room.ID, KeyCount: 1 + h.chance.IntN(2), Stamps: newStamps(time.Now()),
	}
	h.commands = keep(append(h.commands, c), (h.kept+3)/4, func(o *Command) { h.mirror.forgetCommand(o.ID) })
	h.announceCommand(c)
	h.soon(func() { h.advance(c, r) })
}

// advance moves a command to its next state. A key that failed is cut again.
func (h *house) advance(c *Command, r *reservation) {
	switch {
	case h.chance.happens(0.02):
		c.State = CommandCancelled
	case c.State == CommandPending:
		c.State = CommandReceived
	case c.State == CommandReceived:
		c.State = CommandProcessing
	case h.chance.happens(0.05):
		c.State = CommandError
	default:
		c.State = CommandProcessed
	}
	c.touch()
	h.announceCommand(c)
	switch {
	case !c.State.final():
		h.soon(func() { h.advance(c, r) })
	case c.State == CommandError:
		h.soon(func() { h.recut(r) })
	}
}

func (h *house) soon(do func()) { h.in(30*time.Second, 3*time.Minute, do) }

func (h *house) recut(r *reservation) {
	if r.State == ReservationStarted {
		h.cutKey(r)
	}
}

// replaceKey is for a guest who left the key in the room.
func (h *house) replaceKey() {
	if in := h.guests(); len(in) > 0 {
		h.cutKey(pick(h.chance, in))
	}
}
