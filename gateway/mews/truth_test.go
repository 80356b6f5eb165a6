package mews_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/simulator"
)

// checkHistory looks for live events out of order, and for backfilled ones that say
// nothing new.
func (h *house) checkHistory() {
	h.t.Helper()
	last := make(map[gateway.EntityKey]*gateway.Event)
	heard := make(map[gateway.EntityKey]time.Time)
	for _, rec := range h.to.taken() {
		if rec.Event == nil {
			continue
		}
		e := rec.Event
		key, _ := e.Key()
		if was := last[key]; was != nil && e.Origin == gateway.OriginBackfill && e.Attributes == was.Attributes && bytes.Equal(e.Entity, was.Entity) {
			h.t.Errorf("%s %s twice: %s %s", e.Type, e.ID, e.Object, e.Entity)
		}
		if e.Origin == gateway.OriginLive {
			if e.Received.Before(heard[key]) {
				h.t.Errorf("%s %s of %v after %v", e.Type, e.ID, e.Received, heard[key])
			}
			heard[key] = e.Received
		}
		last[key] = e
	}
}

// checkNothingSilent looks for prices and commands that were said since began and
// are neither logged nor within an announced gap.
func (h *house) checkNothingSilent(began time.Time) {
	h.t.Helper()
	logged := make(map[string]bool)
	var gaps []*gateway.Gap
	for _, rec := range h.to.taken() {
		if g := rec.Gap; g != nil {
			gaps = append(gaps, g)
		} else {
			logged[rec.Event.ID+rec.Event.Attributes.State] = true
		}
	}
	events, _ := h.Events(began.Add(time.Second), time.Now())
	for _, e := range events {
		at := gateway.ReadAttributes(e.Type, e.ID, e.Body)
		covered := slices.ContainsFunc(gaps, func(g *gateway.Gap) bool {
			return slices.Contains(g.Types, e.Type) && !e.At.Before(g.From) && !e.At.After(g.To)
		})
		if (e.Type == "PriceUpdate" || e.Type == "DeviceCommand") && !logged[e.ID+at.State] && !covered {
			h.t.Errorf("%s of %v is neither logged nor announced", e.Body, e.At)
		}
	}
}

// Whatever happens to socket, API and process, in the end what was logged last of
// each entity is what is true of it.
func TestTruthInTheEnd(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 0))
		o := simulator.Options{
			Seed: seed, Speed: 1, Rooms: 12, Lag: time.Duration(r.IntN(20)) * time.Second,
			Quirks: simulator.Quirks{Duplicates: 0.1, Nulls: 0.2},
		}
		unreliable := seed%2 == 1 // what the socket says then is not what happens
		if unreliable {
			o.Quirks.Reordered, o.Quirks.Dropped = 0.1, 0.05
		}
		inHouse(t, o, func(t *testing.T, h *house) {
			options := h.options()
			options.Enrich = []string{"Resource", "Reservation"}[:r.IntN(3)]
			options.EntityFields = map[string][]string{"Resource": {"Name", "State"}, "Reservation": {"Number", "State"}}
			options.Reread = 10 * time.Minute
			h.listen(options)
			began := time.Now()
			for range 25 {
				settle(time.Duration(r.IntN(60_000)) * time.Millisecond)
				switch r.IntN(9) {
				case 0, 1:
					h.Reset()
				case 2:
					h.reach(socketHost, false)
					h.Reset()
				case 3:
					h.reach(apiHost, r.IntN(2) == 0)
				case 4:
					h.SetFaults(simulator.Faults{{Kind: simulator.FaultSlow, Delay: time.Duration(1+r.IntN(20)) * time.Second, Probability: 0.5}})
				case 5:
					h.SetFaults(simulator.Faults{{Kind: simulator.FaultError, Probability: 0.3}})
				case 6:
					if r.IntN(2) == 0 {
						h.kill()
					}
					h.stop()
					settle(time.Duration(r.IntN(100)) * time.Second)
					h.listen(options)
				default:
					h.SetFaults(nil)
					h.reach(socketHost, true)
					h.reach(apiHost, true)
				}
			}
			h.SetFaults(nil)
			h.reach(socketHost, true)
			h.reach(apiHost, true)
			settle(5 * time.Minute)
			h.Pause()
			settle(30 * time.Minute)
			synctest.Wait()
			h.checkTruth(began)
			h.checkHistory()
			if !unreliable {
				h.checkNothingSilent(began)
			}
			if got := h.to.now(); got.State != gateway.StateLive || got.Backfill != nil || time.Since(got.Confirmed) > 30*time.Second {
				t.Errorf("%+v, want live and confirmed lately", got)
			}
			if entries, _ := h.to.Entries(t.Context()); len(entries) > 0 {
				t.Errorf("%d entries are left in the inbox", len(entries))
			}
			if t.Failed() {
				t.Logf("seed %d:\n%s", seed, h.log)
			}
		})
		if t.Failed() {
			return
		}
	}
}
