package mews_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/simulator"
)

// The inbox holds what waits, however much comes and goes.
func TestInboxIsClearedUnderLoad(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.enriching())
		settle(5 * time.Minute)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Operations: []string{resourcesOp}}}) // so that none waits for long
		for i := range 600 {
			h.set(1, []simulator.RoomState{simulator.RoomDirty, simulator.RoomClean}[i%2])
			settle(50 * time.Millisecond)
			if entries, _ := h.to.Entries(t.Context()); len(entries) > 100 {
				t.Fatalf("%d entries in the inbox after %d events", len(entries), i+1)
			}
		}
	})
}

// What could not be dropped from the inbox is dropped when it can be, though
// nothing else comes.
func TestInboxIsClearedLater(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.enriching())
		settle(5 * time.Minute)
		h.to.set(func(s *sink) { s.stuck = errors.New("no answer") })
		h.set(1, simulator.RoomClean)
		settle(10 * time.Second)
		if entries, _ := h.to.Entries(t.Context()); len(entries) == 0 {
			t.Error("the inbox was cleared")
		}
		h.to.set(func(s *sink) { s.stuck = nil })
		settle(2 * time.Second)
		if entries, _ := h.to.Entries(t.Context()); len(entries) != 0 {
			t.Errorf("%d entries are left in the inbox", len(entries))
		}
	})
}

// A full inbox is emptied by what only the desk can do: it goes on meanwhile.
func TestFullInboxIsEmptied(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.set(2, simulator.RoomDirty)
		h.set(3, simulator.RoomClean)
		h.listen(h.options())
		settle(5 * time.Minute)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultSlow, Operations: []string{resourcesOp}, Delay: 8 * time.Second}})
		h.away(time.Minute, func() { h.set(1, simulator.RoomInspected) })
		h.awaitRecovery()
		h.to.set(func(s *sink) { s.room = 2 })
		settle(2 * time.Second)
		n := h.mark()
		// The second frame holds more than there is room for.
		clean := `{"Type":"Resource","Id":"` + strings.ToUpper(h.room(3)) + `","State":"Clean"}`
		h.Send(false, []byte(frameOf(room(h.room(2)))))
		h.Send(false, []byte(frameOf(room(h.room(2)), room(h.room(3)), clean, `{"Type":"PriceUpdate","Id":"p"}`)))
		h.Send(false, []byte(frameOf(`{"Type":"PriceUpdate","Id":"q"}`)))
		settle(3 * time.Second)
		if got := h.since(n); len(got) != 0 {
			t.Errorf("while there is no room: %q", got)
		}
		if got := h.to.now(); got.Backfill == nil || got.Backfill.Held != 1 {
			t.Errorf("%+v, %+v, want one held", got, got.Backfill)
		}
		settle(5 * time.Minute)
		want := []string{
			"backfill Resource room1 Inspected",
			"live Resource room2 Dirty",
			"gap upstream DeviceCommand PriceUpdate",
			"live PriceUpdate p",
			"live Resource room2 Dirty",
			"live Resource room3 Dirty",
			"live Resource " + strings.ToUpper(h.room(3)) + " Clean",
			"live PriceUpdate q",
		}
		if diff := cmp.Diff(want, h.since(n)); diff != "" {
			t.Errorf("log, -want +got:\n%s\n%s", diff, h.log)
		}
		if entries, _ := h.to.Entries(t.Context()); len(entries) != 0 {
			t.Errorf("%d entries are left in the inbox", len(entries))
		}
		if got := h.to.now(); got.State != gateway.StateLive || time.Since(got.Confirmed) > 20*time.Second {
			t.Errorf("%+v, want live and confirmed lately", got)
		}
	})
}
