package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sayAtOnce is how many events a frame of [Hotel.Say] holds.
const sayAtOnce = 50

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

func (h *Hotel) sendLocked(kind int, data []byte) int {
	for _, s := range h.sockets {
		s.push(kind, data)
	}
	return len(h.sockets)
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
// and tells of it. It fails with [ErrNoRoom], and for RoomOutOfOrder, which
// rooms enter and leave by themselves.
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

// Say tells every socket the present state of every room and of every
// reservation that [Hotel.State] lists, in frames of up to 50 events. It
// returns the number of sockets.
func (h *Hotel) Say() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.sayingLocked() {
		h.sendLocked(websocket.TextMessage, f)
	}
	return len(h.sockets)
}

func (h *Hotel) sayingLocked() [][]byte {
	var all []object
	for _, r := range h.house.rooms {
		all = append(all, roomEvent(r))
	}
	for _, part := range [][]*reservation{h.house.past, h.house.reservations} {
		for _, r := range part {
			all = append(all, reservationEvent(r))
		}
	}
	var frames [][]byte
	for len(all) > 0 {
		n := min(len(all), sayAtOnce)
		frames = append(frames, frame(encode(all[:n])))
		all = all[n:]
	}
	return frames
}

// Send sends data to every socket as one message, text or binary, byte by
// byte as it is. It returns the number of sockets.
func (h *Hotel) Send(binary bool, data []byte) int {
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	data = bytes.Clone(data)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sendLocked(kind, data)
}

// Drop closes every socket with a close frame of this code, whatever it is,
// and reason (at most 123 bytes of it); without either when code is 0. It
// returns the number of sockets.
func (h *Hotel) Drop(code uint16, reason string) int {
	return h.eachSocket(func(s *socket) { s.bye(int(code), reason) })
}

// Reset breaks every socket off, without a close frame, what was queued lost.
// It returns the number of sockets.
func (h *Hotel) Reset() int { return h.eachSocket((*socket).reset) }

// Stall makes the sockets that are connected now half-open: they send
// nothing and answer no ping, for d, or, when d is 0, until [Hotel.Unstall]
// or [Hotel.Drop]. What they then still owe is sent late. Sockets that
// connect meanwhile are well. It returns the number of sockets.
func (h *Hotel) Stall(d time.Duration) int {
	return h.eachSocket(func(s *socket) { s.stall(true, d) })
}

// Unstall ends a stall. It returns the number of sockets.
func (h *Hotel) Unstall() int {
	return h.eachSocket(func(s *socket) { s.stall(false, 0) })
}

// SetManner changes how sockets are treated, those connected now and later.
func (h *Hotel) SetManner(m Manner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manner = m
	for _, s := range h.sockets {
		s.setManner(m)
	}
}

// SetQuirks changes the quirks of frames from now on.
func (h *Hotel) SetQuirks(q Quirks) error {
	if err := q.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mischief.Quirks = q
	return nil
}

// Refuse refuses sockets that want to connect from now on; those connected
// stay. Other refusals are forgotten.
func (h *Hotel) Refuse(r Refusal) error {
	if err := r.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal = r
	return nil
}

// Admit ends a refusal.
func (h *Hotel) Admit() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal = Refusal{}
}

// Sockets is the number of sockets connected.
func (h *Hotel) Sockets() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets)
}

func (h *Hotel) eachSocket(do func(*socket)) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		do(s)
	}
	return len(h.sockets)
}

// connect makes a socket of an accepted connection, and tells it of
// everything from now on.
func (h *Hotel) connect(conn *websocket.Conn) *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := newSocket(conn, h.manner, h.ping)
	if h.sayAll {
		for _, f := range h.sayingLocked() {
			s.push(websocket.TextMessage, f)
		}
	}
	h.sockets = append(h.sockets, s)
	return s
}

func (h *Hotel) disconnect(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets = slices.DeleteFunc(h.sockets, func(o *socket) bool { return o == s })
}
