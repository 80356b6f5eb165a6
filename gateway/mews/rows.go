package mews

import (
	"encoding/json"
	"slices"
	"time"
)

// The types of a [row].
const (
	typeReservation   = "Reservation"
	typeResource      = "Resource"
	typeDeviceCommand = "DeviceCommand"
)

// row is one entity as the API gave it. What the API left out, or gave in
// another type than it should have, is as if it were empty.
type row struct {
	typ    string          // one of those above
	id     string          // as the API spells it
	object json.RawMessage // the whole entity: compact, valid UTF-8

	state   string
	created time.Time
	updated time.Time // zero for commands, which have none

	active bool // false for a resource that was deactivated

	// Of a reservation. The interval is that of [row.event].
	start, end time.Time
	canceled   time.Time
	resource   string // the id of the assigned one
}

// The members that an event's interval comes from, the first that is there.
var (
	startMembers = []string{"StartUtc", "ActualStartUtc", "ScheduledStartUtc"}
	endMembers   = []string{"EndUtc", "ActualEndUtc", "ScheduledEndUtc"}
)

// newRow reads an entity. The text is valid JSON, of which the row keeps nothing.
// An entity that could never be an event's is refused as the socket's would be.
func newRow(typ string, text []byte) (row, outcome) {
	id := []byte(nil)
	if text[0] == '{' {
		id = pick(text, "Id")[0]
	}
	if o, _ := checkEvent(text, []byte(`"`+typ+`"`), id); o != accepted {
		return row{}, o
	}
	object := compact(text)
	r := row{typ: typ, id: unquote(id), object: object}
	v := pick(object, "State", "CreatedUtc", "UpdatedUtc", "IsActive", "CancelledUtc", "AssignedResourceId")
	r.state = textOf(v[0])
	r.created, r.updated = timeOf(v[1]), timeOf(v[2])
	r.active = string(v[3]) != "false"
	if typ == typeReservation {
		r.canceled, r.resource = timeOf(v[4]), textOf(v[5])
		r.start, r.end = timeOf(firstOf(object, startMembers)), timeOf(firstOf(object, endMembers))
	}
	return r, accepted
}

// event returns the object that the socket would have sent of the entity. A
// member that the entity has not is left out of it.
func (r row) event() json.RawMessage {
	b := append([]byte(`{"Type":"`), r.typ...)
	b = append(b, '"')
	member := func(name string, value []byte) {
		if kind(value) == "string" {
			b = append(append(append(append(b, `,"`...), name...), `":`...), value...)
		}
	}
	v := pick(r.object, "Id", "State", "AssignedResourceId")
	member("Id", v[0])
	member("State", v[1])
	if r.typ == typeReservation {
		member("StartUtc", firstOf(r.object, startMembers))
		member("EndUtc", firstOf(r.object, endMembers))
		member("AssignedResourceId", v[2])
	}
	return append(b, '}')
}

// members returns an object of those members of the entity that are listed, in
// the list's order, by their exact names; nil when the list is empty.
func (r row) members(list []string) json.RawMessage {
	if len(list) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i, value := range pick(r.object, list...) {
		if value == nil || slices.Contains(list[:i], list[i]) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(list[i]) // of a string without an error
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}')
}

// pick returns the values of an object's members by these very names, nil for one
// that is absent; of a repeated member the last counts, as in JSON.parse. The
// object is valid JSON.
func pick(object []byte, names ...string) [][]byte {
	values := make([][]byte, len(names))
	c := &cursor{text: object}
	_ = c.object(func(quoted []byte) error {
		value, err := c.value()
		for i, name := range names {
			if named(quoted, name) {
				values[i] = value
			}
		}
		return err
	})
	return values
}

// firstOf returns the first of these members that is a string; nil when none is.
func firstOf(object []byte, names []string) []byte {
	values := pick(object, names...)
	if i := slices.IndexFunc(values, func(v []byte) bool { return kind(v) == "string" }); i >= 0 {
		return values[i]
	}
	return nil
}

func textOf(value []byte) string {
	if kind(value) != "string" {
		return ""
	}
	return unquote(value)
}

// timeOf reads a time in UTC; the zero time when it is none, or one that a record
// could not hold.
func timeOf(value []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, textOf(value))
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
