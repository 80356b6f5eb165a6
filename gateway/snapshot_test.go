package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

func withSnapshot(o *gateway.StreamOptions) { o.Variant.Snapshot = true }

// Which block bears an id, in every way to open a stream with a snapshot.
func TestSnapshotOpening(t *testing.T) {
	lead := []line{{"", "bellhop.ready"}}
	there := []line{{"", "Resource"}, {"", "Reservation"}, {"e1.9", "bellhop.snapshot"}}
	reset := []line{{"", "bellhop.ready"}, {"", "bellhop.reset"}}
	tests := map[string]struct {
		change func(*gateway.StreamOptions)
		want   []line
	}{
		"new":                 {nil, append(lead, there...)},
		"resumed at the end":  {resumeAt("e1.9"), []line{{"e1.9", "bellhop.ready"}}},
		"resumed in memory":   {resumeAt("e1.8"), []line{{"e1.8", "bellhop.ready"}, {"e1.9", "Resource"}}},
		"resumed in the log":  {resumeAt("e1.6"), []line{{"e1.6", "bellhop.ready"}, {"e1.7", "Reservation"}, {"e1.8", "PriceUpdate"}, {"e1.9", "Resource"}}},
		"trimmed":             {resumeAt("e1.4"), append(reset, there...)},
		"foreign":             {resumeAt("e7.9"), append(reset, there...)},
		"without names":       {func(o *gateway.StreamOptions) { o.Variant.Unnamed = true }, append(lead, line{}, line{}, line{"e1.9", "bellhop.snapshot"})},
		"nothing that lasts":  {asks(t, gateway.Query{Types: []string{"PriceUpdate"}}), append(lead, line{"e1.9", "bellhop.snapshot"})},
		"one of two":          {asks(t, gateway.Query{Types: []string{"Reservation"}}), append(lead, line{"", "Reservation"}, line{"e1.9", "bellhop.snapshot"})},
		"what is gone is not": {asks(t, gateway.Query{IDs: []string{"gone"}}), append(lead, line{"e1.9", "bellhop.snapshot"})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHotel()
				h.ring = 1
				o := h.mustStart(t)
				for range 3 {
					o.say(t, resource("a", "Dirty"))
				}
				o.say(t, resource("gone", "Dirty"), gone("Resource", "gone"), price("x"), newEvent("prague", "Reservation", "r", `{}`), price("x"), resource("a", "Clean"))
				synctest.Wait()
				h.log.trim(6)
				o.open(t, withSnapshot) // which shares nothing with what is asked below in another form
				c := o.open(t, func(s *gateway.StreamOptions) {
					if withSnapshot(s); tt.change != nil {
						tt.change(s)
					}
				})
				want := tt.want
				if len(want) > 3 && want[len(want)-3] == there[0] { // in the order of the log
					want = append(append(append([]line(nil), want[:len(want)-3]...), there[1], there[0]), there[2])
				}
				got := c.blocks()
				if diff := cmp.Diff(want, lines(got)); diff != "" {
					t.Errorf("blocks (-want +got):\n%s", diff)
				}
				for _, b := range got {
					if b.name == "bellhop.reset" && !strings.Contains(b.data, name) {
						t.Errorf("reset %s", b.data)
					}
					if origin := strings.Contains(b.data, `"origin":"snapshot"`); origin != (b.id == "" && (b.name == "" || !strings.HasPrefix(b.name, "bellhop."))) {
						t.Errorf("origin of %+v", b)
					}
				}
				o.end(t)
			})
		})
	}
}

// asks puts a query to everything.
func asks(t testing.TB, q gateway.Query) func(*gateway.StreamOptions) {
	return func(o *gateway.StreamOptions) { o.Subscription = subscribe(t, q, everything) }
}

// An open stream that trimming overtakes is told, and given what there is; no id
// comes before that is whole.
func TestSnapshotWhenOvertaken(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		o.hub.SetPiece(1)
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"))
		synctest.Wait()
		c, plain := o.open(t, withSnapshot), o.open(t, nil)
		h.log.hold(true)
		o.say(t, resource("a", "Clean"), gone("Resource", "b"), resource("c", "Dirty"), price("x"))
		h.log.trim(6)
		h.log.hold(false)
		got := c.rest()[3:]
		want := []line{{"", "bellhop.reset"}, {"", "Resource"}, {"", "Resource"}, {"e1.5", "bellhop.snapshot"}, {"e1.6", "PriceUpdate"}}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
		if got[3].data != `{"count":2}` || !strings.Contains(got[1].data+got[2].data, `"Clean"`) || !strings.Contains(got[1].data+got[2].data, `"id":"c"`) {
			t.Errorf("it says %+v", got[1:4])
		}
		if diff := cmp.Diff([]line{{"e1.5", "bellhop.reset"}, {"e1.6", "PriceUpdate"}}, lines(plain.rest())); diff != "" {
			t.Errorf("without a snapshot (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		if n := o.hub.Shared(); n != 0 {
			t.Errorf("%d bytes are kept for nobody", n)
		}
		h.crash(t, o) // what could not be read of the log is kept all the same
		*o = *h.mustStart(t)
		if n := len(o.open(t, withSnapshot).rest()); n != 2+1 {
			t.Errorf("%d blocks after a restart", n)
		}
	})
}

// The rest of a frame may be long in coming: what overtook the streams does not
// wait for it.
func TestOvertakenWithinAFrame(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		c := h.open(t, nil)
		h.log.hold(true)
		h.say("1", "2")
		more := newEvent("prague", "Resource", "room", `{}`)
		more.More = true
		h.append(more)
		h.log.trim(3)
		h.log.hold(false)
		time.Sleep(2 * gateway.GatherFrame)
		if diff := cmp.Diff([]line{{"e1.2", "bellhop.reset"}, {"e1.3", "Resource"}}, lines(c.rest())); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}

// A reader so slow that trimming overtakes it within its snapshot begins another.
func TestSlowReaderIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotel()
		h.ring, h.piece = 1, 1
		o := h.mustStart(t)
		defer o.end(t)
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"))
		synctest.Wait()
		slow := o.openStalled(t, 3, withSnapshot)
		o.say(t, resource("a", "Clean"), resource("c", "Dirty"), gone("Resource", "b"), price("x"))
		synctest.Wait()
		h.log.trim(5)
		close(slow.resume)
		synctest.Wait()
		o.say(t, price("y"))
		want := []line{
			{"", "Resource"}, {"", "Resource"}, {"e1.2", "bellhop.snapshot"},
			{"", "bellhop.reset"}, {"", "Resource"}, {"", "Resource"}, {"e1.6", "bellhop.snapshot"}, {"e1.7", "PriceUpdate"},
		}
		if diff := cmp.Diff(want, lines(slow.rest())); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}
