package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

func TestFilters(t *testing.T) {
	var (
		states = func(v ...string) gateway.Query { return gateway.Query{States: v} }
		rooms  = func(v ...string) gateway.Query { return gateway.Query{Resources: v} }
		rates  = func(v ...string) gateway.Query { return gateway.Query{Rates: v} }
		kinds  = func(v ...string) gateway.Query { return gateway.Query{Categories: v} }
		talks  = func(v ...string) gateway.Query { return gateway.Query{Conversations: v} }
		canals = func(v ...string) gateway.Query { return gateway.Query{Channels: v} }
	)
	tests := []struct {
		name, typ, object string
		query             gateway.Query
		want              bool
	}{
		{"source", "Resource", `{}`, gateway.Query{Sources: []string{"b", "prague"}}, true},
		{"another source", "Resource", `{}`, gateway.Query{Sources: []string{"Prague"}}, false},
		{"type", "Resource", `{}`, gateway.Query{Types: []string{"Resource"}}, true},
		{"a type in another case", "Resource", `{}`, gateway.Query{Types: []string{"resource"}}, false},
		{"a star is no type", "Resource", `{}`, gateway.Query{Types: []string{"*"}}, false},
		{"id", "Resource", `{}`, gateway.Query{IDs: []string{"iD-1"}}, true},
		{"another id", "Resource", `{}`, gateway.Query{IDs: []string{"id-2"}}, false},
		{"a star is no id", "Resource", `{}`, gateway.Query{IDs: []string{"*"}}, false},

		{"state", "Resource", `{"State":"Dirty"}`, states("Clean", "Dirty"), true},
		{"a state in another case", "Resource", `{"State":"Dirty"}`, states("dirty"), false},
		{"a member in another case", "Resource", `{"state":"Dirty"}`, states("Dirty"), false},
		{"another state", "DeviceCommand", `{"State":"Pending"}`, states("Dirty"), false},
		{"the old spelling asked", "Reservation", `{"State":"Inquired"}`, states("Enquired"), true},
		{"the old spelling said", "Reservation", `{"State":"Cancelled"}`, states("Canceled"), true},
		{"no state", "Resource", `{}`, states("Dirty"), false},
		{"a null state", "Resource", `{"State":null}`, states("Dirty"), false},
		{"a number for a state", "Resource", `{"State":5}`, states("5"), false},
		{"a list for a state", "Resource", `{"State":["Dirty"]}`, states("Dirty"), false},
		{"an empty state", "Resource", `{"State":""}`, states(""), false},
		{"the last of two", "Resource", `{"State":"Clean","State":"Dirty"}`, states("Dirty"), true},
		{"the first of two", "Resource", `{"State":"Dirty","State":"Clean"}`, states("Dirty"), false},
		{"null after one", "Resource", `{"State":"Dirty","State":null}`, states("Dirty"), false},
		{"escapes", "Resource", `{"Sta\u0074e":"D\u0069rty"}`, states("Dirty"), true},
		{"a member within", "Resource", `{"x":{"State":"Dirty"}}`, states("Dirty"), false},
		{"a price has none", "PriceUpdate", `{"State":"Dirty"}`, states("Dirty"), false},
		{"a webhook has none", "ResourceUpdated", `{"State":"Dirty"}`, states("Dirty"), false},
		{"an unknown type may", "Odd", `{"State":"Dirty"}`, states("Dirty"), true},
		{"an unknown type without", "Odd", `{}`, states("Dirty"), false},
		{"a delivery state", "airy.message", `{"message":{"delivery_state":"failed"}}`, states("failed"), true},
		{"an Airy state elsewhere", "airy.message", `{"State":"failed","delivery_state":"failed"}`, states("failed"), false},
		{"a message that is none", "airy.message", `{"message":"failed"}`, states("failed"), false},
		{"the last of two messages", "airy.message", `{"message":{"delivery_state":"failed"},"message":{}}`, states("failed"), false},

		{"an assigned room", "Reservation", `{"AssignedResourceId":"R-1"}`, rooms("r-1"), true},
		{"no assigned room", "Reservation", `{"AssignedResourceId":null}`, rooms("r-1"), false},
		{"a reservation's id", "Reservation", `{}`, rooms("ID-1"), false},
		{"a room's id", "Resource", `{}`, rooms("Id-1"), true},
		{"a room's other member", "Resource", `{"AssignedResourceId":"r-1"}`, rooms("r-1"), false},
		{"an unknown type's room", "Odd", `{"AssignedResourceId":"r-1"}`, rooms("R-1"), true},
		{"an unknown type's id", "Odd", `{}`, rooms("ID-1"), false},
		{"a command's", "DeviceCommand", `{"AssignedResourceId":"r-1"}`, rooms("r-1"), false},

		{"rate", "PriceUpdate", `{"RateId":"A"}`, rates("a"), true},
		{"another rate", "PriceUpdate", `{"RateId":"b"}`, rates("a"), false},
		{"every rate, by null", "PriceUpdate", `{"RateId":null}`, rates("a"), true},
		{"every rate, by absence", "PriceUpdate", `{}`, rates("a"), true},
		{"rate of another type", "Resource", `{"RateId":"a"}`, rates("a"), false},
		{"rate of an unknown type", "Odd", `{"RateId":"a"}`, rates("a"), true},
		{"no rate of an unknown type", "Odd", `{}`, rates("a"), false},
		{"category", "PriceUpdate", `{"ResourceCategoryId":"A"}`, kinds("a"), true},
		{"another category", "PriceUpdate", `{"ResourceCategoryId":"b"}`, kinds("a"), false},
		{"every category", "PriceUpdate", `{"ResourceCategoryId":null}`, kinds("a"), true},
		{"no category of an unknown type", "Odd", `{"ResourceCategoryId":null}`, kinds("a"), false},

		{"conversation", "airy.message", `{"conversation_id":"A"}`, talks("a"), true},
		{"a count's conversation", "airy.unread-count", `{"conversation_id":"a"}`, talks("A"), true},
		{"a channel's conversation", "airy.channel.connected", `{"conversation_id":"a"}`, talks("a"), false},
		{"an unknown type's conversation", "airy.odd", `{"conversation_id":"a"}`, talks("a"), true},
		{"channel", "airy.message", `{"channel_id":"A"}`, canals("a"), true},
		{"a channel's own id", "airy.channel.disconnected", `{"channel_id":"a"}`, canals("iD-1"), true},
		{"a channel's other member", "airy.channel.connected", `{"channel_id":"a"}`, canals("a"), false},
		{"a count's channel", "airy.unread-count", `{"channel_id":"a"}`, canals("a"), false},

		{"both parameters", "Reservation", `{"State":"Started","AssignedResourceId":"r"}`, gateway.Query{States: []string{"Started"}, Resources: []string{"r"}}, true},
		{"one of two parameters", "Reservation", `{"State":"Started","AssignedResourceId":"s"}`, gateway.Query{States: []string{"Started"}, Resources: []string{"r"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEvent("prague", tt.typ, "ID-1", tt.object)
			if _, got := subscribe(t, tt.query, everything).Show(e); got != tt.want {
				t.Errorf("shown: %t, want %t", got, tt.want)
			}
			if _, ref := refMatches([]gateway.Grant{everything}, tt.query, e); ref != tt.want {
				t.Errorf("by the reference: %t, want %t", ref, tt.want)
			}
		})
	}
}

// A message's thread is known to its source only.
func TestThreadFilter(t *testing.T) {
	for _, tt := range []struct {
		typ, thread string
		want        bool
	}{{"MessageAdded", "t-1", true}, {"MessageAdded", "t-2", false}, {"MessageAdded", "", false}, {"CustomerAdded", "", false}} {
		e := newEvent("prague", tt.typ, "m", `{"MessageThreadId":"t-1"}`)
		e.Attributes.Thread = tt.thread
		if _, got := subscribe(t, gateway.Query{Threads: []string{"T-1"}}, everything).Show(e); got != tt.want {
			t.Errorf("%s of thread %q by filter: %t, want %t", tt.typ, tt.thread, got, tt.want)
		}
		g := gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Threads: []string{"T-1"}}
		if _, got := subscribe(t, gateway.Query{}, g).Show(e); got != tt.want {
			t.Errorf("%s of thread %q by grant: %t, want %t", tt.typ, tt.thread, got, tt.want)
		}
	}
}

