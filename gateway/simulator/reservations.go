package simulator

import "time"

const mostPartners = 100 // ids of partners in one filter

// everyState are the states that a reservation can be asked for by.
var everyState = []string{
	string(ReservationInquired), string(ReservationConfirmed), string(ReservationStarted), string(ReservationProcessed),
	string(ReservationCanceled), string(ReservationOptional), "Requested",
}

func getReservations(h *Hotel, q *request) object {
	q.enterprises(h)
	q.exclude("ScheduledStartUtc", "ActualStartUtc")
	q.exclude("ScheduledEndUtc", "ActualEndUtc")
	ask := query[Reservation]{ids: q.ids("ReservationIds", mostIDs), row: h.reservationRow}
	ask.passes = all(
		services[Reservation](h, q),
		in(q.ids("ReservationGroupIds", mostIDs), func(r *Reservation) string { return r.GroupID }),
		in(q.ids("AccountIds", mostIDs), func(r *Reservation) string { return r.Customer.ID }),
		in(q.texts("Numbers", mostIDs), func(r *Reservation) string { return r.Number }),
		in(q.ids("AssignedResourceIds", mostIDs), func(r *Reservation) string { return or(r.RoomID) }),
		in(q.texts("ChannelNumbers", mostPartners), func(r *Reservation) string { return or(channelNumber(r)) }),
		in(q.ids("PartnerCompanyIds", mostPartners), nobody),
		in(q.ids("TravelAgencyIds", mostPartners), nobody),
		in(q.ids("AvailabilityBlockIds", mostPartners), nobody),
		during(q.interval("CreatedUtc"), func(r *Reservation) time.Time { return r.CreatedUTC }),
		during(q.interval("UpdatedUtc"), func(r *Reservation) time.Time { return r.UpdatedUTC }),
		colliding(q.interval("CollidingUtc"), func(r *Reservation) time.Time { return r.StartUTC() }, func(r *Reservation) time.Time { return r.EndUTC() }),
		during(q.interval("ScheduledStartUtc"), func(r *Reservation) time.Time { return r.ScheduledStartUTC }),
		during(q.interval("ScheduledEndUtc"), func(r *Reservation) time.Time { return r.ScheduledEndUTC }),
		during(q.interval("ActualStartUtc"), func(r *Reservation) time.Time { return or(r.ActualStartUTC) }),
		during(q.interval("ActualEndUtc"), func(r *Reservation) time.Time { return or(r.ActualEndUTC) }),
		in(reservationStates(q, ask.ids != nil), func(r *Reservation) string { return string(r.State) }),
	)
	rows, cursor := page(q, &h.house.mirror.reservations, ask)
	return object{{"Reservations", rows}, {"Cursor", cursor}}
}

// reservationStates are those asked for. Who asks neither for states nor for
// reservations by their ids gets what the version before gave then, for the
// documents do not say: a client is not to rely on it.
func reservationStates(q *request, byID bool) []string {
	states := q.among("States", everyState...)
	if states == nil && !byID {
		states = []string{string(ReservationConfirmed), string(ReservationStarted), string(ReservationProcessed)}
	}
	return states
}

func nobody(*Reservation) string { return "" }

// or is what p points at, or nothing.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func channelNumber(r *Reservation) *string {
	if r.Origin != "ChannelManager" {
		return nil
	}
	return new("CM-" + r.Number)
}

func (h *Hotel) reservationRow(r *Reservation) object {
	var commander *string
	if r.Origin == "Commander" {
		commander = new("InPerson")
	}
	arrived := r.ActualStartUTC != nil
	return object{
		{"Id", r.ID}, {"ServiceId", h.identity.stay}, {"AccountId", r.Customer.ID}, {"AccountType", "Customer"},
		{"CreatorProfileId", h.identity.staff}, {"UpdaterProfileId", h.identity.staff}, {"BookerId", nil},
		{"Number", r.Number}, {"State", string(r.State)}, {"Origin", r.Origin}, {"CommanderOrigin", commander}, {"OriginDetails", nil},
		{"CreatedUtc", r.CreatedUTC}, {"UpdatedUtc", r.UpdatedUTC}, {"CancelledUtc", r.CancelledUTC},
		{"CancellationReason", r.CancellationReason}, {"VoucherId", nil}, {"BusinessSegmentId", nil},
		{"Options", object{
			{"OwnerCheckedIn", arrived}, {"AllCompanionsCheckedIn", arrived}, {"AnyCompanionCheckedIn", arrived}, {"ConnectorCheckIn", false},
		}},
		{"RateId", r.RateID}, {"CreditCardId", nil}, {"GroupId", r.GroupID}, {"RequestedResourceCategoryId", r.CategoryID},
		{"AssignedResourceId", r.RoomID}, {"AssignedResourceLocked", false}, {"AvailabilityBlockId", nil},
		{"PartnerCompanyId", nil}, {"TravelAgencyId", nil}, {"ChannelNumber", channelNumber(r)}, {"ChannelManagerNumber", nil},
		{"ReleasedUtc", nil}, {"ScheduledStartUtc", r.ScheduledStartUTC}, {"ActualStartUtc", r.ActualStartUTC},
		{"ScheduledEndUtc", r.ScheduledEndUTC}, {"ActualEndUtc", r.ActualEndUTC}, {"Purpose", "Leisure"},
		{"QrCodeData", `{"ReservationId":"` + r.ID + `"}`},
		{"PersonCounts", []object{{{"AgeCategoryId", h.identity.adults}, {"Count", r.Persons}}}},
		{"StartUtc", r.StartUTC()}, {"EndUtc", r.EndUTC()},
	}
}
