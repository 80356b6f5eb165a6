package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What an entity was before is known from all that was taken, be it read back or
// not; what was refused is as if it had never been said.
func TestBefore(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		to := o.sinks["prague"]
		both := func(events ...*gateway.Event) (records []*gateway.Record) {
			for _, e := range events {
				records = append(records, &gateway.Record{Event: e})
			}
			return records
		}
		latest := func(want string) {
			t.Helper()
			got := "none"
			if e := to.Latest("Resource", "A"); e != nil {
				got = e.Attributes.State
			}
			if got != want {
				t.Errorf("the latest is %s, want %s", got, want)
			}
		}
		latest("none")
		o.say(t, resource("a", "1"))
		h.log.hold(true)
		to.Append(t.Context(), both(resource("a", "2"), resource("b", "x"), resource("A", "3"), gone("Resource", "b"), resource("b", "y")), nil)
		latest("3")
		h.log.refuse(errNoRoom)
		again := both(resource("a", "4"), gone("Resource", "a"), resource("a", "5"), resource("c", "z"))
		if err := to.Append(t.Context(), again, nil); !errors.Is(err, errNoRoom) {
			t.Fatal(err)
		}
		latest("3")
		if e := to.Latest("Resource", "c"); e != nil {
			t.Errorf("what was refused is there: %+v", e)
		}
		h.log.holdAt(2) // the first two are read, the others not yet
		synctest.Wait()
		latest("3")
		h.log.hold(false)
		synctest.Wait()
		latest("3")
		h.log.refuse(nil)
		to.Append(t.Context(), again, nil)
		latest("5")
		synctest.Wait()
		latest("5")
		want := []string{
			"Resource a 1", "Resource a 2<1", "Resource b x", "Resource a 3<2", "Resource b <x", "Resource b y",
			"Resource a 4<3", "Resource a <4", "Resource a 5", "Resource c z",
		}
		if diff := cmp.Diff(want, h.logged(0)); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
		if e := o.sinks["brno"].Latest("Resource", "a"); e != nil {
			t.Errorf("another source's: %+v", e)
		}
		if e := to.Latest("PriceUpdate", "a"); e != nil {
			t.Errorf("a type that does not last: %+v", e)
		}
	})
}

// Before is not for the caller to say, nor for types that do not last.
func TestBeforeIsSetByTheSink(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		e := resource("a", "Dirty")
		e.Before = &gateway.Attributes{State: "forged"}
		o.say(t, e, price("x"), price("x"))
		for _, r := range h.log.history() {
			if r.Event.Before != nil {
				t.Errorf("%s: before %+v", r.Event.Type, r.Event.Before)
			}
		}
	})
}

// One entity of both kinds of a channel's events.
func TestChannelIsOneEntity(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		o.say(t, newEvent("prague", "airy.channel.connected", "h", `{}`), newEvent("prague", "airy.channel.disconnected", "H", `{}`))
		synctest.Wait()
		for _, typ := range []string{"airy.channel.connected", "airy.channel.disconnected"} {
			if e := o.sinks["prague"].Latest(typ, "h"); e == nil || e.Type != "airy.channel.disconnected" {
				t.Errorf("%s: %+v", typ, e)
			}
		}
		if n := o.there(t); n != 1 {
			t.Errorf("%d entities", n)
		}
	})
}

// Present and Latest agree with what was said, however far it was read back.
func TestPresentAgainstModel(t *testing.T) {
	type step struct {
		do   string
		said []saying
	}
	rapid.Check(t, func(rt *rapid.T) {
		program := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				rapid.SampledFrom([]string{"say", "say", "say", "hold", "follow", "refuse", "overtake"}).Draw(t, "do"),
				rapid.SliceOfN(rapid.Custom(drawSaying), 1, 6).Draw(t, "said"),
			}
		}), 1, 15).Draw(rt, "program")
		var fault string
		synctest.Test(t, func(t *testing.T) {
			h := newHotel()
			o := h.mustStart(t)
			defer o.end(t)
			w := &town{t: t, hotel: h, opened: o}
			for _, s := range program {
				switch s.do {
				case "hold", "follow":
					h.log.hold(s.do == "hold")
				case "refuse":
					w.do(act{do: "refuse", said: s.said})
				case "overtake":
					_, last := h.log.Bounds()
					h.log.trim(last)
				default:
					w.say(s.said, nil)
				}
				if len(s.said)%2 == 0 {
					synctest.Wait()
				}
				if fault = presentFault(o, h.log.history()); fault != "" {
					return
				}
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

func presentFault(o *opened, all []*gateway.Record) string {
	want := make(map[string]string) // by source and type
	for key, e := range presentState(all) {
		got := o.sinks[key.Source].Latest(e.Type, e.ID)
		if got == nil || string(got.Object) != string(e.Object) {
			return fmt.Sprintf("the latest of %+v is %+v, want %+v", key, got, e)
		}
		want[key.Source+" "+e.Type] += string(e.Object)
	}
	for _, source := range []string{"prague", "brno"} {
		for typ := range map[string]int{"Resource": 1, "Reservation": 1, "DeviceCommand": 1, "airy.channel.connected": 1, "airy.channel.disconnected": 1, "airy.unread-count": 1} {
			n := 0
			for _, e := range o.sinks[source].Present(typ) {
				if e.Type != typ || e.Source != source || e.Gone {
					return fmt.Sprintf("among the %s of %s: %+v", typ, source, e)
				}
				n += len(e.Object)
			}
			if n != len(want[source+" "+typ]) {
				return fmt.Sprintf("%d bytes of %s of %s, want %d", n, typ, source, len(want[source+" "+typ]))
			}
		}
	}
	return ""
}

// memoryInbox is an inbox of one source's.
type memoryInbox struct {
	mu      sync.Mutex
	entries []gateway.Entry
	last    uint64
}

func (m *memoryInbox) Put(_ context.Context, records []*gateway.Record) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.entries = append(m.entries, gateway.Entry{Ticket: m.last, Records: records})
	return m.last, nil
}

func (m *memoryInbox) Forget(_ context.Context, before uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = slices.DeleteFunc(m.entries, func(e gateway.Entry) bool { return e.Ticket < before })
	return nil
}

func (m *memoryInbox) Entries(context.Context) ([]gateway.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries), nil
}

// Each source has an inbox of its own.
func TestInboxIsTheSources(t *testing.T) {
	inboxes := map[string]*memoryInbox{"prague": new(memoryInbox), "brno": new(memoryInbox)}
	synctest.Test(t, func(t *testing.T) {
		var sources []gateway.Source
		for _, name := range []string{"prague", "brno"} {
			sources = append(sources, source{name, func(ctx context.Context, to gateway.Sink) error {
				_, err := to.Put(ctx, []*gateway.Record{{Event: newEvent(name, "Resource", name, `{}`)}})
				return err
			}})
		}
		r := runGateway(t, func(r *running) {
			r.Inbox = func(source string) gateway.Inbox { return inboxes[source] }
		}, sources...)
		synctest.Wait()
		r.cancel()
		<-r.err
	})
	for name, inbox := range inboxes {
		if len(inbox.entries) != 1 || inbox.entries[0].Records[0].Event.Source != name {
			t.Errorf("%s: %+v", name, inbox.entries)
		}
	}
}