func TestIntervals(t *testing.T) {
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		return must(time.Parse(time.RFC3339, "2030-01-"+s+":00Z"))
	}
	tests := []struct {
		start, end string // members of the event; "" absent, "-" null
		from, to   string
		want       bool
	}{
		{"10T12:00", "12T12:00", "10T00:00", "11T00:00", true},
		{"10T12:00", "12T12:00", "12T12:00", "13T00:00", true},  // both ends inclusive
		{"10T12:00", "12T12:00", "09T00:00", "10T12:00", true},  // both ends inclusive
		{"10T12:00", "12T12:00", "12T12:01", "13T00:00", false}, // a minute late
		{"10T12:00", "12T12:00", "09T00:00", "10T11:59", false}, // a minute early
		{"10T12:00", "12T12:00", "11T00:00", "11T00:00", true},  // a moment within
		{"10T12:00", "10T12:00", "10T12:00", "10T12:00", true},  // two moments
		{"10T12:00", "12T12:00", "13T00:00", "", false},         // only from
		{"10T12:00", "12T12:00", "12T00:00", "", true},
		{"10T12:00", "12T12:00", "", "10T00:00", false}, // only to
		{"10T12:00", "12T12:00", "", "10T13:00", true},
		{"10T12:00", "-", "20T00:00", "21T00:00", true}, // no end
		{"10T12:00", "-", "", "10T00:00", false},
		{"", "12T12:00", "01T00:00", "02T00:00", true}, // no start
		{"", "12T12:00", "13T00:00", "", false},
		{"x", "12T12:00", "01T00:00", "02T00:00", true}, // a start that is no time
	}
	member := func(v string) string {
		switch v {
		case "-":
			return "null"
		case "x":
			return `"soon"`
		}
		return fmt.Sprintf("%q", "2030-01-"+v+":00Z")
	}
	for _, tt := range tests {
		var members []string
		if tt.start != "" {
			members = append(members, `"StartUtc":`+member(tt.start))
		}
		if tt.end != "" {
			members = append(members, `"EndUtc":`+member(tt.end))
		}
		object := "{" + strings.Join(members, ",") + "}"
		for _, typ := range []string{"Reservation", "PriceUpdate", "Odd", "Resource", "ServiceOrderUpdated", "airy.message"} {
			want := tt.want && slices.Contains([]string{"Reservation", "PriceUpdate", "Odd"}, typ)
			s := subscribe(t, gateway.Query{From: at(tt.from), To: at(tt.to)}, everything)
			if _, got := s.Show(newEvent("prague", typ, "i", object)); got != want {
				t.Errorf("%s %s in [%s, %s]: %t, want %t", typ, object, tt.from, tt.to, got, want)
			}
		}
	}
}

