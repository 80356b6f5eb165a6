package mews_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/simulator"
)

const anotherEnterprise = "0e0e0e0e-0000-4000-8000-000000000001"

func TestSocketIsNotOpenedBeforeTheEnterpriseIsKnown(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.reach(apiHost, false)
		h.listen(h.options())
		settle(5 * time.Minute)
		if got := h.to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonEnterprise || h.State().Connects != 0 {
			t.Errorf("%+v after %d connects, want down for the enterprise and none", got, h.State().Connects)
		}
		h.reach(apiHost, true)
		settle(2 * time.Minute)
		if got := h.to.now(); got.State != gateway.StateLive {
			t.Errorf("%+v, want live", got)
		}
	})
}

func TestRejectedTokenWithoutAnEnterprise(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized}})
		h.listen(h.options())
		settle(5 * time.Minute)
		if diff := cmp.Diff([]string{"down dial", "down enterprise", "down rejected"}, uniq(h.to.states())); diff != "" {
			t.Errorf("states, -want +got:\n%s", diff)
		}
		if n := len(h.Calls()); n < 5 || n > 11 {
			t.Errorf("%d calls in five minutes, want one every 30 to 60 s", n)
		}
	})
}

// uniq returns the first of each of the lines.
func uniq(lines []string) (out []string) {
	seen := make(map[string]bool)
	for _, line := range lines {
		if !seen[line] {
			out = append(out, line)
		}
		seen[line] = true
	}
	return out
}

func TestForeignEnterpriseIsRefused(t *testing.T) {
	for name, change := range map[string]func(h *house){
		"another":   func(h *house) { h.SetEnterprise(anotherEnterprise) },
		"portfolio": func(h *house) { h.SetPortfolio(true) },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, simulator.Options{SayAll: true}, func(t *testing.T, h *house) {
				h.listen(h.options())
				settle(5 * time.Minute)
				n, own := h.mark(), h.Layout().Enterprise
				change(h)
				h.Reset()
				settle(10 * time.Minute)
				if got := h.since(n); len(got) != 0 {
					t.Errorf("logged of another house: %q", got)
				}
				if got := h.to.now(); got.State != gateway.StateDown || got.Reason != gateway.ReasonEnterprise {
					t.Errorf("%+v, want down for the enterprise", got)
				}
				if n := h.State().Connects; n < 10 || n > 22 {
					t.Errorf("%d connects in ten minutes, want one every 30 to 60 s", n)
				}
				h.SetPortfolio(false)
				h.SetEnterprise(own)
				settle(2 * time.Minute)
				if got := h.to.now(); got.State != gateway.StateLive {
					t.Errorf("%+v, want live", got)
				}
			})
		})
	}
}

func TestPinnedEnterprise(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		o := h.options()
		o.Enterprise = anotherEnterprise
		h.listen(o)
		settle(5 * time.Minute)
		if got := h.to.now(); got.Reason != gateway.ReasonEnterprise || h.State().Connects != 0 {
			t.Errorf("%+v, %d connects, want none for the enterprise", got, h.State().Connects)
		}
		h.stop()
		o.Enterprise = strings.ToUpper(h.Layout().Enterprise)
		h.listen(o)
		settle(time.Minute)
		if got := h.to.now(); got.State != gateway.StateLive {
			t.Errorf("%+v, want live", got)
		}
	})
}

// Once learnt, an API that does not answer, or may not, changes nothing for the
// socket.
func TestEnterpriseIsVerifiedBesideTheSocket(t *testing.T) {
	for name, fault := range map[string]simulator.FaultKind{
		"hanging":      simulator.FaultHang,
		"failing":      simulator.FaultError,
		"unauthorized": simulator.FaultUnauthorized,
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
				h.listen(h.options())
				settle(5 * time.Minute)
				h.SetFaults(simulator.Faults{{Kind: fault}})
				n := h.mark()
				h.Reset()
				settle(15 * time.Second)
				h.Send(false, []byte(frameOf(`{"Type":"PriceUpdate","Id":"p"}`)))
				settle(time.Second)
				if got := h.since(n); len(got) == 0 || got[len(got)-1] != "live PriceUpdate p" {
					t.Errorf("log %q, want the price", got)
				}
				if got := h.State().Connects; got != 2 {
					t.Errorf("%d connects, want 2", got)
				}
				// The answer comes late, and is the wrong one.
				h.SetEnterprise(anotherEnterprise)
				h.SetFaults(nil)
				settle(3 * time.Minute)
				got := h.to.now()
				if wrong := fault != simulator.FaultUnauthorized; wrong != (got.Reason == gateway.ReasonEnterprise) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// What comes while the enterprise is being asked for is not lost.
func TestFramesWaitForTheEnterprise(t *testing.T) {
	inHouse(t, simulator.Options{SayAll: true}, func(t *testing.T, h *house) {
		h.listen(h.options())
		settle(5 * time.Minute)
		h.SetFaults(simulator.Faults{{Kind: simulator.FaultSlow, Operations: []string{"configuration/get"}, Delay: 5 * time.Second}})
		n := h.mark()
		h.Reset()
		settle(4 * time.Second)
		if got := h.since(n); len(got) != 0 {
			t.Errorf("before the answer: %q", got)
		}
		settle(10 * time.Second)
		if got := h.since(n); len(got) < 10 {
			t.Errorf("after it: %q, want what the hotel said of all rooms", got)
		}
	})
}

// A socket is not said to be live before what it has missed is being read,
// however busy the log is.
func TestNotLiveBeforeCatchingUp(t *testing.T) {
	inHouse(t, simulator.Options{}, func(t *testing.T, h *house) {
		h.listen(h.enriching())
		settle(5 * time.Minute)
		n := len(h.to.states())
		h.SetFaults(simulator.Faults{
			{Kind: simulator.FaultHang, Operations: []string{resourcesOp}},
			{Kind: simulator.FaultSlow, Operations: []string{"configuration/get"}, Delay: 8 * time.Second},
		})
		blocking := make(chan struct{})
		h.to.set(func(s *sink) { s.blocking = blocking })
		h.set(1, simulator.RoomInspected) // goes without its entity, and is not taken by the log
		settle(100 * time.Millisecond)
		h.Reset()
		settle(30 * time.Second)
		close(blocking)
		settle(10 * time.Second)
		want := []string{"live", "down closed", "catching-up"}
		if diff := cmp.Diff(want, h.to.states()[n-1:]); diff != "" {
			t.Errorf("states, -want +got:\n%s\n%s", diff, h.log)
		}
	})
}
