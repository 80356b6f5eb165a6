package gateway_test

import (
	"encoding/json"
	"testing"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

func TestStatuses(t *testing.T) {
	at := func(s int) time.Time { return bubble.Add(time.Duration(s) * time.Second) }
	report := func(state gateway.State, reason gateway.Reason, confirmed time.Time) func(*gateway.Hub) {
		return func(h *gateway.Hub) {
			h.Report(gateway.Status{Source: "prague", State: state, Reason: reason, Confirmed: confirmed, Since: at(99)})
		}
	}
	trouble := func(on bool) func(*gateway.Hub) { return func(h *gateway.Hub) { h.LogTrouble(on) } }
	steps := []struct { // one a second
		do   func(*gateway.Hub)
		want gateway.Status // of prague
		said bool           // to the streams
	}{
		{func(*gateway.Hub) {}, gateway.Status{State: gateway.StateDown, Reason: gateway.ReasonDial, Since: at(0)}, false},
		{report(gateway.StateDown, gateway.ReasonRejected, time.Time{}), gateway.Status{State: gateway.StateDown, Reason: gateway.ReasonRejected, Since: at(2)}, true},
		{report(gateway.StateCatchingUp, "", time.Time{}), gateway.Status{State: gateway.StateCatchingUp, Since: at(3)}, true},
		{report(gateway.StateLive, "", at(4)), gateway.Status{State: gateway.StateLive, Since: at(4), Confirmed: at(4)}, true},
		{report(gateway.StateLive, "", at(5)), gateway.Status{State: gateway.StateLive, Since: at(4), Confirmed: at(5)}, false},
		{report(gateway.StateLive, "", at(1)), gateway.Status{State: gateway.StateLive, Since: at(4), Confirmed: at(5)}, false}, // never back
		{trouble(false), gateway.Status{State: gateway.StateLive, Since: at(4), Confirmed: at(5)}, false},
		{trouble(true), gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonLog, Since: at(8), Confirmed: at(5)}, true},
		{trouble(true), gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonLog, Since: at(8), Confirmed: at(5)}, false},
		{report(gateway.StateDown, gateway.ReasonClosed, time.Time{}), gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonLog, Since: at(8), Confirmed: at(5)}, false},
		{report(gateway.StateLive, "", at(11)), gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonLog, Since: at(8), Confirmed: at(11)}, false},
		{trouble(false), gateway.Status{State: gateway.StateLive, Since: at(12), Confirmed: at(11)}, true},
		{report(gateway.StateStale, gateway.ReasonSilent, time.Time{}), gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonSilent, Since: at(13), Confirmed: at(11)}, true},
	}
	inHouse(t, 1, func(t *testing.T, h *house) {
		c := h.open(t, func(o *gateway.StreamOptions) {
			o.Subscription = subscribe(t, gateway.Query{Sources: []string{"prague"}}, everything)
		})
		other := h.open(t, func(o *gateway.StreamOptions) {
			o.Subscription = subscribe(t, gateway.Query{Sources: []string{"london"}}, everything)
		})
		said := 0
		for i, s := range steps {
			time.Sleep(time.Until(at(i + 1)))
			s.do(h.hub)
			s.want.Source = "prague"
			if diff := cmp.Diff(s.want, h.hub.Statuses()[0]); diff != "" {
				t.Errorf("step %d (-want +got):\n%s", i, diff)
			}
			blocks := c.rest()
			if s.said {
				said++
			}
			if len(blocks) != said {
				t.Fatalf("step %d: %d blocks, want %d", i, len(blocks), said)
			}
			if s.said {
				want := string(must(json.Marshal(s.want)))
				if got := blocks[said-1]; got.name != "bellhop.source" || got.id != "" || got.data != want {
					t.Errorf("step %d: said %+v, want %s", i, got, want)
				}
			}
		}
		h.hub.Report(gateway.Status{Source: "london", State: gateway.StateLive}) // nobody knows it
		if n := len(other.rest()); n != 0 {
			t.Errorf("the other stream got %d blocks", n)
		}
		if diff := cmp.Diff(gateway.Status{Source: "brno", State: gateway.StateDown, Reason: gateway.ReasonDial, Since: at(12)}, h.hub.Statuses()[1]); diff != "" {
			t.Errorf("the other source (-want +got):\n%s", diff)
		}
	})
}

// While the log cannot be written no source is better than stale, nor is one
// said to be worse.
func TestLogTroubleIsOfAllSources(t *testing.T) {
	inHouse(t, 1, func(t *testing.T, h *house) {
		h.hub.Report(gateway.Status{Source: "brno", State: gateway.StateLive})
		h.hub.LogTrouble(true)
		for _, s := range h.hub.Statuses() {
			if s.State != gateway.StateStale || s.Reason != gateway.ReasonLog {
				t.Errorf("%s is %s (%s)", s.Source, s.State, s.Reason)
			}
		}
	})
}

func TestStatusJSON(t *testing.T) {
	at := time.Date(2030, 1, 1, 1, 0, 0, 120e6, time.FixedZone("", 3600))
	for want, s := range map[string]gateway.Status{
		`{"source":"a","state":"unknown"}`: {Source: "a", State: gateway.StateUnknown},
		`{"source":"a","state":"live","since":"2030-01-01T00:00:00.12Z","confirmed":"2030-01-01T00:00:01.12Z"}`:                 {Source: "a", State: gateway.StateLive, Since: at, Confirmed: at.Add(time.Second)},
		`{"source":"a","state":"down","since":"2030-01-01T00:00:00.12Z","reason":"dial"}`:                                       {Source: "a", State: gateway.StateDown, Since: at, Reason: gateway.ReasonDial},
		`{"source":"a","state":"stale","since":"2030-01-01T00:00:00Z","confirmed":"2030-01-01T00:00:00.12Z","reason":"silent"}`: {Source: "a", State: gateway.StateStale, Since: at.Truncate(time.Second), Confirmed: at, Reason: gateway.ReasonSilent},
	} {
		if got := string(must(json.Marshal(s))); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
