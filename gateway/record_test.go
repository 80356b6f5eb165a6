package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func drawTime(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, label), rapid.Int64Range(0, 999999999).Draw(t, label+" ns")).UTC()
}

func drawRecord(t *rapid.T) *gateway.Record {
	text := func(label string) string { return rapid.String().Draw(t, label) }
	if rapid.Bool().Draw(t, "gap") {
		return &gateway.Record{Gap: &gateway.Gap{
			Source: text("source"), Types: rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "types"),
			From: drawTime(t, "from"), To: drawTime(t, "to"), Reason: gateway.GapReason(text("reason")),
		}}
	}
	e := &gateway.Event{
		Source: text("source"), Type: text("type"), ID: text("id"), Origin: gateway.Origin(text("origin")),
		Received: drawTime(t, "received"), More: rapid.Bool().Draw(t, "more"),
		Object:     json.RawMessage(must(json.Marshal(map[string]string{text("name"): text("value")}))),
		Attributes: drawAttributes(t),
		Ticket:     rapid.Uint64().Draw(t, "ticket"),
	}
	if rapid.Bool().Draw(t, "enriched") {
		e.Entity = json.RawMessage(must(json.Marshal(text("entity"))))
	}
	if rapid.Bool().Draw(t, "done") {
		e.Done = drawTime(t, "done at")
	}
	if rapid.Bool().Draw(t, "gone") {
		e.Gone, e.Object, e.Entity = true, nil, nil
	}
	switch rapid.SampledFrom([]string{"not there", "the same", "another"}).Draw(t, "before") {
	case "the same":
		before := e.Attributes
		e.Before = &before
	case "another":
		before := drawAttributes(t)
		e.Before = &before
	}
	return &gateway.Record{Event: e}
}

func drawAttributes(t *rapid.T) gateway.Attributes {
	text := func(label string) string { return rapid.String().Draw(t, label) }
	a := gateway.Attributes{
		State: text("state"), Resource: text("resource"), Rate: text("rate"), Category: text("category"),
		Thread: text("thread"), Conversation: text("conversation"), Channel: text("channel"),
	}
	if rapid.Bool().Draw(t, "dated") {
		a.Start, a.End = drawTime(t, "start"), drawTime(t, "end")
	}
	return a
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		b, err := gateway.MarshalRecord(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := gateway.UnmarshalRecord(b)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("record (-want +got):\n%s", diff)
		}
		if got.Source() != want.Source() {
			t.Fatalf("source %q, want %q", got.Source(), want.Source())
		}
	})
}

// What a log may hand out of a record is what is read from its bytes.
func TestEncodeRecord(t *testing.T) {
	handed := 0
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		plain := rapid.Bool().Draw(t, "plain")
		if e := r.Event; e != nil && plain {
			e.Source, e.Type, e.ID, e.Origin = "hotel-0001", "Reservation", "bfee2c44-1f84", gateway.OriginLive
			for _, a := range []*gateway.Attributes{&e.Attributes, e.Before} {
				if a != nil {
					*a = gateway.Attributes{State: "Started", Resource: "20e00c32", Start: a.Start, End: a.End}
				}
			}
		}
		if r.Event != nil && rapid.Bool().Draw(t, "elsewhere") {
			r.Event.Received = r.Event.Received.In(time.FixedZone("", 3600))
		}
		b, got, err := gateway.EncodeRecord(r)
		if err != nil {
			return // of a year that no record can have
		}
		if marshalled := must(gateway.MarshalRecord(r)); !bytes.Equal(b, marshalled) {
			t.Fatalf("encoded %q, want %q", b, marshalled)
		}
		if got == nil {
			if r.Event != nil && plain && r.Event.Received.Location() == time.UTC {
				t.Fatal("it has to be read")
			}
			return
		}
		handed++
		want := must(gateway.UnmarshalRecord(b))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("record (-want +got):\n%s", cmp.Diff(want, got))
		}
		if got.Event == r.Event {
			t.Fatal("it is the very event")
		}
	})
	if handed == 0 {
		t.Error("nothing was handed out")
	}
}

