package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ErrNoRoom is returned for a room id that the hotel does not have.
var ErrNoRoom = errors.New("no such room")

// Hotel is one simulated property and the sockets it talks to. Its methods
// are safe for concurrent use.
type Hotel struct {
	// Set by newHotel.
	name, token string
	log         *slog.Logger
	sayAll      bool
	ping        time.Duration
	kick        chan struct{} // the clock was touched

	mu        sync.Mutex
	house     *house
	clock     clock
	driven    bool // Run is at work
	paused    bool
	journal   journal
	mischief  mischief
	sockets   []*socket
	manner    Manner
	refusal   Refusal
	unplugged time.Time // until when no socket is let in
	connects  uint64
	refused   uint64

	// The API's, guarded by mu.
	identity   identity
	portfolio  bool
	dialect    Dialect
	window     window
	faults     []fault
	luck       chance // with faults
	calls      calls
	violations []string
}

func newHotel(number int, o Options, zone *time.Location) *Hotel {
	seed := o.Seed + uint64(number)<<32
	h := &Hotel{
		name:     hotelNames[number%len(hotelNames)],
		token:    accessToken(number),
		sayAll:   o.SayAll,
		ping:     o.Ping,
		kick:     make(chan struct{}, 1),
		house:    newHouse(seed, o, zone),
		clock:    clock{rate: o.Speed * 60, hotel: o.Start},
		journal:  journal{limit: o.Journal},
		mischief: mischief{Quirks: o.Quirks, chance: newChance(seed, 2)},
		manner:   o.Manner,

		portfolio: o.Portfolio,
		dialect:   o.Dialect,
		window:    window{Limiter: o.Limiter},
		faults:    o.Faults.start(),
		luck:      newChance(seed, 5),
	}
	if n := number / len(hotelNames); n > 0 {
		h.name += fmt.Sprintf(" %d", n+1)
	}
	h.identity = newIdentity(seed, h.name, zone.String())
	h.log = o.Logger.With("hotel", h.name)
	return h
}

// Name is the hotel's name.
func (h *Hotel) Name() string { return h.name }

// AccessToken is the token that opens the hotel's socket.
func (h *Hotel) AccessToken() string { return h.token }

// run lets the hotel's time pass until ctx ends.
func (h *Hotel) run(ctx context.Context) {
	h.drive(true)
	defer h.drive(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if wait, moving := h.catchUp(); moving {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-h.kick:
		case <-timer.C:
		}
	}
}

func (h *Hotel) drive(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.driven = on
	h.clock.run(h.driven && !h.paused)
}

// catchUp lets everything happen that is due, and returns how long it is to
// the next, and whether the clock is going at all.
func (h *Hotel) catchUp() (wait time.Duration, moving bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.clock.running {
		if wait := h.clock.until(h.house.agenda.next()); wait > 0 {
			return wait, true
		}
		h.stepLocked()
	}
	return 0, false
}

func (h *Hotel) stepLocked() { h.tellLocked(h.house.step(), h.house.now) }

// tellLocked tells what happened together in one frame or, where some of it
// is not for every socket, in several.
func (h *Hotel) tellLocked(told []tiding, at time.Time) {
	for len(told) > 0 {
		devices := told[0].devices
		var events []object
		for len(told) > 0 && told[0].devices == devices {
			events = append(events, told[0].event)
			told = told[1:]
		}
		h.journal.record(events, at)
		for _, m := range h.mischief.messages(events, devices) {
			h.deliverLocked(m)
		}
	}
}

func (h *Hotel) deliverLocked(m outgoing) {
	for _, s := range h.sockets {
		if s.devices >= m.devices {
			s.push(websocket.TextMessage, m.data)
		}
	}
}

// Pause stops the hotel's clock.
func (h *Hotel) Pause() { h.setPaused(true) }

// Resume lets the hotel's clock go on from where it was paused.
func (h *Hotel) Resume() { h.setPaused(false) }

func (h *Hotel) setPaused(on bool) {
	h.mu.Lock()
	h.paused = on
	h.clock.run(h.driven && !h.paused)
	h.mu.Unlock()
	h.wake()
}

func (h *Hotel) wake() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// Skip lets d of the hotel's time pass at once, whether it is paused, driven
// by [Simulator.Run], or neither: what would have happened happens, in the
// same order, and is told at once.
func (h *Hotel) Skip(d time.Duration) {
	h.mu.Lock()
	until := h.clock.now().Add(d)
	for !h.house.agenda.next().After(until) {
		h.stepLocked()
	}
	h.clock.set(until)
	h.mu.Unlock()
	h.wake()
}

// SetRoom puts a room into a state, as staff or another application would,
// and tells of it where that is a change. It fails with [ErrNoRoom], for a
// room that is out of order or not active, and for RoomOutOfOrder itself, which
// rooms enter and leave by themselves. It takes some microseconds, so that a
// loop of it is a load to test with.
func (h *Hotel) SetRoom(id string, state RoomState) error {
	switch state {
	case RoomDirty, RoomClean, RoomInspected, RoomOutOfService:
	default:
		return fmt.Errorf("room state %q cannot be set", state)
	}
	return h.inRoom(id, func(r *room) error {
		if r.State == RoomOutOfOrder || !r.Active {
			return fmt.Errorf("room %s is out of order or not active", r.Name)
		}
		h.house.setRoom(r, state)
		return nil
	})
}