// Without an interval a type that bears one concerns all times; of an unknown
// type nobody can say.
func TestNoInterval(t *testing.T) {
	q := gateway.Query{From: time.Unix(0, 0), To: time.Unix(1, 0)}
	for typ, want := range map[string]bool{"Reservation": true, "PriceUpdate": true, "Odd": false, "Resource": false, "airy.message": false} {
		for _, object := range []string{`{}`, `{"StartUtc":null,"EndUtc":null}`, `{"StartUtc":7}`} {
			if _, got := subscribe(t, q, everything).Show(newEvent("prague", typ, "i", object)); got != want {
				t.Errorf("%s %s: %t, want %t", typ, object, got, want)
			}
		}
	}
}

// A year that is none in UTC is an open end; the record of such an event can be
// written all the same.
func TestTheEndsOfTime(t *testing.T) {
	e := newEvent("prague", "Reservation", "i", `{"StartUtc":"0000-01-01T00:00:00+14:00","EndUtc":"9999-12-31T23:00:00-14:00"}`)
	if _, err := gateway.MarshalRecord(&gateway.Record{Event: e}); err != nil {
		t.Error(err)
	}
	if _, ok := subscribe(t, gateway.Query{From: time.Unix(0, 0), To: time.Unix(1, 0)}, everything).Show(e); !ok {
		t.Error("not shown")
	}
}

