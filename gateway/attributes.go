package gateway

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Attributes are what filters and grants read of an event. Ids are in ASCII
// lower case, states in their present spelling; the empty string and the zero
// time mean that the event has none.
type Attributes struct {
	State        string    `json:"state,omitempty"`
	Resource     string    `json:"resource,omitempty"`
	Rate         string    `json:"rate,omitempty"`
	Category     string    `json:"category,omitempty"`
	Thread       string    `json:"thread,omitempty"`
	Conversation string    `json:"conversation,omitempty"`
	Channel      string    `json:"channel,omitempty"`
	Start        time.Time `json:"start,omitzero"`
	End          time.Time `json:"end,omitzero"`
}

// An attribute names one of [Attributes], the interval being one.
type attribute int

const (
	attrState attribute = iota
	attrResource
	attrRate
	attrCategory
	attrThread
	attrConversation
	attrChannel
	attrInterval
	attrCount
)

// ownID stands in a shape for an attribute that is the entity's own id.
const ownID = "id"

// A shape names, for each attribute, the members of an event that it is read
// from, as the dotted paths of grants. An attribute without one is none that
// events of the type can have.
type shape [attrCount][]string

// shapes of the types that are known. [genericShape] is that of all others.
var shapes = map[string]*shape{
	"DeviceCommand": {attrState: {"event.State"}},
	"Reservation":   {attrState: {"event.State"}, attrResource: {"event.AssignedResourceId"}, attrInterval: {"event.StartUtc", "event.EndUtc"}},
	"Resource":      {attrState: {"event.State"}, attrResource: {ownID}},
	"PriceUpdate":   {attrRate: {"event.RateId"}, attrCategory: {"event.ResourceCategoryId"}, attrInterval: {"event.StartUtc", "event.EndUtc"}},

	"MessageAdded":         {attrThread: {"entity.MessageThreadId"}},
	"ServiceOrderUpdated":  {},
	"ResourceUpdated":      {},
	"ResourceBlockUpdated": {},
	"CustomerAdded":        {},
	"CustomerUpdated":      {},
	"PaymentUpdated":       {},

	"airy.message":              {attrState: {"event.message.delivery_state"}, attrConversation: {"event.conversation_id"}, attrChannel: {"event.channel_id"}},
	"airy.unread-count":         {attrConversation: {"event.conversation_id"}},
	"airy.channel.connected":    {attrChannel: {ownID}},
	"airy.channel.disconnected": {attrChannel: {ownID}},
}

var genericShape = &shape{
	attrState:        {"event.State"},
	attrResource:     {"event.AssignedResourceId"},
	attrRate:         {"event.RateId"},
	attrCategory:     {"event.ResourceCategoryId"},
	attrConversation: {"event.conversation_id"},
	attrChannel:      {"event.channel_id"},
	attrInterval:     {"event.StartUtc", "event.EndUtc"},
}

func shapeOf(typ string) *shape {
	if s, ok := shapes[typ]; ok {
		return s
	}
	return genericShape
}

// ReadAttributes reads an event's attributes from its object by the exact names
// of its members; of a repeated member the last counts, as in JSON.parse. A
// member of another type than it should have, or null, is as if absent, and so is
// a time that is none or, in UTC, of no year from 0 to 9999. What is longer than
// any filter or grant can be is cut. Object must be compact, valid JSON. (A message's thread is no member of its object
// and is left empty.)
func ReadAttributes(typ, id string, object json.RawMessage) Attributes {
	s := shapeOf(typ)
	v := s.read(object)
	text := func(a attribute) string {
		if len(s[a]) > 0 && s[a][0] == ownID {
			return lowerASCII(id)
		}
		return lowerASCII(textOf(v[a][0]))
	}
	return Attributes{
		State:        canonicalState(textOf(v[attrState][0])),
		Resource:     text(attrResource),
		Rate:         text(attrRate),
		Category:     text(attrCategory),
		Conversation: text(attrConversation),
		Channel:      text(attrChannel),
		Start:        timeOf(v[attrInterval][0]),
		End:          timeOf(v[attrInterval][1]),
	}
}

// values are those of the members that a shape names, as they are written; nil for
// what is not there.
type values [attrCount][2][]byte

// read finds what the shape names of an event's object, in one pass over it.
func (s *shape) read(object []byte) (v values) {
	var wanted [2 * attrCount]struct {
		value      *[]byte
		name, rest string // of the path behind the object's own name
	}
	n := 0
	for a, paths := range s {
		for i, path := range paths {
			if _, path, ok := strings.Cut(path, "."); ok {
				wanted[n].value = &v[a][i]
				wanted[n].name, wanted[n].rest, _ = strings.Cut(path, ".")
				n++
			}
		}
	}
	eachMember(object, func(quoted, value []byte) {
		name := quoted[1 : len(quoted)-1]
		if hasEscape(name) {
			name = []byte(unquote(quoted))
		}
		for _, w := range wanted[:n] {
			if string(name) == w.name {
				*w.value = memberAt(value, w.rest)
			}
		}
	})
	return v
}

// canonicalState gives the two states that changed their spelling over the
// years their present one, so that a filter finds both.
func canonicalState(s string) string {
	switch s {
	case "Enquired":
		return "Inquired"
	case "Cancelled":
		return "Canceled"
	}
	return s
}

// textOf returns the text of a value that is a string, else the empty one.
func textOf(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return clip(unquote(value))
}

// maxAttribute is more bytes than a value has that a filter or a grant can name:
// queries and tokens end at 8 KiB. A record repeats its attributes, so what an
// upstream makes of them must have a bound of its own.
const maxAttribute = 8<<10 + 1

// clip cuts a value that nothing can name. What is left still is one.
func clip(s string) string {
	if len(s) <= maxAttribute {
		return s
	}
	end := maxAttribute
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func timeOf(value []byte) time.Time {
	if len(value) == 0 {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, textOf(value))
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 { // a record could not be written
		return time.Time{}
	}
	return t
}

// memberAt returns the value at a dotted path within value, nil when there is none;
// that at the empty path is value itself.
func memberAt(value []byte, path string) []byte {
	for path != "" {
		var step string
		step, path, _ = strings.Cut(path, ".")
		var found []byte
		eachMember(value, func(name, v []byte) {
			if nameIs(name, step) {
				found = v
			}
		})
		value = found
	}
	return value
}
