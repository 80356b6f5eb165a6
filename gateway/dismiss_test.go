package gateway_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// How long after its time an entity leaves at the latest.
const dismissal = time.Minute

// When entities leave the present state.
func TestDismiss(t *testing.T) {
	never := time.Duration(1 << 62)
	command := func(state string) *gateway.Event {
		return newEvent("prague", "DeviceCommand", "", fmt.Sprintf(`{"State":%q}`, state))
	}
	tests := map[string]struct {
		event *gateway.Event
		ends  time.Duration // of a reservation, and when its upstream says that it was done; from when it was received on; 0 for not said
		done  time.Duration
		want  time.Duration // when it is done
	}{
		"a room":                         {resource("", "OutOfOrder"), 0, 0, never},
		"a processed reservation":        {stay("", "Processed", "r", 0, 0), time.Hour, 0, 0},
		"a canceled one":                 {stay("", "Canceled", "r", 0, 0), time.Hour, 0, 0},
		"a canceled one of old spelling": {stay("", "Cancelled", "r", 0, 0), time.Hour, 0, 0},
		"one that had ended":             {stay("", "Started", "r", 0, 0), -20 * time.Minute, 0, -20 * time.Minute},
		"one that ended long ago":        {stay("", "Confirmed", "r", 0, 0), -99 * time.Hour, 0, -99 * time.Hour},
		"one that will end":              {stay("", "Started", "r", 0, 0), 20 * time.Minute, 0, 20 * time.Minute},
		"one that ends late":             {stay("", "Started", "r", 0, 0), 99 * time.Hour, 0, never},
		"one without an end":             {newEvent("prague", "Reservation", "", `{"State":"Started"}`), 0, 0, never},
		"a processed command":            {command("Processed"), 0, 0, 0},
		"one in error":                   {command("Error"), 0, 0, 0},
		"one that was canceled":          {command("Canceled"), 0, 0, 0},
		"one that is pending":            {command("Pending"), 0, 0, never},
		"by its upstream's account":      {command("Processed"), 0, -15 * time.Minute, -15 * time.Minute},
		"by that account alone":          {stay("", "Started", "r", 0, 0), 99 * time.Hour, -15 * time.Minute, -15 * time.Minute},
		"by that account, not its end":   {stay("", "Processed", "r", 0, 0), -time.Hour, 15 * time.Minute, 15 * time.Minute},
		"a channel":                      {newEvent("prague", "airy.channel.disconnected", "", `{"State":"Processed"}`), 0, 0, never},
		"an unread count":                {newEvent("prague", "airy.unread-count", "", `{"State":"Canceled"}`), 0, 0, never},
	}
	for _, keep := range []time.Duration{0, 24 * time.Hour} {
		t.Run(keep.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHotel()
				h.keep = keep
				o := h.mustStart(t)
				defer o.end(t)
				received := time.Now().Add(min(time.Hour-keep, 0)) // so that it takes an hour, not a day
				for name, tt := range tests {
					e := *tt.event
					e.ID, e.Received = name, received
					if tt.ends != 0 {
						e.Attributes.End = received.Add(tt.ends)
					}
					if tt.done != 0 {
						e.Done = received.Add(tt.done)
					}
					o.say(t, &e)
				}
				said := time.Now()
				left := make(map[string]time.Time) // when it was first missed
				for range int((30*time.Minute+min(time.Hour, keep))/dismissal) + 1 {
					for name, tt := range tests {
						if left[name].IsZero() && o.sinks["prague"].Latest(tt.event.Type, name) == nil {
							left[name] = time.Now()
						}
					}
					time.Sleep(dismissal)
				}
				for name, tt := range tests {
					due := received.Add(tt.want + keep)
					if due.Before(said) {
						due = said
					}
					switch at := left[name]; {
					case tt.want == never && at.IsZero():
					case tt.want == never || at.Before(due) || at.After(due.Add(2*dismissal)):
						t.Errorf("%s: missed at %v, want %v", name, at, due)
					}
				}
			})
		})
	}
}

