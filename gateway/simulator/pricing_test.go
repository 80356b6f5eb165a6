package simulator_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

func (m *mews) pricing(rate string, first, last time.Time) members {
	m.t.Helper()
	return m.answer("rates/getPricing", members{
		"RateId": rate, "FirstTimeUnitStartUtc": first.UTC().Format(time.RFC3339), "LastTimeUnitStartUtc": last.UTC().Format(time.RFC3339),
	})
}

func prague(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestPricing(t *testing.T) {
	m := newMews(t, simulator.Options{})
	l := m.Layout()
	// A week in which the clocks are set back: its days begin at 22 and then
	// at 23 o'clock UTC.
	first := time.Date(2027, 10, 28, 0, 0, 0, 0, prague(t))
	last := first.AddDate(0, 0, 6)
	p := m.pricing(l.Rates[0].ID, first, last)
	var starts []time.Time
	for _, text := range p["TimeUnitStartsUtc"].([]any) {
		at, err := time.Parse(time.RFC3339, text.(string))
		if err != nil {
			t.Fatal(err)
		}
		starts = append(starts, at)
	}
	if len(starts) != 7 || !starts[0].Equal(first) || !starts[6].Equal(last) || starts[0].Hour() != 22 || starts[6].Hour() != 23 {
		t.Errorf("time units %v", starts)
	}
	base := p["BaseAmountPrices"].([]any)
	categories := p["CategoryPrices"].([]any)
	if len(base) != 7 || len(categories) != 4 || len(categories[3].(members)["AmountPrices"].([]any)) != 7 {
		t.Fatalf("%d base prices, categories %v", len(base), categories)
	}
	thursday, friday := base[0].(members)["GrossValue"], base[1].(members)["GrossValue"]
	suite := categories[3].(members)["AmountPrices"].([]any)[0].(members)["GrossValue"]
	if thursday != 90. || friday != 120. || suite != 210. {
		t.Errorf("thursday %v, friday %v, suite %v", thursday, friday, suite)
	}
	price := base[0].(members)
	if net, tax := price["NetValue"].(float64), price["TaxValues"].([]any)[0].(members)["Value"].(float64); net+tax != 90 || net != 80.35 {
		t.Errorf("net %v, tax %v", net, tax)
	}
	saver := m.pricing(l.Rates[1].ID, first, first)
	if got := saver["BaseAmountPrices"].([]any)[0].(members)["GrossValue"]; got != 81. || saver["RelativeAdjustment"] != -0.1 {
		t.Errorf("the dependent rate costs %v, %v", got, saver["RelativeAdjustment"])
	}
	if n := len(m.pricing(l.Rates[0].ID, first, first.AddDate(0, 0, 366))["TimeUnitStartsUtc"].([]any)); n != 367 {
		t.Errorf("%d days at most", n)
	}
}

func TestPricingBoundaries(t *testing.T) {
	m := newMews(t, simulator.Options{})
	rate := m.Layout().Rates[0].ID
	midnight := time.Date(2026, 12, 24, 0, 0, 0, 0, prague(t))
	for name, c := range map[string]struct {
		rate        any
		first, last time.Time
	}{
		"no rate":            {nil, midnight, midnight},
		"unknown rate":       {many(1)[0], midnight, midnight},
		"midnight of UTC":    {rate, midnight.Add(time.Hour), midnight.Add(time.Hour)},
		"a second after":     {rate, midnight, midnight.Add(time.Second)},
		"midnight of summer": {rate, midnight.Add(-time.Hour), midnight},
		"backwards":          {rate, midnight, midnight.AddDate(0, 0, -1)},
		"too long":           {rate, midnight, midnight.AddDate(0, 0, 367)},
		"no time":            {rate, midnight, time.Time{}},
	} {
		body := members{"RateId": c.rate, "FirstTimeUnitStartUtc": c.first.UTC().Format(time.RFC3339)}
		if !c.last.IsZero() {
			body["LastTimeUnitStartUtc"] = c.last.UTC().Format(time.RFC3339)
		}
		checkError(t, name, m.call("rates/getPricing", body), 400, "Invalid")
	}
}

// TestPricesChangeAsTold: a price differs after a day if, and only if, an event
// told of its rate, or base rate, and night.
func TestPricesChangeAsTold(t *testing.T) {
	m := newMews(t, simulator.Options{Seed: 9})
	zone := prague(t)
	first := time.Date(2026, 11, 25, 0, 0, 0, 0, zone)
	const nights = 20
	type key struct {
		rate, category string
		night          int
	}
	read := func() map[key]string {
		prices := map[key]string{}
		for _, r := range m.Layout().Rates {
			p := m.pricing(r.ID, first, first.AddDate(0, 0, nights-1))
			for i, v := range p["BaseAmountPrices"].([]any) {
				prices[key{r.ID, "", i}] = text(t, v)
			}
			for _, c := range p["CategoryPrices"].([]any) {
				c := c.(members)
				for i, v := range c["AmountPrices"].([]any) {
					prices[key{r.ID, c["CategoryId"].(string), i}] = text(t, v)
				}
			}
		}
		return prices
	}
	bases := map[string]string{}
	for _, r := range m.State().Rates {
		bases[r.ID] = r.ID
		if r.BaseRateID != nil {
			bases[r.ID] = *r.BaseRateID
		}
	}
	before := read()
	seq := m.State().Seq
	m.Hotel.Skip(day)
	after := read()
	events, _ := m.EventsAfter(seq)
	changed := 0
	for k, was := range before {
		night := first.AddDate(0, 0, k.night)
		toldOf := func(e simulator.Event) bool {
			w := decode(t, e.Body)
			return w.Type == "PriceUpdate" && *w.RateId == bases[k.rate] && (w.ResourceCategoryId == nil || *w.ResourceCategoryId == k.category) &&
				(w.StartUtc == nil || !night.Before(*w.StartUtc) && !night.After(*w.EndUtc))
		}
		if after[k] != was {
			changed++
			if !anyEvent(events, toldOf) {
				t.Errorf("%v changed from %s to %s, which nothing told", k, was, after[k])
			}
		}
	}
	updated := map[string]string{}
	for _, r := range m.State().Rates {
		updated[r.ID] = r.UpdatedUTC.Format(time.RFC3339)
	}
	for _, row := range m.rows("rates/getAll", members{"ServiceIds": []string{m.Layout().Service}}) {
		if want := updated[row["Id"].(string)]; row["UpdatedUtc"] != want {
			t.Errorf("rate %v was updated %v, want %s", row["Name"], row["UpdatedUtc"], want)
		}
	}
	if changed < nights {
		t.Errorf("%d prices changed", changed)
	}
}

func anyEvent(events []simulator.Event, is func(simulator.Event) bool) bool {
	return slices.ContainsFunc(events, is)
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
