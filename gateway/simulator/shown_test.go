package simulator_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const reservationsPath = "reservations/getAll/2023-06-06"

var allRooms = members{"Resources": true, "Inactive": true}

// eventOf is the event that the socket would send of a row.
func eventOf(kind string, row members) string {
	event := []string{fmt.Sprintf(`"Type":%q,"Id":%q,"State":%q`, kind, row["Id"], row["State"])}
	if kind == "Reservation" {
		event = append(event, fmt.Sprintf(`"StartUtc":%q,"EndUtc":%q`, row["StartUtc"], row["EndUtc"]))
		if room, ok := row["AssignedResourceId"].(string); ok {
			event = append(event, fmt.Sprintf(`"AssignedResourceId":%q`, room))
		}
	}
	return "{" + strings.Join(event, ",") + "}"
}

// TestRowsAreWhatEventsSay: every entity's row says what its event would, and
// nothing is missing.
func TestRowsAreWhatEventsSay(t *testing.T) {
	m := newMews(t, simulator.Options{Rooms: 30, Limiter: simulator.Limiter{Calls: -1}})
	for range 6 {
		m.Hotel.Skip(31 * time.Hour)
		shown := map[string]string{}
		read := func(kind, operation string, body members) {
			for _, row := range m.pages(operation, body, 1000) {
				shown[row["Id"].(string)] = eventOf(kind, row)
			}
		}
		read("Reservation", reservationsPath, members{"States": everyState})
		read("Resource", "resources/getAll", members{"Extent": allRooms})
		var commands []string
		for _, f := range m.Facts() {
			if f.Type == "DeviceCommand" {
				commands = append(commands, f.ID)
			}
		}
		read("DeviceCommand", "commands/getAllByIds", members{"CommandIds": commands})
		facts := map[string]string{}
		for _, f := range m.Facts() {
			facts[f.ID] = string(f.Body)
		}
		if d := cmp.Diff(facts, shown); d != "" {
			t.Fatalf("(-true +shown):\n%s", d)
		}
	}
}

// pages are the rows of all pages of this size.
func (m *mews) pages(operation string, body members, count int) []members {
	m.t.Helper()
	var rows []members
	var cursor any
	for {
		body = replaced(body, members{"Limitation": members{"Count": count, "Cursor": cursor}})
		answer := m.answer(operation, body)
		list := answer[rowsOf(operation)].([]any)
		for _, row := range list {
			rows = append(rows, row.(members))
		}
		cursor = answer["Cursor"]
		switch {
		case len(list) > count:
			m.t.Fatalf("%d rows of %d", len(list), count)
		case (cursor == nil) != (len(list) == 0):
			m.t.Fatalf("%d rows and cursor %v", len(list), cursor)
		case cursor == nil:
			return rows
		case len(rows) > 100_000:
			m.t.Fatal("the pages have no end")
		case cursor != rows[len(rows)-1]["Id"]:
			m.t.Fatalf("cursor %v after %v", cursor, rows[len(rows)-1]["Id"])
		}
	}
}

func TestPages(t *testing.T) {
	m := newMews(t, simulator.Options{Limiter: simulator.Limiter{Calls: -1}})
	m.Hotel.Skip(2 * day)
	body := members{"States": everyState}
	want := ids(m.pages(reservationsPath, body, 1000))
	if state := m.State(); len(want) != len(state.Reservations) {
		t.Fatalf("%d rows of %d reservations", len(want), len(state.Reservations))
	}
	for _, count := range []int{1, 7, len(want) - 1, len(want)} {
		if d := cmp.Diff(want, ids(m.pages(reservationsPath, body, count))); d != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", count, d)
		}
	}
	rows := m.rows(reservationsPath, body)
	if !slices.IsSortedFunc(rows, func(a, b members) int { return strings.Compare(b["CreatedUtc"].(string), a["CreatedUtc"].(string)) }) {
		t.Error("the newest is not first")
	}
	some := []string{want[9], want[3], strings.ToUpper(want[5]), want[3], many(1)[0]}
	if d := cmp.Diff([]string{want[3], want[5], want[9]}, ids(m.pages(reservationsPath, members{"ReservationIds": some}, 2))); d != "" {
		t.Errorf("by id (-want +got):\n%s", d)
	}
	after := members{"ReservationIds": want, "Limitation": members{"Count": 1000, "Cursor": want[4]}}
	if d := cmp.Diff(want[5:], ids(m.rows(reservationsPath, after))); d != "" {
		t.Errorf("by id, after a cursor (-want +got):\n%s", d)
	}
}

