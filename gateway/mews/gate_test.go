package mews

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Of sockets that were refused the one that has missed most is kept, with what
// that holds.
func TestRefusedOpenings(t *testing.T) {
	d := &desk{Source: &Source{}, progress: newProgress()}
	start := time.Now()
	d.progress.answer(start.Add(time.Hour))
	for _, minute := range []int{3, 5, 1, 4} {
		from := start.Add(time.Duration(minute) * time.Minute)
		d.drop(batch{opening: &opening{missed: span{from, from.Add(time.Minute)}, release: d.progress.miss(from)}})
	}
	if n := len(d.progress.missed.at); n != 1 {
		t.Errorf("%d holds, want one", n)
	}
	last := start.Add(30 * time.Minute)
	o := &opening{missed: span{last, last.Add(time.Minute)}, release: d.progress.miss(last)}
	d.recollect(o)
	if want := (span{start.Add(time.Minute), last.Add(time.Minute)}); !cmp.Equal(want, o.missed, cmp.AllowUnexported(span{})) {
		t.Errorf("missed %v, want %v", o.missed, want)
	}
	if got := d.progress.confirmed(); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("confirmed %v after the start, want a minute", got.Sub(start))
	}
	if o.release(); len(d.progress.missed.at) != 0 {
		t.Error("something holds the confirmed moment still")
	}
}

// What a socket says that turns out to be another's is dropped, though its gate
// was opened because nobody knew.
func TestBarredAfterItWasOpen(t *testing.T) {
	d := &desk{Source: &Source{metrics: NewMetrics(nil).of("prague")}, progress: newProgress()}
	at := time.Now()
	d.progress.answer(at.Add(time.Second))
	g := newGate()
	g.decide(true)
	g.bar(errors.New("another's"))
	if err := d.receive(t.Context(), batch{gate: g, at: at, release: d.progress.hold(at)}); err != nil {
		t.Fatal(err)
	}
	if got := d.progress.confirmed(); !got.Equal(at) {
		t.Errorf("confirmed %v after what was dropped", got.Sub(at))
	}
}
