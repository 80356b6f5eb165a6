package gateway_test

import (
	"errors"
	"testing"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

var everything = gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}}

func subscribe(t testing.TB, q gateway.Query, grants ...gateway.Grant) *gateway.Subscription {
	t.Helper()
	s, err := gateway.NewSubscription(grants, q)
	if err != nil {
		t.Fatalf("NewSubscription(%+v, %+v): %v", grants, q, err)
	}
	return s
}

// A pair of grants and a query.
type asked struct {
	grants []gateway.Grant
	query  gateway.Query
}

func one(g gateway.Grant, q gateway.Query) asked { return asked{[]gateway.Grant{g}, q} }

func TestViewIsCanonical(t *testing.T) {
	var (
		prague = gateway.Grant{Sources: []string{"prague"}, Types: []string{"*"}}
		brno   = gateway.Grant{Sources: []string{"brno"}, Types: []string{"Resource"}, States: []string{"Dirty"}}
		nine   = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
		masked = func(g gateway.Grant, redact ...string) gateway.Grant { g.Redact = redact; return g }
	)
	tests := map[string]struct {
		a, b asked
		same bool
	}{
		"lists reordered": {
			one(gateway.Grant{Sources: []string{"a", "b"}, Types: []string{"x", "y"}}, gateway.Query{Types: []string{"y", "x"}}),
			one(gateway.Grant{Sources: []string{"b", "a"}, Types: []string{"y", "x"}}, gateway.Query{Types: []string{"x", "y"}}), true},
		"values repeated": {
			one(gateway.Grant{Sources: []string{"a", "a"}, Types: []string{"*"}}, gateway.Query{IDs: []string{"1", "1"}}),
			one(gateway.Grant{Sources: []string{"a"}, Types: []string{"*"}}, gateway.Query{IDs: []string{"1"}}), true},
		"ids in upper case": {
			one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, IDs: []string{"AB"}, Resources: []string{"R"}, Threads: []string{"T"}, Conversations: []string{"C"}, Channels: []string{"H"}}, gateway.Query{}),
			one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, IDs: []string{"ab"}, Resources: []string{"r"}, Threads: []string{"t"}, Conversations: []string{"c"}, Channels: []string{"h"}}, gateway.Query{}), true},
		"ids of the query in upper case": {
			one(everything, gateway.Query{IDs: []string{"AB"}, Resources: []string{"R"}, Rates: []string{"E"}, Categories: []string{"G"}, Threads: []string{"T"}, Conversations: []string{"C"}, Channels: []string{"H"}}),
			one(everything, gateway.Query{IDs: []string{"ab"}, Resources: []string{"r"}, Rates: []string{"e"}, Categories: []string{"g"}, Threads: []string{"t"}, Conversations: []string{"c"}, Channels: []string{"h"}}), true},
		"two spellings of a state": {
			one(everything, gateway.Query{States: []string{"Enquired", "Canceled"}}),
			one(everything, gateway.Query{States: []string{"Cancelled", "Inquired"}}), true},
		"one moment in two zones": {
			one(everything, gateway.Query{From: nine}),
			one(everything, gateway.Query{From: nine.In(time.FixedZone("", 3600))}), true},
		"redact in another case": {one(masked(prague, "event.A"), gateway.Query{}), one(masked(prague, "event.a"), gateway.Query{}), true},
		"grants reordered that hide the same": {
			asked{[]gateway.Grant{prague, brno}, gateway.Query{}}, asked{[]gateway.Grant{brno, prague}, gateway.Query{}}, true},
		"a grant twice": {asked{[]gateway.Grant{prague, prague}, gateway.Query{}}, one(prague, gateway.Query{}), true},
		"all threads, and no word of threads": {
			one(everything, gateway.Query{}),
			one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Threads: []string{"*"}}, gateway.Query{}), true},

		"grants reordered that hide differently": {
			asked{[]gateway.Grant{prague, masked(brno, "event.A")}, gateway.Query{}},
			asked{[]gateway.Grant{masked(brno, "event.A"), prague}, gateway.Query{}}, false},
		"another source":          {one(prague, gateway.Query{}), one(brno, gateway.Query{}), false},
		"a state's case":          {one(everything, gateway.Query{States: []string{"Dirty"}}), one(everything, gateway.Query{States: []string{"dirty"}}), false},
		"a type's case":           {one(everything, gateway.Query{Types: []string{"Resource"}}), one(everything, gateway.Query{Types: []string{"resource"}}), false},
		"fields in another case":  {one(gateway.Grant{Sources: []string{"a"}, Types: []string{"b"}, Fields: []string{"event.A"}}, gateway.Query{}), one(gateway.Grant{Sources: []string{"a"}, Types: []string{"b"}, Fields: []string{"event.a"}}, gateway.Query{}), false},
		"fields for redact":       {one(gateway.Grant{Sources: []string{"a"}, Types: []string{"b"}, Fields: []string{"event.a"}}, gateway.Query{}), one(gateway.Grant{Sources: []string{"a"}, Types: []string{"b"}, Redact: []string{"event.a"}}, gateway.Query{}), false},
		"one value cut elsewhere": {one(everything, gateway.Query{IDs: []string{"a,b"}}), one(everything, gateway.Query{IDs: []string{"a", "b"}}), false},
		"another parameter":       {one(everything, gateway.Query{Rates: []string{"a"}}), one(everything, gateway.Query{Categories: []string{"a"}}), false},
		"grant for query":         {one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, IDs: []string{"a"}}, gateway.Query{}), one(everything, gateway.Query{IDs: []string{"a"}}), false},
		"from for to":             {one(everything, gateway.Query{From: nine}), one(everything, gateway.Query{To: nine}), false},
		"a nanosecond":            {one(everything, gateway.Query{From: nine}), one(everything, gateway.Query{From: nine.Add(1)}), false},
		"a literal star":          {one(everything, gateway.Query{Types: []string{"*"}}), one(everything, gateway.Query{}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := subscribe(t, tt.a.query, tt.a.grants...).View(), subscribe(t, tt.b.query, tt.b.grants...).View()
			if (a == b) != tt.same {
				t.Errorf("views %s and %s, want the same: %t", a, b, tt.same)
			}
		})
	}
}