// Which grant lets an event in is settled before the query is looked at, and
// that grant decides what is seen.
func TestFirstGrantDecides(t *testing.T) {
	var (
		dirty = gateway.Grant{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Dirty"}, Redact: []string{"event.State", "event.a"}}
		rooms = gateway.Grant{Sources: []string{"*"}, Types: []string{"Resource"}, Fields: []string{"event.a"}}
		e     = newEvent("prague", "Resource", "i", `{"Type":"Resource","Id":"i","State":"Dirty","a":1,"b":2}`)
		clean = newEvent("prague", "Resource", "i", `{"Type":"Resource","Id":"i","State":"Clean","a":1,"b":2}`)
	)
	const head = `{"source":"prague","type":"Resource","id":"i","origin":"live","received":"2030-01-02T03:04:05.678Z","event":`
	tests := []struct {
		name   string
		grants []gateway.Grant
		query  gateway.Query
		event  *gateway.Event
		want   string // empty for not shown
	}{
		{"the first", []gateway.Grant{dirty, rooms}, gateway.Query{}, e, head + `{"Type":"Resource","Id":"i","b":2}}`},
		{"the other way round", []gateway.Grant{rooms, dirty}, gateway.Query{}, e, head + `{"Type":"Resource","Id":"i","a":1}}`},
		{"the first does not let it in", []gateway.Grant{dirty, rooms}, gateway.Query{}, clean, head + `{"Type":"Resource","Id":"i","a":1}}`},
		{"the first hides what the filter reads", []gateway.Grant{dirty, {Sources: []string{"*"}, Types: []string{"*"}}}, gateway.Query{States: []string{"Dirty"}}, e, ""},
		{"the first hides nothing that the filter reads", []gateway.Grant{dirty, rooms}, gateway.Query{IDs: []string{"I"}}, e, head + `{"Type":"Resource","Id":"i","b":2}}`},
		{"an id is never hidden", []gateway.Grant{{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.Id"}}}, gateway.Query{IDs: []string{"i"}}, e, head + `{"Type":"Resource","State":"Dirty","a":1,"b":2}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, _ := subscribe(t, tt.query, tt.grants...).Show(tt.event)
			if diff := cmp.Diff(tt.want, string(data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
		})
	}
}

// Every list of a grant narrows, all at once; what an event cannot have, it does
// not match.
func TestGrantLists(t *testing.T) {
	full := gateway.Grant{
		Sources: []string{"prague"}, Types: []string{"airy.message"}, States: []string{"failed"}, IDs: []string{"M"},
		Conversations: []string{"C"}, Channels: []string{"H"},
	}
	const object = `{"conversation_id":"c","channel_id":"h","message":{"delivery_state":"failed"}}`
	tests := []struct {
		name   string
		change func(*gateway.Grant)
		want   bool
	}{
		{"all of them", func(*gateway.Grant) {}, true},
		{"source", func(g *gateway.Grant) { g.Sources = []string{"brno"} }, false},
		{"all sources", func(g *gateway.Grant) { g.Sources = []string{"*"} }, true},
		{"type", func(g *gateway.Grant) { g.Types = []string{"Airy.message"} }, false},
		{"all types", func(g *gateway.Grant) { g.Types = []string{"*"} }, true},
		{"state", func(g *gateway.Grant) { g.States = []string{"pending"} }, false},
		{"a star is no state", func(g *gateway.Grant) { g.States = []string{"*"} }, false},
		{"id", func(g *gateway.Grant) { g.IDs = []string{"n"} }, false},
		{"a star is no id", func(g *gateway.Grant) { g.IDs = []string{"*"} }, false},
		{"conversation", func(g *gateway.Grant) { g.Conversations = []string{"d"} }, false},
		{"a star is no conversation", func(g *gateway.Grant) { g.Conversations = []string{"*"} }, false},
		{"channel", func(g *gateway.Grant) { g.Channels = []string{"i"} }, false},
		{"a star is no channel", func(g *gateway.Grant) { g.Channels = []string{"*"} }, false},
		{"a room, which it cannot have", func(g *gateway.Grant) { g.Resources = []string{"r"} }, false},
		{"a star is no room", func(g *gateway.Grant) { g.Resources = []string{"*"} }, false},
		{"a thread, which it cannot have", func(g *gateway.Grant) { g.Threads = []string{"t"} }, false},
		{"all threads", func(g *gateway.Grant) { g.Threads = []string{"*"} }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := full
			tt.change(&g)
			e := newEvent("prague", "airy.message", "m", object)
			if _, got := subscribe(t, gateway.Query{}, g).Show(e); got != tt.want {
				t.Errorf("shown: %t, want %t", got, tt.want)
			}
			if refGrants(g, e) != tt.want {
				t.Errorf("the reference differs")
			}
		})
	}
}

// filterValues are queries of one parameter that hold for the events of
// sampleObjects, as far as their types can have it.
var filterValues = map[string]gateway.Query{
	"source":       {Sources: []string{"prague"}},
	"type":         {Types: append([]string{"Odd", "resource"}, knownTypes...)},
	"id":           {IDs: []string{"ID-1"}},
	"state":        {States: []string{"Canceled"}},
	"resource":     {Resources: []string{"id-1", "r-1"}},
	"rate":         {Rates: []string{"e-1"}},
	"category":     {Categories: []string{"g-1"}},
	"thread":       {Threads: []string{"t-1"}},
	"conversation": {Conversations: []string{"c-1"}},
	"channel":      {Channels: []string{"id-1", "h-1"}},
	"from":         {From: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)},
	"to":           {To: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)},
	"from and to":  {From: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)},
}

