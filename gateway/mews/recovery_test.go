package mews_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/simulator"
)

const (
	resourcesOp    = "resources/getAll"
	reservationsOp = "reservations/getAll/2023-06-06"
	activeOp       = "commands/getAllActive"
)

func TestRecoveryReadsWhatWasMissed(t *testing.T) {
	inHouse(t, simulator.Options{Rooms: 30}, func(t *testing.T, h *house) {
		h.Skip(6 * time.Hour) // guests have left
		h.listen(h.options())
		settle(5 * time.Minute)
		h.set(1, simulator.RoomInspected)
		h.set(2, simulator.RoomClean)
		h.set(3, simulator.RoomClean)
		idle := h.idleRoom()
		settle(5 * time.Minute)
		n := h.mark()
		h.away(time.Minute, func() {
			h.set(1, simulator.RoomDirty)
			settle(time.Second)
			h.set(2, simulator.RoomInspected)
			h.set(2, simulator.RoomDirty)
			h.set(3, simulator.RoomInspected) // and back: nothing to tell
			h.set(3, simulator.RoomClean)
			if err := h.DeactivateRoom(h.room(idle)); err != nil {
				t.Fatal(err)
			}
		})
		settle(10 * time.Minute)
		want := []string{
			"backfill Resource room1 Dirty",
			"backfill Resource room2 Dirty",
			fmt.Sprint("gone Resource room", idle),
			"gap upstream DeviceCommand PriceUpdate",
		}
		// Bookings are moved out of the room that is gone.
		got := slices.DeleteFunc(h.since(n), func(line string) bool { return strings.Contains(line, "Reservation") })
		slices.Sort(got[:3]) // of one second
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
		if got := h.to.now(); got.State != gateway.StateLive || got.Backfill != nil || time.Since(got.Confirmed) > 20*time.Second {
			t.Errorf("%+v, want live and confirmed lately", got)
		}
		if diff := cmp.Diff([]string{"down dial", "down enterprise", "down dial", "catching-up", "live", "down closed", "down dial", "catching-up", "live"}, h.to.states()); diff != "" {
			t.Errorf("states, -want +got:\n%s", diff)
		}
	})
}

// While what was missed is being read, what the API has the state of waits, in the
// inbox; everything else goes on. Then all goes on in its order.
func TestRecoveryHoldsWhatComes(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(2, simulator.RoomDirty)
		h.set(3, simulator.RoomInspected)
		h.listen(h.options())
		settle(5 * time.Minute)
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected); h.set(2, simulator.RoomInspected) })
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultSlow, Operations: []string{resourcesOp, activeOp}, Delay: 20 * time.Second}})
		gap := h.to.keptMoment()
		h.awaitRecovery()
		settle(10 * time.Second)
		n := h.mark()
		h.set(2, simulator.RoomClean)
		h.set(3, simulator.RoomDirty)
		h.Send(false, []byte(frameOf(`{"Type":"PriceUpdate","Id":"p"}`, `{"Type":"Resource","Id":"`+h.room(3)+`","State":"Clean"}`)))
		settle(2 * time.Second)
		if diff := cmp.Diff([]string{"live PriceUpdate p"}, h.since(n)); diff != "" {
			t.Errorf("while it is read, -want +got:\n%s", diff)
		}
		if entries, _ := h.to.Entries(t.Context()); len(entries) != 3 {
			t.Errorf("%d entries in the inbox, want 3", len(entries))
		}
		status := h.to.now()
		if b := status.Backfill; b == nil || b.Held != 3 || len(b.Types) == 0 || !status.Confirmed.Equal(gap) {
			t.Errorf("%+v, %+v, want 3 held and confirmed as before the gap, %v", status, b, gap)
		}
		settle(10 * time.Minute)
		want := []string{
			"live PriceUpdate p",
			"backfill Resource room1 Inspected",
			"live Resource room2 Clean",
			"live Resource room3 Dirty",
			"live Resource room3 Clean",
			"gap upstream DeviceCommand PriceUpdate",
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
		if entries, _ := h.to.Entries(t.Context()); len(entries) != 0 {
			t.Errorf("%d entries are left in the inbox", len(entries))
		}
		settle(time.Hour) // what was sent by hand is not true
		if diff := cmp.Diff(append(want, "backfill Resource room3 Dirty"), h.since(n)); diff != "" {
			t.Errorf("an hour later, -want +got:\n%s", diff)
		}
	})
}

func TestRefusedOperationIsAnnounced(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Operations: []string{reservationsOp}}})
		n := h.mark()
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected) })
		settle(5 * time.Minute)
		want := []string{
			"backfill Resource room1 Inspected",
			"gap upstream DeviceCommand PriceUpdate",
			"gap api Reservation",
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := h.to.now(); got.State != gateway.StateLive {
			t.Errorf("%+v, want live", got)
		}
		if !strings.Contains(h.log.String(), reservationsOp+": status 401") {
			t.Errorf("the log does not name the operation:\n%s", h.log)
		}
		h.SetFaults(nil)
		n = h.mark()
		h.away(time.Minute, func() {})
		settle(5 * time.Minute)
		if diff := cmp.Diff([]string{"gap upstream DeviceCommand PriceUpdate"}, h.since(n)); diff != "" {
			t.Errorf("the next time, -want +got:\n%s", diff)
		}
	})
}

