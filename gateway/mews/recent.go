package mews

import "bellhop/gateway"

// maxRecent is how many entities are remembered.
const maxRecent = 4096

// memory remembers something of each of maxRecent entities.
type memory[V any] struct {
	known map[gateway.EntityKey]V
	order []gateway.EntityKey // a ring, of as many as are known
	next  int
}

// get returns what is remembered of an entity.
func (m *memory[V]) get(key gateway.EntityKey) (V, bool) {
	v, ok := m.known[key]
	return v, ok
}

// put remembers v of an entity, in place of the entity that has been there for
// longest where there are too many.
func (m *memory[V]) put(key gateway.EntityKey, v V) {
	if m.known == nil {
		m.known = make(map[gateway.EntityKey]V)
	}
	if _, ok := m.known[key]; !ok {
		m.note(key)
	}
	m.known[key] = v
}

// note gives a new entity its place in the ring.
func (m *memory[V]) note(key gateway.EntityKey) {
	if len(m.order) < maxRecent {
		m.order = append(m.order, key)
		return
	}
	delete(m.known, m.order[m.next])
	m.order[m.next] = key
	m.next = (m.next + 1) % maxRecent
}
