package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// resource is a room in a state, said by prague.
func resource(id, state string) *gateway.Event {
	e := newEvent("prague", "Resource", id, fmt.Sprintf(`{"Id":%q,"State":%q}`, id, state))
	e.Received = time.Now()
	return e
}

func price(id string) *gateway.Event {
	return newEvent("prague", "PriceUpdate", id, `{"RateId":"x"}`)
}

// quiet waits until all is read and kept.
func quiet() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// logged returns the records behind seq as "type id State<Before".
func (h *hotel) logged(seq uint64) (out []string) {
	for _, r := range h.log.history()[seq:] {
		if g := r.Gap; g != nil {
			out = append(out, fmt.Sprintf("gap of %s %v %s", g.Source, g.Types, g.Reason))
			continue
		}
		s := fmt.Sprintf("%s %s %s", r.Event.Type, r.Event.ID, r.Event.Attributes.State)
		if b := r.Event.Before; b != nil {
			s += "<" + b.State
		}
		out = append(out, s)
	}
	return out
}

// there is what a page of everything holds: the number of entities, and what is
// wrong with that.
func (o *opened) there(t *testing.T) int {
	t.Helper()
	p := &page{asked: one(everything, gateway.Query{}), log: o.log}
	p.connect(o.hub, 0, 1<<20)
	defer p.disconnect(0)
	synctest.Wait()
	if err := p.settled(); err != nil {
		t.Error(err)
	}
	return len(p.held)
}

// What the log's lost tail said of entities is logged again, behind what the log
// still has, before any source says more; a stream that was given only that is
// told what has changed.
func TestLostTailIsLoggedAgain(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		h.ring = 1 // at the next start
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), resource("c", "Dirty"), resource("d", "Dirty"))
		quiet()
		h.log.trim(3)
		o.say(t, price("x"), resource("c", "Inspected"), resource("c", "Clean"), resource("new", "Dirty"), resource("a", "Clean"), price("y"))
		quiet()
		h.crash(t, o)
		h.log.lose(5)
		*o = *h.mustStart(t)
		quiet()

		want := []string{"Resource c Clean<Dirty", "Resource new Dirty", "Resource a Clean<Dirty"}
		if diff := cmp.Diff(want, h.logged(5)); diff != "" {
			t.Errorf("logged again (-want +got):\n%s", diff)
		}
		for _, r := range h.log.history()[5:] {
			if r.Event.Origin != gateway.OriginBackfill || r.Event.More {
				t.Errorf("%s: origin %s, more %t", r.Event.ID, r.Event.Origin, r.Event.More)
			}
		}
		if n := o.there(t); n != 5 {
			t.Errorf("%d entities, want 5", n)
		}
		dirty := o.open(t, func(s *gateway.StreamOptions) {
			s.Subscription, s.Resume = subscribe(t, gateway.Query{States: []string{"Dirty"}}, everything), "e1.5"
		})
		if diff := cmp.Diff([]line{{"e2.6", "bellhop.left"}, {"e2.7", "Resource"}, {"e2.8", "bellhop.left"}}, lines(dirty.rest())); diff != "" {
			t.Errorf("a stream that missed it (-want +got):\n%s", diff)
		}
		if up := h.state.complete(); up != 8 {
			t.Errorf("kept up to %d, want 8", up)
		}
		o.end(t)
		*o = *h.mustStart(t)
		if diff := cmp.Diff(want, h.logged(5)); diff != "" {
			t.Errorf("logged once more (-want +got):\n%s", diff)
		}
	})
}

// What was lost may be kept without its being said up to where the state goes.
func TestLostTailOfAnUnfinishedState(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		h.ring = 1
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), price("x"), price("y"))
		quiet()
		h.state.fail(1)
		o.say(t, resource("a", "Inspected"), resource("a", "Clean"))
		quiet()
		h.crash(t, o)
		h.log.lose(4)
		*o = *h.mustStart(t)
		quiet()
		if diff := cmp.Diff([]string{"Resource a Clean<Dirty"}, h.logged(4)); diff != "" {
			t.Errorf("logged again (-want +got):\n%s", diff)
		}
		if n := o.there(t); n != 2 {
			t.Errorf("%d entities, want 2", n)
		}
	})
}

