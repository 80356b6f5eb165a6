package simulator

import (
	"encoding/json"
	"slices"
	"time"
)

// Layout is what of a hotel hardly ever changes: names for its ids.
type Layout struct {
	Hotel      string       `json:"hotel"`
	TimeZone   string       `json:"timeZone"`
	Enterprise string       `json:"enterpriseId"` // as the API answers for the token
	Service    string       `json:"serviceId"`    // that rooms are let by
	Rooms      []LayoutRoom `json:"rooms"`
	Categories []Category   `json:"categories"`
	Rates      []LayoutRate `json:"rates"`
	Devices    []Device     `json:"devices"`
}

// LayoutRoom is a room of a [Layout]. Category is a name.
type LayoutRoom struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Floor      int    `json:"floor"`
	Category   string `json:"category"`
	CategoryID string `json:"categoryId"`
}

// LayoutRate is a rate of a [Layout].
type LayoutRate struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Layout describes the hotel's parts, rooms by floor.
func (h *Hotel) Layout() Layout {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := Layout{
		Hotel:      h.name,
		TimeZone:   h.house.zone.String(),
		Enterprise: h.identity.enterprise,
		Service:    h.identity.stay,
		Categories: slices.Clone(h.house.categories),
		Devices:    slices.Clone(h.house.devices),
	}
	for _, r := range h.house.rooms {
		l.Rooms = append(l.Rooms, LayoutRoom{r.ID, r.Name, r.Floor, r.Category, r.CategoryID})
	}
	for _, r := range h.house.rates {
		l.Rates = append(l.Rates, LayoutRate{r.ID, r.Name})
	}
	return l
}

// State is what is true of a hotel at one moment: what a client that missed
// nothing should believe.
type State struct {
	Hotel        string        `json:"hotel"`
	HotelTime    time.Time     `json:"hotelTime"`
	Paused       bool          `json:"paused"`
	Sockets      int           `json:"sockets"`      // connected
	Connects     uint64        `json:"connects"`     // ever let in
	Refused      uint64        `json:"refused"`      // ever refused with good tokens
	Seq          uint64        `json:"seq"`          // of the latest [Event]
	Rooms        []Room        `json:"rooms"`        // by floor
	Blocks       []Block       `json:"blocks"`       // active ones
	Rates        []Rate        `json:"rates"`        //
	Reservations []Reservation `json:"reservations"` // the latest that are over, by [Options.Kept], then the others
	Commands     []Command     `json:"commands"`     // the latest, a quarter as many
}

// State is the hotel's present state, a copy.
func (h *Hotel) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := State{
		Hotel: h.name, HotelTime: h.clock.now().UTC(), Paused: h.paused, Seq: h.journal.seq(),
		Sockets: len(h.sockets), Connects: h.connects, Refused: h.refused,
		Blocks: []Block{}, Reservations: []Reservation{}, Commands: []Command{},
	}
	for _, r := range h.house.rooms {
		s.Rooms = append(s.Rooms, r.Room)
		for _, b := range r.blocks {
			s.Blocks = append(s.Blocks, *b)
		}
	}
	for _, r := range h.house.rates {
		s.Rates = append(s.Rates, *r)
	}
	for _, part := range [][]*reservation{h.house.past, h.house.reservations} {
		for _, r := range part {
			s.Reservations = append(s.Reservations, r.Reservation)
		}
	}
	for _, c := range h.house.commands {
		s.Commands = append(s.Commands, *c)
	}
	return s
}

// Fact is what the socket would say of an entity if it told of it now.
type Fact struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Version    int             `json:"version"`
	UpdatedUTC time.Time       `json:"updatedUtc"`
	Body       json.RawMessage `json:"event"`
}

// Facts are what is true of every room, reservation and command that [State]
// lists, in the same order.
func (h *Hotel) Facts() []Fact {
	h.mu.Lock()
	defer h.mu.Unlock()
	var facts []Fact
	add := func(event object, s Stamps) {
		facts = append(facts, Fact{event.text("Type"), event.text("Id"), s.Version, s.UpdatedUTC, event.append(nil)})
	}
	for _, r := range h.house.rooms {
		add(roomEvent(r), r.Stamps)
	}
	for _, part := range [][]*reservation{h.house.past, h.house.reservations} {
		for _, r := range part {
			add(reservationEvent(r), r.Stamps)
		}
	}
	for _, c := range h.house.commands {
		add(commandEvent(c), c.Stamps)
	}
	return facts
}

// Events returns what happened in [from, to) by the wall clock, oldest
// first, and whether that is all: false when the journal no longer reaches
// back to from. Bodies are not to be modified.
func (h *Hotel) Events(from, to time.Time) ([]Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.journal.between(from, to)
}

// EventsAfter returns what happened after the event numbered seq, oldest
// first, and whether that is all. Bodies are not to be modified.
func (h *Hotel) EventsAfter(seq uint64) ([]Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.journal.after(seq)
}
