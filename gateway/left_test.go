package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// stay is a reservation of prague's.
func stay(id, state, room string, from, to int) *gateway.Event {
	at := func(day int) string { return bubble.AddDate(0, 0, day).Format(time.RFC3339) }
	e := newEvent("prague", "Reservation", id, fmt.Sprintf(`{"Id":%q,"State":%q,"AssignedResourceId":%q,"StartUtc":%q,"EndUtc":%q}`, id, state, room, at(from), at(to)))
	e.Received = bubble
	return e
}

func unread(id, conversation string) *gateway.Event {
	return newEvent("prague", "airy.unread-count", id, fmt.Sprintf(`{"conversation_id":%q}`, conversation))
}

// What streams are told of entities that enter, stay and leave, live as resumed.
func TestLeft(t *testing.T) {
	var (
		dirty    = one(everything, gateway.Query{States: []string{"Dirty"}})
		inRoom   = one(everything, gateway.Query{Resources: []string{"R"}})
		onDay    = one(everything, gateway.Query{From: bubble.AddDate(0, 0, 10), To: bubble.AddDate(0, 0, 11)})
		granted  = one(gateway.Grant{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Dirty"}}, gateway.Query{})
		masked   = one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Dirty", "Started"}, Redact: []string{"event.State"}}, gateway.Query{})
		maskedIn = one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Started"}, Redact: []string{"event.state"}}, gateway.Query{Resources: []string{"r"}})
		several  = asked{[]gateway.Grant{
			{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Dirty"}},
			{Sources: []string{"*"}, Types: []string{"Resource"}, States: []string{"Clean"}, Redact: []string{"event.State"}},
		}, gateway.Query{}}
		severalDirty = asked{several.grants, gateway.Query{States: []string{"Dirty", "Clean"}}}
		// the first shows a room while nobody is in it, but not its state
		hidesFirst = asked{[]gateway.Grant{
			{Sources: []string{"*"}, Types: []string{"*"}, Resources: []string{"r"}, Fields: []string{"event.State"}},
			{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Started"}},
		}, gateway.Query{States: []string{"Started"}}}
	)
	type events = []*gateway.Event
	tests := []struct {
		name     string
		asked    asked
		was, now events
		want     string // what comes of now
	}{
		{"enters", dirty, events{resource("a", "Clean")}, events{resource("a", "Dirty")}, "Resource a"},
		{"stays", dirty, events{resource("a", "Dirty")}, events{resource("a", "Dirty")}, "Resource a"},
		{"stays out", dirty, events{resource("a", "Clean")}, events{resource("a", "Inspected")}, ""},
		{"was never there", dirty, nil, events{resource("a", "Clean")}, ""},
		{"another entity", dirty, events{resource("a", "Dirty")}, events{resource("b", "Clean")}, ""},
		{"another source's", dirty, events{resource("a", "Dirty")}, events{newEvent("brno", "Resource", "a", `{"State":"Clean"}`)}, ""},
		{"another type's", dirty, events{resource("a", "Dirty")}, events{stay("a", "Started", "r", 1, 2)}, ""},
		{"leaves by state", dirty, events{resource("a", "Dirty")}, events{resource("a", "Clean")}, "-Resource a"},
		{"leaves in another case", dirty, events{resource("a", "Dirty")}, events{resource("A", "Clean")}, "-Resource a"},
		{"leaves once", dirty, events{resource("a", "Dirty")}, events{resource("a", "Clean"), resource("a", "Inspected")}, "-Resource a"},
		{"leaves and comes back", dirty, events{resource("a", "Dirty")}, events{resource("a", "Clean"), resource("a", "Dirty")}, "-Resource a, Resource a"},
		{"leaves what a grant shows", granted, events{resource("a", "Dirty")}, events{resource("a", "Clean")}, "-Resource a"},
		{"loses its state", dirty, events{resource("a", "Dirty")}, events{newEvent("prague", "Resource", "a", `{}`)}, "-Resource a"},
		{"leaves by room", inRoom, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Started", "t", 1, 2)}, "-Reservation s"},
		{"moves in", inRoom, events{stay("s", "Started", "t", 1, 2)}, events{stay("s", "Started", "r", 1, 2)}, "Reservation s"},
		{"has no room any more", inRoom, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Started", "", 1, 2)}, "-Reservation s"},
		{"leaves by dates", onDay, events{stay("s", "Started", "r", 9, 10)}, events{stay("s", "Started", "r", 8, 9)}, "-Reservation s"},
		{"stays by dates", onDay, events{stay("s", "Started", "r", 9, 10)}, events{stay("s", "Started", "r", 11, 30)}, "Reservation s"},
		{"leaves a conversation", one(everything, gateway.Query{Conversations: []string{"c"}}), events{unread("u", "c")}, events{unread("u", "d")}, "-airy.unread-count u"},
		{"has gone", dirty, events{resource("a", "Dirty")}, events{gone("Resource", "a")}, "-Resource a"},
		{"had left when it went", dirty, events{resource("a", "Dirty"), resource("a", "Clean")}, events{gone("Resource", "a")}, ""},
		{"goes from all", one(everything, gateway.Query{}), events{resource("a", "Clean")}, events{gone("Resource", "a")}, "-Resource a"},
		{"goes twice", one(everything, gateway.Query{}), events{resource("a", "Clean"), gone("Resource", "a")}, events{gone("Resource", "a")}, ""},
		{"was never there and goes", one(everything, gateway.Query{}), nil, events{gone("Resource", "a")}, ""},
		{"goes and comes back", dirty, events{resource("a", "Dirty")}, events{gone("Resource", "a"), resource("a", "Clean"), resource("a", "Dirty")}, "-Resource a, Resource a"},
		{"is no entity", dirty, events{newEvent("prague", "Odd", "a", `{"State":"Dirty"}`)}, events{newEvent("prague", "Odd", "a", `{"State":"Clean"}`)}, ""},
		{"is a price", one(everything, gateway.Query{Rates: []string{"x"}}), events{price("p")}, events{newEvent("prague", "PriceUpdate", "p", `{"RateId":"y"}`)}, ""},

		{"only what is hidden has changed", masked, events{resource("a", "Dirty")}, events{resource("a", "Clean")}, ""},
		{"what is hidden, and what nobody reads", masked, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Canceled", "t", 5, 6)}, ""},
		{"what is hidden, and is shown for another", masked, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Dirty", "r", 1, 2)}, "Reservation s"},
		{"what is hidden has gone", masked, events{resource("a", "Dirty")}, events{gone("Resource", "a")}, "-Resource a"},
		{"only what is hidden, in its room", maskedIn, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Canceled", "r", 1, 2)}, ""},
		{"what is hidden, and the room", maskedIn, events{stay("s", "Started", "r", 1, 2)}, events{stay("s", "Canceled", "t", 1, 2)}, "-Reservation s"},
		{"the room of what was hidden", maskedIn, events{stay("s", "Canceled", "r", 1, 2)}, events{stay("s", "Canceled", "t", 1, 2)}, ""},

		{"from grant to grant", several, events{resource("a", "Dirty")}, events{resource("a", "Clean")}, "Resource a"},
		{"and from both", several, events{resource("a", "Dirty")}, events{resource("a", "Inspected")}, "-Resource a"},
		{"out of the one that hides", several, events{resource("a", "Clean")}, events{resource("a", "Inspected")}, ""},
		{"to a grant that hides what is asked", severalDirty, events{resource("a", "Dirty")}, events{resource("a", "Clean")}, "-Resource a"},
		{"from a grant that hides what is asked", severalDirty, events{resource("a", "Clean")}, events{resource("a", "Inspected")}, ""},
		{"the first grant hides the room, the second does not", hidesFirst, events{stay("s", "Started", "t", 1, 2)}, events{stay("s", "Canceled", "t", 1, 2)}, "-Reservation s"},
		{"into the grant that hides the room", hidesFirst, events{stay("s", "Started", "t", 1, 2)}, events{stay("s", "Started", "r", 1, 2)}, "Reservation s"},
		{"out of it, by what it hides", hidesFirst, events{stay("s", "Canceled", "r", 1, 2), stay("s", "Started", "r", 1, 2)}, events{stay("s", "Canceled", "t", 1, 2)}, "-Reservation s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHotel()
				h.ring = 10
				o := h.mustStart(t)
				sub := subscribe(t, tt.asked.query, tt.asked.grants...)
				o.say(t, price("first"))
				o.say(t, tt.was...)
				synctest.Wait()
				_, before := h.log.Bounds()
				told := func(c *carrier) string { // of all that is between before and last
					_, rest, _ := strings.Cut(string(c.given()), "\n\n")
					c.stop()
					return rest
				}
				at := func(o *opened) *carrier {
					return o.open(t, func(s *gateway.StreamOptions) { s.Subscription, s.Resume = sub, h.log.position(before) })
				}
				live := o.open(t, func(s *gateway.StreamOptions) { s.Subscription = sub })
				o.say(t, slices.Clone(tt.now)...)
				synctest.Wait()
				want := told(live)
				if got := summary(want); got != tt.want {
					t.Errorf("live: %s, want %s", got, tt.want)
				}
				same := func(how, got string) {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s (-live +got):\n%s", how, diff)
					}
				}
				h.log.failReads(errors.New("not to be read"))
				same("resumed from memory", told(at(o)))
				h.log.failReads(nil)
				for range 10 {
					o.sinks["brno"].Append(t.Context(), []*gateway.Record{{Event: newEvent("brno", "CustomerAdded", "x", `{}`)}}, nil)
				}
				synctest.Wait()
				ours := func(all string) string { // without those
					kept := strings.SplitAfter(all, "\n\n")
					return strings.Join(slices.DeleteFunc(kept, func(b string) bool { return strings.Contains(b, "event: CustomerAdded\n") }), "")
				}
				same("resumed from the log", ours(told(at(o))))
				o.end(t)
				h.log.begin()
				o = h.mustStart(t)
				same("after a restart", ours(told(at(o))))
				o.end(t)
			})
		})
	}
}

// summary says the names, types and ids of blocks; a minus stands for leaving.
func summary(blocks string) string {
	var out []string
	for _, b := range parseBlocks([]byte(blocks)) {
		o := parseTree([]byte(b.data)).(object)
		s := fmt.Sprintf("%s %s", o[1].Value, o[2].Value)
		if b.name == "bellhop.left" {
			s = "-" + s
			if want := fmt.Sprintf(`{"source":%q,"type":%q,"id":%q}`, o[0].Value, o[1].Value, o[2].Value); b.data != want {
				s += " but " + b.data
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// Who leaves is no event, whose delivery would be counted and timed.
func TestLeftIsNoEvent(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"))
		synctest.Wait()
		s := o.begin(t, gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{States: []string{"Dirty"}}, everything)})
		defer s.Close()
		o.say(t, resource("a", "Clean"), gone("Resource", "b"))
		synctest.Wait()
		var b gateway.Batch
		if s.Take(&b, 1<<20); b.Blocks != 2 || b.Events != 0 || !b.Oldest.IsZero() {
			t.Errorf("%d blocks, %d events, the oldest of %v", b.Blocks, b.Events, b.Oldest)
		}
	})
}

// What leaves is found by what it was, under whatever attribute the index has the
// subscription.
func TestIndexFindsWhatLeaves(t *testing.T) {
	q := map[string]gateway.Query{
		"by pair": {States: []string{"Started"}}, "by room": {Resources: []string{"r"}}, "by id": {IDs: []string{"s"}, Resources: []string{"r"}},
	}
	for name, q := range q {
		t.Run(name, func(t *testing.T) {
			x := gateway.NewIndex()
			s := subscribe(t, q, everything)
			x.Add(s)
			was, now := stay("s", "Started", "r", 1, 2), stay("s", "Canceled", "t", 1, 2)
			now.Before = &was.Attributes
			tombstone := gone("Reservation", "s")
			tombstone.Before = &was.Attributes
			for _, e := range []*gateway.Event{now, tombstone} {
				if !slices.Contains(x.Candidates(e), s) {
					t.Errorf("not found, gone: %t", e.Gone)
				}
			}
		})
	}
}
