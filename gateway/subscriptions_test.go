package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"bellhop/gateway"
)

// What was made of the same is made once, an error each time.
func TestSubscriptionsAreKept(t *testing.T) {
	var s gateway.Subscriptions
	made := 0
	get := func(grants, query string, err error) *gateway.Subscription {
		t.Helper()
		sub, got := s.Get(gateway.SubscriptionKey{Grants: grants, Query: query}, func() (*gateway.Subscription, error) {
			made++
			if err != nil {
				return nil, err
			}
			return subscribe(t, gateway.Query{IDs: []string{query}}, everything), nil
		})
		if got != err || (sub == nil) != (err != nil) {
			t.Fatalf("%v, error %v, want %v", sub, got, err)
		}
		return sub
	}
	a := get("g", "a", nil)
	if get("g", "a", nil) != a || made != 1 {
		t.Errorf("made %d times", made)
	}
	if get("g", "b", nil) == a || get("h", "a", nil) == a || get("ga", "", nil) == a || made != 4 {
		t.Errorf("another one is not told apart; made %d times, want 4", made)
	}
	broken := errors.New("broken")
	get("g", "c", broken)
	get("g", "c", broken)
	if get("g", "c", nil); made != 7 {
		t.Errorf("made %d times, want 7", made)
	}
}

// What is asked for again and again stays, whatever else is asked; the rest goes.
func TestSubscriptionsAreBounded(t *testing.T) {
	var s gateway.Subscriptions
	long := strings.Repeat("x", 8000)
	sub := subscribe(t, gateway.Query{}, everything)
	made := make(map[string]int)
	get := func(query string) {
		s.Get(gateway.SubscriptionKey{Query: query}, func() (*gateway.Subscription, error) {
			made[query]++
			return sub, nil
		})
	}
	const n = 5000 // 50 MB
	for i := range n {
		get("often")
		get(fmt.Sprint(i, long))
	}
	if made["often"] != 1 {
		t.Errorf("made %d times what is asked for often", made["often"])
	}
	if kept := s.Len(); kept < 500 || kept > n/2 {
		t.Errorf("%d are kept of %d", kept, n)
	}
	if get(fmt.Sprint(0, long)); made[fmt.Sprint(0, long)] != 2 {
		t.Error("the first is still kept")
	}
}

func TestSubscriptionsConcurrently(t *testing.T) {
	var s gateway.Subscriptions
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 500 {
				query := fmt.Sprint("room-", i%50)
				sub, err := s.Get(gateway.SubscriptionKey{Query: query}, func() (*gateway.Subscription, error) {
					return gateway.NewSubscription([]gateway.Grant{everything}, gateway.Query{IDs: []string{query}})
				})
				if err != nil || sub.Query() != "id="+query {
					t.Errorf("%s, %v, want that of %s", sub.Query(), err, query)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkSubscriptions(b *testing.B) {
	var s gateway.Subscriptions
	sub := subscribe(b, gateway.Query{}, everything)
	k := gateway.SubscriptionKey{Grants: strings.Repeat("g", 32), Query: "type=Resource&state=Dirty"}
	b.ReportAllocs()
	for b.Loop() {
		s.Get(k, func() (*gateway.Subscription, error) { return sub, nil })
	}
}
