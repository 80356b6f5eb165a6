package mews

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestRowEvent(t *testing.T) {
	for _, tt := range []struct{ name, typ, text, want string }{
		{"resource", typeResource, `{"Id":"a-1","Name":"214","State":"Inspected","IsActive":true}`,
			`{"Type":"Resource","Id":"a-1","State":"Inspected"}`},
		{"command", typeDeviceCommand, `{"Id":"c-1","State":"Pending","Data":{"FileData":"aGk="}}`,
			`{"Type":"DeviceCommand","Id":"c-1","State":"Pending"}`},
		{"deprecated interval", typeReservation,
			`{"Id":"r-1","State":"Started","AssignedResourceId":"a-1","ScheduledStartUtc":"2026-03-14T15:00:00Z","ActualStartUtc":"2026-03-14T08:12:39Z",
			  "ScheduledEndUtc":"2026-03-16T11:00:00Z","ActualEndUtc":null,"StartUtc":"2026-03-14T08:00:00Z","EndUtc":"2026-03-16T12:00:00Z"}`,
			`{"Type":"Reservation","Id":"r-1","State":"Started","StartUtc":"2026-03-14T08:00:00Z","EndUtc":"2026-03-16T12:00:00Z","AssignedResourceId":"a-1"}`},
		{"actual and scheduled", typeReservation,
			`{"ScheduledStartUtc":"2026-03-14T15:00:00Z","ActualStartUtc":"2026-03-14T08:12:39.5Z","ScheduledEndUtc":"2026-03-16T11:00:00Z","ActualEndUtc":null,
			  "StartUtc":null,"AssignedResourceId":null,"State":"Started","Id":"r-1"}`,
			`{"Type":"Reservation","Id":"r-1","State":"Started","StartUtc":"2026-03-14T08:12:39.5Z","EndUtc":"2026-03-16T11:00:00Z"}`},
		{"next to nothing", typeReservation, `{"Id":"r-1"}`, `{"Type":"Reservation","Id":"r-1"}`},
		{"wrong types", typeReservation, `{"Id":"r-1","State":7,"StartUtc":{},"EndUtc":[1],"AssignedResourceId":false}`, `{"Type":"Reservation","Id":"r-1"}`},
		{"the last of repeated ones", typeResource, `{"Id":"a-0","State":"Clean","Id":"a-1","State":"Dirty"}`, `{"Type":"Resource","Id":"a-1","State":"Dirty"}`},
		{"escapes", typeResource, `{"Id":"\u0061-1","St\u0061te":"D\u0069rty"}`, `{"Type":"Resource","Id":"\u0061-1","State":"D\u0069rty"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, o := newRow(tt.typ, []byte(tt.text))
			if o != accepted {
				t.Fatalf("refused: %s", o)
			}
			if got := string(r.event()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRowFields(t *testing.T) {
	r, _ := newRow(typeReservation, []byte(`{"Id":"r-1","State":"Canceled","CreatedUtc":"2026-03-01T09:00:00Z","UpdatedUtc":"2026-03-14T10:12:40.25+02:00",
		"CancelledUtc":"2026-03-14T08:12:40Z","AssignedResourceId":"a-1","ScheduledStartUtc":"2026-03-14T15:00:00Z","ScheduledEndUtc":"2026-03-16T11:00:00Z"}`))
	r.object = nil
	want := row{
		typ: typeReservation, id: "r-1", state: "Canceled", active: true, resource: "a-1",
		created:  time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		updated:  time.Date(2026, 3, 14, 8, 12, 40, 250e6, time.UTC),
		canceled: time.Date(2026, 3, 14, 8, 12, 40, 0, time.UTC),
		start:    time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC),
		end:      time.Date(2026, 3, 16, 11, 0, 0, 0, time.UTC),
	}
	if diff := gocmp.Diff(want, r, gocmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("row, -want +got:\n%s", diff)
	}
	for text, active := range map[string]bool{
		`{"Id":"a"}`: true, `{"Id":"a","IsActive":null}`: true, `{"Id":"a","IsActive":true}`: true, `{"Id":"a","IsActive":false}`: false,
	} {
		if r, _ := newRow(typeResource, []byte(text)); r.active != active {
			t.Errorf("%s: active is %v", text, r.active)
		}
	}
	for _, updated := range []string{`"soon"`, `7`, `null`, `"0000-01-01T00:00:00+10:00"`} {
		if r, o := newRow(typeResource, []byte(`{"Id":"a","UpdatedUtc":`+updated+`}`)); o != accepted || !r.updated.IsZero() {
			t.Errorf("updated %s: %s, %v", updated, o, r.updated)
		}
	}
}

func TestRowMembers(t *testing.T) {
	r, _ := newRow(typeReservation, []byte(`{"Id":"r-1", "Number": "7", "price":1.50, "Price":1e2, "Options":{"Price":3}, "Note":null, "Number":"8", "a<b":1}`))
	for _, tt := range []struct {
		list []string
		want string
	}{
		{nil, ""},
		{[]string{}, ""},
		{[]string{"Absent"}, `{}`},
		{[]string{"Price", "Number", "Absent", "Note", "Price"}, `{"Price":1e2,"Number":"8","Note":null}`},
		{[]string{"Options", "Options.Price", "number"}, `{"Options":{"Price":3}}`},
		{[]string{"a<b"}, `{"a\u003cb":1}`},
	} {
		if got := string(r.members(tt.list)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.list, got, tt.want)
		}
	}
}

func TestRowRefused(t *testing.T) {
	for text, want := range map[string]outcome{
		`7`: refusedShape, `"r-1"`: refusedShape, `null`: refusedShape, `[{"Id":"r-1"}]`: refusedShape,
		`{}`: refusedMissing, `{"Id":""}`: refusedMissing, `{"Id":7}`: refusedMissing, `{"id":"r-1"}`: refusedMissing,
		`{"Id":"r\n1"}`: refusedName, `{"Id":"\ud800"}`: refusedHalf, "{\"Id\":\"r-1\",\"Note\":\"\xff\"}": refusedUTF8,
		`{"Id":"` + strings.Repeat("x", 300) + `"}`: refusedLong,
	} {
		if _, got := newRow(typeReservation, []byte(text)); got != want {
			t.Errorf("%.40s: %s, want %s", text, got, want)
		}
	}
}

// FuzzAnswer holds that no answer whatever breaks its reading, and that what is
// read of it can be an event.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"Reservations":[{"Id":"r-1","State":"Started","UpdatedUtc":"2026-03-14T08:12:40Z"}],"Cursor":"r-1"}`,
		`{"Reservations":[{"Id":"r-1"},7,null,{"Id":null},{}],"Cursor":null}`,
		`{"Reservations":null}`, `{"Reservations":{}}`, `{"Cursor":7,"Reservations":[]}`,
		`{"NowUtc":"2026-03-14T08:15:30Z","Enterprise":{"Id":"e-1","Name":"Harbour","IsPortfolio":false}}`,
		`<html>`, ``, `{"Reservations":[`, `{"Reservations":[]}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := checkObject(text); err != nil {
			if json.Valid(text) && strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n"), "{") && !strings.Contains(err.Error(), "deep") {
				t.Fatalf("a good object is refused: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatal("what is no JSON is taken for an object")
		}
		if c, err := readConfiguration(text); err == nil && c.enterprise.id == "" {
			t.Error("an enterprise without an id")
		}
		items, _, err := readPage(text, "Reservations")
		if err != nil {
			return
		}
		for _, item := range items {
			checkRow(t, item)
		}
	})
}

func checkRow(t *testing.T, item []byte) {
	r, o := newRow(typeReservation, item)
	if o != accepted {
		return
	}
	var event struct{ Type, Id string }
	if err := json.Unmarshal(r.event(), &event); err != nil || event.Type != typeReservation || event.Id != r.id {
		t.Errorf("event %s (%v) of row %q", r.event(), err, r.id)
	}
	entity := r.members([]string{"Id", "State", "Number"})
	if !json.Valid(entity) || !utf8.Valid(entity) || !json.Valid(r.object) || !utf8.Valid(r.object) {
		t.Errorf("entity %s of %s", entity, r.object)
	}
	if _, err := json.Marshal([]time.Time{r.created, r.updated, r.canceled, r.start, r.end}); err != nil {
		t.Errorf("times: %v", err)
	}
	if again, o := newRow(typeReservation, r.object); o != accepted || fmt.Sprint(again) != fmt.Sprint(r) {
		t.Errorf("%s read again is %v, %s", r.object, again, o)
	}
}
