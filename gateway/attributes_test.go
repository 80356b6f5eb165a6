package gateway_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// memberPaths are the members of types' objects that attributes are read from:
// state, resource, rate, category, conversation, channel, start and end.
var memberPaths = map[string][8]string{
	"DeviceCommand":          {0: "State"},
	"Reservation":            {"State", "AssignedResourceId", "", "", "", "", "StartUtc", "EndUtc"},
	"Resource":               {0: "State"},
	"PriceUpdate":            {"", "", "RateId", "ResourceCategoryId", "", "", "StartUtc", "EndUtc"},
	"MessageAdded":           {},
	"airy.message":           {"message.delivery_state", "", "", "", "conversation_id", "channel_id", "", ""},
	"airy.unread-count":      {4: "conversation_id"},
	"airy.channel.connected": {},
	"SomethingNew":           {"State", "AssignedResourceId", "RateId", "ResourceCategoryId", "conversation_id", "channel_id", "StartUtc", "EndUtc"},
}

// decodeAttributes reads attributes by decoding all of the object.
func decodeAttributes(typ, id string, object []byte) gateway.Attributes {
	const longest = 8<<10 + 1
	paths := memberPaths[typ]
	text := func(i int) string {
		value := json.RawMessage(object)
		if paths[i] == "" {
			return ""
		}
		for step := range strings.SplitSeq(paths[i], ".") {
			var members map[string]json.RawMessage
			_ = json.Unmarshal(value, &members)
			value = members[step]
		}
		var s string
		_ = json.Unmarshal(value, &s)
		for len(s) > longest || !utf8.ValidString(s) {
			s = s[:min(len(s)-1, longest)]
		}
		return s
	}
	lower := func(s string) string {
		b := []byte(s)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
		return string(b)
	}
	moment := func(i int) time.Time {
		t, err := time.Parse(time.RFC3339Nano, text(i))
		if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
			return time.Time{}
		}
		return t
	}
	a := gateway.Attributes{
		State: text(0), Resource: lower(text(1)), Rate: lower(text(2)), Category: lower(text(3)),
		Conversation: lower(text(4)), Channel: lower(text(5)), Start: moment(6), End: moment(7),
	}
	switch a.State {
	case "Enquired":
		a.State = "Inquired"
	case "Cancelled":
		a.State = "Canceled"
	}
	switch typ {
	case "Resource":
		a.Resource = lower(id)
	case "airy.channel.connected":
		a.Channel = lower(id)
	}
	return a
}

// drawValue draws the text of a value that an attribute may be read from, or of
// something else in its place.
func drawValue(t *rapid.T, depth int) string {
	choices := []string{
		`"Started"`, `"Enquired"`, `"Cancelled"`, `"AB-12"`, `"\u0041B"`, `"a\"b\\"`, `"É"`, `""`, `"\ud800"`,
		`"2026-11-20T13:00:00Z"`, `"2026-11-20T13:00:00.5+02:00"`, `"9999-12-31T23:59:59-01:00"`, `"2026-13-01T00:00:00Z"`,
		`null`, `true`, `-1.5e3`, `[]`, `["State",{"State":"x"}]`, `{}`,
		`"` + strings.Repeat("é", 5000) + `"`,
	}
	if n := rapid.IntRange(0, len(choices)).Draw(t, "value"); n < len(choices) {
		return choices[n]
	}
	if depth == 0 {
		return `"deep"`
	}
	return drawObject(t, depth-1)
}

func drawObject(t *rapid.T, depth int) string {
	name := rapid.SampledFrom([]string{
		"State", "AssignedResourceId", "RateId", "ResourceCategoryId", "StartUtc", "EndUtc", "conversation_id", "channel_id",
		"message", "delivery_state", "message.delivery_state", "event", `St\u0061te`, `\u0053tate`, `mess\u0061ge`, "state", "Stat", `a\"b`, "", "MessageThreadId",
	})
	var b strings.Builder
	b.WriteByte('{')
	for i := range rapid.IntRange(0, 6).Draw(t, "members") {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name.Draw(t, "name") + `":` + drawValue(t, depth))
	}
	return b.String() + "}"
}

// Attributes are what decoding the whole object finds.
func TestReadAttributes(t *testing.T) {
	types := slices.Sorted(func(yield func(string) bool) {
		for typ := range memberPaths {
			if !yield(typ) {
				return
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		typ, object := rapid.SampledFrom(types).Draw(t, "type"), drawObject(t, 2)
		got := gateway.ReadAttributes(typ, "Entity-1", json.RawMessage(object))
		if want := decodeAttributes(typ, "Entity-1", []byte(object)); got != want {
			t.Fatalf("%s %s:\n%s", typ, object, cmp.Diff(want, got))
		}
	})
}

func FuzzReadAttributes(f *testing.F) {
	for _, object := range []string{
		`{"State":"Started","AssignedResourceId":"AB","StartUtc":"2026-11-20T13:00:00Z"}`, `{"message":{"delivery_state":"x"},"message":1}`,
		`{"St\u0061te":"a","State":null}`, `[]`, `17`, ``, `{`, `{"`, `{"a`, `{"":`, `{"State":"`, `{"State":"\`, `{"message":{"delivery_state`, `{"a":"\\\"","State":"b"}`,
	} {
		f.Add("airy.message", []byte(object))
		f.Add("SomethingNew", []byte(object))
	}
	f.Fuzz(func(t *testing.T, typ string, b []byte) {
		if _, ok := memberPaths[typ]; !ok {
			typ = "SomethingNew"
		}
		b = bytes.Clone(b)[:len(b):len(b)] // so that reading beyond the end is seen
		got := gateway.ReadAttributes(typ, "X", b)
		var compact bytes.Buffer
		if !utf8.Valid(b) || json.Compact(&compact, b) != nil {
			return
		}
		got = gateway.ReadAttributes(typ, "X", compact.Bytes())
		if want := decodeAttributes(typ, "X", compact.Bytes()); got != want {
			t.Errorf("%s %s:\n%s", typ, compact.Bytes(), cmp.Diff(want, got))
		}
	})
}

func BenchmarkReadAttributes(b *testing.B) {
	object := json.RawMessage(`{"Type":"Reservation","Id":"bfee2c44-1f84-4326-a000-000000000001","State":"Processed","StartUtc":"2026-11-20T13:00:00Z","EndUtc":"2026-11-22T11:00:00Z","AssignedResourceId":"5ee074b1-6c86-48e8-915f-c7aa4702086f","Stamp":"00000000-0000-0000-stamp@00000000"}`)
	b.ReportAllocs()
	for b.Loop() {
		gateway.ReadAttributes("Reservation", "bfee2c44-1f84-4326-a000-000000000001", object)
	}
}
