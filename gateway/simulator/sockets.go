package simulator

import (
	"bytes"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// sayAtOnce is how many events a frame of [Hotel.Say] holds.
const sayAtOnce = 50

// Say tells every socket the present state of every active room and of every
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
		if r.Active {
			all = append(all, roomEvent(r))
		}
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

// Unplug breaks every socket off and lets none in for d, with status 503 and a
// Retry-After that says until when. Where that is so already it changes nothing.
// It returns for how long it will be.
func (h *Hotel) Unplug(d time.Duration) (left time.Duration) {
	h.mu.Lock()
	if left = time.Until(h.unplugged); left > 0 {
		h.mu.Unlock()
		return left
	}
	h.unplugged = time.Now().Add(d)
	h.mu.Unlock()
	h.Reset()
	return d
}

// Admit ends a refusal, and puts the plug in again.
func (h *Hotel) Admit() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal, h.unplugged = Refusal{}, time.Time{}
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

// connect makes a socket that is told of everything from now on.
func (h *Hotel) connect() *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := newSocket(h.manner, h.ping)
	s.devices = len(h.house.devices)
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

func (h *Hotel) sendLocked(kind int, data []byte) int {
	for _, s := range h.sockets {
		s.push(kind, data)
	}
	return len(h.sockets)
}