// What is stored is read by later versions.
func TestRecordAsStored(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC)
	tests := map[string]struct {
		record *gateway.Record
		stored string
	}{
		"event": {
			&gateway.Record{Event: &gateway.Event{
				Source: "prague", Type: "Reservation", ID: "r-1", Origin: gateway.OriginLive, Received: at, More: true,
				Object: json.RawMessage(`{"n":1.0}`), Entity: json.RawMessage(`{"Number":"7"}`),
				Attributes: gateway.Attributes{State: "Started", Start: at},
			}},
			`{"v":1,"source":"prague","type":"Reservation","id":"r-1","origin":"live","received":"2030-01-02T03:04:05.678Z","more":true,"attr":{"state":"Started","start":"2030-01-02T03:04:05.678Z"}}` + "\n" + `{"n":1.0}` + "\n" + `{"Number":"7"}`,
		},
		"bare event": {
			&gateway.Record{Event: &gateway.Event{Source: "a", Type: "b", ID: "c", Object: json.RawMessage(`{}`)}},
			`{"v":1,"source":"a","type":"b","id":"c"}` + "\n{}",
		},
		"entity that was another": {
			&gateway.Record{Event: &gateway.Event{
				Source: "a", Type: "b", ID: "c", Object: json.RawMessage(`{}`), Attributes: gateway.Attributes{State: "x"},
				Before: &gateway.Attributes{State: "y", End: at}, Done: at, Ticket: 18446744073709551615,
			}},
			`{"v":1,"source":"a","type":"b","id":"c","attr":{"state":"x"},"done":"2030-01-02T03:04:05.678Z","ticket":18446744073709551615,"before":{"state":"y","end":"2030-01-02T03:04:05.678Z"}}` + "\n{}",
		},
		"entity that was the same": {
			&gateway.Record{Event: &gateway.Event{
				Source: "a", Type: "b", ID: "c", Object: json.RawMessage(`{}`), Attributes: gateway.Attributes{State: "x"}, Before: &gateway.Attributes{State: "x"},
			}},
			`{"v":1,"source":"a","type":"b","id":"c","attr":{"state":"x"},"same":true}` + "\n{}",
		},
		"entity that was without attributes": {
			&gateway.Record{Event: &gateway.Event{
				Source: "a", Type: "b", ID: "c", Object: json.RawMessage(`{}`), Attributes: gateway.Attributes{State: "x"}, Before: &gateway.Attributes{},
			}},
			`{"v":1,"source":"a","type":"b","id":"c","attr":{"state":"x"},"before":{}}` + "\n{}",
		},
		"entity that has gone": {
			&gateway.Record{Event: &gateway.Event{Source: "a", Type: "b", ID: "c", Origin: gateway.OriginBackfill, Gone: true, Before: &gateway.Attributes{State: "y"}}},
			`{"v":1,"source":"a","type":"b","id":"c","origin":"backfill","gone":true,"before":{"state":"y"}}` + "\n",
		},
		"gap": {
			&gateway.Record{Gap: &gateway.Gap{Source: "prague", Types: []string{"PriceUpdate"}, From: at, To: at.Add(time.Second), Reason: gateway.GapUpstream}},
			`{"v":1,"source":"prague","gap":{"types":["PriceUpdate"],"from":"2030-01-02T03:04:05.678Z","to":"2030-01-02T03:04:06.678Z","reason":"upstream"}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := gateway.MarshalRecord(tt.record)
			if err != nil || string(b) != tt.stored {
				t.Errorf("stored %s, %v\nwant %s", b, err, tt.stored)
			}
			got, err := gateway.UnmarshalRecord([]byte(tt.stored))
			if diff := cmp.Diff(tt.record, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("read (%v, -want +got):\n%s", err, diff)
			}
		})
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, b := range []string{"", "\n{}", "null\n{}", `{"v":1}`, `{"v":1}` + "\n", `{"v":1}` + "\n\n{}", `{"v":2}` + "\n{}", `{"v":1,"gap":7}`, `{"v":1,"received":"soon"}` + "\n{}"} {
		if r, err := gateway.UnmarshalRecord([]byte(b)); err == nil {
			t.Errorf("%q was read as %+v", b, r)
		}
	}
}

func FuzzUnmarshalRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"source":"a","type":"b","id":"c","received":"2030-01-02T03:04:05Z","attr":{"state":"x","end":"2030-01-02T03:04:05+01:00"}}` + "\n{}\n{}"))
	f.Add([]byte(`{"v":1,"source":"a","gap":{"types":["x"],"from":"2030-01-02T03:04:05Z","to":"2030-01-02T03:04:05Z","reason":"log"}}`))
	f.Add([]byte(`{"v":1,"gap":{}}`))
	f.Add([]byte("{\"v\":1}\n{}\n"))
	f.Add([]byte(`{"v":1,"gone":true,"before":{"state":"x"},"done":"2030-01-02T03:04:05Z","ticket":7}`))
	f.Add([]byte(`{"v":1,"attr":{"state":"x"},"same":true,"before":{"state":"y"}}` + "\n{}"))
	f.Add([]byte(`{"v":1,"gone":true}` + "\n\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := gateway.UnmarshalRecord(bytes.Clone(b))
		if err != nil {
			return
		}
		stored, err := gateway.MarshalRecord(first)
		if err != nil {
			t.Fatalf("%q was read, but cannot be written: %v", b, err)
		}
		second, err := gateway.UnmarshalRecord(stored)
		if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("read again (%v, -first +second):\n%s", err, diff)
		}
	})
}

