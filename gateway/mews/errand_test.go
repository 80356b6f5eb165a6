package mews

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// inDesk calls f in a bubble with a desk that has errands alone.
func inDesk(t *testing.T, f func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSource(Options{
			Name: "prague", Socket: "ws://ws.test", API: "http://api.test", ClientToken: "c", AccessToken: "a", Backfill: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		f(t, newDesk(&run{Source: s, progress: newProgress(), sink: &lastOf{}}))
	})
}

// readNext has the errand that is due read its next piece, with err.
func (d *desk) readNext(t *testing.T, err error) errandKind {
	e := d.nextErrand()
	e.begun = true
	time.Sleep(25 * time.Second)
	d.errandRead(t.Context(), e, e.pieces[0], err)
	return e.kind
}

// A long errand lets others pass between its pieces.
func TestErrandsTakeTurns(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		d.load()
		d.echo(time.Now())
		for _, want := range []errandKind{errandLoad, errandLoad, errandLoad, errandEcho} {
			if got := d.readNext(t, nil); got != want {
				t.Errorf("%s was read, want %s", got, want)
			}
		}
	})
}

// However often the socket opens while the API is away, there are few errands.
func TestEchoesDoNotPileUp(t *testing.T) {
	for name, err := range map[string]error{"failing": errors.New("no answer"), "not asked for": nil} {
		t.Run(name, func(t *testing.T) {
			inDesk(t, func(t *testing.T, d *desk) {
				first := time.Now()
				for range 100 {
					d.echo(time.Now())
					time.Sleep(2 * time.Minute)
					if err != nil {
						d.readNext(t, err)
					}
				}
				pieces := 0
				for _, e := range d.errands {
					pieces += len(e.pieces)
				}
				if len(d.errands) > 2 || pieces > 3*(maxMissed+1) {
					t.Errorf("%d errands of %d pieces", len(d.errands), pieces)
				}
				d.plans()
				if planned := time.Unix(0, d.planned.Load()); planned.After(first) {
					t.Errorf("since %v, want all since the first opening at %v", planned, first)
				}
			})
		})
	}
}
