package mews_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/simulator"
)

func TestFirstStartLoadsThePresentState(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(time.Minute)
		seen := make(map[string]bool)
		for _, line := range h.since(0) {
			if !strings.HasPrefix(line, "backfill ") || seen[line] {
				t.Errorf("%s, want each entity once, as backfill", line)
			}
			seen[line] = true
		}
		now := time.Now()
		for _, fact := range h.Facts() {
			e := &gateway.Event{Type: fact.Type, Attributes: gateway.ReadAttributes(fact.Type, fact.ID, fact.Body), Received: now}
			since, done := e.DoneSince(now)
			if over := done && now.Sub(since) > 24*time.Hour; fact.Type == "Reservation" && over {
				continue
			}
			if latest := h.to.Latest(fact.Type, fact.ID); latest == nil && !e.Final() {
				t.Errorf("%s was not loaded", fact.Body)
			}
		}
		if got := h.to.now(); got.State != gateway.StateLive {
			t.Errorf("%+v, want live", got)
		}
		n := h.mark()
		h.stop()
		h.listen(h.options())
		settle(time.Minute)
		if diff := cmp.Diff([]string{"gap upstream DeviceCommand PriceUpdate"}, h.since(n)); diff != "" {
			t.Errorf("at the next start, -want +got:\n%s", diff)
		}
	})
}

// A clock that was set back while the source was away leaves nothing unread.
func TestClockSetBackLoadsThePresentState(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.stop()
		h.set(1, simulator.RoomInspected)
		settle(10 * time.Minute)
		h.to.set(func(s *sink) { s.kept = time.Now().Add(time.Hour) })
		n := h.mark()
		h.listen(h.options())
		settle(5 * time.Minute)
		if diff := cmp.Diff([]string{"backfill Resource room1 Inspected", "gap upstream DeviceCommand PriceUpdate"}, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s", diff)
		}
		if got := strings.Count(h.log.String(), "present state loaded"); got != 2 {
			t.Errorf("the present state was loaded %d times, want twice", got)
		}
	})
}

// A load that is demanded is not forgotten when the process ends midway.
func TestDemandedLoadOutlivesTheProcess(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		s := h.listen(h.options())
		settle(5 * time.Minute)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultHang, Operations: []string{reservationsOp}}})
		s.Load()
		settle(10 * time.Second)
		if got := h.to.now(); got.Backfill == nil {
			t.Errorf("%+v, want it loading", got)
		}
		h.kill()
		h.SetFaults(nil)
		h.listen(h.options())
		settle(5 * time.Minute)
		if got := strings.Count(h.log.String(), "present state loaded"); got != 2 {
			t.Errorf("the present state was loaded %d times, want twice", got)
		}
		h.stop()
		h.listen(h.options())
		settle(5 * time.Minute)
		if got := strings.Count(h.log.String(), "present state loaded"); got != 2 {
			t.Errorf("the present state was loaded %d times, want no more", got)
		}
	})
}

// A load goes on beside live events, and where it failed.
func TestLoadGoesOn(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultError, Operations: []string{reservationsOp}}})
		h.listen(h.options())
		settle(5 * time.Minute)
		status := h.to.now()
		if b := status.Backfill; status.State != gateway.StateCatchingUp || b == nil || !slices.Equal(b.Types, []string{"Reservation"}) {
			t.Errorf("%+v, %+v, want it catching up with reservations", status, b)
		}
		n := h.mark()
		h.set(1, simulator.RoomInspected)
		settle(0)
		if diff := cmp.Diff([]string{"live Resource room1 Inspected"}, h.since(n)); diff != "" {
			t.Errorf("live, -want +got:\n%s", diff)
		}
		h.stop()
		h.SetFaults(nil)
		h.listen(h.options())
		settle(5 * time.Minute)
		reservations := 0
		for _, line := range h.since(n) {
			if strings.HasPrefix(line, "backfill Reservation") {
				reservations++
			}
		}
		if got := h.to.now(); got.State != gateway.StateLive || reservations == 0 {
			t.Errorf("%+v with %d reservations, want live with all", got, reservations)
		}
	})
}

