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

// price is in cents: what was decided, or what the night is usually worth.
func (h *house) price(rate *Rate, category string, day time.Time) int {
	if p, ok := h.prices[priceKey{rate.ID, category, day.Format(dayFormat)}]; ok {
		return p
	}
	p := 9000
	for i, c := range h.categories {
		if c.ID == category {
			p += 4000 * i
		}
	}
	if wd := day.Weekday(); wd == time.Friday || wd == time.Saturday {
		p += 3000
	}
	return p
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
	var categoryID string
	if h.chance.happens(0.5) {
		categoryID = pick(h.chance, h.categories).ID
		category = categoryID
	}
	first, nights := 0, seededDays
	throughout := h.chance.happens(0.1)
	if !throughout {
		first, nights = h.chance.IntN(seededDays), 1+h.chance.IntN(4)
	}
	from := h.today().AddDate(0, 0, first)
	percent := 85 + h.chance.IntN(31)
	for n := range nights {
		day := from.AddDate(0, 0, n)
		h.prices[priceKey{rate.ID, categoryID, day.Format(dayFormat)}] = h.price(rate, categoryID, day) * percent / 100
	}
	rate.touch()

	e := object{{"Type", "PriceUpdate"}, {"Id", h.chance.id()}}
	if !throughout {
		e = append(e, member{"StartUtc", h.clock(from, 0)}, member{"EndUtc", h.clock(from.AddDate(0, 0, nights-1), 0)})
	}
	h.tell(append(e, member{"RateId", rate.ID}, member{"ResourceCategoryId", category}))
}

// forgetPrices drops the nights before day.
func (h *house) forgetPrices(day time.Time) {
	today := day.Format(dayFormat)
	maps.DeleteFunc(h.prices, func(k priceKey, _ int) bool { return k.day < today })
}
