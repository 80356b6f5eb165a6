package simulator

import (
	"slices"
	"time"
)

// A filter of which no value is given lets everything pass.

func all[E any](filters ...func(*E) bool) func(*E) bool {
	filters = slices.DeleteFunc(filters, func(f func(*E) bool) bool { return f == nil })
	return func(e *E) bool {
		for _, passes := range filters {
			if !passes(e) {
				return false
			}
		}
		return true
	}
}

// in passes entities of which the value is listed.
func in[E any](list []string, value func(*E) string) func(*E) bool {
	if list == nil {
		return nil
	}
	set := make(map[string]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return func(e *E) bool { return set[value(e)] }
}

// during passes entities of which the time, where there is one, is in the
// interval.
func during[E any](i *interval, value func(*E) time.Time) func(*E) bool {
	if i == nil {
		return nil
	}
	return func(e *E) bool {
		t := value(e)
		return !t.IsZero() && i.holds(t)
	}
}

// colliding passes entities of which the time overlaps the interval.
func colliding[E any](i *interval, from, to func(*E) time.Time) func(*E) bool {
	if i == nil {
		return nil
	}
	return func(e *E) bool { return !from(e).After(i.to) && !to(e).Before(i.from) }
}

// activity passes active or deleted entities, as ActivityStates says.
func activity[E any](states []string, active func(*E) bool) func(*E) bool {
	return in(states, func(e *E) string {
		if active(e) {
			return "Active"
		}
		return "Deleted"
	})
}

func activityStates(q *request) []string { return q.among("ActivityStates", "Active", "Deleted") }

// query is what a call asks of a table.
type query[E any] struct {
	ids    []string // nil means any
	passes func(*E) bool
	row    func(*E) object
	// unpaged queries need no Limitation.
	unpaged bool
}

// page answers a query, newest first, with the rows of one page and the
// cursor of the next: the id of the last row, null only when there is none.
// It is what a call does last.
func page[E any](q *request, t *table[E], ask query[E]) (rows []object, cursor any) {
	if !ask.unpaged {
		q.require("Limitation")
	}
	after := q.limitation()
	q.end()
	found, ok := t.below(after)
	if !ok {
		q.refuse("Invalid Cursor.")
	}
	if q.wrong != nil {
		return nil, nil
	}
	if ask.ids != nil {
		older := found
		found = slices.DeleteFunc(t.named(ask.ids), func(r *row[E]) bool {
			return len(older) == 0 || r.rank > older[len(older)-1].rank
		})
	}
	rows = []object{}
	for _, r := range slices.Backward(found) {
		if len(rows) == q.count {
			break
		}
		if ask.passes(&r.entity) {
			rows, cursor = append(rows, ask.row(&r.entity)), r.id
		}
	}
	q.rows = len(rows)
	return rows, cursor
}