// What the token may not read does not keep the source from being live, and is
// loaded when it may.
func TestLoadOfWhatIsRefused(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Operations: []string{resourcesOp}}})
		h.listen(h.options())
		settle(5 * time.Minute)
		if got := h.to.now(); got.State != gateway.StateLive || h.to.Latest("Resource", h.room(1)) != nil {
			t.Errorf("%+v, want live without rooms", got)
		}
		h.SetFaults(nil)
		settle(2 * time.Hour)
		if h.to.Latest("Resource", h.room(1)) == nil {
			t.Errorf("rooms are not loaded\n%s", h.log)
		}
	})
}

func TestLoadOnDemand(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		s := h.listen(h.options())
		settle(5 * time.Minute)
		n := h.mark()
		h.to.set(func(s *sink) { clear(s.latest) })
		s.Load()
		settle(time.Minute)
		if got := h.since(n); len(got) < 10 {
			t.Errorf("log %q, want all again", got)
		}
	})
}

// The socket promises no delivery, and says nothing of rooms that are taken out.
func TestLastHourIsReadAgain(t *testing.T) {
	inHouse(t, simulator.Options{Rooms: 30}, func(t *testing.T, h *house) {
		h.Skip(6 * time.Hour)
		h.set(1, simulator.RoomDirty)
		idle := h.idleRoom()
		h.listen(h.options())
		settle(10 * time.Minute)
		n := h.mark()
		h.SetQuirks(simulator.Quirks{Dropped: 1})
		h.set(1, simulator.RoomClean)
		h.DeactivateRoom(h.room(idle))
		settle(40 * time.Minute)
		if got := h.since(n); len(got) != 0 {
			t.Errorf("before the hour is over: %q", got)
		}
		settle(20 * time.Minute)
		for _, want := range []string{"backfill Resource room1 Clean", "gone Resource"} {
			if !slices.ContainsFunc(h.since(n), func(line string) bool { return strings.HasPrefix(line, want) }) {
				t.Errorf("log %q, want %s", h.since(n), want)
			}
		}
		if got := h.to.now(); got.State != gateway.StateLive {
			t.Errorf("%+v, want live throughout", got)
		}
	})
}

// What the API did not show yet when what was missed was read is found later.
func TestLagIsSettled(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(1, simulator.RoomDirty)
		settle(time.Minute)
		h.SetLag(50 * time.Second)
		h.listen(h.options())
		settle(5 * time.Minute)
		n := h.mark()
		h.reach(socketHost, false)
		h.Reset()
		settle(time.Second)
		h.set(1, simulator.RoomClean)
		h.reach(socketHost, true)
		settle(45 * time.Second)
		if diff := cmp.Diff([]string{"gap upstream DeviceCommand PriceUpdate"}, h.since(n)); diff != "" {
			t.Errorf("at first, -want +got:\n%s", diff)
		}
		settle(3 * time.Minute)
		if diff := cmp.Diff([]string{"gap upstream DeviceCommand PriceUpdate", "backfill Resource room1 Clean"}, h.since(n)); diff != "" {
			t.Errorf("when it shows, -want +got:\n%s", diff)
		}
	})
}

// A load finds a room that was closed, of which neither the socket nor the list of
// active rooms says anything.
func TestLoadFindsWhatHasGone(t *testing.T) {
	inHouse(t, simulator.Options{Rooms: 40}, func(t *testing.T, h *house) {
		s := h.listen(h.options())
		settle(5 * time.Minute)
		closed := h.idleRoom()
		if err := h.DeactivateRoom(h.room(closed)); err != nil {
			t.Fatal(err)
		}
		settle(5 * time.Minute)
		if h.to.Latest("Resource", h.room(closed)) == nil {
			t.Fatal("the room has gone by itself: this is no test of a load")
		}
		s.Load()
		settle(5 * time.Minute)
		if e := h.to.Latest("Resource", h.room(closed)); e != nil {
			t.Errorf("after the load there is still %+v", e)
		}
	})
}

// With other members to be had of entities, the state is loaded with them.
func TestOtherFieldsLoadThePresentState(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.stop()
		if e := h.to.Latest("Resource", h.room(1)); e == nil || e.Entity != nil {
			t.Fatalf("without a list there is %+v", e)
		}
		h.listen(h.enriching())
		settle(5 * time.Minute)
		if e := h.to.Latest("Resource", h.room(1)); !strings.Contains(string(e.Entity), `"Name"`) {
			t.Errorf("with a list the entity is %s", e.Entity)
		}
	})
}