// An API that stays away does not keep the live events for ever; what could not be
// read is announced, and read when it can be.
func TestRecoveryIsGivenUp(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		n := h.mark()
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected) })
		h.reach(apiHost, false)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultHang}})
		h.awaitRecovery()
		settle(30 * time.Second)
		h.set(2, simulator.RoomInspected)
		settle(80 * time.Second)
		if got := h.since(n); len(got) != 0 {
			t.Errorf("before it is given up: %q", got)
		}
		settle(15 * time.Second)
		want := []string{
			"live Resource room2 Inspected",
			"gap upstream DeviceCommand PriceUpdate",
			"gap api DeviceCommand Reservation Resource",
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("given up, -want +got:\n%s\n%s", diff, h.log)
		}
		if got := h.to.now(); got.State != gateway.StateLive || time.Since(got.Confirmed) > 20*time.Second {
			t.Errorf("%+v, want live and confirmed lately", got)
		}
		h.SetFaults(nil)
		h.reach(apiHost, true)
		settle(10 * time.Minute)
		if diff := cmp.Diff(append(want, "backfill Resource room1 Inspected"), h.since(n)); diff != "" {
			t.Errorf("when it is back, -want +got:\n%s", diff)
		}
	})
}

// A socket that breaks while what was missed is being read does not start the
// reading anew.
func TestFlappingDoesNotReadTwice(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected) })
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultSlow, Operations: []string{reservationsOp}, Delay: 80 * time.Second}})
		h.awaitRecovery()
		calls, n := len(h.Calls()), h.mark()
		settle(time.Second)
		for range 4 {
			h.Reset()
			settle(12 * time.Second)
			h.set(2, simulator.RoomInspected)
			h.set(2, simulator.RoomDirty)
		}
		settle(15 * time.Minute)
		reads := 0
		for _, c := range h.Calls()[calls:] {
			if c.Operation == reservationsOp {
				reads++
			}
		}
		if reads > 4 { // the window, what the breaks added, and both once more when they settled
			t.Errorf("%d reads of reservations", reads)
		}
		gaps := 0
		for _, line := range h.since(n) {
			if strings.HasPrefix(line, "gap upstream") {
				gaps++
			}
		}
		if gaps != 1 {
			t.Errorf("%d gaps, want one: no ping was answered in between but the first:\n%s", gaps, strings.Join(h.since(n), "\n"))
		}
		if got := h.to.now(); got.State != gateway.StateLive || time.Since(got.Confirmed) > 20*time.Second {
			t.Errorf("%+v, want live and confirmed lately", got)
		}
	})
}

func TestWithoutBackfillEverythingIsAnnounced(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		o := h.options()
		o.Backfill = false
		h.listen(o)
		settle(5 * time.Minute)
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected) })
		settle(5 * time.Minute)
		h.stop()
		h.listen(o)
		settle(5 * time.Minute)
		gap := "gap upstream DeviceCommand PriceUpdate Reservation Resource"
		if diff := cmp.Diff([]string{gap, gap}, h.since(0)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
	})
}

// What waits when the process ends is logged by the next one, each event once.
func TestInboxOutlivesTheProcess(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.away(time.Minute, func() {})
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultHang}})
		h.awaitRecovery()
		n := h.mark()
		settle(30 * time.Second)
		h.Send(false, []byte(frameOf(room("x"), `{"Type":"Resource","Id":"X","State":"Clean"}`, room("y"), `{"Type":"PriceUpdate","Id":"p"}`)))
		settle(time.Second)
		h.stop()
		if diff := cmp.Diff([]string{"live PriceUpdate p"}, h.since(n)); diff != "" {
			t.Errorf("at the end, -want +got:\n%s", diff)
		}
		h.reach(socketHost, false)
		h.listen(h.options())
		settle(time.Second)
		want := []string{"live PriceUpdate p", "live Resource x Dirty", "live Resource y Dirty", "live Resource X Clean"}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("after the restart, -want +got:\n%s", diff)
		}
		if entries, _ := h.to.Entries(t.Context()); len(entries) != 0 {
			t.Errorf("%d entries are left in the inbox", len(entries))
		}
	})
}

// An entry some of which was logged before a crash is not logged twice.
func TestInboxIsNotLoggedTwice(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		event := func(id, state string, ticket uint64) *gateway.Record {
			e := &gateway.Event{
				Source: "prague", Type: "Resource", ID: id, Origin: gateway.OriginLive, Received: time.Now(), Ticket: ticket,
				Object: []byte(`{"Type":"Resource","Id":"` + id + `","State":"` + state + `"}`),
			}
			e.Attributes = gateway.ReadAttributes(e.Type, e.ID, e.Object)
			return &gateway.Record{Event: e}
		}
		h.to.Put(t.Context(), []*gateway.Record{event("a", "Dirty", 0), event("b", "Dirty", 0)})
		h.to.Put(t.Context(), []*gateway.Record{event("a", "Clean", 0), event("c", "Clean", 0)})
		h.to.remember(event("a", "Dirty", 1).Event)
		h.to.remember(event("c", "Clean", 2).Event)
		h.reach(socketHost, false)
		h.listen(h.options())
		settle(time.Second)
		if diff := cmp.Diff([]string{"live Resource b Dirty", "live Resource a Clean"}, h.since(0)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
	})
}
