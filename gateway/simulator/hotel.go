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

	mu       sync.Mutex
	house    *house
	clock    clock
	driven   bool // Run is at work
	paused   bool
	journal  journal
	mischief mischief
	sockets  []*socket
	manner   Manner
	refusal  Refusal
	connects uint64
	refused  uint64
}

func newHotel(number int, o Options, zone *time.Location) *Hotel {
	seed := o.Seed + uint64(number)<<32
	h := &Hotel{
		name:     hotelNames[number%len(hotelNames)],
		token:    accessToken(number),
		sayAll:   o.SayAll,
		ping:     o.Ping,
		kick:     make(chan struct{}, 1),
		house:    newHouse(seed, o.Rooms, o.Start, zone),
		clock:    clock{rate: o.Speed * 60, hotel: o.Start},
		journal:  journal{limit: o.Journal},
		mischief: mischief{Quirks: o.Quirks, chance: newChance(seed, 2)},
		manner:   o.Manner,
	}
	if n := number / len(hotelNames); n > 0 {
		h.name += fmt.Sprintf(" %d", n+1)
	}
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

func (h *Hotel) tellLocked(events []object, at time.Time) {
	if len(events) == 0 {
		return
	}
	h.journal.record(events, at)
	for _, m := range h.mischief.messages(events) {
		h.sendLocked(websocket.TextMessage, m)
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
// room that is out of order, and for RoomOutOfOrder itself, which rooms enter
// and leave by themselves.
func (h *Hotel) SetRoom(id string, state RoomState) error {
	switch state {
	case RoomDirty, RoomClean, RoomInspected, RoomOutOfService:
	default:
		return fmt.Errorf("room state %q cannot be set", state)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.house.rooms {
		if r.ID != id {
			continue
		}
		if r.State == RoomOutOfOrder {
			return fmt.Errorf("room %s is out of order", r.Name)
		}
		h.house.setRoom(r, state)
		h.tellLocked(h.house.takeTold(), h.clock.now())
		return nil
	}
	return ErrNoRoom
}