// A view outlives restarts and upgrades: where it changes without need, every
// page drops its state.
func TestViewIsConstant(t *testing.T) {
	s := subscribe(t, gateway.Query{
		Sources: []string{"prague"}, States: []string{"Dirty", "Canceled"},
		From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2030, 1, 2, 0, 0, 0, 5e8, time.UTC),
	}, gateway.Grant{
		Sources: []string{"prague", "brno"}, Types: []string{"Reservation", "Resource"}, Redact: []string{"event.Number"},
	}, everything)
	if got, want := s.View(), "fb7df923ec967f2bcab8fa80d02b0ad9"; got != want {
		t.Errorf("view %s, want %s", got, want)
	}
}

// A time that is written in a zone may be of no year that JSON can write in UTC.
func TestViewOfTheEndsOfTime(t *testing.T) {
	ends := []time.Time{
		time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 14*3600)),
		time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -14*3600)),
	}
	views := make(map[string]bool)
	for _, end := range ends {
		views[subscribe(t, gateway.Query{From: end}, everything).View()] = true
		views[subscribe(t, gateway.Query{To: end}, everything).View()] = true
	}
	if len(views) != 4 {
		t.Errorf("%d views, want 4", len(views))
	}
}

// Neither the caller's lists nor another subscription's change with one.
func TestSubscriptionKeepsNothing(t *testing.T) {
	g := gateway.Grant{Sources: []string{"b", "a"}, Types: []string{"*"}, IDs: []string{"B", "A"}}
	q := gateway.Query{IDs: []string{"B", "A"}, States: []string{"Enquired"}}
	s := subscribe(t, q, g)
	want := gateway.Query{IDs: []string{"B", "A"}, States: []string{"Enquired"}}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("the query changed (-want +got):\n%s", diff)
	}
	g.IDs[0], g.Sources[0] = "c", "c"
	if _, ok := s.Show(newEvent("b", "Resource", "b", `{"State":"Inquired"}`)); !ok {
		t.Error("the subscription changed with its grant")
	}
}

