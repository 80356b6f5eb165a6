package mews

import (
	"fmt"
	"testing"
	"time"

	"bellhop/gateway"
)

// Many events of one entity are dealt out at once, each entity in its order.
func TestRounds(t *testing.T) {
	const entities, each = 3, 50_000
	var visits []*visit
	for i := range entities * each {
		visits = append(visits, newVisit(&gateway.Record{Event: &gateway.Event{
			Source: "prague", Type: typeResource, ID: fmt.Sprint(i % entities), Ticket: uint64(i / entities),
		}}, time.Time{}))
	}
	dealt := rounds(visits)
	if len(dealt) != each {
		t.Fatalf("%d rounds, want %d", len(dealt), each)
	}
	for n, round := range dealt {
		had := make(map[gateway.EntityKey]bool)
		for _, v := range round {
			if had[v.key] || v.record.Event.Ticket != uint64(n) {
				t.Fatalf("round %d has %+v", n, v.record.Event)
			}
			had[v.key] = true
		}
		if len(round) != entities {
			t.Fatalf("round %d has %d", n, len(round))
		}
	}
}

// A row of which no event can be made is announced, once for each version.
func TestRowTooLarge(t *testing.T) {
	d := &desk{Source: &Source{name: "prague"}}
	key := d.key(typeResource, "r")
	for i, updated := range []int64{1, 1, 2} {
		d.tooLarge(row{typ: typeResource, id: "r", updated: seconds(int(updated))}, key, seconds(9))
		if want := []int{1, 1, 2}[i]; len(d.out) != want {
			t.Errorf("%d gaps after row %d, want %d", len(d.out), i, want)
		}
	}
	if g := d.out[0].record.Gap; g == nil || g.Reason != gateway.GapSize || g.Types[0] != typeResource {
		t.Errorf("announced: %+v", d.out[0].record)
	}
}
