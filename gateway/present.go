package gateway

import (
	"cmp"
	"slices"
	"sync"
)

// present is the present state: the latest record of each entity with a lasting
// state, as far as the log has been read, and beyond that the events on their
// way into it. Its methods may be called concurrently.
type present struct {
	mu     sync.Mutex
	latest map[EntityKey]*place
	shelf  *shelf // has the places
	flying map[EntityKey]*flying

	// changed has the entities that have changed since they were last kept, with the
	// first record of each that says so. The line has these in the order of the log,
	// and some that have been kept since.
	changed map[EntityKey]uint64
	line    []change
}

// change says that an entity is not as it was kept, from a sequence of the log on.
type change struct {
	key EntityKey
	seq uint64
}

// changes are what is to be kept.
type changes struct {
	records []*Record   // of the entities that are there
	gone    []EntityKey // that have gone
	upTo    uint64      // up to there the state is complete with that
	all     []change
}

// flying is the last of an entity's events that have been appended and not read
// back yet, and how many these are.
type flying struct {
	event *Event
	count int
}

func newPresent() *present {
	return &present{
		latest:  make(map[EntityKey]*place),
		shelf:   new(shelf),
		flying:  make(map[EntityKey]*flying),
		changed: make(map[EntityKey]uint64),
	}
}

// keep takes the records of the kept state over, where nothing later is known.
func (p *present) keep(records []*Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(records, func(a, b *Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, rec := range records {
		if key, lasts := rec.entity(); lasts {
			p.putLocked(key, rec)
		}
	}
}

// read takes a record as the log has it.
func (p *present) read(rec *Record) {
	key, lasts := rec.entity()
	if !lasts {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.flying[key]; f != nil {
		if f.count--; f.count <= 0 {
			delete(p.flying, key)
		}
	}
	if have := p.latest[key]; have != nil && have.rec.Seq >= rec.Seq {
		return
	}
	p.changeLocked(key, rec.Seq)
	p.putLocked(key, rec)
}

func (p *present) changeLocked(key EntityKey, seq uint64) {
	if _, known := p.changed[key]; !known {
		p.changed[key] = seq
		p.line = append(p.line, change{key, seq})
	}
}

// putLocked puts a record in the place of the entity's last.
func (p *present) putLocked(key EntityKey, rec *Record) {
	if last := p.latest[key]; last != nil {
		p.shelf.drop(last, rec.Seq)
		delete(p.latest, key)
	}
	if !rec.Event.Gone {
		p.latest[key] = p.shelf.put(rec)
	}
	if p.shelf.crowded() {
		p.tidyLocked()
	}
}

// tidyLocked begins a shelf without what is superseded. Listings keep theirs.
func (p *present) tidyLocked() {
	old := p.shelf.places
	p.shelf = new(shelf)
	for _, at := range old {
		if at.until.Load() == 0 {
			key, _ := at.rec.entity()
			p.latest[key] = p.shelf.put(at.rec)
		}
	}
}

// send sets Before of the records' events, gives their ids the spelling that the
// entity is known by, and takes them for the latest of their entities, from now on
// until they have been read. Undo takes that back
// for records that the log did not take; nothing of the same entities may be
// sent between the two.
func (p *present) send(records []*Record) (undo func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	type flight struct {
		key EntityKey
		was *Event // the last one on its way until then, nil for none
	}
	var flights []flight
	for _, rec := range records {
		key, lasts := rec.entity()
		if !lasts {
			continue
		}
		rec.Event.Before = nil
		if last := p.eventLocked(key); last != nil {
			before := last.Attributes // a copy: one event must not keep all before it in memory
			rec.Event.Before, rec.Event.ID = &before, last.ID
		}
		f := p.flying[key]
		if f == nil {
			f = new(flying)
			p.flying[key] = f
		}
		flights = append(flights, flight{key, f.event})
		f.event = rec.Event
		f.count++
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, flight := range slices.Backward(flights) {
			f := p.flying[flight.key]
			if f == nil {
				continue
			}
			f.event = flight.was
			if f.count--; f.count <= 0 || f.event == nil {
				delete(p.flying, flight.key)
			}
		}
	}
}

// event returns the latest event of an entity, nil when there is none or it has
// gone.
func (p *present) event(key EntityKey) *Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eventLocked(key)
}

func (p *present) eventLocked(key EntityKey) *Event {
	if f := p.flying[key]; f != nil {
		if f.event.Gone {
			return nil
		}
		return f.event
	}
	if at := p.latest[key]; at != nil {
		return at.rec.Event
	}
	return nil
}

// of returns the latest event of each entity of a source, of one type or, where
// typ is empty, of all.
func (p *present) of(source, typ string) []*Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*Event
	take := func(e *Event) {
		if e.Source == source && (typ == "" || e.Type == typ) && !e.Gone {
			out = append(out, e)
		}
	}
	for key, at := range p.latest {
		if p.flying[key] == nil {
			take(at.rec.Event)
		}
	}
	for _, f := range p.flying {
		take(f.event)
	}
	return out
}

// overtake takes the events on their way for what the log has at seq: they may
// have been trimmed before they could be read. They stay what is known of their
// entities until later ones come, since others of them may still be read.
func (p *present) overtake(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, f := range p.flying {
		p.changeLocked(key, seq)
		p.putLocked(key, &Record{Seq: seq, Logged: f.event.Received, Event: f.event})
	}
}

// list returns the present state, which is that at a place in the log.
func (p *present) list(at uint64) *listing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shelf.list(at)
}

// changedBy reports whether something has changed up to seq that is not kept.
func (p *present) changedBy(seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.line) > 0 && p.line[0].seq <= seq
}

// changes takes what has changed up to seq out of what is not kept. Head is the last
// record that was read.
func (p *present) changes(seq, head uint64) (c changes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for ; n < len(p.line) && p.line[n].seq <= seq; n++ {
		next := p.line[n]
		if p.changed[next.key] != next.seq {
			continue
		}
		delete(p.changed, next.key)
		c.all = append(c.all, next)
		if at := p.latest[next.key]; at != nil {
			c.records = append(c.records, at.rec)
		} else {
			c.gone = append(c.gone, next.key)
		}
	}
	c.upTo = head
	if p.line = slices.Clone(p.line[n:]); len(p.line) > 0 {
		c.upTo = p.line[0].seq - 1
	}
	return c
}

// changeAgain says that changes which were taken could not be kept.
func (p *present) changeAgain(c changes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, again := range c.all {
		p.changed[again.key] = again.seq
	}
	p.line = append(c.all, p.line...)
}

// entity returns the entity with a lasting state that the record tells of.
func (r *Record) entity() (EntityKey, bool) {
	if r.Event == nil {
		return EntityKey{}, false
	}
	return r.Event.Key()
}
