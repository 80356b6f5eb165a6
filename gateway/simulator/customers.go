package simulator

import "time"

func getCustomers(h *Hotel, q *request) object {
	q.requireAny("CustomerIds", "Emails", "FirstNames", "LastNames", "LoyaltyCodes", "CompanyIds", "CreatedUtc", "UpdatedUtc", "DeletedUtc")
	q.own("ChainIds", mostIDs, h.identity.chain)
	extent := q.extent("Customers", "Addresses")
	nothing := func(*Customer) string { return "" }
	ask := query[Customer]{ids: q.ids("CustomerIds", mostIDs), row: h.customerRow}
	ask.passes = all(
		in(q.texts("Emails", mostIDs), func(c *Customer) string { return c.Email }),
		in(q.texts("FirstNames", mostIDs), func(c *Customer) string { return c.FirstName }),
		in(q.texts("LastNames", mostIDs), func(c *Customer) string { return c.LastName }),
		in(q.texts("LoyaltyCodes", mostIDs), nothing),
		in(q.ids("CompanyIds", 1), nothing),
		during(q.interval("CreatedUtc"), func(c *Customer) time.Time { return c.CreatedUTC }),
		during(q.interval("UpdatedUtc"), func(c *Customer) time.Time { return c.UpdatedUTC }),
		during(q.interval("DeletedUtc"), func(*Customer) time.Time { return time.Time{} }),
		activity(activityStates(q), func(*Customer) bool { return true }),
	)
	rows, cursor := page(q, &h.house.mirror.customers, ask)
	return object{{"Customers", rowsOf(rows, extent["Customers"])}, {"Documents", nil}, {"Addresses", nil}, {"Cursor", cursor}}
}

func (h *Hotel) customerRow(c *Customer) object {
	return object{
		{"Id", c.ID}, {"ChainId", h.identity.chain}, {"Number", c.Phone[len(c.Phone)-5:]}, {"Title", nil}, {"Sex", nil},
		{"FirstName", c.FirstName}, {"LastName", c.LastName}, {"SecondLastName", nil}, {"NationalityCode", nil},
		{"PreferredLanguageCode", nil}, {"LanguageCode", nil}, {"BirthDate", "1983-12-31"}, {"Email", c.Email}, {"HasOtaEmail", false},
		{"Phone", c.Phone}, {"LoyaltyCode", nil}, {"Notes", "Light sleeper, allergic to feathers."}, {"Classifications", []string{}},
		{"Options", []string{}}, {"CompanyId", nil}, {"MergeTargetId", nil}, {"IsActive", true}, {"CreatedUtc", c.CreatedUTC},
		{"UpdatedUtc", c.UpdatedUTC}, {"AddressId", nil},
	}
}
