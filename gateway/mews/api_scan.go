package mews

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// maxWindow is less than any three months are, the longest that Mews takes.
	maxWindow = 84 * 24 * time.Hour
	minWindow = time.Minute

	firstCount = 500 // rows of a page, while nothing says that they are too many
	minCount   = 10

	// maxRows is how many rows wait to be sorted. A window that has more is halved;
	// one that cannot be is given in parts.
	maxRows   = 10_000
	maxPages  = 2_000 // of one window
	growAfter = 4     // good windows in a row
)

// resourcesUpdated reads the resources that were updated from from to to, both
// included, deactivated ones too, and gives them to f, oldest update first, in as
// many parts as it takes: at most maxRows and a page are held at a time, and the
// ids of those given. Each row is given once; one that changes under the reading
// may be given again as it then is. To should not be later than now: what is
// updated after the start leaves the window, so what follows to has to be read or
// heard from then on. An error of f ends the reading and is returned as it is.
func (a *api) resourcesUpdated(ctx context.Context, c class, from, to time.Time, f func([]row) error) error {
	return a.newScan(c, resourceListing, f).windows(ctx, "UpdatedUtc", from, to)
}

// reservationsUpdated is like resourcesUpdated, for reservations of any state.
func (a *api) reservationsUpdated(ctx context.Context, c class, from, to time.Time, f func([]row) error) error {
	return a.newScan(c, reservationListing, f).windows(ctx, "UpdatedUtc", from, to)
}

// reservationsColliding is like reservationsUpdated, for reservations that touch
// the time from from to to, whenever they were updated; they are in order within
// each part only.
func (a *api) reservationsColliding(ctx context.Context, c class, from, to time.Time, f func([]row) error) error {
	return a.newScan(c, reservationListing, f).windows(ctx, "CollidingUtc", from, to)
}

// allResources gives f all active resources, oldest update first; should they be
// more than maxRows, in parts that are in order each.
func (a *api) allResources(ctx context.Context, c class, f func([]row) error) error {
	return a.newScan(c, activeResourceListing, f).window(ctx, nil, false)
}

// scan reads all there is of a listing, page by page.
type scan struct {
	api     *api
	class   class
	listing listing
	give    func([]row) error

	count int // rows of a page
	step  time.Duration
	good  int // windows since something was too heavy

	seed    maphash.Seed
	given   map[string]version // by id
	waiting map[string]row     // by id: to be sorted and given
}

// version tells one state of an entity from another; an update within the same
// second does not show in UpdatedUtc.
type version struct {
	updated time.Time
	hash    uint64
}

func (a *api) newScan(c class, l listing, give func([]row) error) *scan {
	return &scan{
		api: a, class: c, listing: l, give: give, count: firstCount, step: maxWindow,
		seed: maphash.MakeSeed(), given: make(map[string]version), waiting: make(map[string]row),
	}
}

// windows reads from from to to, both included, oldest first, a window at a time.
// Neighbours share their edge, so that nothing falls between them.
func (s *scan) windows(ctx context.Context, filter string, from, to time.Time) error {
	from, to = from.UTC().Truncate(time.Second), to.UTC().Add(time.Second-1).Truncate(time.Second)
	if to.Before(from) {
		return fmt.Errorf("%s: the window ends before it begins", s.listing.op)
	}
	for {
		end := to
		if to.Sub(from) > s.step {
			end = from.Add(s.step)
		}
		interval := params{filter: map[string]string{"StartUtc": from.Format(time.RFC3339), "EndUtc": end.Format(time.RFC3339)}}
		divisible := end.Sub(from) > minWindow
		err := s.window(ctx, interval, divisible)
		switch {
		case divisible && errors.Is(err, errHeavy):
			s.step = max((end.Sub(from) / 2).Truncate(time.Second), minWindow)
			s.good = 0
			clear(s.waiting)
			continue
		case err != nil:
			return err
		case end.Equal(to):
			return nil
		}
		from = end
		s.grow()
	}
}

// grow makes windows and pages larger again after some that were not too heavy.
func (s *scan) grow() {
	if s.good++; s.good < growAfter {
		return
	}
	s.good = 0
	s.step = min(2*s.step, maxWindow)
	s.count = min(2*s.count, firstCount)
}

// window reads all pages of one window and gives their rows. It ends only with
// the cursor or an empty page, never with a short one, which may be all that Mews
// had time for. With errHeavy the caller may have a smaller one instead, if this
// one is divisible.
func (s *scan) window(ctx context.Context, interval params, divisible bool) error {
	cursors := make(map[string]bool)
	for next := ""; ; {
		body := s.listing.request(s.count, next)
		maps.Copy(body, interval)
		p, err := s.api.page(ctx, request{
			op: s.listing.op, class: s.class, body: body,
			heavy: true, reducible: divisible || s.count > minCount,
		}, s.listing)
		if errors.Is(err, errHeavy) && s.count > minCount {
			s.count, s.good = max(s.count/2, minCount), 0
			if divisible && next == "" {
				return err
			}
			continue // the same page, shorter
		}
		if err != nil {
			return err
		}
		s.take(p.rows)
		switch {
		case p.items == 0 || p.next == "":
			return s.flush()
		case cursors[p.next] || len(cursors) == maxPages:
			return fmt.Errorf("%w: %s: pages without end", errExhausted, s.listing.op)
		case len(s.waiting) > maxRows && divisible:
			return errHeavy
		case len(s.waiting) > maxRows:
			if err := s.flush(); err != nil {
				return err
			}
		}
		cursors[p.next] = true
		next = p.next
	}
}

// take has rows wait, each in its newest version. Entities that change while they
// are paged through may come twice.
func (s *scan) take(rows []row) {
	for _, r := range rows {
		if v, ok := s.given[r.id]; ok && (r.updated.Before(v.updated) || maphash.Bytes(s.seed, r.object) == v.hash) {
			continue
		}
		if w, ok := s.waiting[r.id]; !ok || !r.updated.Before(w.updated) {
			s.waiting[r.id] = r
		}
	}
}

// flush gives the rows that wait, oldest first.
func (s *scan) flush() error {
	if len(s.waiting) == 0 {
		return nil
	}
	rows := slices.SortedFunc(maps.Values(s.waiting), func(a, b row) int {
		return cmp.Or(a.updated.Compare(b.updated), strings.Compare(a.id, b.id))
	})
	for _, r := range rows {
		s.given[r.id] = version{r.updated, maphash.Bytes(s.seed, r.object)}
	}
	clear(s.waiting)
	return s.give(rows)
}
