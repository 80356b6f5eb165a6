package e2e_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The frame of the upstream's documentation: an explicit null and an absent
// member, which are different things to whoever reads the object.
const sampleFrame = `{"Events":[
  {"Type":"DeviceCommand","Id":"0a51fe12-7c1d-4a55-8e0b-b1e9000000a1","State":"Pending"},
  {"Type":"Reservation","Id":"5b62ef23-8d2e-4b66-9f1c-b1e9000000b2","State":"Confirmed",
   "StartUtc":"2026-03-14T13:00:00Z","EndUtc":"2026-03-16T10:00:00Z"},
  {"Type":"Resource","Id":"6c73df34-9e3f-4c77-a02d-b1e9000000c3","State":"Inspected"},
  {"Type":"PriceUpdate","Id":"7d84cf45-af40-4d88-b13e-b1e9000000d4",
   "StartUtc":"2026-07-04T22:00:00Z","EndUtc":"2026-07-04T22:00:00Z",
   "RateId":"8e95bf56-b051-4e99-824f-b1e9000000e5","ResourceCategoryId":null}
]}`

func TestSampleFrame(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	for name, want := range map[string]string{
		"Content-Type":           "text/event-stream",
		"Cache-Control":          "no-cache, no-store, no-transform",
		"X-Accel-Buffering":      "no",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := s.answer.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	hotels.at(0).send(sampleFrame)
	for _, want := range compactEvents(t, sampleFrame) {
		b := s.await(member(t, want, "Type"))
		e := b.event(t)
		if diff := cmp.Diff(want, string(e.Event)); diff != "" {
			t.Errorf("event is not what was sent (-sent +got):\n%s", diff)
		}
		if got, want := [4]string{e.Source, e.Type, e.ID, e.Origin}, [4]string{"prague", b.name, member(t, want, "Id"), "live"}; got != want {
			t.Errorf("source, type, id, origin: %v, want %v", got, want)
		}
		if b.id == "" || e.Received.IsZero() || e.Entity != nil {
			t.Errorf("id, received, entity of %v", b)
		}
	}
}

// TestFrameLeavesTogether counts the writes that frames of four events take. The
// rest of a frame is waited for so briefly that a machine under load may need
// more than one; it must not be the rule.
func TestFrameLeavesTogether(t *testing.T) {
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	const frames, each = 50, 4
	for range frames {
		hotels.at(0).send(sampleFrame)
		s.await("PriceUpdate")
	}
	// What comes before a new stream has joined is replayed to it, and not counted.
	var metrics map[string]float64
	eventually(t, "deliveries counted", func() bool {
		metrics = g.metrics()
		return metrics["bellhop_deliveries_total"] >= (frames-2)*each
	})
	if writes := metrics["bellhop_delivery_seconds_count"]; writes > frames*each/2 {
		t.Errorf("%d frames of %d events took %v writes", frames, each, writes)
	}
}

// TestReadyDiffers opens streams one after another: of each what it is told
// about itself is its own, and what it may see has one name.
func TestReadyDiffers(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	retries, names, views := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range 12 {
		s := g.newListener(t, allOf(t, "prague"), fmt.Sprintf("type=%s", []string{"Resource,Reservation", "Reservation,Resource"}[i%2]))
		ready := s.connect()
		var data struct {
			Position, View, Stream string
			Resumed                bool
			Sources                []sourceStatus
		}
		ready.decode(t, &data)
		retries[ready.retry], names[data.Stream], views[data.View] = true, true, true
		if data.Position != ready.id || data.Resumed || len(data.Sources) != 1 || data.Sources[0].State != "live" {
			t.Errorf("ready: %v", ready)
		}
	}
	if len(retries) < 6 || len(names) != 12 || len(views) != 1 {
		t.Errorf("%d retries, %d names, %d views of 12 streams", len(retries), len(names), len(views))
	}
}
