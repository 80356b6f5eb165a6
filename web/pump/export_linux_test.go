package pump

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"bellhop/gateway"
)

// What tests count with.
const (
	Goodbye   = goodbye
	WriteSize = writeSize
	Turns     = turn
)

// A Hand is a pump that is turned by hand. Nothing of it runs, so that a test
// says what comes when, and a bubble's clock can stand still.
type Hand struct{ pump *pump }

// NewHand returns a pump without its goroutines.
func NewHand(o Options) (Hand, error) {
	p, err := newPump(o)
	return Hand{p}, err
}

// Take is [Pumps.Take].
func (h Hand) Take(fd int, s *gateway.Stream, done Done) {
	(&Pumps{pumps: []*pump{h.pump}}).Take(fd, s, done)
}

// Empty does what the inbox asks for.
func (h Hand) Empty() { h.pump.empty(time.Now()) }

// Wait returns what epoll has to say.
func (h Hand) Wait() ([]unix.EpollEvent, error) {
	events := make([]unix.EpollEvent, 256)
	n, err := unix.EpollWait(h.pump.epollFD, events, 0)
	return events[:max(n, 0)], err
}

// Look handles what epoll said.
func (h Hand) Look(events []unix.EpollEvent) { h.pump.look(events, time.Now()) }

// Turn does what there is to do now, as the pump's goroutine would.
func (h Hand) Turn() error {
	events, err := h.Wait()
	if err != nil {
		return err
	}
	h.Look(events)
	h.pump.tick(time.Now())
	for len(h.pump.posted) > 0 {
		<-h.pump.posted
		h.Empty()
	}
	if h.pump.joined.Data != nil {
		return errors.New("the pump keeps a list alive")
	}
	return nil
}

// Due returns when the pump wants its next turn.
func (h Hand) Due() time.Time { return h.pump.begun.Add(h.pump.due[0].due) }

// Kept returns how many connections and groups of them the pump has.
func (h Hand) Kept() (conns, groups int) {
	return len(h.pump.slots) - len(h.pump.free), len(h.pump.groups)
}

// Stop ends the pump.
func (h Hand) Stop() error {
	h.pump.closeAll()
	return h.pump.epoll.Close()
}

// SetClockBack has the machine's clock have been set back by whole seconds since
// the pump began, which its own, that goes on evenly, does not notice.
func (h Hand) SetClockBack(seconds int) {
	// What package time calls wall: the seconds are above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&h.pump.begun)) += uint64(seconds) << 30
}