// No source begins, and nothing is kept, until the hub has read what was logged
// again.
func TestSourcesWaitForTheMending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotel()
		o := h.mustStart(t)
		o.say(t, resource("a", "Dirty"), resource("a", "Clean"))
		quiet()
		h.crash(t, o)
		h.log.lose(1)
		h.log.holdAt(1)
		started := make(chan *opened, 1)
		go func() { started <- h.mustStart(t) }()
		quiet()
		if n := len(h.log.history()); n != 2 || len(started) > 0 || h.state.complete() != 2 {
			t.Errorf("%d records, %d started, kept up to %d", n, len(started), h.state.complete())
		}
		h.log.hold(false)
		o = <-started
		if r := h.state.records[gateway.EntityKey{Source: "prague", Kind: "Resource", ID: "a"}]; h.state.complete() != 2 || r.seq != 2 {
			t.Errorf("kept up to %d, the entity from %d", h.state.complete(), r.seq)
		}
		o.end(t)
	})
}

// A lost tail that told of no entity leaves the state ahead of the log: what is
// logged then under the same sequences is read again after a crash.
func TestLostTailWithoutEntities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotel()
		h.ring = 1
		o := h.mustStart(t)
		o.say(t, resource("a", "Dirty"), price("1"), price("2"), price("3"))
		quiet()
		h.crash(t, o)
		h.log.lose(1)
		h.state.fail(2) // one record is loaded, and then kept how far that is; nothing later
		o = h.mustStart(t)
		o.say(t, resource("a", "Clean"), resource("b", "Dirty"), price("4"), price("5"), price("6"))
		synctest.Wait()
		h.crash(t, o)
		o = h.mustStart(t)
		if n := o.there(t); n != 2 {
			t.Errorf("%d entities, want 2", n)
		}
		o.end(t)
	})
}

var lastingGaps = []string{"gap of prague [DeviceCommand Reservation Resource] log", "gap of brno [DeviceCommand Reservation Resource] log"}

// Where the kept state is lost and the log does not reach back, that is said,
// once, and the sources are asked to load it.
func TestLostState(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		for _, source := range []string{"prague", "brno"} {
			h.keeper.KeepNote(t.Context(), source, gateway.NoteLoaded, []byte("yes"))
			h.keeper.KeepNote(t.Context(), source, "other", []byte("yes"))
		}
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), resource("c", "Dirty"))
		quiet()
		o.end(t)
		h.log.trim(3)
		h.state = newState()
		*o = *h.mustStart(t)
		if diff := cmp.Diff(lastingGaps, h.logged(3)); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
		g := h.log.history()[3].Gap
		if !g.From.Equal(time.Unix(0, 0)) || g.To.After(time.Now()) || time.Since(g.To) > time.Second {
			t.Errorf("from %v to %v", g.From, g.To)
		}
		for _, source := range []string{"prague", "brno"} {
			loaded, _ := h.keeper.Note(t.Context(), source, gateway.NoteLoaded)
			other, _ := h.keeper.Note(t.Context(), source, "other")
			if loaded != nil || other == nil {
				t.Errorf("notes of %s: loaded %q, other %q", source, loaded, other)
			}
		}
		if diff := cmp.Diff(writerTypes, o.Sources[0].Types()); diff != "" {
			t.Errorf("the source's own types (-want +got):\n%s", diff)
		}
		quiet()
		o.end(t)
		*o = *h.mustStart(t)
		if diff := cmp.Diff(lastingGaps, h.logged(3)); diff != "" {
			t.Errorf("at the next start (-want +got):\n%s", diff)
		}
	})
}

// A kept state that is behind what has been trimmed is incomplete too, also where
// trimming went on while the log was read.
func TestStateBehindTheLog(t *testing.T) {
	tests := map[string]struct {
		before, while uint64 // trimmed up to, at the start and behind the first page
		want          bool   // that it is said
	}{
		"what was trimmed is kept":                 {4, 4, false},
		"one record of it is not":                  {5, 5, true},
		"trimmed while it was read":                {1, 8, true},
		"what was trimmed meanwhile had been read": {1, 6, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHotel()
				h.ring = 1
				h.log.page = 2
				o := h.mustStart(t)
				o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), resource("c", "Dirty"))
				quiet()
				h.state.fail(0)
				o.say(t, resource("d", "Dirty"), resource("e", "Dirty"), resource("f", "Dirty"), resource("a", "Clean"), resource("g", "Dirty"))
				quiet()
				h.crash(t, o)
				h.log.trim(tt.before)
				h.log.onRead = func() { h.log.trim(tt.while) }
				o = h.mustStart(t)
				var want []string
				if tt.want {
					want = lastingGaps
				}
				if diff := cmp.Diff(want, h.logged(8)); diff != "" {
					t.Errorf("logged (-want +got):\n%s", diff)
				}
				o.end(t)
			})
		})
	}
}

