package simulator

import "time"

// RoomState is a Mews resource state.
type RoomState string

// The states of a room. Guests are let into clean and inspected rooms only.
const (
	RoomDirty        RoomState = "Dirty"
	RoomClean        RoomState = "Clean"
	RoomInspected    RoomState = "Inspected"
	RoomOutOfService RoomState = "OutOfService"
	RoomOutOfOrder   RoomState = "OutOfOrder"
)

// ReservationState is a Mews service order state.
type ReservationState string

// The states of a reservation that this hotel uses. An inquired or optional
// one is confirmed or canceled, a confirmed one started (the guest has
// checked in) or canceled, a started one processed (checked out).
const (
	ReservationInquired  ReservationState = "Inquired"
	ReservationOptional  ReservationState = "Optional"
	ReservationConfirmed ReservationState = "Confirmed"
	ReservationStarted   ReservationState = "Started"
	ReservationProcessed ReservationState = "Processed"
	ReservationCanceled  ReservationState = "Canceled"
)

func (s ReservationState) final() bool {
	return s == ReservationProcessed || s == ReservationCanceled
}

// CommandState is a Mews device command state.
type CommandState string

// The states of a device command, in the order in which it takes them; the
// last three are final, and it may be cancelled at any point before.
const (
	CommandPending    CommandState = "Pending"
	CommandReceived   CommandState = "Received"
	CommandProcessing CommandState = "Processing"
	CommandProcessed  CommandState = "Processed"
	CommandError      CommandState = "Error"
	CommandCancelled  CommandState = "Cancelled"
)

func (s CommandState) final() bool {
	return s == CommandProcessed || s == CommandError || s == CommandCancelled
}

// Stamps is the upstream's bookkeeping of an entity: times of the wall
// clock, whole seconds, UTC. Version counts the changes, so that two within
// a second can be told apart.
type Stamps struct {
	Version    int       `json:"version"`
	CreatedUTC time.Time `json:"createdUtc"`
	UpdatedUTC time.Time `json:"updatedUtc"`
}

func newStamps(at time.Time) Stamps {
	at = at.UTC().Truncate(time.Second)
	return Stamps{Version: 1, CreatedUTC: at, UpdatedUTC: at}
}

func (s *Stamps) touch() {
	s.Version++
	s.UpdatedUTC = time.Now().UTC().Truncate(time.Second)
}

// Category is a kind of room.
type Category struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Rate is a price plan. One with a base rate follows that rate's prices.
type Rate struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	BaseRateID *string `json:"baseRateId"`
	Stamps
}

// Device is a machine at the front desk.
type Device struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Room is one of the hotel's rooms, a Mews resource. One that is not active is
// not to be had; no event says so.
type Room struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Floor      int       `json:"floor"`
	Category   string    `json:"category"`
	CategoryID string    `json:"categoryId"`
	State      RoomState `json:"state"`
	Active     bool      `json:"active"`
	Stamps
}

// Block takes a room out of order for a time of the hotel's clock.
type Block struct {
	ID       string    `json:"id"`
	RoomID   string    `json:"roomId"`
	Active   bool      `json:"active"`
	StartUTC time.Time `json:"startUtc"`
	EndUTC   time.Time `json:"endUtc"`
	Stamps
}

// Customer is the guest of a reservation. All are invented.
type Customer struct {
	ID        string `json:"id"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Email     string `json:"email"`
	Phone     string `json:"phone"`
	Stamps
}

// Reservation is one booking of one room. Scheduled and actual times are of
// the hotel's clock. RoomID is nil until a room is assigned.
type Reservation struct {
	ID                 string           `json:"id"`
	Number             string           `json:"number"`
	State              ReservationState `json:"state"`
	Origin             string           `json:"origin"`
	Customer           Customer         `json:"customer"`
	GroupID            string           `json:"groupId"`
	RateID             string           `json:"rateId"`
	CategoryID         string           `json:"categoryId"` // as requested
	RoomID             *string          `json:"roomId"`
	Persons            int              `json:"persons"`
	ScheduledStartUTC  time.Time        `json:"scheduledStartUtc"`
	ScheduledEndUTC    time.Time        `json:"scheduledEndUtc"`
	ActualStartUTC     *time.Time       `json:"actualStartUtc"`
	ActualEndUTC       *time.Time       `json:"actualEndUtc"`
	CancelledUTC       *time.Time       `json:"cancelledUtc"`
	CancellationReason *string          `json:"cancellationReason"`
	Stamps
}

// StartUTC is when the guest came or, before, is expected: what events call
// StartUtc.
func (r Reservation) StartUTC() time.Time {
	if r.ActualStartUTC != nil {
		return *r.ActualStartUTC
	}
	return r.ScheduledStartUTC
}

// EndUTC is when the guest left or, before, is expected to: what events call
// EndUtc.
func (r Reservation) EndUTC() time.Time {
	if r.ActualEndUTC != nil {
		return *r.ActualEndUTC
	}
	return r.ScheduledEndUTC
}

// Command is a job for a device: here always a key for a reservation.
type Command struct {
	ID            string       `json:"id"`
	State         CommandState `json:"state"`
	DeviceID      string       `json:"deviceId"`
	ReservationID string       `json:"reservationId"`
	RoomID        string       `json:"roomId"`
	KeyCount      int          `json:"keyCount"`
	Stamps
}

// room is a Room with what only the hotel knows.
type room struct {
	Room
	guest  *reservation   // in the house now
	booked []*reservation // that hold it and are not over, guest included
	blocks []*Block       // active ones
	inHand bool           // somebody is cleaning it
}

func (r *room) ready() bool {
	return r.guest == nil && (r.State == RoomClean || r.State == RoomInspected)
}

// free reports whether the room is to be had in [from, to): nobody but except
// holds it.
func (r *room) free(from, to time.Time, except *reservation) bool {
	if !r.Active {
		return false
	}
	for _, b := range r.booked {
		if b != except && b.StartUTC().Before(to) && from.Before(b.EndUTC()) {
			return false
		}
	}
	for _, b := range r.blocks {
		if b.StartUTC.Before(to) && from.Before(b.EndUTC) {
			return false
		}
	}
	return true
}

// reservation is a Reservation and the room it holds. It holds one from the
// start, so that the hotel is never overbooked; RoomID says so only once the
// front desk has assigned it.
type reservation struct {
	Reservation
	room *room
}