func TestQueryInCanonicalForm(t *testing.T) {
	s := subscribe(t, gateway.Query{
		Types: []string{"b", "a", "b"}, IDs: []string{"X"}, States: []string{"Cancelled"},
		From: time.Date(2030, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)),
	}, everything)
	if got, want := s.Query(), "from=2030-01-01T00%3A00%3A00Z&id=x&state=Canceled&type=a%2Cb"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	const (
		noGrant  = "no grant of this token has a source that its issuer may give"
		noValue  = "no grant allows one of the values"
		noSingle = "no single grant allows a value of each parameter"
		hidden   = "it reads only members that every grant hides"
	)
	var (
		from   = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		narrow = gateway.Grant{
			Sources: []string{"a"}, Types: []string{"Resource", "airy.message"}, States: []string{"Dirty"}, IDs: []string{"i"},
			Resources: []string{"r"}, Threads: []string{"t"}, Conversations: []string{"c"}, Channels: []string{"h"},
		}
		hides = func(typ string, redact ...string) gateway.Grant {
			return gateway.Grant{Sources: []string{"*"}, Types: []string{typ}, Redact: redact}
		}
		lets = func(typ string, fields ...string) gateway.Grant {
			return gateway.Grant{Sources: []string{"*"}, Types: []string{typ}, Fields: fields}
		}
		with = func(g gateway.Grant, f func(*gateway.Grant)) gateway.Grant { f(&g); return g }
	)
	tests := map[string]struct {
		asked
		parameter, reason string // both empty where nothing is refused
	}{
		"no grant":      {asked{nil, gateway.Query{}}, "", noGrant},
		"source":        {one(narrow, gateway.Query{Sources: []string{"a", "b"}}), "source", noValue},
		"type":          {one(narrow, gateway.Query{Types: []string{"resource"}}), "type", noValue},
		"id":            {one(narrow, gateway.Query{IDs: []string{"i", "j"}}), "id", noValue},
		"state":         {one(narrow, gateway.Query{States: []string{"dirty"}}), "state", noValue},
		"resource":      {one(narrow, gateway.Query{Resources: []string{"s"}}), "resource", noValue},
		"thread":        {one(narrow, gateway.Query{Threads: []string{"u"}}), "thread", noValue},
		"conversation":  {one(narrow, gateway.Query{Conversations: []string{"d"}}), "conversation", noValue},
		"channel":       {one(narrow, gateway.Query{Channels: []string{"i"}}), "channel", noValue},
		"rate":          {one(narrow, gateway.Query{Rates: []string{"any"}}), "", ""},
		"category":      {one(narrow, gateway.Query{Categories: []string{"any"}}), "", ""},
		"from and to":   {one(narrow, gateway.Query{From: from, To: from}), "", ""},
		"all it has":    {one(narrow, gateway.Query{Sources: []string{"a"}, IDs: []string{"I"}, States: []string{"Dirty"}, Resources: []string{"R"}, Threads: []string{"T"}, Conversations: []string{"C"}, Channels: []string{"H"}}), "", ""},
		"a missing one": {one(everything, gateway.Query{Sources: []string{"nowhere"}}), "", ""},
		"the spelling of a state": {
			one(with(narrow, func(g *gateway.Grant) { g.States = []string{"Cancelled"} }), gateway.Query{States: []string{"Canceled"}}), "", ""},
		"a star is no wildcard in a query": {one(narrow, gateway.Query{Types: []string{"*"}}), "type", noValue},
		"a star is no wildcard in a list of states": {
			one(with(everything, func(g *gateway.Grant) { g.States = []string{"*"} }), gateway.Query{States: []string{"Dirty"}}), "state", noValue},
		"all threads": {
			one(with(everything, func(g *gateway.Grant) { g.Threads = []string{"*"} }), gateway.Query{Threads: []string{"t"}}), "", ""},

		"each by another grant": {
			asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"x"}}, {Sources: []string{"b"}, Types: []string{"y"}}},
				gateway.Query{Sources: []string{"a"}, Types: []string{"y"}}}, "type", noSingle},
		"the last that is narrowed": {
			asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"x"}}, {Sources: []string{"b"}, Types: []string{"y"}}},
				gateway.Query{Sources: []string{"a"}, Types: []string{"y"}, States: []string{"any"}}}, "type", noSingle},
		"one by both": {
			asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"x"}}, {Sources: []string{"b"}, Types: []string{"x", "y"}}},
				gateway.Query{Sources: []string{"a", "b"}, Types: []string{"x", "y"}}}, "", ""},

		"hidden state":              {one(hides("Resource", "event.STATE"), gateway.Query{States: []string{"Dirty"}}), "state", hidden},
		"hidden by a field's case":  {one(lets("Resource", "event.state"), gateway.Query{States: []string{"Dirty"}}), "state", hidden},
		"let out":                   {one(lets("Resource", "event.State"), gateway.Query{States: []string{"Dirty"}}), "", ""},
		"only below it is let out":  {one(lets("Resource", "event.State.x"), gateway.Query{States: []string{"Dirty"}}), "state", hidden},
		"only below it is hidden":   {one(hides("Resource", "event.State.x"), gateway.Query{States: []string{"Dirty"}}), "", ""},
		"a message's is elsewhere":  {one(hides("airy.message", "event.State"), gateway.Query{States: []string{"pending"}}), "", ""},
		"a message's":               {one(hides("airy.message", "event.message"), gateway.Query{States: []string{"pending"}}), "state", hidden},
		"some type has it open":     {one(hides("*", "event.State"), gateway.Query{States: []string{"Dirty"}}), "", ""},
		"every type has it hidden":  {one(hides("*", "event.State", "event.message.delivery_state"), gateway.Query{States: []string{"Dirty"}}), "state", hidden},
		"the query's type has it":   {one(hides("*", "event.State"), gateway.Query{States: []string{"Dirty"}, Types: []string{"Resource", "Odd"}}), "state", hidden},
		"a room's own id":           {one(hides("*", "event.AssignedResourceId", "event.Id"), gateway.Query{Resources: []string{"r"}}), "", ""},
		"an assigned room":          {one(hides("Reservation", "event.AssignedResourceId"), gateway.Query{Resources: []string{"r"}}), "resource", hidden},
		"a channel's own id":        {one(lets("*", "event.x"), gateway.Query{Channels: []string{"c"}}), "", ""},
		"rate hidden":               {one(hides("*", "event.RateId"), gateway.Query{Rates: []string{"r"}}), "rate", hidden},
		"category hidden":           {one(lets("*", "event.RateId"), gateway.Query{Categories: []string{"r"}}), "category", hidden},
		"thread hidden":             {one(hides("*", "entity.MessageThreadId"), gateway.Query{Threads: []string{"r"}}), "thread", hidden},
		"conversation hidden":       {one(hides("*", "event.conversation_id"), gateway.Query{Conversations: []string{"r"}}), "conversation", hidden},
		"one end of the interval":   {one(hides("*", "event.StartUtc"), gateway.Query{From: from}), "", ""},
		"from hidden":               {one(hides("*", "event.StartUtc", "event.EndUtc"), gateway.Query{From: from}), "from", hidden},
		"to hidden":                 {one(hides("*", "event.StartUtc", "event.EndUtc"), gateway.Query{To: from}), "to", hidden},
		"an id is never hidden":     {one(hides("*", "event.Id"), gateway.Query{IDs: []string{"r"}}), "", ""},
		"another grant shows it":    {asked{[]gateway.Grant{hides("Resource", "event.State"), lets("Resource", "event.State")}, gateway.Query{States: []string{"Dirty"}}}, "", ""},
		"every grant hides it":      {asked{[]gateway.Grant{hides("Resource", "event.State"), lets("Resource", "event.x")}, gateway.Query{States: []string{"Dirty"}}}, "state", hidden},
		"a type that has none":      {one(hides("PriceUpdate", "event.x"), gateway.Query{States: []string{"Dirty"}}), "", ""},
		"values before hidden ones": {one(hides("Resource", "event.State"), gateway.Query{Types: []string{"Odd"}, States: []string{"Dirty"}}), "type", noValue},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := gateway.NewSubscription(tt.grants, tt.query)
			if tt.reason == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			f, ok := errors.AsType[*gateway.Forbidden](err)
			if !ok || s != nil {
				t.Fatalf("got %v and error %v, want a *Forbidden alone", s, err)
			}
			if diff := cmp.Diff(&gateway.Forbidden{Parameter: tt.parameter, Reason: tt.reason}, f); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			want := tt.reason
			if tt.parameter != "" {
				want = tt.parameter + ": " + want
			}
			if f.Error() != want {
				t.Errorf("error %q, want %q", f, want)
			}
		})
	}
}

