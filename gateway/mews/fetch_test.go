package mews

import (
	"testing"
	"time"

	"bellhop/gateway"
)

// What the API does not know yet is asked for at a steady pace in the end.
func TestAskingAgainIsPaced(t *testing.T) {
	d := &desk{Source: &Source{name: "prague"}, guests: make(map[gateway.EntityKey]*guest)}
	begun := time.Now()
	e := &gateway.Event{Source: "prague", Type: typeResource, ID: "r", Received: begun.Add(-time.Second)}
	v := newVisit(&gateway.Record{Event: e}, e.Received)
	g := &guest{line: []*visit{v}, left: 1}
	d.guests[v.key] = g
	f := &fetch{typ: typeResource}
	last := time.Duration(0)
	for tries := range 100 {
		d.follow(f, want{id: "r", tries: tries, guest: g}, begun, nil)
		wait := time.Until(f.wanted[tries].due)
		if wait < last-time.Second || wait > 8*time.Second {
			t.Fatalf("after %d tries: %v, after %v before", tries, wait, last)
		}
		last = wait
	}
}
