package mews

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	idBatch    = 500 // ids of one call; 1000 are allowed, but what makes a body too large is not said
	idRefusals = 24  // refused calls of one read: enough to single out two bad ids
)

// listing says how entities of one type are read.
type listing struct {
	typ  string // of the rows
	op   string
	list string // the answer's member that holds them
	ids  string // the filter by ids
	body params // what every such request has
}

var (
	reservationListing = listing{
		typ: typeReservation, op: "reservations/getAll/2023-06-06", list: "Reservations", ids: "ReservationIds",
		// Which states are meant when none are named is not documented.
		body: params{"States": []string{"Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested"}},
	}
	resourceListing = listing{
		typ: typeResource, op: "resources/getAll", list: "Resources", ids: "ResourceIds",
		body: params{"Extent": map[string]bool{"Resources": true, "Inactive": true}},
	}
	activeResourceListing = listing{
		typ: typeResource, op: "resources/getAll", list: "Resources",
		body: params{"Extent": map[string]bool{"Resources": true, "Inactive": false}},
	}
	commandListing = listing{typ: typeDeviceCommand, op: "commands/getAllByIds", list: "Commands", ids: "CommandIds"}

	activeCommandListing = listing{typ: typeDeviceCommand, op: "commands/getAllActive", list: "Commands"}
)

const configurationOp = "configuration/get"

// operations are all that are called, for metrics.
var operations = []string{
	configurationOp, reservationListing.op, resourceListing.op, commandListing.op, activeCommandListing.op,
}

// configuration is what Mews says of the enterprise that the token is of.
type configuration struct {
	now        time.Time // by the server's clock; zero when it does not say
	enterprise enterprise
}

type enterprise struct {
	id, name  string
	timeZone  string // an IANA name
	portfolio bool   // the token is one of several enterprises, and this none of them
}

// configuration asks whose the token is.
func (a *api) configuration(ctx context.Context, c class) (configuration, error) {
	var read configuration
	err := a.call(ctx, request{op: configurationOp, class: c}, func(answer []byte) (err error) {
		read, err = readConfiguration(answer)
		return err
	})
	return read, err
}

func readConfiguration(answer []byte) (configuration, error) {
	top := pick(answer, "NowUtc", "Enterprise")
	if kind(top[1]) != "object" {
		return configuration{}, errors.New("no enterprise")
	}
	v := pick(top[1], "Id", "Name", "TimeZoneIdentifier", "IsPortfolio")
	e := enterprise{id: textOf(v[0]), name: textOf(v[1]), timeZone: textOf(v[2]), portfolio: string(v[3]) == "true"}
	if e.id == "" {
		return configuration{}, errors.New("no enterprise id")
	}
	return configuration{now: timeOf(top[0]), enterprise: e}, nil
}

// resources returns the resources with these ids, deactivated ones too. However
// many ids there are, they are read in as many calls as it takes. An entity that
// Mews has not, or not yet, is no error. With an error too the rows are those that
// could be had; errRefused then says that Mews takes some of the ids for none.
func (a *api) resources(ctx context.Context, c class, ids []string) ([]row, error) {
	return a.byIDs(ctx, c, resourceListing, ids)
}

// reservations is like resources.
func (a *api) reservations(ctx context.Context, c class, ids []string) ([]row, error) {
	return a.byIDs(ctx, c, reservationListing, ids)
}

// commands is like resources.
func (a *api) commands(ctx context.Context, c class, ids []string) ([]row, error) {
	return a.byIDs(ctx, c, commandListing, ids)
}

// activeCommands returns the commands that are Pending or Received. Others are
// hidden by this operation, and have to be asked for by their ids.
func (a *api) activeCommands(ctx context.Context, c class) ([]row, error) {
	p, err := a.page(ctx, request{op: activeCommandListing.op, class: c}, activeCommandListing)
	return p.rows, err
}

func (a *api) byIDs(ctx context.Context, c class, l listing, ids []string) ([]row, error) {
	ids = slices.CompactFunc(slices.SortedStableFunc(slices.Values(ids), compareFolded), sameID)
	r := &idRead{api: a, class: c, listing: l, seen: make(map[string]struct{})}
	for batch := range slices.Chunk(ids, idBatch) {
		if err := r.read(ctx, batch); err != nil {
			return r.rows, err
		}
	}
	return r.rows, r.refusal
}

// fold returns an id as ids are compared: without the case of ASCII letters, which
// Mews is not consistent in.
func fold(id string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, id)
}

func compareFolded(a, b string) int { return strings.Compare(fold(a), fold(b)) }

func sameID(a, b string) bool { return fold(a) == fold(b) }

// idRead is one read by ids.
type idRead struct {
	api     *api
	class   class
	listing listing

	rows     []row
	seen     map[string]struct{}
	refusals int
	refusal  error // of an id that was singled out
}

// read reads the entities with these ids; half of them at a time where all are
// too many, or where one of them is refused, so that it does not take the others
// with it.
func (r *idRead) read(ctx context.Context, ids []string) error {
	body := r.listing.request(len(ids), "")
	body[r.listing.ids] = ids
	p, err := r.api.page(ctx, request{
		op: r.listing.op, class: r.class, body: body, reducible: len(ids) > 1,
	}, r.listing)
	if err == nil {
		r.add(p.rows)
		return nil
	}
	failed, _ := errors.AsType[*callError](err)
	bad := failed != nil && failed.status == http.StatusBadRequest
	if bad {
		r.refusals++
	}
	switch {
	case bad && r.refusals > idRefusals:
		return err
	case len(ids) > 1 && (bad || errors.Is(err, errHeavy)):
		half := len(ids) / 2
		if err := r.read(ctx, ids[:half]); err != nil {
			return err
		}
		return r.read(ctx, ids[half:])
	case bad || failed != nil && failed.outcome == callLarge:
		r.refusal = err
		return nil
	}
	return err
}

func (r *idRead) add(rows []row) {
	for _, row := range rows {
		id := fold(row.id)
		if _, ok := r.seen[id]; !ok {
			r.seen[id] = struct{}{}
			r.rows = append(r.rows, row)
		}
	}
}
