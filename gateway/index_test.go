package gateway_test

import (
	"fmt"
	"slices"
	"testing"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

func drawList(t *rapid.T, label string, values ...string) []string {
	if rapid.IntRange(0, 2).Draw(t, label+" given") > 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(values), 1, 3).Draw(t, label)
}

func drawSubscription(t *rapid.T) *gateway.Subscription {
	var grants []gateway.Grant
	for range rapid.IntRange(1, 3).Draw(t, "grants") {
		g := gateway.Grant{
			Sources: drawList(t, "sources", "prague", "brno"), Types: drawList(t, "types", "Resource", "Reservation", "airy.message", "MessageAdded"),
			IDs: drawList(t, "ids", "a", "B"), Resources: drawList(t, "resources", "r", "a"), Threads: drawList(t, "threads", "t", "*"),
			Conversations: drawList(t, "conversations", "c"), Channels: drawList(t, "channels", "h"), States: drawList(t, "states", "Dirty"),
		}
		if g.Sources == nil {
			g.Sources = []string{"*"}
		}
		if g.Types == nil {
			g.Types = []string{"*"}
		}
		grants = append(grants, g)
	}
	q := gateway.Query{
		Sources: drawList(t, "source", "prague", "brno", "*"), Types: drawList(t, "type", "Resource", "Odd"), IDs: drawList(t, "id", "A", "b"),
		Resources: drawList(t, "resource", "R", "A"), Threads: drawList(t, "thread", "T"), Conversations: drawList(t, "conversation", "C"), Channels: drawList(t, "channel", "H"),
	}
	s, err := gateway.NewSubscription(grants, q)
	if err != nil {
		s, err = gateway.NewSubscription(grants, gateway.Query{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func drawEvent(t *rapid.T) *gateway.Event {
	of := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	e := newEvent(of("source", "prague", "brno", "london"), of("type", "Resource", "Reservation", "airy.message", "airy.channel.connected", "MessageAdded", "Odd"), of("id", "a", "A", "b", "h"),
		fmt.Sprintf(`{"State":"Dirty","AssignedResourceId":%q,"conversation_id":%q,"channel_id":%q}`, of("room", "R", "a", ""), of("conversation", "c", ""), of("channel", "H", "")))
	if e.Type == "MessageAdded" {
		e.Attributes.Thread = of("thread", "t", "")
	}
	return e
}

// Whatever matches is found, by the feeds that are there; and nothing stays
// behind of those that went.
func TestIndexFindsWhatMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := gateway.NewIndex()
		var there []*gateway.Subscription
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if len(there) > 0 && rapid.IntRange(0, 3).Draw(t, "removed") == 0 {
				i := rapid.IntRange(0, len(there)-1).Draw(t, "which")
				x.Remove(there[i])
				there = slices.Delete(there, i, i+1)
			} else {
				s := drawSubscription(t)
				x.Add(s)
				there = append(there, s)
			}
			e := drawEvent(t)
			found := x.Candidates(e)
			for _, s := range there {
				if _, shown := s.Show(e); shown && !slices.Contains(found, s) {
					t.Fatalf("%+v of %s is shown, but not found", e, s.Query())
				}
			}
			for _, s := range found {
				if !slices.Contains(there, s) {
					t.Fatal("one is found that went")
				}
			}
		}
		for _, s := range there {
			x.Remove(s)
		}
		if n := x.Keys(); n != 0 {
			t.Fatalf("%d keys are left", n)
		}
	})
}

// The most selective attribute is the key, and one key is enough for several
// rules.
func TestIndexKeys(t *testing.T) {
	rule := func(change func(*gateway.Grant)) gateway.Grant {
		g := gateway.Grant{Sources: []string{"a", "b"}, Types: []string{"x", "y", "z"}}
		if change != nil {
			change(&g)
		}
		return g
	}
	ids := rule(func(g *gateway.Grant) { g.IDs = []string{"1", "2"} })
	var many []string
	for i := range 600 {
		many = append(many, fmt.Sprint(i))
	}
	tests := map[string]struct {
		asked
		want int // how often it stands in the index
	}{
		"pairs":                        {one(rule(nil), gateway.Query{}), 6},
		"pairs of both":                {one(rule(nil), gateway.Query{Sources: []string{"a"}, Types: []string{"x", "y"}}), 2},
		"ids":                          {one(ids, gateway.Query{}), 2},
		"ids of both":                  {one(ids, gateway.Query{IDs: []string{"2", "1"}, Conversations: []string{"c"}}), 2},
		"the query's ids":              {one(rule(nil), gateway.Query{IDs: []string{"1"}}), 1},
		"threads before conversations": {one(rule(nil), gateway.Query{Threads: []string{"1", "2"}, Conversations: []string{"1"}}), 2},
		"rooms before channels":        {one(rule(nil), gateway.Query{Channels: []string{"1", "2"}, Resources: []string{"1"}}), 1},
		"a rule that is as another":    {asked{[]gateway.Grant{ids, ids, rule(func(g *gateway.Grant) { g.IDs = []string{"2", "3"} })}, gateway.Query{}}, 3},
		"a rule that can give nothing": {asked{[]gateway.Grant{ids, rule(func(g *gateway.Grant) { g.IDs = []string{"3"} })}, gateway.Query{IDs: []string{"3"}}}, 1},
		"too many pairs":               {one(gateway.Grant{Sources: []string{"a", "b"}, Types: many}, gateway.Query{}), 2},
		"everything":                   {one(everything, gateway.Query{}), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := gateway.NewIndex()
			s := subscribe(t, tt.query, tt.grants...)
			x.Add(s)
			if got := x.Stands(s); got != tt.want {
				t.Errorf("it stands %d times, want %d", got, tt.want)
			}
		})
	}
}