func TestCheckName(t *testing.T) {
	long := strings.Repeat("x", gateway.MaxID)
	good := []struct{ typ, id string }{
		{"Resource", "r-1"}, {"airy.message", "\u00e9\U0001f6ce"}, {long[:gateway.MaxType], long}, {"messages", " "}, {"opened", "x"}, {"bellhop", "x"}, {"<\"\\>", "\ufffd"},
	}
	for _, n := range good {
		if err := gateway.CheckName(n.typ, n.id); err != nil {
			t.Errorf("%q, %q: %v", n.typ, n.id, err)
		}
	}
	bad := map[string]string{
		"": "empty", long + "x": "too long", "a\xff": "invalid UTF-8", "\xed\xa0\x80": "invalid UTF-8",
		"a\x00": "control character", "a\nb": "control character", "\r": "control character", "\x1f": "control character", "\x7f": "control character",
		"\u0080": "control character", "\u0085": "control character", "\u009f": "control character",
		"\u2028": "control character", "\u2029": "control character", "\ufeffx": "control character",
	}
	for s, reason := range bad {
		if err := gateway.CheckName(s, "x"); err == nil || err.Error() != "type: "+reason {
			t.Errorf("type %q: %v, want %s", s, err, reason)
		}
		if err := gateway.CheckName("x", s); err == nil || err.Error() != "id: "+reason {
			t.Errorf("id %q: %v, want %s", s, err, reason)
		}
	}
	if err := gateway.CheckName(long[:gateway.MaxType+1], "x"); err == nil {
		t.Error("a type of 129 bytes is let in")
	}
	for _, typ := range []string{"open", "ERROR", "Message", "bellhop.", "bellhop.ready", "BellHop.x"} {
		if err := gateway.CheckName(typ, "x"); err == nil || err.Error() != "type: reserved name" {
			t.Errorf("type %q: %v", typ, err)
		}
	}
	if err := gateway.CheckName("x", "bellhop.ready"); err != nil {
		t.Errorf("an id may be anything: %v", err)
	}
}

// However an upstream fills the members that filters read, a record has a bound
// that a log can count on.
func TestRecordIsBounded(t *testing.T) {
	for _, filling := range []string{"<", `\u0001`, "x", "é", "\U0001f6ce"} {
		object := fmt.Sprintf(`{"Type":"Reservation","Id":"r","State":"%[1]s","AssignedResourceId":"%[1]s"}`,
			strings.Repeat(filling, gateway.MaxObject/2/max(len(filling), 6)))
		e := newEvent("prague", "Reservation", "r", object)
		before := e.Attributes
		e.Before, e.Attributes.State = &before, "Clean"
		b, err := gateway.MarshalRecord(&gateway.Record{Event: e})
		if err != nil {
			t.Fatal(err)
		}
		if head := len(b) - len(object); head > 1<<20 {
			t.Errorf("filled with %q an event of %d bytes takes %d more", filling, len(object), head)
		}
		if !utf8.ValidString(e.Attributes.Resource) || len(e.Attributes.Resource) < 8<<10-8 {
			t.Errorf("filled with %q the resource is cut to %d bytes", filling, len(e.Attributes.Resource))
		}
	}
}
