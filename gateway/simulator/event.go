package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members keep their order, and in which a
// missing member and a null one are different things.
type object []member

type member struct {
	name  string
	value any // of a type that appendValue knows
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
		b = appendText(b, m.name)
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
	case *time.Time:
		return appendOptional(b, v)
	case json.RawMessage:
		return append(b, v...)
	case string:
		return appendText(b, v)
	case *string:
		return appendOptional(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case object:
		return v.append(b)
	case []object:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	case []time.Time:
		return appendList(b, v)
	default:
		panic(fmt.Sprintf("simulator: member of type %T", v))
	}
}

func appendText(b []byte, s string) []byte {
	if strings.ContainsFunc(s, special) {
		quoted, _ := json.Marshal(s) // a string cannot fail
		return append(b, quoted...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// special reports whether JSON, or Go's encoding of it, escapes a character.
func special(r rune) bool {
	return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
}

// withoutNulls is the object without the members that have no value, at any
// depth.
func (o object) withoutNulls() object {
	full := object{}
	for _, m := range o {
		switch v := m.value.(type) {
		case nil:
			continue
		case *string:
			if v == nil {
				continue
			}
		case *time.Time:
			if v == nil {
				continue
			}
		case object:
			m.value = v.withoutNulls()
		case []object:
			m.value = each(v, object.withoutNulls)
		}
		full = append(full, m)
	}
	return full
}

func appendOptional[T any](b []byte, v *T) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return appendValue(b, *v)
}

func appendList[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v)
	}
	return append(b, ']')
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
