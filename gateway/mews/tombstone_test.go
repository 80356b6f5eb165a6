package mews

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
)

// lastOf is a sink that knows the latest event of the one entity that there is.
type lastOf struct {
	gateway.Sink
	latest *gateway.Event
}

func (s *lastOf) Latest(string, string) *gateway.Event { return s.latest }

// A read that began before a room's tombstone does not bring it back; one that
// began after it does.
func TestTombstoneIsLaterThanWhatWasReadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dirty := func(active bool) row {
			return mustRow(t, typeResource, fmt.Sprintf(`{"Id":"R","State":"Dirty","UpdatedUtc":%q,"IsActive":%t}`,
				time.Now().UTC().Add(-time.Minute).Format(time.RFC3339), active))
		}
		s := &Source{name: "prague", api: new(api), settle: time.Minute, keep: 24 * time.Hour, metrics: NewMetrics(nil).of("prague")}
		to := &lastOf{latest: &gateway.Event{
			Source: "prague", Type: typeResource, ID: "r", Origin: gateway.OriginLive, Received: time.Now().Add(-time.Hour), Ticket: 7,
		}}
		d := &desk{Source: s, sink: to, leaving: make(map[gateway.EntityKey]bool)}
		logged := func(r row, begun time.Time) (e *gateway.Event) {
			d.merge(r, reading{begun: begun})
			if len(d.out) > 0 {
				e = d.out[0].record.Event
				d.inherit(e)
			}
			d.out = nil
			clear(d.leaving)
			return e
		}
		before := time.Now()
		time.Sleep(time.Second)
		if e := logged(dirty(false), before); e == nil || !e.Gone || e.Ticket != 7 {
			t.Fatalf("%+v, want a tombstone", e)
		}
		to.latest = nil
		if e := logged(dirty(true), before); e != nil {
			t.Errorf("%+v, read before it was gone", e)
		}
		if len(d.settling.line) != 1 {
			t.Error("it is not read again")
		}
		time.Sleep(time.Second)
		if e := logged(dirty(true), time.Now()); e == nil || e.Gone || e.Ticket != 7 {
			t.Errorf("%+v, want what was read later, with the ticket of what was logged before", e)
		}
	})
}
