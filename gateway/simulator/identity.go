package simulator

import (
	"fmt"
	"strings"
	"time"
)

// identity is the papers of a hotel: ids that follow from the seed, and what
// the API says of the enterprise.
type identity struct {
	enterprise string // as the token answers with
	portfolio  string // the dummy enterprise of a token for several
	sibling    string // another enterprise of the portfolio
	chain      string
	stay       string // the service that rooms are let by
	breakfast  string // an additional one
	staff      string // a profile
	adults     string // an age category
	rateGroup  string
	name       string
	zone       string
	opened     Stamps
}

func newIdentity(seed uint64, name, zone string) identity {
	c := newChance(seed, 4)
	return identity{
		enterprise: c.id(), portfolio: c.id(), sibling: c.id(), chain: c.id(), stay: c.id(), breakfast: c.id(),
		staff: c.id(), adults: c.id(), rateGroup: c.id(), name: name, zone: zone, opened: newStamps(time.Now().AddDate(-2, 0, 0)),
	}
}

// enterpriseRow is an enterprise as enterprises/getAll lists it.
func (i *identity) enterpriseRow(id, name string, portfolio bool) object {
	return object{
		{"Id", id}, {"ChainId", i.chain}, {"ChainName", "Simulated Houses"}, {"Name", name},
		{"TimeZoneIdentifier", i.zone}, {"DefaultLanguageCode", "en-GB"}, {"LegalEnvironmentCode", "CZ"},
		{"TaxEnvironmentCode", "CZ-2024"}, {"Pricing", "Gross"}, {"IsPortfolio", portfolio}, {"LinkedUtc", i.opened.CreatedUTC},
		{"OperationalEditableHistoryInterval", "P0M5DT0H0M0S"}, {"CreatedUtc", i.opened.CreatedUTC}, {"UpdatedUtc", i.opened.UpdatedUTC},
	}
}

func getConfiguration(h *Hotel, q *request) object {
	id := q.id("EnterpriseId")
	q.end()
	i := &h.identity
	var enterprise object
	switch {
	case id == i.enterprise, id == "" && !h.portfolio:
		enterprise = i.enterpriseRow(i.enterprise, i.name, false)
	case id == "":
		enterprise = i.enterpriseRow(i.portfolio, "Simulated Houses", true)
	default:
		q.refuse("Invalid EnterpriseId.")
	}
	enterprise = append(enterprise, member{"Currencies", []object{{{"Currency", currency}, {"IsDefault", true}, {"IsEnabled", true}}}})
	return object{
		{"NowUtc", time.Now()}, {"Enterprise", enterprise}, {"Service", nil}, {"PaymentCardStorage", nil},
		{"IsIdentityDocumentNumberRequired", true},
	}
}

type enterprise struct {
	id, name string
	Stamps
}

func getEnterprises(h *Hotel, q *request) object {
	i := &h.identity
	var t table[enterprise]
	t.put(i.enterprise, enterprise{i.enterprise, i.name, i.opened})
	if h.portfolio {
		t.put(i.sibling, enterprise{i.sibling, "Simulated Annexe", i.opened})
	}
	rows, cursor := page(q, &t, query[enterprise]{
		ids: q.ids("EnterpriseIds", mostIDs),
		passes: all(
			in(q.texts("ExternalIdentifiers", mostIDs), func(*enterprise) string { return "" }),
			during(q.interval("LinkedUtc"), func(e *enterprise) time.Time { return e.CreatedUTC }),
			during(q.interval("UpdatedUtc"), func(e *enterprise) time.Time { return e.UpdatedUTC }),
		),
		row: func(e *enterprise) object { return i.enterpriseRow(e.id, e.name, false) },
	})
	return object{{"Enterprises", rows}, {"Cursor", cursor}}
}

type service struct {
	id, kind, name string
	data           any
}

func getServices(h *Hotel, q *request) object {
	i := &h.identity
	var t table[service]
	offset := func(d time.Duration) string { return fmt.Sprintf("P0M0DT%dH0M0S", d/time.Hour) }
	t.put(i.breakfast, service{i.breakfast, "Additional", "Breakfast", object{}})
	t.put(i.stay, service{i.stay, "Bookable", "Stay", object{
		{"StartOffset", offset(arrival)}, {"EndOffset", offset(departure)},
		{"OccupancyStartOffset", offset(arrival)}, {"OccupancyEndOffset", offset(departure)}, {"TimeUnitPeriod", "Day"},
	}})
	q.enterprises(h)
	kind := q.text("ServiceType")
	rows, cursor := page(q, &t, query[service]{
		ids: q.ids("ServiceIds", mostIDs),
		passes: all(
			func(s *service) bool { return kind == "" || s.kind == kind },
			during(q.interval("UpdatedUtc"), func(*service) time.Time { return i.opened.UpdatedUTC }),
		),
		row: func(s *service) object {
			return object{
				{"Id", s.id}, {"EnterpriseId", i.enterprise}, {"IsActive", true}, {"Name", s.name},
				{"Names", object{{"en-GB", s.name}}}, {"Options", object{{"BillAsPackage", false}}}, {"Ordering", 0},
				{"Data", object{{"Discriminator", s.kind}, {"Value", s.data}}}, {"ExternalIdentifier", nil},
				{"CreatedUtc", i.opened.CreatedUTC}, {"UpdatedUtc", i.opened.UpdatedUTC},
			}
		},
	})
	return object{{"Services", rows}, {"Cursor", cursor}}
}

// enterprises reads the filter by enterprise, which may name the hotel only.
func (q *request) enterprises(h *Hotel) { q.own("EnterpriseIds", mostIDs, h.identity.enterprise) }

// services reads the filter by service, and returns a filter of what belongs
// to the one that rooms are let by.
func services[E any](h *Hotel, q *request) func(*E) bool {
	list := q.own("ServiceIds", mostIDs, h.identity.stay, h.identity.breakfast)
	return in(list, func(*E) string { return h.identity.stay })
}

// SetEnterprise changes the id of the enterprise that the token answers with.
func (h *Hotel) SetEnterprise(id string) error {
	if !guid.MatchString(id) {
		return fmt.Errorf("enterprise %q is not an identifier", id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.identity.enterprise = strings.ToLower(id)
	return nil
}

// SetPortfolio makes the token one for several enterprises, or for one again.
func (h *Hotel) SetPortfolio(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.portfolio = on
}
