package simulator

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	currency    = "EUR"
	taxRate     = "CZ-2024-R"
	taxPercent  = 12
	longestDays = 367 // of prices in one call
	dependent   = 90  // percent of its base rate's price that a dependent rate has
)

func getRates(h *Hotel, q *request) object {
	q.enterprises(h)
	q.require("ServiceIds")
	extent := map[string]bool{"Rates": true}
	if q.has("Extent") {
		extent = q.extent("Rates", "AvailabilityBlockAssignments")
	}
	ask := query[Rate]{ids: q.ids("RateIds", mostIDs), row: h.rateRow}
	ask.passes = all(
		services[Rate](h, q),
		in(q.texts("ExternalIdentifiers", mostIDs), func(*Rate) string { return "" }),
		during(q.interval("UpdatedUtc"), func(r *Rate) time.Time { return r.UpdatedUTC }),
		activity(activityStates(q), func(*Rate) bool { return true }),
	)
	rows, cursor := page(q, &h.house.mirror.rates, ask)
	return object{{"Rates", rowsOf(rows, extent["Rates"])}, {"AvailabilityBlockAssignments", nil}, {"Cursor", cursor}}
}

func (h *Hotel) rateRow(r *Rate) object {
	return object{
		{"Id", r.ID}, {"GroupId", h.identity.rateGroup}, {"ServiceId", h.identity.stay}, {"BaseRateId", r.BaseRateID},
		{"IsBaseRate", r.BaseRateID == nil}, {"BusinessSegmentId", nil}, {"IsActive", true}, {"IsEnabled", true}, {"IsPublic", true},
		{"IsDefault", r.ID == h.house.rates[0].ID}, {"Type", "Public"}, {"Name", r.Name}, {"Names", object{{"en-GB", r.Name}}},
		{"ShortName", r.Name}, {"ExternalNames", object{}}, {"Description", object{}}, {"ExternalIdentifier", nil},
		{"UpdatedUtc", r.UpdatedUTC},
	}
}

// getPricing shows the prices of one rate, night by night.
func getPricing(h *Hotel, q *request) object {
	q.require("RateId")
	q.id("ProductId")
	rate := h.house.mirror.rates.get(q.id("RateId"))
	if rate == nil {
		q.refuse("Invalid RateId.")
	}
	first, last := h.night(q, "FirstTimeUnitStartUtc"), h.night(q, "LastTimeUnitStartUtc")
	q.end()
	nights := h.house.nightsBetween(first, last)
	switch {
	case len(nights) == 0:
		q.refuse("Invalid LastTimeUnitStartUtc: before the first.")
	case len(nights) > longestDays:
		q.refuse("Invalid interval: more than %d time units.", longestDays)
	}
	if q.wrong != nil {
		return nil
	}
	return h.pricing(rate, nights)
}

// night reads the start of a time unit: a midnight of the hotel's.
func (h *Hotel) night(q *request, name string) time.Time {
	t := q.instant(name).In(h.house.zone)
	if q.wrong == nil && !t.Equal(h.house.clock(t, 0)) {
		q.refuse("Invalid %s: not the start of a time unit.", name)
	}
	return t
}

// nightsBetween are the starts of the nights from first to last, inclusive, but
// not more than one above the limit.
func (h *house) nightsBetween(first, last time.Time) []time.Time {
	var nights []time.Time
	for n := range longestDays + 1 {
		night := h.clock(first.AddDate(0, 0, n), 0)
		if night.After(last) {
			break
		}
		nights = append(nights, night)
	}
	return nights
}

func (h *Hotel) pricing(rate *Rate, nights []time.Time) object {
	m := &h.house.mirror
	id, percent := rate.ID, 100
	if rate.BaseRateID != nil {
		id, percent = *rate.BaseRateID, dependent
	}
	amounts := func(price func(time.Time) int) []object {
		var list []object
		for _, night := range nights {
			list = append(list, amount(price(night)*percent/100))
		}
		return list
	}
	var categories []object
	for place, c := range h.house.categories {
		prices := amounts(func(night time.Time) int { return m.prices.of(id, c.ID, place, night) })
		categories = append(categories, object{{"CategoryId", c.ID}, {"AmountPrices", prices}})
	}
	return object{
		{"Currency", currency}, {"TimeUnitStartsUtc", nights},
		{"BaseAmountPrices", amounts(func(night time.Time) int { return m.prices.base(id, night) })},
		{"CategoryPrices", categories}, {"CategoryAdjustments", []object{}}, {"AgeCategoryAdjustments", []object{}},
		{"RelativeAdjustment", cents(percent - 100)}, {"AbsoluteAdjustment", 0}, {"EmptyUnitAdjustment", 0}, {"ExtraUnitAdjustment", 0},
	}
}

func amount(gross int) object {
	net := gross * 100 / (100 + taxPercent)
	tax := cents(gross - net)
	return object{
		{"Currency", currency}, {"NetValue", cents(net)}, {"GrossValue", cents(gross)},
		{"TaxValues", []object{{{"Code", taxRate}, {"Value", tax}}}},
		{"Breakdown", object{{"Items", []object{{{"TaxRateCode", taxRate}, {"NetValue", cents(net)}, {"TaxValue", tax}}}}}},
	}
}

// cents is an amount as a decimal number.
func cents(n int) json.RawMessage {
	if n%100 == 0 {
		return fmt.Appendf(nil, "%d", n/100)
	}
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Appendf(nil, "%s%d.%02d", sign, n/100, n%100)
}
