package gateway

import (
	"slices"
	"time"
)

// EntityKey names an entity with a lasting state. ID is in ASCII lower case.
type EntityKey struct{ Source, Kind, ID string }

// Kinds of entities that events of more than one type tell of.
const kindChannel = "airy.channel"

// lasting are the types whose entities have a lasting state, and of what kind
// of entity they tell.
var lasting = map[string]string{
	"Reservation":               "Reservation",
	"Resource":                  "Resource",
	"DeviceCommand":             "DeviceCommand",
	"airy.channel.connected":    kindChannel,
	"airy.channel.disconnected": kindChannel,
	"airy.unread-count":         "airy.unread-count",
}

// Lasts reports whether events of the type tell of an entity with a lasting
// state, which is part of a snapshot.
func Lasts(typ string) bool { return lasting[typ] != "" }

// Key returns the entity that the event tells of, and whether it has a
// lasting state: the latest event of such an entity is part of a snapshot.
func (e *Event) Key() (EntityKey, bool) {
	kind := lasting[e.Type]
	return EntityKey{e.Source, kind, lowerASCII(e.ID)}, kind != ""
}

// finalStates are those in which nothing more is expected of an entity.
var finalStates = map[string][]string{
	"Reservation":   {"Processed", "Canceled"},
	"DeviceCommand": {"Processed", "Canceled", "Error"},
}

// Final reports whether nothing more is expected of the event's entity, by its
// state.
func (e *Event) Final() bool { return slices.Contains(finalStates[e.Type], e.Attributes.State) }

// DoneSince returns since when the event's entity is done, and whether it is at
// now: in a final state, or a reservation that ended.
func (e *Event) DoneSince(now time.Time) (since time.Time, done bool) {
	switch end := e.Attributes.End; {
	case !e.Done.IsZero():
		return e.Done, true
	case e.Final():
		return e.Received, true
	case e.Type == "Reservation" && !end.IsZero() && end.Before(now):
		return end, true
	}
	return time.Time{}, false
}
