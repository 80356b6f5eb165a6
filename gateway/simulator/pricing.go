package simulator

import (
	"maps"
	"time"
)

// priceKey names a night's price; without a category it is the rate's base
// price.
type priceKey struct {
	rate, category string
	day            string // YYYY-MM-DD
}

const dayFormat = "2006-01-02"

// prices are those that were decided, in cents.
type prices map[priceKey]int

// base is a night's base price, in cents: what was decided, or what it is
// usually worth.
func (p prices) base(rate string, day time.Time) int {
	if decided, ok := p[priceKey{rate, "", day.Format(dayFormat)}]; ok {
		return decided
	}
	if wd := day.Weekday(); wd == time.Friday || wd == time.Saturday {
		return 12000
	}
	return 9000
}

// of is a night's price in the category at a place among the categories, in
// cents: what was decided, or so much above the base price.
func (p prices) of(rate, category string, place int, day time.Time) int {
	if decided, ok := p[priceKey{rate, category, day.Format(dayFormat)}]; ok {
		return decided
	}
	return p.base(rate, day) + 4000*place
}

// revisePrices is a decision of the revenue manager, or of the program that
// goes through the calendar at night, and leads to the next.
func (h *house) revisePrices() {
	h.changePrice()
	if h.chance.happens(0.3) {
		h.changePrice()
	}
	if hour := h.now.In(h.zone).Hour(); hour < 7 || hour >= 22 {
		h.in(4*time.Minute, 14*time.Minute, h.revisePrices)
	} else {
		h.in(10*time.Minute, 25*time.Minute, h.revisePrices)
	}
}

// changePrice changes a base price or a category's, for some nights or, now
// and then, throughout; it is told without an interval then. Dependent rates
// follow without an event of their own.
func (h *house) changePrice() {
	rate := pick(h.chance, h.rates)
	for rate.BaseRateID != nil {
		rate = pick(h.chance, h.rates)
	}
	var category any
	price := func(day time.Time) int { return h.prices.base(rate.ID, day) }
	key := priceKey{rate: rate.ID}
	if h.chance.happens(0.5) {
		place := h.chance.IntN(len(h.categories))
		key.category = h.categories[place].ID
		category = key.category
		price = func(day time.Time) int { return h.prices.of(rate.ID, key.category, place, day) }
	}
	first, nights := 0, seededDays
	throughout := h.chance.happens(0.1)
	if !throughout {
		first, nights = h.chance.IntN(seededDays), 1+h.chance.IntN(4)
	}
	from := h.today().AddDate(0, 0, first)
	percent := 85 + h.chance.IntN(31)
	decided := make(prices, nights)
	for n := range nights {
		day := from.AddDate(0, 0, n)
		key.day = day.Format(dayFormat)
		decided[key] = min(max(price(day)*percent/100, 3000), 90000)
	}
	maps.Copy(h.prices, decided)
	rate.touch()
	h.mirror.showPrices(decided)
	h.mirror.showRate(*rate)

	e := object{{"Type", "PriceUpdate"}, {"Id", h.chance.id()}}
	if !throughout {
		e = append(e, member{"StartUtc", h.clock(from, 0)}, member{"EndUtc", h.clock(from.AddDate(0, 0, nights-1), 0)})
	}
	h.tell(append(e, member{"RateId", rate.ID}, member{"ResourceCategoryId", category}))
}

// forgetPrices drops the nights before day.
func (h *house) forgetPrices(day time.Time) {
	today := day.Format(dayFormat)
	past := func(k priceKey, _ int) bool { return k.day < today }
	maps.DeleteFunc(h.prices, past)
	h.mirror.enter(func() { maps.DeleteFunc(h.mirror.prices, past) })
}
