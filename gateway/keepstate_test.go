package gateway_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// What has changed is kept within a second, and at the end at once; what could not
// be kept is, once it can be.
func TestStateIsKept(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		kept := func(what string, upTo uint64, entities int) {
			t.Helper()
			if got, n := h.state.complete(), len(h.state.records); got != upTo || n != entities {
				t.Errorf("%s: kept up to %d, %d entities; want %d, %d", what, got, n, upTo, entities)
			}
		}
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), price("x"))
		quiet()
		kept("at first", 3, 2)
		h.state.fail(1)
		o.say(t, resource("c", "Dirty"), resource("d", "Dirty"), resource("e", "Dirty"), gone("Resource", "a"))
		quiet()
		if up := h.state.complete(); up != 3 {
			t.Errorf("kept up to %d though it failed", up)
		}
		h.state.fail(-1)
		quiet()
		kept("once it can be", 7, 4)
		o.say(t, price("y"))
		quiet()
		kept("without a change", 8, 4)
		o.say(t, resource("f", "Dirty"))
		synctest.Wait()
		o.end(t)
		kept("at the end", 9, 5)
		*o = *h.mustStart(t)
	})
}

// A change is kept when it is half a second old, with what came of the same entity
// meanwhile, and the state is complete up to the first that is not kept.
func TestStateIsKeptInTime(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		at := func(since, d time.Duration, upTo uint64, entities int) {
			t.Helper()
			time.Sleep(d - since)
			synctest.Wait()
			if got, n := h.state.complete(), h.state.entities(); got != upTo || n != entities {
				t.Errorf("after %v: kept up to %d, %d entities; want %d, %d", d, got, n, upTo, entities)
			}
		}
		const ms = time.Millisecond
		o.say(t, resource("a", "Dirty"))
		at(0, 300*ms, 0, 0)
		o.say(t, resource("b", "Dirty"), resource("a", "Clean"))
		at(300*ms, 490*ms, 0, 0)
		at(490*ms, 620*ms, 1, 1)
		at(620*ms, 790*ms, 1, 1)
		at(790*ms, 920*ms, 3, 2)

		before := h.state.asked()
		for range 300 {
			o.say(t, resource("a", "Dirty"), resource("a", "Clean"))
			time.Sleep(10 * ms)
		}
		if n := h.state.asked() - before; n < 5 || n > 7 {
			t.Errorf("what changed for 3 s was kept %d times", n)
		}
	})
}

// Many changes are kept in parts, and are complete only with the last of them.
func TestManyChangesAreKept(t *testing.T) {
	for _, works := range []int{-1, 0, 500, 1000, 1500, 2299, 2300} {
		t.Run(fmt.Sprint(works), func(t *testing.T) {
			inHotel(t, func(t *testing.T, h *hotel, o *opened) {
				o.say(t, resource("gone", "Dirty"))
				quiet()
				var many []*gateway.Record
				for i := range 2300 {
					many = append(many, &gateway.Record{Event: resource(fmt.Sprint(i), "Dirty")})
				}
				h.state.fail(works)
				o.sinks["prague"].Append(t.Context(), append(many, &gateway.Record{Event: gone("Resource", "gone")}), nil)
				quiet()
				if up := h.state.complete(); up != 1 && works >= 0 || up != 2302 && works < 0 {
					t.Errorf("kept up to %d", up)
				}
				h.crash(t, o)
				*o = *h.mustStart(t)
				if n := len(o.sinks["prague"].Present("Resource")); n != 2300 {
					t.Errorf("%d entities after a crash, want 2300", n)
				}
				quiet()
				if up, n := h.state.complete(), len(h.state.records); up != 2302 || n != 2300 {
					t.Errorf("kept up to %d, %d entities", up, n)
				}
			})
		})
	}
}

// After a start the present state stands in the order of the log, whatever order
// it was kept in.
func TestKeptStateIsInOrder(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		var want []string
		for i := range 20 {
			o.say(t, resource(fmt.Sprint(i), "Dirty"))
			want = append(want, fmt.Sprintf("Resource %d", i))
		}
		quiet()
		o.end(t)
		h.log.trim(21)
		*o = *h.mustStart(t)
		var got []string
		rest := o.open(t, withSnapshot).rest()
		for _, b := range rest[:len(rest)-1] {
			said := parseTree([]byte(b.data)).(object)
			got = append(got, fmt.Sprintf("%s %s", said[1].Value, said[2].Value))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("snapshot (-want +got):\n%s", diff)
		}
	})
}

func TestDoneSince(t *testing.T) {
	now := bubble.AddDate(0, 0, 10)
	done := stay("x", "Started", "r", 1, 2)
	done.Done = bubble
	for name, tt := range map[string]struct {
		event *gateway.Event
		want  time.Time // zero for not done
	}{
		"ends later":     {stay("x", "Started", "r", 1, 11), time.Time{}},
		"ends now":       {stay("x", "Started", "r", 1, 10), time.Time{}},
		"has ended":      {stay("x", "Started", "r", 1, 9), bubble.AddDate(0, 0, 9)},
		"is over":        {stay("x", "Canceled", "r", 1, 11), bubble},
		"was done":       {done, bubble},
		"is a room":      {resource("x", "Canceled"), time.Time{}},
		"without an end": {newEvent("prague", "Reservation", "x", `{"State":"Started"}`), time.Time{}},
	} {
		if since, got := tt.event.DoneSince(now); got == tt.want.IsZero() || !since.Equal(tt.want) {
			t.Errorf("%s: %v, %t; want %v", name, since, got, tt.want)
		}
	}
}
