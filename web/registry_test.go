package web_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"bellhop/gateway"
	"bellhop/web"
)

func newRegistry(l web.Limits) web.Registry {
	return web.NewRegistry(l, gateway.NewHub(gateway.HubOptions{Log: newLog(), Encode: encode}))
}

// A member is what the model knows of an open stream.
type member struct {
	issuer, subject string
	address         netip.Addr
	entry           web.Entry
}

// model is a slow registry: the open streams, the oldest first.
type model struct {
	limits web.Limits
	open   []member
}

func (m *model) count(same func(member) bool) (n int, oldest int) {
	oldest = -1
	for i, o := range m.open {
		if same(o) {
			if oldest < 0 {
				oldest = i
			}
			n++
		}
	}
	return n, oldest
}

// add returns the code of a refusal, and the stream that has to end.
func (m *model) add(s member) (code string, replaced *member) {
	own, oldest := m.count(func(o member) bool { return o.issuer == s.issuer && o.subject == s.subject })
	rest := slices.Clone(m.open)
	if m.limits.PerSubject > 0 && own >= m.limits.PerSubject {
		replaced = new(rest[oldest])
		rest = slices.Delete(rest, oldest, oldest+1)
	}
	near, _ := (&model{open: rest}).count(func(o member) bool { return samePlace(o.address, s.address) })
	switch {
	case m.limits.PerAddress > 0 && near >= m.limits.PerAddress:
		return "too_many_streams", nil
	case len(rest) >= m.limits.Streams:
		return "busy", nil
	}
	m.open = append(rest, s)
	return "", replaced
}

func samePlace(a, b netip.Addr) bool {
	if a.Is4() || b.Is4() {
		return a == b
	}
	x, y := a.As16(), b.As16()
	return [8]byte(x[:8]) == [8]byte(y[:8])
}

// TestRegistry holds the registry against the model.
func TestRegistry(t *testing.T) {
	addresses := []netip.Addr{
		netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1"),
	}
	rapid.Check(t, func(t *rapid.T) {
		m := &model{limits: web.Limits{
			Streams: rapid.IntRange(0, 8).Draw(t, "streams"), PerSubject: rapid.IntRange(0, 4).Draw(t, "subject"), PerAddress: rapid.IntRange(0, 5).Draw(t, "address"),
		}}
		r := newRegistry(m.limits)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				s := member{
					rapid.SampledFrom([]string{"i", "j"}).Draw(t, "iss"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "sub"),
					rapid.SampledFrom(addresses).Draw(t, "from"), web.Entry{},
				}
				entry, code := r.Add(s.issuer, s.subject, s.address)
				s.entry = entry
				want, replaced := m.add(s)
				if code != want {
					t.Fatalf("add %+v: got %q, want %q", s, code, want)
				}
				if replaced == nil {
					return
				}
				if _, reason := replaced.entry.Farewell(); reason != gateway.ByeBusy {
					t.Fatalf("the oldest was told %q", reason)
				}
				r.Remove(replaced.entry) // as its handler will; it is gone already
			},
			"remove": func(t *rapid.T) {
				if len(m.open) == 0 {
					t.Skip("none is open")
				}
				i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
				r.Remove(m.open[i].entry)
				m.open = slices.Delete(m.open, i, i+1)
			},
			"": func(t *rapid.T) {
				if streams, _, _ := r.Counts(); streams != len(m.open) {
					t.Fatalf("%d streams, want %d", streams, len(m.open))
				}
				for _, o := range m.open {
					select {
					case <-o.entry.Ended():
						t.Fatalf("%+v was ended", o)
					default:
					}
				}
			},
		})
		for _, o := range m.open {
			r.Remove(o.entry)
		}
		if s, u, a := r.Counts(); s+u+a != 0 {
			t.Fatalf("at the end: %d streams, %d subjects, %d addresses", s, u, a)
		}
	})
}

// TestRegistryRace lets hundreds come and go at once.
func TestRegistryRace(t *testing.T) {
	limits := web.Limits{Streams: 60, PerSubject: 3, PerAddress: 20}
	r := newRegistry(limits)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			for range 20 {
				e, code := r.Add("i", fmt.Sprint(rand.IntN(40)), netip.AddrFrom4([4]byte{203, 0, 113, byte(i % 5)}))
				if code != "" {
					continue
				}
				if rand.IntN(2) == 0 {
					r.Remove(e)
				}
				r.Remove(e) // once more does no harm
			}
		})
	}
	wg.Wait()
	if s, u, a := r.Counts(); s+u+a != 0 {
		t.Errorf("at the end: %d streams, %d subjects, %d addresses", s, u, a)
	}
}

// TestStreamsComeAndGo opens and closes real streams at once, while they are
// listed, ended and written to, and wants everything back.
func TestStreamsComeAndGo(t *testing.T) {
	h := build(t, func(p *plan) { p.Limits = web.Limits{Streams: 40, PerSubject: 4} })
	var wg sync.WaitGroup
	for i := range 100 {
		token := mint(t, subjectOf(fmt.Sprint("s", i%15)))
		wg.Go(func() {
			for range 5 {
				get("/events", bearer(token)).to(t, h)
			}
		})
	}
	for i := range 20 {
		h.say(t, resource("prague", fmt.Sprint(i), "Dirty"))
		h.CutSlow()
		h.admin(t, get("/streams"))
		h.admin(t, get("/streams?sub=s1").by("DELETE"))
	}
	wg.Wait()
	if n := h.Streams(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	if got := h.metric(t, "bellhop_streams"); got != "0" {
		t.Errorf("bellhop_streams is %s", got)
	}
}