// TestWhatWasMissedIsShown: whoever saw nothing of a gap, and asks for what was
// updated in it, knows what is true.
func TestWhatWasMissedIsShown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		gap := time.Duration(rapid.IntRange(1, 40*60).Draw(rt, "gap")) * time.Minute
		waits := rapid.SliceOfN(rapid.IntRange(0, 3000), 3, 3).Draw(rt, "milliseconds")
		synctest.Test(t, func(t *testing.T) {
			m := newMews(t, simulator.Options{Seed: seed, Rooms: 20})
			known := map[string]string{}
			learn := func(facts []simulator.Fact) {
				for _, f := range facts {
					known[f.ID] = string(f.Body)
				}
			}
			pass := func(i int) { time.Sleep(time.Duration(waits[i]) * time.Millisecond) }
			pass(0)
			learn(m.Facts())
			from := time.Now().Truncate(time.Second)
			m.Hotel.Skip(gap / 2)
			pass(1)
			m.Hotel.Skip(gap / 2)
			pass(2)
			window := span(from, time.Now())
			for kind, rows := range map[string][]members{
				"Reservation": m.rows(reservationsPath, members{"States": everyState, "UpdatedUtc": window}),
				"Resource":    m.rows("resources/getAll", members{"Extent": allRooms, "UpdatedUtc": window}),
			} {
				for _, row := range rows {
					known[row["Id"].(string)] = eventOf(kind, row)
				}
			}
			for _, f := range m.Facts() {
				if got := known[f.ID]; f.Type != "DeviceCommand" && got != string(f.Body) {
					t.Fatalf("believed %s, is %s", got, f.Body)
				}
			}
		})
	})
}

func TestIntervalsAreInclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{})
		time.Sleep(1700 * time.Millisecond)
		second := time.Now().Truncate(time.Second)
		room := m.State().Rooms[0].ID
		if err := m.SetRoom(room, simulator.RoomOutOfService); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			from, to  time.Duration // from the second on
			dialect   simulator.Dialect
			contained bool
		}{
			{0, 0, simulator.Dialect{}, true},
			{-time.Second, 0, simulator.Dialect{}, true},
			{0, time.Second, simulator.Dialect{}, true},
			{-time.Second, -1, simulator.Dialect{}, false},
			{1, time.Second, simulator.Dialect{}, false}, // it was updated 0.7 s after, but shows whole seconds
			{0, time.Second, simulator.Dialect{ExclusiveStart: true}, false},
			{-1, 0, simulator.Dialect{ExclusiveStart: true}, true},
		} {
			m.SetDialect(c.dialect)
			window := span(second.Add(c.from), second.Add(c.to))
			rows := m.rows("resources/getAll", members{"Extent": allRooms, "UpdatedUtc": window})
			if got := slices.Contains(ids(rows), room); got != c.contained {
				t.Errorf("%+v: %v", c, got)
			}
		}
		row := m.rows("resources/getAll", members{"Extent": allRooms, "ResourceIds": []string{room}})[0]
		if want := second.UTC().Format(time.RFC3339); row["UpdatedUtc"] != want {
			t.Errorf("updated %v, want %v", row["UpdatedUtc"], want)
		}
	})
}

func TestStates(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(3 * day)
	byState := map[string]int{}
	var listed []string
	for _, r := range m.State().Reservations {
		byState[string(r.State)]++
		listed = append(listed, r.ID)
	}
	for _, state := range everyState {
		rows := m.rows(reservationsPath, members{"States": []string{state}})
		if len(rows) != byState[state] || byState[state] == 0 && state != "Requested" {
			t.Errorf("%s: %d rows of %d", state, len(rows), byState[state])
		}
	}
	usual := byState["Confirmed"] + byState["Started"] + byState["Processed"]
	if n := len(m.rows(reservationsPath, members{})); n != usual {
		t.Errorf("without states: %d, want %d", n, usual)
	}
	if n := len(m.rows(reservationsPath, members{"ReservationIds": listed})); n != len(listed) {
		t.Errorf("by id, without states: %d, want %d", n, len(listed))
	}
}

