package eventlog_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// various returns a record that is not stored as it is in memory: its times are of
// any zone, and its texts are in need of escapes.
func various(random *rand.Rand, n int) *gateway.Record {
	at := time.Now().In(time.FixedZone("", random.IntN(24)*3600))
	if random.IntN(10) == 0 {
		return &gateway.Record{Gap: &gateway.Gap{Source: "prague", Types: []string{"a<b", "é"}, From: at, To: time.Now(), Reason: gateway.GapLog}}
	}
	r := event(n)
	e := r.Event
	e.Received, e.More = at, random.IntN(2) == 0
	e.Attributes = gateway.Attributes{State: []string{"", "Started", "a\"b\n", "<&>"}[random.IntN(4)], End: at}
	switch random.IntN(4) {
	case 0:
		before := e.Attributes
		e.Before = &before
	case 1:
		e.Before = &gateway.Attributes{Resource: "\u2028"}
	case 2:
		e.Entity, e.Done, e.Ticket = []byte(`{"Name":"é"}`), at, random.Uint64()
	}
	return r
}

// TestFollowIsRead appends, follows from anywhere and opens anew at random: what a
// follower was given is what can be read.
func TestFollowIsRead(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	appended := 0
	begins := []int{0}
	followers := []*follower{follow(t.Context(), l, 0)}
	for range 20 {
		switch random.IntN(8) {
		case 0:
			begins = append(begins, random.IntN(appended+1))
			followers = append(followers, follow(t.Context(), l, uint64(begins[len(begins)-1])))
		case 1:
			eventlog.Break(l, random.IntN(2) == 0)
		default:
			var records []*gateway.Record
			for range 1 + random.IntN(500) {
				records = append(records, various(random, appended))
				appended++
			}
			done := make(chan struct{})
			if err := l.Append(t.Context(), records, func() { close(done) }); err != nil {
				t.Fatal(err)
			}
			if random.IntN(2) == 0 {
				wait(t, done)
			}
		}
	}
	store(t, l)
	want := read(t, l, 0)
	if len(want) != appended {
		t.Fatalf("read %d records, want %d", len(want), appended)
	}
	for i, f := range followers {
		got, want := f.wait(t, appended-begins[i]), want[begins[i]:]
		if len(got) != len(want) {
			t.Fatalf("after %d: followed %d records, want %d", begins[i], len(got), len(want))
		}
		for i, r := range got {
			if w := want[i]; r.Seq != w.Seq || !reflect.DeepEqual(r.Event, w.Event) || !reflect.DeepEqual(r.Gap, w.Gap) {
				t.Fatalf("followed and read differ:\n%s", cmp.Diff(w, r))
			}
		}
	}
}
