package simulator

import (
	"cmp"
	"slices"
)

// table holds the entities of one kind: by id, and in the order of creation,
// which pages of the API go through backwards.
type table[E any] struct {
	byID map[string]*row[E]
	rows []*row[E] // by rank
	rank uint64    // of the latest
}

type row[E any] struct {
	id     string
	rank   uint64
	entity E
}

func byRank[E any](r *row[E], rank uint64) int { return cmp.Compare(r.rank, rank) }

// put adds an entity, or changes the one with that id, which keeps its place.
func (t *table[E]) put(id string, e E) {
	if r := t.byID[id]; r != nil {
		r.entity = e
		return
	}
	if t.byID == nil {
		t.byID = make(map[string]*row[E])
	}
	t.rank++
	r := &row[E]{id, t.rank, e}
	t.byID[id] = r
	t.rows = append(t.rows, r)
}

func (t *table[E]) remove(id string) {
	r := t.byID[id]
	if r == nil {
		return
	}
	delete(t.byID, id)
	i, _ := slices.BinarySearchFunc(t.rows, r.rank, byRank)
	t.rows = slices.Delete(t.rows, i, i+1)
}

// get is the entity with that id, or nil.
func (t *table[E]) get(id string) *E {
	if r := t.byID[id]; r != nil {
		return &r.entity
	}
	return nil
}

// below are the rows older than the one with id cursor, oldest first, all of
// them without a cursor, and whether there is such a row.
func (t *table[E]) below(cursor string) ([]*row[E], bool) {
	if cursor == "" {
		return t.rows, true
	}
	r := t.byID[cursor]
	if r == nil {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(t.rows, r.rank, byRank)
	return t.rows[:i], true
}

// named are the rows with these ids, oldest first, as far as they exist.
func (t *table[E]) named(ids []string) []*row[E] {
	var rows []*row[E]
	for _, id := range ids {
		if r := t.byID[id]; r != nil {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row[E]) int { return cmp.Compare(a.rank, b.rank) })
	return slices.Compact(rows)
}
