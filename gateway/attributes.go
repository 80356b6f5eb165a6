package gateway

import (
	"bytes"
	"encoding/json"
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
	text := func(a attribute) string {
		if len(s[a]) == 0 {
			return ""
		}
		if s[a][0] == ownID {
			return lowerASCII(id)
		}
		return stringAt(object, s[a][0])
	}
	at := Attributes{
		State:        canonicalState(text(attrState)),
		Resource:     lowerASCII(text(attrResource)),
		Rate:         lowerASCII(text(attrRate)),
		Category:     lowerASCII(text(attrCategory)),
		Conversation: lowerASCII(text(attrConversation)),
		Channel:      lowerASCII(text(attrChannel)),
	}
	if ends := s[attrInterval]; len(ends) == 2 {
		at.Start = timeAt(object, ends[0])
		at.End = timeAt(object, ends[1])
	}
	return at
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

func stringAt(object []byte, path string) string {
	value := memberAt(object, path)
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

func timeAt(object []byte, path string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, stringAt(object, path))
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 { // a record could not be written
		return time.Time{}
	}
	return t
}

// memberAt returns the value at a dotted path that begins with the object's own
// name, nil when there is none.
func memberAt(object []byte, path string) []byte {
	steps := bytes.Split([]byte(path), []byte("."))
	value := object
	for _, step := range steps[1:] {
		var found []byte
		eachMember(value, func(name, v []byte) {
			if nameIs(name, string(step)) {
				found = v
			}
		})
		if found == nil {
			return nil
		}
		value = found
	}
	return value
}
