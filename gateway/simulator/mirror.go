package simulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const longestLag = time.Minute

// mirror is the hotel as the API shows it, a copy that may trail behind. All
// changes come through one queue, so that late is all that they can be: no
// entity is ever shown in an older version than before.
type mirror struct {
	lag  time.Duration
	late []change // not to be seen yet, oldest first

	rooms        table[Room]
	blocks       table[Block]
	rates        table[Rate]
	reservations table[Reservation]
	customers    table[Customer]
	commands     table[Command]
	prices       prices
}

type change struct {
	at time.Time // by the wall clock
	do func()
}

// enter makes a change that is seen after the lag. What it shows must not
// change any more.
func (m *mirror) enter(do func()) {
	m.late = append(m.late, change{time.Now(), do})
	m.settle()
}

// settle makes the changes that are due.
func (m *mirror) settle() {
	due := time.Now().Add(-m.lag)
	n := 0
	for ; n < len(m.late) && !m.late[n].at.After(due); n++ {
		m.late[n].do()
	}
	clear(m.late[:n])
	m.late = m.late[n:]
}

func (m *mirror) showRoom(r Room)   { m.enter(func() { m.rooms.put(r.ID, r) }) }
func (m *mirror) showBlock(b Block) { m.enter(func() { m.blocks.put(b.ID, b) }) }
func (m *mirror) showRate(r Rate)   { m.enter(func() { m.rates.put(r.ID, r) }) }

func (m *mirror) showCommand(c Command) { m.enter(func() { m.commands.put(c.ID, c) }) }

func (m *mirror) showReservation(r Reservation) {
	m.enter(func() {
		m.reservations.put(r.ID, r)
		m.customers.put(r.Customer.ID, r.Customer)
	})
}

func (m *mirror) showPrices(p prices) { m.enter(func() { maps.Copy(m.prices, p) }) }

func (m *mirror) forgetBlock(id string)   { m.enter(func() { m.blocks.remove(id) }) }
func (m *mirror) forgetCommand(id string) { m.enter(func() { m.commands.remove(id) }) }

func (m *mirror) forgetReservation(id, customer string) {
	m.enter(func() {
		m.reservations.remove(id)
		m.customers.remove(customer)
	})
}

// showAll shows a new house, as if its reservations had been entered one
// after the other.
func (m *mirror) showAll(h *house) {
	for _, r := range h.rooms {
		m.showRoom(r.Room)
	}
	for _, r := range h.rates {
		m.showRate(*r)
	}
	inOrder := slices.SortedStableFunc(slices.Values(h.reservations), func(a, b *reservation) int {
		return a.CreatedUTC.Compare(b.CreatedUTC)
	})
	for _, r := range inOrder {
		m.showReservation(r.Reservation)
	}
}

func validLag(d time.Duration) error {
	if d < 0 || d > longestLag {
		return fmt.Errorf("lag %v is not between 0 and %v", d, longestLag)
	}
	return nil
}

// SetLag makes what the API shows trail d behind, 0 to a minute: rows keep
// their old content and UpdatedUtc so long, and new ones are missing. What
// was shown already stays so.
func (h *Hotel) SetLag(d time.Duration) error {
	if err := validLag(d); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.house.mirror.settle()
	h.house.mirror.lag = d
	return nil
}