// TestFilters holds each filter of reservations against the same done by hand.
func TestFilters(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(3 * day)
	all := m.State().Reservations
	one := all[slices.IndexFunc(all, func(r simulator.Reservation) bool {
		return r.State == simulator.ReservationProcessed && r.Origin == "ChannelManager"
	})]
	at := func(t time.Time) members { return span(t, t) }
	same := func(a, b *time.Time) bool { return a != nil && a.Equal(*b) }
	for name, c := range map[string]struct {
		value any
		holds func(r simulator.Reservation) bool
	}{
		"ReservationGroupIds": {[]string{one.GroupID}, func(r simulator.Reservation) bool { return r.GroupID == one.GroupID }},
		"AccountIds":          {[]string{one.Customer.ID}, func(r simulator.Reservation) bool { return r.ID == one.ID }},
		"Numbers":             {[]string{one.Number}, func(r simulator.Reservation) bool { return r.ID == one.ID }},
		"ChannelNumbers":      {[]string{"CM-" + one.Number}, func(r simulator.Reservation) bool { return r.ID == one.ID }},
		"AssignedResourceIds": {[]string{*one.RoomID}, func(r simulator.Reservation) bool { return r.RoomID != nil && *r.RoomID == *one.RoomID }},
		"TravelAgencyIds":     {many(1), func(simulator.Reservation) bool { return false }},
		"CreatedUtc":          {at(one.CreatedUTC), func(r simulator.Reservation) bool { return r.CreatedUTC.Equal(one.CreatedUTC) }},
		"ScheduledStartUtc":   {at(one.ScheduledStartUTC), func(r simulator.Reservation) bool { return r.ScheduledStartUTC.Equal(one.ScheduledStartUTC) }},
		"ScheduledEndUtc":     {at(one.ScheduledEndUTC), func(r simulator.Reservation) bool { return r.ScheduledEndUTC.Equal(one.ScheduledEndUTC) }},
		"ActualStartUtc":      {at(*one.ActualStartUTC), func(r simulator.Reservation) bool { return same(r.ActualStartUTC, one.ActualStartUTC) }},
		"ActualEndUtc":        {at(*one.ActualEndUTC), func(r simulator.Reservation) bool { return same(r.ActualEndUTC, one.ActualEndUTC) }},
		"CollidingUtc": {at(one.EndUTC()), func(r simulator.Reservation) bool {
			return !r.StartUTC().After(one.EndUTC()) && !r.EndUTC().Before(one.EndUTC())
		}},
		"ServiceIds": {[]string{m.Layout().Service}, func(simulator.Reservation) bool { return true }},
	} {
		want := []string{}
		for _, r := range all {
			if c.holds(r) {
				want = append(want, r.ID)
			}
		}
		got := ids(m.rows(reservationsPath, members{"States": everyState, name: c.value}))
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" || name != "TravelAgencyIds" && !slices.Contains(got, one.ID) {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestActiveCommands(t *testing.T) {
	m := newMews(t, simulator.Options{})
	seen := map[simulator.CommandState]bool{}
	for range 400 {
		m.Hotel.Skip(3 * time.Minute)
		want := []string{}
		for _, c := range slices.Backward(m.State().Commands) {
			if c.State == simulator.CommandPending || c.State == simulator.CommandReceived {
				want = append(want, c.ID)
				seen[c.State] = true
			}
		}
		if d := cmp.Diff(want, ids(m.quietly("commands/getAllActive"))); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	}
	if len(seen) != 2 {
		t.Errorf("seen %v", seen)
	}
}

// quietly are the rows of a call that no limit counts.
func (m *mews) quietly(operation string) []members {
	m.t.Helper()
	if err := m.SetLimiter(simulator.Limiter{}); err != nil {
		m.t.Fatal(err)
	}
	return m.rows(operation, members{})
}

func TestCommandRows(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(day)
	state := m.State()
	c := state.Commands[len(state.Commands)-1]
	row := m.rows("commands/getAllByIds", members{"CommandIds": []string{c.ID}})[0]
	if _, has := row["UpdatedUtc"]; has {
		t.Error("a command has an UpdatedUtc")
	}
	r := state.Reservations[slices.IndexFunc(state.Reservations, func(r simulator.Reservation) bool { return r.ID == c.ReservationID })]
	data := row["Data"].(members)
	if data["LastName"] != r.Customer.LastName || data["ReservationNumber"] != r.Number || len(data["LockIds"].([]any)) != 1 {
		t.Errorf("data: %v", data)
	}
	if device := row["Device"].(members); device["Id"] != c.DeviceID || device["Type"] != "KeyCutter" {
		t.Errorf("device: %v", device)
	}
}

func TestCustomers(t *testing.T) {
	m := newMews(t, simulator.Options{})
	guest := m.State().Reservations[0].Customer
	for filter, value := range map[string]any{
		"CustomerIds": []string{guest.ID}, "Emails": []string{guest.Email}, "CreatedUtc": span(guest.CreatedUTC, guest.CreatedUTC),
	} {
		rows := m.rows("customers/getAll", members{filter: value, "Extent": members{"Customers": true}})
		if len(rows) != 1 || rows[0]["LastName"] != guest.LastName || rows[0]["Email"] != guest.Email || rows[0]["Notes"] == nil {
			t.Errorf("%s: %v", filter, rows)
		}
	}
	answer := m.answer("customers/getAll", members{"CustomerIds": []string{guest.ID}, "Extent": members{"Customers": false}, "Limitation": page})
	if answer["Customers"] != nil || answer["Cursor"] != guest.ID {
		t.Errorf("without an extent: %v", answer)
	}
}

func TestBlocks(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(10 * day)
	state := m.State()
	active := m.rows("resourceBlocks/getAll", members{})
	both := m.rows("resourceBlocks/getAll", members{"ActivityStates": []string{"Active", "Deleted"}})
	if len(active) != len(state.Blocks) || len(both) <= len(active) {
		t.Fatalf("%d active of %d, %d in all", len(active), len(state.Blocks), len(both))
	}
	rooms := map[string]simulator.RoomState{}
	for _, r := range state.Rooms {
		rooms[r.ID] = r.State
	}
	for _, row := range both {
		active, out := row["IsActive"].(bool), rooms[row["AssignedResourceId"].(string)] == simulator.RoomOutOfOrder
		if (row["DeletedUtc"] == nil) != active || active && !out {
			t.Errorf("row %v, room out of order %v", row, out)
		}
	}
	window := span(time.Now().Add(-time.Hour), time.Now().Add(time.Second))
	if rows := m.rows("resourceBlocks/getAll", members{"UpdatedUtc": window, "ActivityStates": []string{"Deleted"}}); len(rows) != len(both)-len(active) {
		t.Errorf("%d deleted ones, of %d", len(rows), len(both)-len(active))
	}
}

func TestCatalogue(t *testing.T) {
	m := newMews(t, simulator.Options{})
	l := m.Layout()
	names := func(operation string, body members) []string {
		var list []string
		for _, row := range m.rows(operation, body) {
			if id := row["EnterpriseId"]; id != nil && id != l.Enterprise {
				t.Errorf("%s: enterprise %v", operation, id)
			}
			list = append(list, row["Names"].(members)["en-GB"].(string))
		}
		return list
	}
	stay := members{"ServiceIds": []string{l.Service}}
	for operation, c := range map[string]struct {
		body members
		want []string
	}{
		"services/getAll":           {members{}, []string{"Stay", "Breakfast"}},
		"resourceCategories/getAll": {replaced(stay, nil), []string{"Classic", "Superior", "Deluxe", "Suite"}},
		"rates/getAll":              {replaced(stay, nil), []string{"Company", "Bed and breakfast", "Saver", "Flexible"}},
	} {
		if d := cmp.Diff(c.want, names(operation, c.body)); d != "" {
			t.Errorf("%s (-want +got):\n%s", operation, d)
		}
	}
	if d := cmp.Diff([]string{"Stay"}, names("services/getAll", members{"ServiceType": "Bookable"})); d != "" {
		t.Errorf("bookable (-want +got):\n%s", d)
	}
	deleted := replaced(stay, members{"ActivityStates": []string{"Deleted"}})
	if list := names("rates/getAll", deleted); len(list) != 0 {
		t.Errorf("deleted rates: %v", list)
	}
	if n := len(m.rows("devices/getAll", members{})); n != 2 {
		t.Errorf("%d devices", n)
	}
}

func TestPortfolio(t *testing.T) {
	m := newMews(t, simulator.Options{})
	enterprise := func(body members) (id string, portfolio bool) {
		e := m.answer("configuration/get", body)["Enterprise"].(members)
		return e["Id"].(string), e["IsPortfolio"].(bool)
	}
	own, portfolio := enterprise(members{})
	if own != m.Layout().Enterprise || portfolio {
		t.Errorf("one enterprise: %s, %v", own, portfolio)
	}
	m.SetPortfolio(true)
	if id, portfolio := enterprise(members{}); id == own || !portfolio {
		t.Errorf("portfolio: %s, %v", id, portfolio)
	}
	if id, portfolio := enterprise(members{"EnterpriseId": own}); id != own || portfolio {
		t.Errorf("one of the portfolio: %s, %v", id, portfolio)
	}
	if n := len(m.rows("enterprises/getAll", members{})); n != 2 {
		t.Errorf("%d enterprises", n)
	}
	m.SetPortfolio(false)
	other := many(1)[0]
	if err := m.SetEnterprise(other); err != nil {
		t.Fatal(err)
	}
	if id, portfolio := enterprise(members{}); id != other || portfolio {
		t.Errorf("another: %s, %v", id, portfolio)
	}
	if row := m.rows("resources/getAll", members{"Extent": allRooms})[0]; row["EnterpriseId"] != other {
		t.Errorf("room of %v", row["EnterpriseId"])
	}
	if d := cmp.Diff([]string{other}, ids(m.rows("enterprises/getAll", members{}))); d != "" {
		t.Errorf("enterprises (-want +got):\n%s", d)
	}
	if err := m.SetEnterprise("x"); err == nil {
		t.Error("an enterprise called x")
	}
	if !newMews(t, simulator.Options{Portfolio: true}).answer("configuration/get", nil)["Enterprise"].(members)["IsPortfolio"].(bool) {
		t.Error("the option is not heeded")
	}
}

func TestNowUtcIsTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{})
		m.Hotel.Skip(5 * day)
		time.Sleep(time.Hour + 900*time.Millisecond)
		want := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
		if got := m.answer("configuration/get", nil)["NowUtc"]; got != want {
			t.Errorf("now is %v, want %s", got, want)
		}
	})
}