// A stream that showed the entity is told, at once and when it resumes, and the
// next one does not see it, whatever is restarted.
func TestDismissalIsTold(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		o.say(t, stay("a", "Started", "r", 1, 2), stay("b", "Canceled", "r", 1, 2), stay("c", "Processed", "t", 1, 2), resource("d", "Dirty"))
		synctest.Wait()
		in := func(c func(*gateway.StreamOptions)) func(*gateway.StreamOptions) {
			return func(s *gateway.StreamOptions) {
				s.Subscription = subscribe(t, gateway.Query{Resources: []string{"r"}}, everything)
				withSnapshot(s)
				if c != nil {
					c(s)
				}
			}
		}
		live := o.open(t, in(nil))
		time.Sleep(h.keep + dismissal)
		blocks := live.blocks()
		want := block{id: "e1.5", name: "bellhop.left", data: `{"source":"prague","type":"Reservation","id":"b"}`}
		found := 0
		for _, b := range blocks {
			if b.name == "bellhop.left" {
				found++
				want.id = b.id
				if b != want {
					t.Errorf("%+v, want %+v", b, want)
				}
			}
		}
		if found != 1 {
			t.Errorf("%d were told to leave: %v", found, lines(blocks))
		}
		if diff := cmp.Diff([]line{{want.id, "bellhop.left"}}, lines(o.open(t, in(resumeAt("e1.4"))).rest())); diff != "" {
			t.Errorf("resumed (-want +got):\n%s", diff)
		}
		quiet()
		for range 2 {
			snapshot := o.open(t, in(nil)).rest()
			if diff := cmp.Diff([]line{{"", "Reservation"}, {"e1.6", "bellhop.snapshot"}}, lines(snapshot)); diff != "" {
				t.Errorf("snapshot (-want +got):\n%s", diff)
			}
			if n := len(h.state.records); n != 2 {
				t.Errorf("%d entities are kept, want 2", n)
			}
			o.end(t)
			*o = *h.mustStart(t)
		}
	})
}

// Who comes back to life before its time stays, and its time begins anew.
func TestComesBackToLife(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		say := func(state string) {
			e := stay("x", state, "r", 1, 2)
			e.Received = time.Now()
			o.say(t, e)
		}
		there := func() bool { return o.sinks["prague"].Latest("Reservation", "x") != nil }
		say("Canceled")
		time.Sleep(h.keep - dismissal)
		say("Started")
		time.Sleep(2 * h.keep)
		if !there() {
			t.Fatal("dismissed though it came back")
		}
		say("Processed")
		time.Sleep(h.keep - time.Second)
		if !there() {
			t.Fatal("dismissed before its time")
		}
		time.Sleep(dismissal)
		if there() {
			t.Fatal("not dismissed")
		}
		say("Started") // and after
		time.Sleep(h.keep)
		if e := o.log.history()[4].Event; !there() || e.Before != nil {
			t.Errorf("after it had gone: there %t, before %+v", there(), e.Before)
		}
	})
}

// However many leave at once, all do, each once; and while the log cannot be
// written nobody is forgotten.
func TestManyLeave(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		const many = 600
		for i := range many {
			o.say(t, stay(fmt.Sprint(i), "Processed", "r", 1, 2))
		}
		o.log.refuseAfter(1, errNoRoom) // after some have been logged
		time.Sleep(h.keep + 2*dismissal)
		synctest.Wait()
		if n := len(o.sinks["prague"].Present("Reservation")); n == 0 || n == many {
			t.Errorf("%d are there while the log cannot be written", n)
		}
		if n := len(o.sinks["brno"].Present("Reservation")); n != 0 {
			t.Errorf("another source sees %d", n)
		}
		o.log.refuse(nil)
		time.Sleep(dismissal)
		synctest.Wait()
		left := make(map[string]int)
		for _, r := range o.log.history()[many:] {
			if e := r.Event; !e.Gone || e.Before == nil || e.Before.State != "Processed" || len(e.Object) > 0 {
				t.Fatalf("%+v", e)
			}
			left[r.Event.ID]++
		}
		if len(left) != many || len(o.log.history()) != 2*many {
			t.Errorf("%d left, in %d records", len(left), len(o.log.history())-many)
		}
	})
}
