package mews_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway/mews"
	"bellhop/gateway/simulator"
)

// enriching are the options of a source whose rooms carry their names and states.
func (h *house) enriching() mews.Options {
	o := h.options()
	o.Enrich = []string{"Resource", "Reservation"}
	o.EntityFields = map[string][]string{"Resource": {"Name", "State"}}
	return o
}

// name returns the n-th room's.
func (h *house) name(n int) string { return h.rooms[n].Name }

func TestEnrichment(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(1, simulator.RoomDirty)
		h.set(2, simulator.RoomDirty)
		h.listen(h.enriching())
		settle(5 * time.Minute)
		n, calls := h.mark(), len(h.Calls())
		h.set(1, simulator.RoomClean)
		h.set(2, simulator.RoomClean)
		settle(time.Second)
		want := []string{
			fmt.Sprintf(`live Resource room1 Clean {"Name":%q,"State":"Clean"}`, h.name(1)),
			fmt.Sprintf(`live Resource room2 Clean {"Name":%q,"State":"Clean"}`, h.name(2)),
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
		if got := len(h.Calls()) - calls; got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
		// No list, no members, no call.
		calls = len(h.Calls())
		h.Send(false, []byte(frameOf(`{"Type":"Reservation","Id":"b","State":"Confirmed"}`)))
		settle(0)
		if got := h.since(n + 2); len(got) != 1 || len(h.Calls()) != calls {
			t.Errorf("%q after %d calls, want the event at once", got, len(h.Calls())-calls)
		}
	})
}

// An API that trails behind is asked until it shows what the event says.
func TestEnrichmentWaitsForTheAPI(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(1, simulator.RoomDirty)
		settle(time.Minute)
		h.SetLag(time.Second)
		h.listen(h.enriching())
		settle(5 * time.Minute)
		n := h.mark()
		h.set(1, simulator.RoomClean)
		settle(800 * time.Millisecond)
		h.Send(false, []byte(frameOf(`{"Type":"PriceUpdate","Id":"p"}`)))
		settle(2 * time.Second)
		want := []string{
			"live PriceUpdate p",
			fmt.Sprintf(`live Resource room1 Clean {"Name":%q,"State":"Clean"}`, h.name(1)),
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
	})
}

// Several events of one entity keep their order and share one reading, which shows
// what the last of them tells of.
func TestEnrichmentOfAnEntityThatChanges(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(1, simulator.RoomInspected)
		h.listen(h.enriching())
		settle(5 * time.Minute)
		n := h.mark()
		for _, state := range []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean, simulator.RoomInspected} {
			h.set(1, state)
		}
		settle(time.Second)
		var want []string
		for _, state := range []string{"Dirty", "Clean", "Inspected"} {
			want = append(want, fmt.Sprintf(`live Resource room1 %s {"Name":%q,"State":"Inspected"}`, state, h.name(1)))
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
	})
}

// An event waits so long and no longer; its entity follows.
func TestEventGoesWithoutItsEntity(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"late":      {Kind: simulator.FaultSlow, Delay: 5 * time.Second},
		"hanging":   {Kind: simulator.FaultHang},
		"forbidden": {Kind: simulator.FaultUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
				h.set(1, simulator.RoomDirty)
				h.listen(h.enriching())
				settle(5 * time.Minute)
				fault.Operations = []string{resourcesOp}
				h.SetFaults(simulator.Faults{fault})
				n := h.mark()
				h.set(1, simulator.RoomClean)
				settle(1900 * time.Millisecond)
				if got := len(h.since(n)); (got == 0) == (name == "forbidden") {
					t.Errorf("%d events before the time is over", got)
				}
				settle(200 * time.Millisecond)
				want := []string{"live Resource room1 Clean"}
				if diff := cmp.Diff(want, h.since(n)); diff != "" {
					t.Errorf("log, -want +got:\n%s", diff)
				}
				h.SetFaults(nil)
				settle(5 * time.Minute)
				if name != "forbidden" {
					want = append(want, fmt.Sprintf(`backfill Resource room1 Clean {"Name":%q,"State":"Clean"}`, h.name(1)))
				}
				if diff := cmp.Diff(want, h.since(n)); diff != "" {
					t.Errorf("minutes later, -want +got:\n%s\n%s", diff, h.log)
				}
			})
		})
	}
}

// A storm of events costs few calls.
func TestEnrichmentOfAStorm(t *testing.T) {
	inHouse(t, simulator.Options{Rooms: 400}, func(t *testing.T, h *house) {
		h.listen(h.enriching())
		settle(5 * time.Minute)
		n, calls := h.mark(), len(h.Calls())
		for i := range 3 {
			for room := range h.rooms {
				h.set(room, []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean, simulator.RoomInspected}[i])
			}
			settle(300 * time.Millisecond)
		}
		settle(3 * time.Second)
		lines := h.since(n)
		bare := 0
		for _, line := range lines {
			if !strings.HasSuffix(line, "}") {
				bare++
			}
		}
		if len(lines) < 800 || bare > 0 {
			t.Errorf("%d events, %d without their entities", len(lines), bare)
		}
		if got := len(h.Calls()) - calls; got > 12 {
			t.Errorf("%d calls", got)
		}
	})
}