func TestShows(t *testing.T) {
	var (
		rooms    = gateway.Grant{Sources: []string{"a"}, Types: []string{"Resource"}}
		bookings = gateway.Grant{Sources: []string{"b"}, Types: []string{"Reservation"}}
	)
	tests := map[string]struct {
		asked
		want []string
	}{
		"every source":                       {one(everything, gateway.Query{}), []string{"a", "b", "c"}},
		"those of the grants":                {asked{[]gateway.Grant{rooms, bookings}, gateway.Query{}}, []string{"a", "b"}},
		"those of the query":                 {one(everything, gateway.Query{Sources: []string{"c"}}), []string{"c"}},
		"both":                               {asked{[]gateway.Grant{rooms, bookings}, gateway.Query{Sources: []string{"a"}}}, []string{"a"}},
		"a type that only the other has":     {asked{[]gateway.Grant{rooms, bookings}, gateway.Query{Types: []string{"Resource"}}}, []string{"a"}},
		"a filter that the type cannot":      {asked{[]gateway.Grant{rooms, bookings}, gateway.Query{From: time.Unix(1, 0)}}, []string{"b"}},
		"an id that only the other has":      {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"*"}, IDs: []string{"x"}}, bookings}, gateway.Query{IDs: []string{"y"}}}, []string{"b"}},
		"a state that only the other has":    {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"*"}, States: []string{"x"}}, bookings}, gateway.Query{States: []string{"y"}}}, []string{"b"}},
		"a member that the one hides":        {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"Resource"}, Redact: []string{"event.State"}}, bookings}, gateway.Query{States: []string{"y"}}}, []string{"b"}},
		"a list that no type of it can":      {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"PriceUpdate"}, States: []string{"x"}}, bookings}, gateway.Query{}}, []string{"b"}},
		"what only an unknown type can have": {asked{[]gateway.Grant{rooms, {Sources: []string{"b"}, Types: []string{"*"}}}, gateway.Query{States: []string{"x"}, Rates: []string{"y"}}}, []string{"b"}},
		"a rate of which nothing is known":   {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"PriceUpdate"}}, bookings}, gateway.Query{Rates: []string{"x"}}}, []string{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := subscribe(t, tt.query, tt.grants...)
			var got []string
			for _, source := range []string{"a", "b", "c"} {
				if s.Shows(source) {
					got = append(got, source)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
}

// A gap is cut down to what the subscription could have missed.
func TestGapTypes(t *testing.T) {
	gap := &gateway.Gap{Source: "a", Types: []string{"DeviceCommand", "MessageAdded", "PriceUpdate", "Reservation", "Resource"}}
	tests := map[string]struct {
		asked
		want []string
	}{
		"all":                {one(everything, gateway.Query{}), gap.Types},
		"another source":     {one(everything, gateway.Query{Sources: []string{"b"}}), nil},
		"no grant's source":  {one(gateway.Grant{Sources: []string{"b"}, Types: []string{"*"}}, gateway.Query{}), nil},
		"a grant's types":    {one(gateway.Grant{Sources: []string{"*"}, Types: []string{"Resource", "PriceUpdate"}}, gateway.Query{}), []string{"PriceUpdate", "Resource"}},
		"a query's types":    {one(everything, gateway.Query{Types: []string{"Resource", "Odd"}}), []string{"Resource"}},
		"an id":              {one(everything, gateway.Query{IDs: []string{"x"}}), gap.Types},
		"a state":            {one(everything, gateway.Query{States: []string{"Dirty"}}), []string{"DeviceCommand", "Reservation", "Resource"}},
		"a grant's states":   {one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, States: []string{"Dirty"}}, gateway.Query{}), []string{"DeviceCommand", "Reservation", "Resource"}},
		"a room":             {one(everything, gateway.Query{Resources: []string{"x"}}), []string{"Reservation", "Resource"}},
		"dates":              {one(everything, gateway.Query{To: time.Unix(1, 0)}), []string{"PriceUpdate", "Reservation"}},
		"hidden from one":    {one(gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{"event.AssignedResourceId"}}, gateway.Query{Resources: []string{"x"}}), []string{"Resource"}},
		"two alternatives":   {asked{[]gateway.Grant{{Sources: []string{"a"}, Types: []string{"Resource"}}, {Sources: []string{"b"}, Types: []string{"*"}}}, gateway.Query{}}, []string{"Resource"}},
		"nothing but others": {one(everything, gateway.Query{Conversations: []string{"x"}}), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, subscribe(t, tt.query, tt.grants...).GapTypes(gap)); diff != "" {
				t.Errorf("types (-want +got):\n%s", diff)
			}
		})
	}
}
