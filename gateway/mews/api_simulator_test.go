package mews

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"
)

// manners of the simulated API that a read has to get over.
var manners = map[string]simulator.Options{
	"good": {},
	"faults": {Faults: simulator.Faults{
		{Kind: simulator.FaultGateway, Probability: .1},
		{Kind: simulator.FaultCut, Probability: .05},
		{Kind: simulator.FaultCutShort, Probability: .05},
		{Kind: simulator.FaultConflict, Probability: .05},
		{Kind: simulator.FaultTimeout, Probability: .1},
		{Kind: simulator.FaultLimited, Probability: .05},
		{Kind: simulator.FaultHeavy, MaxCount: 40, Operations: []string{reservationListing.op}},
		{Kind: simulator.FaultTooLarge, MaxBytes: 1000},
		{Kind: simulator.FaultSlow, Delay: 3 * time.Second, Probability: .2},
	}},
	"a tight limit": {Limiter: simulator.Limiter{Calls: 3, Window: time.Minute, RetryAfter: simulator.RetryAfterNone}},
}

// facts are what the socket would say, by type and id.
type facts map[[2]string]string

func (f facts) add(typ, id string, event json.RawMessage) { f[[2]string{typ, id}] = string(event) }

func (f facts) take(rows []row) error {
	for _, r := range rows {
		f.add(r.typ, r.id, r.event())
	}
	return nil
}

// TestSimulatedHotel: whatever its API does wrong, what the reads bring is what
// the hotel's socket would have said.
func TestSimulatedHotel(t *testing.T) {
	for name, o := range manners {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.Seed, o.ClientToken = 7, testClientToken
				o.Start = time.Now()
				upstream, err := simulator.New(o)
				if err != nil {
					t.Fatal(err)
				}
				hotel := upstream.Hotels()[0]
				began := time.Now()
				for range 30 {
					hotel.Skip(time.Hour)
					time.Sleep(time.Minute)
				}
				s := &apiServer{handler: upstream.Handler()}
				s.run(t, apiOptions{accessToken: hotel.AccessToken()}, func(a *api) { compare(t, a, hotel, began) })
				if v := hotel.Violations(); len(v) > 0 {
					t.Errorf("the API was misused: %q", v)
				}
			})
		})
	}
}

func compare(t *testing.T, a *api, hotel *simulator.Hotel, began time.Time) {
	t.Helper()
	whole, updated, present := make(facts), make(facts), make(facts)
	ids := make(map[string][]string)
	for _, f := range hotel.Facts() {
		whole.add(f.Type, f.ID, f.Body)
		ids[f.Type] = append(ids[f.Type], f.ID)
		if !f.UpdatedUTC.Before(began) && f.Type != typeDeviceCommand {
			updated.add(f.Type, f.ID, f.Body)
		}
		if f.Type == typeResource {
			present.add(f.Type, f.ID, f.Body)
		}
	}
	c, err := a.configuration(t.Context(), idle)
	if want := hotel.Layout(); c.enterprise.id != want.Enterprise || c.enterprise.timeZone != want.TimeZone {
		t.Errorf("configuration %+v, want that of %s", c, want.Hotel)
	}
	got := make(facts)
	err = errors.Join(err,
		a.resourcesUpdated(t.Context(), catchUp, began, time.Now(), got.take),
		a.reservationsUpdated(t.Context(), catchUp, began, time.Now(), got.take))
	diff(t, "updated", updated, got)

	got = make(facts)
	err = errors.Join(err, a.allResources(t.Context(), idle, got.take))
	diff(t, "active rooms", present, got)

	got = make(facts)
	for typ, read := range map[string]idsReader{
		typeResource: a.resources, typeReservation: a.reservations, typeDeviceCommand: a.commands,
	} {
		rows, fault := read(t.Context(), urgent, ids[typ])
		err = errors.Join(err, fault, got.take(rows))
	}
	diff(t, "by ids", whole, got)

	if _, fault := a.activeCommands(t.Context(), catchUp); errors.Join(err, fault) != nil {
		t.Error(errors.Join(err, fault))
	}
}

func diff(t *testing.T, what string, want, got facts) {
	t.Helper()
	wrong := 0
	for key, event := range want {
		if got[key] != event {
			if wrong++; wrong < 3 {
				t.Errorf("%s: got  %s\nwant %s", what, got[key], event)
			}
		}
	}
	if wrong > 0 || len(want) == 0 || len(got) != len(want) {
		t.Errorf("%s: %d rows, %d of %d wrong", what, len(got), wrong, len(want))
	}
}

type idsReader = func(context.Context, class, []string) ([]row, error)