// sampleObjects have every member that filters read, or lack them in the ways in
// which members can be lacking.
func sampleObjects() []string {
	members := map[string]string{
		"State": `"Cancelled"`, "AssignedResourceId": `"R-1"`, "RateId": `"E-1"`, "ResourceCategoryId": `"G-1"`,
		"StartUtc": `"2030-01-01T00:00:00Z"`, "EndUtc": `"2030-01-03T00:00:00Z"`,
		"conversation_id": `"C-1"`, "channel_id": `"H-1"`, "message": `{"delivery_state":"Canceled"}`,
	}
	build := func(value func(full string) string) string {
		o := []string{`"Type":"x"`, `"Id":"y"`}
		for name, full := range members {
			if v := value(full); v != "" {
				o = append(o, fmt.Sprintf("%q:%s", name, v))
			}
		}
		slices.Sort(o)
		return "{" + strings.Join(o, ",") + "}"
	}
	constant := func(v string) func(string) string { return func(string) string { return v } }
	return []string{
		build(func(full string) string { return full }),
		build(constant("")), build(constant("null")), build(constant("17")), build(constant(`""`)), build(constant(`{}`)),
		build(func(full string) string { return "[" + full + "]" }),
	}
}

// Every filter against every hidden member: the full product of filters, masks,
// types and shapes of events.
func TestEveryFilterAgainstEveryMask(t *testing.T) {
	type mask struct{ fields, redact []string }
	masks := []mask{{nil, nil}}
	for _, p := range []string{
		"event.State", "event.AssignedResourceId", "event.RateId", "event.ResourceCategoryId", "event.StartUtc", "event.EndUtc",
		"event.conversation_id", "event.channel_id", "event.message", "event.message.delivery_state", "entity.MessageThreadId",
		"event.Id", "event.other",
	} {
		masks = append(masks,
			mask{redact: []string{p}}, mask{redact: []string{strings.ToUpper(p[:8]) + p[8:]}}, mask{redact: []string{p + ".x"}},
			mask{fields: []string{p}}, mask{fields: []string{p[:6] + strings.ToUpper(p[6:])}}, mask{fields: []string{p + ".x"}},
			mask{fields: []string{p, "event.State"}, redact: []string{p}},
		)
	}
	var events []*gateway.Event
	for _, typ := range append([]string{"Odd", "resource"}, knownTypes...) {
		for _, o := range sampleObjects() {
			e := newEvent("prague", typ, "Id-1", o)
			if typ == "MessageAdded" {
				e.Attributes.Thread = "t-1"
			}
			events = append(events, e)
		}
	}
	shown := make(map[string]int)
	for parameter, q := range filterValues {
		for _, m := range masks {
			g := gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Fields: m.fields, Redact: m.redact}
			s, err := gateway.NewSubscription([]gateway.Grant{g}, q)
			if err != nil {
				s = nil // nothing is shown; whether that is right is seen below
			}
			for _, e := range events {
				_, want := refMatches([]gateway.Grant{g}, q, e)
				got := s != nil && s.Matches(e)
				if got != want {
					t.Fatalf("%s, fields %v, redact %v, %s %s: shown %t, want %t (refused: %v)", parameter, m.fields, m.redact, e.Type, e.Object, got, want, err)
				}
				if got {
					shown[parameter]++
				}
			}
		}
	}
	for parameter := range filterValues {
		if shown[parameter] == 0 {
			t.Errorf("%s never held: the test says nothing of it", parameter)
		}
	}
}

