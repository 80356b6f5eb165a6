package mews

import (
	"fmt"
	"testing"
	"time"

	"bellhop/gateway"
)

func TestDecide(t *testing.T) {
	const (
		minute  = time.Minute
		members = `{"Name":"214","Beds":2}`
	)
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	resource := func(state string, ago time.Duration, more string) row {
		return mustRow(t, typeResource, fmt.Sprintf(`{"Id":"R","State":%q,"UpdatedUtc":%q,"Name":"214","Beds":2%s}`, state, at(ago), more))
	}
	reservation := func(state, resource, more string, ago time.Duration) row {
		return mustRow(t, typeReservation, fmt.Sprintf(
			`{"Id":"B","State":%q,"AssignedResourceId":%s,"StartUtc":"2026-03-14T13:00:00Z","EndUtc":"2026-03-16T10:00:00Z","UpdatedUtc":%q%s}`,
			state, resource, at(ago), more))
	}
	command := func(state string) row {
		return mustRow(t, typeDeviceCommand, fmt.Sprintf(`{"Id":"C","State":%q}`, state))
	}
	live := func(object string, ago time.Duration) *gateway.Event {
		e := &gateway.Event{Source: "prague", Origin: gateway.OriginLive, Received: now.Add(-ago), Object: []byte(object)}
		e.Type = textOf(pick(e.Object, "Type")[0])
		e.ID = textOf(pick(e.Object, "Id")[0])
		e.Attributes = gateway.ReadAttributes(e.Type, e.ID, e.Object)
		if e.Type == typeResource {
			e.Entity = []byte(members)
		}
		return e
	}
	dirty := `{"Type":"Resource","Id":"r","State":"Dirty"}`
	booked := `{"Type":"Reservation","Id":"b","State":"Confirmed","StartUtc":"2026-03-14T14:00:00+01:00","EndUtc":"2026-03-16T10:00:00Z"}`
	backfilled := func(e *gateway.Event) *gateway.Event { e.Origin = gateway.OriginBackfill; return e }
	without := func(e *gateway.Event) *gateway.Event { e.Entity = nil; return e }
	with := func(e *gateway.Event, entity string) *gateway.Event { e.Entity = []byte(entity); return e }
	tombstone := func(ago time.Duration) *gateway.Event {
		return &gateway.Event{Type: typeResource, Origin: gateway.OriginBackfill, Received: now.Add(-ago), Gone: true}
	}
	read := reading{begun: now.Add(-time.Second)}
	settled := reading{begun: now.Add(-time.Second), settled: true}

	for name, c := range map[string]struct {
		row    row
		latest *gateway.Event
		from   reading
		want   decision
	}{
		"unknown":                       {resource("Dirty", minute, ""), nil, read, logRow},
		"unknown, inactive":             {resource("Dirty", minute, `,"IsActive":false`), nil, read, dropRow},
		"inactive":                      {resource("Dirty", minute, `,"IsActive":false`), live(dirty, 2*minute), read, buryRow},
		"inactive, earlier":             {resource("Dirty", 3*minute, `,"IsActive":false`), live(dirty, 2*minute), read, settleRow},
		"inactive, settled":             {resource("Dirty", 3*minute, `,"IsActive":false`), live(dirty, 2*minute), settled, buryRow},
		"buried since the read began":   {resource("Dirty", 3*minute, ""), tombstone(0), read, settleRow},
		"buried, later":                 {resource("Dirty", minute, ""), tombstone(2 * minute), read, logRow},
		"buried, read again":            {resource("Dirty", 3*minute, ""), tombstone(minute), read, logRow},
		"buried, inactive":              {resource("Dirty", minute, `,"IsActive":false`), tombstone(2 * minute), read, dropRow},
		"the same":                      {resource("Dirty", minute, ""), live(dirty, 2*minute), read, dropRow},
		"later":                         {resource("Clean", minute, ""), live(dirty, 2*minute), read, logRow},
		"within the clocks' difference": {resource("Clean", minute, ""), live(dirty, minute+time.Second), read, settleRow},
		"earlier":                       {resource("Clean", 3*minute, ""), live(dirty, 2*minute), read, settleRow},
		"earlier still, settled":        {resource("Clean", 3*minute, ""), live(dirty, 2*minute), settled, logRow},
		"settled, but a new event":      {resource("Clean", 3*minute, ""), live(dirty, minute/2), settled, settleRow},
		"read before":                   {resource("Clean", 3*minute, ""), backfilled(live(dirty, 2*minute)), read, logRow},
		"read after this read began":    {resource("Clean", 3*minute, ""), backfilled(live(dirty, 0)), read, settleRow},
		"another entity":                {resource("Dirty", minute, `,"Name":"215"`), live(dirty, 2*minute), read, logRow},
		"another entity, earlier":       {resource("Dirty", 3*minute, `,"Name":"215"`), live(dirty, 2*minute), read, settleRow},
		"went without its entity":       {resource("Dirty", 3*minute, ""), without(live(dirty, 2*minute)), read, settleRow},
		"entity in another order":       {resource("Dirty", 3*minute, ""), with(live(dirty, 2*minute), `{"Beds":2,"Name":"214"}`), read, dropRow},

		"equal instants, absent and null": {reservation("Confirmed", "null", "", minute), live(booked, 2*minute), read, dropRow},
		"assigned":                        {reservation("Confirmed", `"x"`, "", minute), live(booked, 2*minute), read, logRow},
		"ids without case": {
			reservation("Inquired", `"ABC"`, "", minute),
			live(`{"Type":"Reservation","Id":"b","State":"Enquired","StartUtc":"2026-03-14T13:00:00Z","EndUtc":"2026-03-16T10:00:00Z","AssignedResourceId":"abc"}`, 2*minute),
			read, dropRow,
		},
		"canceled long ago": {
			reservation("Canceled", "null", `,"CancelledUtc":"2026-03-12T10:00:00Z"`, minute), nil, read, dropRow,
		},
		"canceled lately": {reservation("Canceled", "null", `,"CancelledUtc":"2026-03-14T10:00:00Z"`, minute), nil, read, logRow},
		"canceled long ago, but known": {
			reservation("Canceled", "null", `,"CancelledUtc":"2026-03-12T10:00:00Z"`, minute), live(booked, 2*minute), read, logRow,
		},
		"left before its end, long ago": {reservation("Processed", "null", "", 30*time.Hour), nil, read, dropRow},
		"ended long ago":                {reservation("Started", "null", `,"EndUtc":"2026-03-13T11:00:00Z"`, minute), nil, read, dropRow},
		"ended lately":                  {reservation("Started", "null", `,"EndUtc":"2026-03-14T11:00:00Z"`, minute), nil, read, logRow},

		"command, unknown":          {command("Pending"), nil, read, logRow},
		"command, the same":         {command("Cancelled"), live(`{"Type":"DeviceCommand","Id":"c","State":"Canceled"}`, minute), read, dropRow},
		"command, long after":       {command("Processed"), live(`{"Type":"DeviceCommand","Id":"c","State":"Pending"}`, 2*minute), read, logRow},
		"command, at the same time": {command("Pending"), live(`{"Type":"DeviceCommand","Id":"c","State":"Processed"}`, minute/2), read, settleRow},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Source{name: "prague", settle: minute, keep: 24 * time.Hour, fields: map[string][]string{"Resource": {"Name", "Beds"}}}
			if got := s.decide(c.row, s.eventOf(c.row, now), c.latest, c.from); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// The server's clock decides what is later.
func TestDecideByTheServersClock(t *testing.T) {
	now := time.Now()
	s := &Source{settle: time.Minute}
	s.clock.set(now.Add(-10*time.Minute), now, now)
	latest := &gateway.Event{Type: typeResource, Origin: gateway.OriginLive, Received: now.Add(-time.Minute)}
	latest.Attributes.State = "Dirty"
	for updated, want := range map[time.Duration]decision{-10 * time.Minute: logRow, -12 * time.Minute: settleRow} {
		r := mustRow(t, typeResource, fmt.Sprintf(`{"Id":"r","State":"Clean","UpdatedUtc":%q}`, now.Add(updated).UTC().Format(time.RFC3339)))
		if got := s.decide(r, s.eventOf(r, now), latest, reading{begun: now}); got != want {
			t.Errorf("updated at %v: %v, want %v", updated, got, want)
		}
	}
}

func mustRow(t *testing.T, typ, text string) row {
	t.Helper()
	r, o := newRow(typ, []byte(text))
	if o != accepted {
		t.Fatalf("row refused: %s", o)
	}
	return r
}