func TestKept(t *testing.T) {
	m := newMews(t, simulator.Options{Rooms: 100, Kept: 50})
	m.Hotel.Skip(20 * day)
	state := m.State()
	over := 0
	want := []string{}
	for _, r := range state.Reservations {
		want = append(want, r.ID)
		if r.State == simulator.ReservationProcessed || r.State == simulator.ReservationCanceled {
			over++
		}
	}
	if over != 50 || len(state.Commands) != 13 {
		t.Errorf("%d reservations that are over, %d commands", over, len(state.Commands))
	}
	got := ids(m.pages(reservationsPath, members{"States": everyState}, 1000))
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("shown (-want +got):\n%s", d)
	}
	customers := m.pages("customers/getAll", members{"UpdatedUtc": span(time.Now().Add(-80*day), time.Now()), "Extent": members{"Customers": true}}, 1000)
	if len(customers) != len(want) {
		t.Errorf("%d customers of %d reservations", len(customers), len(want))
	}
	if n := len(m.rows("resourceBlocks/getAll", members{"ActivityStates": []string{"Deleted"}})); n != 13 {
		t.Errorf("%d ended blocks", n)
	}
	var told, kept []string
	events, _ := m.EventsAfter(0)
	for _, e := range events[len(events)-2000:] {
		if e.Type == "DeviceCommand" {
			told = append(told, e.ID)
		}
	}
	for _, c := range slices.Backward(state.Commands) {
		kept = append(kept, c.ID)
	}
	if d := cmp.Diff(kept, ids(m.rows("commands/getAllByIds", members{"CommandIds": told}))); d != "" || len(told) < 100 {
		t.Errorf("commands of %d told (-want +got):\n%s", len(told), d)
	}
	if _, prices := m.Held(); prices > 4*5*(30+4) {
		t.Errorf("%d prices are held", prices)
	}
}

func TestFactsAreInTheState(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(day)
	s := m.State()
	facts := m.Facts()
	if want := len(s.Rooms) + len(s.Reservations) + len(s.Commands); len(facts) != want {
		t.Fatalf("%d facts, want %d", len(facts), want)
	}
	for i, r := range s.Rooms {
		var w wire
		if err := json.Unmarshal(facts[i].Body, &w); err != nil {
			t.Fatal(err)
		}
		if w.Id != r.ID || w.State != string(r.State) || facts[i].Version != r.Version || !facts[i].UpdatedUTC.Equal(r.UpdatedUTC) {
			t.Errorf("fact %+v of room %+v", facts[i], r)
		}
	}
}