// A filter that can hold for nothing is refused: one that reads only what the
// grant hides, of every type that grant and query leave.
func TestEveryFilterOnlyOnHiddenMembers(t *testing.T) {
	reads := func(parameter, typ string) []reading {
		switch parameter {
		case "source", "type", "id":
			return nil
		case "from", "to", "from and to":
			return []reading{refReading("start", typ), refReading("end", typ)}
		}
		return []reading{refReading(parameter, typ)}
	}
	refused := 0
	for _, redact := range [][]string{
		{"event.State"}, {"event.message", "event.conversation_id"}, {"event.StartUtc"}, {"event.StartUtc", "event.EndUtc"},
		{"event.AssignedResourceId", "event.RateId", "event.ResourceCategoryId"}, {"entity"}, {"entity.MessageThreadId"}, {"event.Id"},
	} {
		for parameter, q := range filterValues {
			for _, typ := range append([]string{"Odd"}, knownTypes...) {
				g := gateway.Grant{Sources: []string{"*"}, Types: []string{typ}, Redact: redact}
				want, some := true, false
				for _, r := range reads(parameter, typ) {
					want, some = want && (!r.can || refCovered(g, r)), some || r.can
				}
				want = want && some
				if parameter == "type" {
					q.Types = []string{typ}
				}
				_, err := gateway.NewSubscription([]gateway.Grant{g}, q)
				if (err != nil) != want {
					t.Errorf("%s of %s behind %v: error %v, want one: %t", parameter, typ, redact, err, want)
				}
				if want {
					refused++
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the test says nothing")
	}
}
