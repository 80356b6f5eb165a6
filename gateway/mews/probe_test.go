package mews_test

import (
	"strings"
	"testing"

	"bellhop/gateway/mews"
	"bellhop/gateway/simulator"
)

func TestProbe(t *testing.T) {
	inHouse(t, simulator.Options{Rooms: 30}, func(t *testing.T, h *house) {
		got, err := mews.Probe(t.Context(), h.options())
		if err != nil {
			t.Fatal(err)
		}
		if got.EnterpriseID != h.Layout().Enterprise || got.Enterprise == "" || got.Resources.N != 30 || got.Resources.More || got.Reservations.N == 0 {
			t.Errorf("%+v", got)
		}
		if n := len(h.Calls()); n != 4 {
			t.Errorf("%d calls, want 4", n)
		}
	})
}

func TestProbeSaysWhatIsNotPermitted(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Operations: []string{resourcesOp}}})
		got, err := mews.Probe(t.Context(), h.options())
		if err != nil || !strings.Contains(got.Resources.String(), "401") || got.Reservations.Err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestProbeFails(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*house, *mews.Options)
		want  string
	}{
		"enterprise": {func(_ *house, o *mews.Options) { o.Enterprise = anotherEnterprise }, "enterprise: another enterprise"},
		"portfolio":  {func(h *house, _ *mews.Options) { h.SetPortfolio(true) }, "enterprise: another enterprise"},
		"token":      {func(h *house, _ *mews.Options) { h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized}}) }, "401"},
		"socket":     {func(h *house, _ *mews.Options) { h.reach(socketHost, false) }, "dial"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
				o := h.options()
				c.spoil(h, &o)
				if _, err := mews.Probe(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %s", err, c.want)
				}
			})
		})
	}
}