// A start that finds all in order says nothing and drops nothing.
func TestCleanStart(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		h.keeper.KeepNote(t.Context(), "prague", gateway.NoteLoaded, []byte("yes"))
		for i := range 10 {
			o.say(t, resource(fmt.Sprint(i), "Dirty"), price("x"))
		}
		quiet()
		h.log.trim(9)
		for name, stop := range map[string]func(){"stopped": func() { o.end(t) }, "killed": func() { h.crash(t, o) }} {
			o.say(t, resource(name, "Dirty"))
			synctest.Wait()
			_, last := h.log.Bounds()
			stop()
			h.log.begin()
			*o = *h.mustStart(t)
			if n := o.there(t); n != 11 && n != 12 {
				t.Errorf("%s: %d entities", name, n)
			}
			quiet()
			if got := h.logged(last); got != nil {
				t.Errorf("%s: logged %v", name, got)
			}
			if loaded, _ := h.keeper.Note(t.Context(), "prague", gateway.NoteLoaded); loaded == nil {
				t.Errorf("%s: it is to be loaded again", name)
			}
		}
		before := h.state.saves
		time.Sleep(time.Minute)
		if n := h.state.saves - before; n > 0 {
			t.Errorf("kept %d times though nothing changed", n)
		}
	})
}

// Wherever a start is cut off, the next one brings log and state to agreement.
func TestCrashWhileMending(t *testing.T) {
	for what, lost := range map[string]bool{"the log lost its tail": true, "the state is incomplete": false} {
		for failing, fail := range map[string]func(*hotel, int){
			"the state fails": func(h *hotel, n int) { h.state.fail(n) },
			"the log refuses": func(h *hotel, n int) { h.log.refuseAfter(n, errNoRoom) },
			"a note fails":    func(h *hotel, n int) { h.keeper.failAfter(n, errNoRoom) },
		} {
			t.Run(what+", "+failing, func(t *testing.T) {
				for n, done := 0, false; !done; n++ {
					if n > 50 {
						t.Fatal("it never succeeds")
					}
					synctest.Test(t, func(t *testing.T) { done = crashWhileMending(t, lost, n, fail) })
				}
			})
		}
	}
}

// crashWhileMending reports whether the start succeeded though something may fail
// after n steps.
func crashWhileMending(t *testing.T, lost bool, n int, fail func(*hotel, int)) (done bool) {
	h := newHotel()
	h.ring = 1
	o := h.mustStart(t)
	o.say(t, resource("a", "Dirty"), resource("b", "Dirty"), resource("c", "Dirty"))
	quiet()
	o.say(t, resource("b", "Clean"), price("x"), resource("c", "Clean"), resource("d", "Dirty"), price("y"), price("z"))
	quiet()
	h.crash(t, o)
	h.keeper.KeepNote(t.Context(), "brno", gateway.NoteLoaded, []byte("yes"))
	want := presentState(h.log.history())
	if lost {
		h.log.lose(3)
	} else {
		h.log.trim(9)
		h.state = newState()
	}
	_, last := h.log.Bounds()

	fail(h, n)
	half, err := h.start()
	if done = err == nil; done {
		time.Sleep(2 * time.Second)
		h.crash(t, half)
	} else if !errors.Is(err, errNoRoom) {
		t.Errorf("failing after %d: %v", n, err)
	}
	fail(h, -1)
	o = h.mustStart(t)
	defer o.end(t)
	quiet()
	if lost {
		got := presentState(h.log.history())
		for key, e := range want {
			if got[key] == nil || string(got[key].Object) != string(e.Object) {
				t.Errorf("failing after %d: %s is %+v", n, key.ID, got[key])
			}
		}
		if there := o.there(t); there != len(want) {
			t.Errorf("failing after %d: %d entities, want %d", n, there, len(want))
		}
		return done
	}
	for _, gap := range lastingGaps {
		if !slices.Contains(h.logged(last), gap) {
			t.Errorf("failing after %d: never said: %s", n, gap)
		}
	}
	if loaded, _ := h.keeper.Note(t.Context(), "brno", gateway.NoteLoaded); loaded != nil {
		t.Errorf("failing after %d: nobody was asked to load the state", n)
	}
	return done
}
