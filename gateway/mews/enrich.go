package mews

import (
	"encoding/json"
	"slices"
	"time"

	"bellhop/gateway"
)

// enrichment says how an event came to its entity, or why it has none.
type enrichment string

const (
	enriched   enrichment = "enriched"
	superseded enrichment = "superseded" // it has what a later event of the same entity tells of
	late       enrichment = "late"       // it was not to be had in time
	forbidden  enrichment = "forbidden"  // the token may not read it
)

var enrichments = []enrichment{enriched, superseded, late, forbidden}

// staleBy is how much earlier than an event its entity's last update may be. An
// older one may be from before what the event tells of.
const staleBy = 5 * time.Second

// enriches reports whether events of the type carry members of their entity.
func (s *Source) enriches(typ string) bool { return len(s.fields[typ]) > 0 }

// enrich has the visit wait for its entity, where it has one to wait for.
func (d *desk) enrich(g *guest, v *visit) {
	typ, now := v.record.Event.Type, time.Now()
	switch f := d.fetches[typ]; {
	case !d.enriches(typ):
		v.ready = true
	case now.Before(f.barred):
		d.goWithout(v, forbidden)
	default:
		d.thinPatience()
		d.patience = append(d.patience, v)
		if known, ok := d.recent.get(v.key); ok {
			d.attend(g, known.row, known.begun)
		}
		if !v.ready && !g.wanting {
			g.wanting = true
			f.want(want{id: v.record.Event.ID, due: now.Add(d.gather()), rides: true, guest: g})
		}
	}
}

// attend gives the events that wait for an entity what a read begun at begun says
// of it: those that came before it, up to the last one whose state it shows. The
// entity as an earlier one of another state tells of it can be had no more.
func (d *desk) attend(g *guest, r row, begun time.Time) {
	state := gateway.ReadAttributes(r.typ, r.id, r.event()).State
	last := -1
	for i, v := range g.line {
		if !v.arrived.After(begun) && v.record.Event.Attributes.State == state {
			last = i
		}
	}
	for _, v := range g.line[:last+1] {
		if v.ready {
			continue
		}
		e := v.record.Event
		v.ready = true
		e.Entity = d.members(r)
		if e.Attributes.State != state {
			d.metrics.enriched(e.Type, superseded, time.Since(v.arrived))
		} else {
			d.metrics.enriched(e.Type, enriched, time.Since(v.arrived))
			if !r.updated.IsZero() && r.updated.Before(d.clock.at(e.Received).Add(-staleBy)) {
				d.settleLater(v.key, e.ID, e.Received)
			}
		}
	}
}

// goWithout lets a visit go on without its entity.
func (d *desk) goWithout(v *visit, why enrichment) {
	e := v.record.Event
	v.ready = true
	d.metrics.enriched(e.Type, why, time.Since(v.arrived))
	if why == late {
		d.settleLater(v.key, e.ID, e.Received)
	}
}

// losePatience lets those go on without their entities that have waited for as
// long as an event may.
func (d *desk) losePatience(now time.Time) {
	for len(d.patience) > 0 {
		v := d.patience[0]
		if !v.ready && now.Before(v.arrived.Add(d.enrichWait)) {
			return
		}
		d.patience = d.patience[1:]
		if !v.ready {
			d.goWithout(v, late)
			d.advance(d.guests[v.key])
		}
	}
}

// thinPatience forgets those among the waiting that wait no more, when they are
// many.
func (d *desk) thinPatience() {
	if len(d.patience) > 2*d.visits+1024 {
		d.patience = slices.DeleteFunc(d.patience, func(v *visit) bool { return v.ready })
	}
}

// members returns the listed members of an entity, nil when its type has no list
// or they are too large.
func (s *Source) members(r row) json.RawMessage {
	if m := r.members(s.fields[r.typ]); len(m) <= gateway.MaxObject {
		return m
	}
	return nil
}
