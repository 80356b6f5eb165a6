package mews

import (
	"time"

	"bellhop/gateway"
)

// maxRecent is how many entities are remembered.
const maxRecent = 4096

// recent remembers the entities that were read last, for events that came before
// a read but are taken after it.
type recent struct {
	known map[gateway.EntityKey]knownRow
	order []gateway.EntityKey // a ring, of as many as are known
	next  int
}

type knownRow struct {
	row
	begun time.Time // when the read began
}

// get returns what was read of an entity last.
func (m *recent) get(key gateway.EntityKey) (knownRow, bool) {
	k, ok := m.known[key]
	return k, ok
}

// put remembers a row, in place of the oldest where there are too many. Of two
// versions of an entity the later one stays.
func (m *recent) put(key gateway.EntityKey, r row, begun time.Time) {
	if m.known == nil {
		m.known = make(map[gateway.EntityKey]knownRow)
	}
	have, ok := m.known[key]
	switch {
	case ok && (r.updated.Before(have.updated) || begun.Before(have.begun)):
		return
	case ok:
	case len(m.order) < maxRecent:
		m.order = append(m.order, key)
	default:
		delete(m.known, m.order[m.next])
		m.order[m.next] = key
		m.next = (m.next + 1) % maxRecent
	}
	m.known[key] = knownRow{r, begun}
}
