package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// object is a JSON object whose members keep their order, and in which a
// missing member and a null one are different things.
type object []member

type member struct {
	name  string
	value any // nil, string, time.Time or json.RawMessage
}

func (o object) has(name string) bool {
	return slices.ContainsFunc(o, func(m member) bool { return m.name == name })
}

func (o object) text(name string) string {
	for _, m := range o {
		if m.name == name {
			s, _ := m.value.(string)
			return s
		}
	}
	return ""
}

func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, m.name)
		b = append(b, ':')
		b = appendValue(b, m.value)
	}
	return append(b, '}')
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case time.Time:
		return v.UTC().AppendFormat(b, `"2006-01-02T15:04:05Z"`)
	case json.RawMessage:
		return append(b, v...)
	case string:
		quoted, _ := json.Marshal(v) // a string cannot fail
		return append(b, quoted...)
	default:
		panic(fmt.Sprintf("simulator: member of type %T", v))
	}
}

// frame is one message of the socket with these events.
func frame(events [][]byte) []byte {
	b := []byte(`{"Events":[`)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, "]}"...)
}

func roomEvent(r *room) object {
	return object{{"Type", "Resource"}, {"Id", r.ID}, {"State", string(r.State)}}
}

func reservationEvent(r *reservation) object {
	e := object{
		{"Type", "Reservation"}, {"Id", r.ID}, {"State", string(r.State)},
		{"StartUtc", r.StartUTC()}, {"EndUtc", r.EndUTC()},
	}
	if r.RoomID != nil {
		e = append(e, member{"AssignedResourceId", *r.RoomID})
	}
	return e
}

func commandEvent(c *Command) object {
	return object{{"Type", "DeviceCommand"}, {"Id", c.ID}, {"State", string(c.State)}}
}
