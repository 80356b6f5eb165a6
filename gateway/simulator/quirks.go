package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Quirks are the probabilities, 0 to 1, with which a frame shows what the
// documents allow, or third parties saw. Which frames do follows from the
// seed. The hotel itself, [State] and journal are not touched by them.
type Quirks struct {
	Unknown    float64 `json:"unknown"`    // also holds an event of an unknown type, and unknown members
	Legacy     float64 `json:"legacy"`     // also holds the retired Space of each Resource; says Enquired, AssignedSpaceId
	Duplicates float64 `json:"duplicates"` // is sent twice
	Reordered  float64 `json:"reordered"`  // is sent after its successor
	Dropped    float64 `json:"dropped"`    // is never sent
	Broken     float64 `json:"broken"`     // also holds something that is no good event
	Nulls      float64 `json:"nulls"`      // absent optional members are null, null ones absent
}

func (q *Quirks) rates() map[string]*float64 {
	return map[string]*float64{
		"unknown": &q.Unknown, "legacy": &q.Legacy, "duplicates": &q.Duplicates, "reordered": &q.Reordered,
		"dropped": &q.Dropped, "broken": &q.Broken, "nulls": &q.Nulls,
	}
}

func (q Quirks) validate() error {
	for name, rate := range q.rates() {
		if !(*rate >= 0 && *rate <= 1) { // NaN too
			return fmt.Errorf("quirk %s: %v is not between 0 and 1", name, *rate)
		}
	}
	return nil
}

// ParseQuirks reads the form of a command line: "duplicates=0.1,nulls=0.5".
// An empty text is no quirks.
func ParseQuirks(text string) (Quirks, error) {
	var q Quirks
	rates := q.rates()
	for pair := range strings.SplitSeq(text, ",") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		rate, ok := rates[name]
		if !ok {
			return Quirks{}, fmt.Errorf("quirk %q is not known", name)
		}
		var err error
		if *rate, err = strconv.ParseFloat(value, 64); err != nil {
			return Quirks{}, fmt.Errorf("quirk %s: %w", name, errors.Unwrap(err))
		}
	}
	return q, q.validate()
}

// mischief turns the events of a frame into the messages that are sent.
type mischief struct {
	Quirks
	chance chance
	late   []outgoing // a reordered frame, to be sent after the next
}

// outgoing is a message, and how many devices a socket must know of to be
// sent it.
type outgoing struct {
	data    []byte
	devices int
}

// messages returns what is sent for a frame of these events, which are for
// sockets that know of so many devices.
func (m *mischief) messages(events []object, devices int) []outgoing {
	// Every quirk is drawn for every frame, so that the rate of one does not
	// change which frames show another.
	strike := func(rate float64) bool { return m.chance.Float64() < rate }
	unknown, legacy, nulls, broken := strike(m.Unknown), strike(m.Legacy), strike(m.Nulls), strike(m.Broken)
	twice, late, dropped := strike(m.Duplicates), strike(m.Reordered), strike(m.Dropped)

	if nulls {
		events = each(events, swapNulls)
	}
	if legacy {
		events = age(events)
	}
	if unknown {
		events = each(events, m.extend)
	}
	bodies := encode(events)
	if unknown {
		bodies = m.mix(bodies, m.unknown())
	}
	if broken {
		bodies = m.mix(bodies, m.broken())
	}
	out := []outgoing{{frame(bodies), devices}}
	switch {
	case dropped:
		out = nil
	case twice:
		out = append(out, out[0])
	}
	return m.shift(out, late)
}

// shift holds the frame back when it is to be late, and adds the one that was.
func (m *mischief) shift(out []outgoing, late bool) []outgoing {
	if late && m.late == nil && len(out) > 0 {
		m.late = out[:1]
		return out[1:]
	}
	out = append(out, m.late...)
	m.late = nil
	return out
}

// age adds the retired twin of each Resource event, and uses retired names.
func age(events []object) []object {
	var aged []object
	for _, e := range events {
		aged = append(aged, each(e, retired))
		if e.text("Type") == "Resource" {
			aged = append(aged, object{{"Type", "Space"}, {"Id", e.text("Id")}, {"State", e.text("State")}})
		}
	}
	return aged
}

func retired(m member) member {
	switch {
	case m.value == string(ReservationInquired):
		m.value = "Enquired"
	case m.name == "AssignedResourceId":
		m.name = "AssignedSpaceId"
	case m.name == "ResourceCategoryId":
		m.name = "SpaceCategoryId"
	}
	return m
}

// swapNulls leaves out the members that are null, and writes null for the
// optional ones that are not there.
func swapNulls(e object) object {
	swapped := slices.DeleteFunc(slices.Clone(e), func(m member) bool { return m.value == nil })
	for _, name := range optional[e.text("Type")] {
		if !e.has(name) {
			swapped = append(swapped, member{name, nil})
		}
	}
	return swapped
}

// optional members that the hotel leaves out where they have no value.
var optional = map[string][]string{
	"Reservation": {"AssignedResourceId"},
	"PriceUpdate": {"StartUtc", "EndUtc"},
}

// extend adds members that no document names.
func (m *mischief) extend(e object) object {
	extra := json.RawMessage(`{"Depth":{"Depth":{}},"Amount":0.10,"Big":12345678901234567890}`)
	return append(slices.Clone(e), member{"EnterpriseId", m.chance.id()}, member{"Extra", extra})
}

// each returns the elements of s, changed.
func each[S ~[]E, E any](s S, change func(E) E) S {
	changed := make(S, len(s))
	for i, e := range s {
		changed[i] = change(e)
	}
	return changed
}

func encode(events []object) [][]byte {
	bodies := make([][]byte, len(events))
	for i, e := range events {
		bodies[i] = e.append(nil)
	}
	return bodies
}

// mix puts body somewhere among bodies.
func (m *mischief) mix(bodies [][]byte, body []byte) [][]byte {
	return slices.Insert(slices.Clone(bodies), m.chance.IntN(len(bodies)+1), body)
}

// unknown is an event of a type that no document names.
func (m *mischief) unknown() []byte {
	kind := pick(m.chance, []string{"Occupancy", "LoyaltyPoints", "resource", "Event<b>"})
	detail := json.RawMessage(`{"Level":3,"Ratio":1.50,"Tags":["a",null,"\u00e9\n"]}`)
	return object{{"Type", kind}, {"Id", m.chance.id()}, {"Detail", detail}}.append(nil)
}

// broken is something that has no place among events.
func (m *mischief) broken() []byte {
	id := m.chance.id()
	return []byte(pick(m.chance, []string{
		`{"Type":"Resource","Id":42,"State":"Dirty"}`,
		`{"Type":"Resource","State":"Clean"}`,
		`{"Type":"Resource","Id":"","State":"Clean"}`,
		`{"Type":"Resource","Id":null,"State":"Clean"}`,
		`{"Id":"` + id + `","State":"Clean"}`,
		`{"Type":null,"Id":"` + id + `"}`,
		`{"Type":["Reservation"],"Id":"` + id + `","State":"Started"}`,
		`{"Type":"Reservation","Id":"` + id + `","State":7,"StartUtc":"yesterday","EndUtc":{},"AssignedResourceId":[]}`,
		`{}`, `[]`, `null`, `17`, `"Resource"`, `[{"Type":"Resource","Id":"` + id + `","State":"Clean"}]`,
	}))
}
