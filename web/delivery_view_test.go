package web_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bellhop/auth"
)

// A filter is what a grant or a query may name of an event; nil lists do not
// narrow.
type filter struct{ sources, types, ids, states, rooms []string }

// A rule is a grant as the model has it.
type rule struct {
	filter
	fields, redact []string // as the grant has them: dotted paths
}

// A view is a subscription as the model has it, said as plainly as can be: what
// the grants of a token let in and a query asks for.
type view struct {
	name    string
	rules   []rule
	query   filter
	unnamed bool
}

// views are what guests ask for.
func views() []*view {
	anything := []rule{{}}
	return []*view{
		{name: "all", rules: anything},
		{name: "all as messages", rules: anything, unnamed: true},
		{name: "of a type", rules: anything, query: filter{types: []string{"Resource"}}},
		{name: "of types", rules: anything, query: filter{types: []string{"Reservation", "PriceUpdate"}}},
		{name: "of ids", rules: anything, query: filter{ids: []string{"R1", "v6"}}},
		{name: "of a state", rules: anything, query: filter{states: []string{"Dirty"}}, unnamed: true},
		{name: "of rooms", rules: anything, query: filter{rooms: []string{"R1", "r2"}}},
		{name: "of a source", rules: anything, query: filter{sources: []string{"brno"}, states: []string{"Dirty", "Started"}}},
		{name: "redacted", rules: []rule{{redact: []string{"event.note", "event.State", "entity.PHONE"}}}},
		{name: "granted by a hidden state", rules: []rule{
			{filter: filter{types: []string{"Resource", "Odd"}, states: []string{"Dirty"}}, redact: []string{"event.State"}},
		}},
		{name: "of two grants", rules: []rule{
			{filter: filter{sources: []string{"prague"}, types: []string{"Resource", "PriceUpdate"}, states: []string{"Clean", "Dirty"}}, redact: []string{"event.Amount"}},
			{filter: filter{sources: []string{"prague", "brno"}, types: []string{"Resource"}, ids: []string{"R2", "r3"}}, fields: []string{"event.State"}},
		}},
		{name: "of little", rules: []rule{{fields: []string{"event.AssignedResourceId", "event.State"}}}, query: filter{rooms: []string{"r1"}}},
	}
}

// grants returns the rules as a token bears them.
func (v *view) grants() []auth.Grant {
	every := func(values []string) []string {
		if values == nil {
			return []string{"*"}
		}
		return values
	}
	var grants []auth.Grant
	for _, r := range v.rules {
		grants = append(grants, auth.Grant{
			Sources: every(r.sources), Types: every(r.types), IDs: r.ids, States: r.states, Resources: r.rooms,
			Fields: r.fields, Redact: r.redact,
		})
	}
	return grants
}

// request returns the query as a URL bears it.
func (v *view) request() string {
	var pieces []string
	for name, values := range map[string][]string{
		"source": v.query.sources, "type": v.query.types, "id": v.query.ids, "state": v.query.states, "resource": v.query.rooms,
	} {
		if values != nil {
			pieces = append(pieces, name+"="+strings.Join(values, ","))
		}
	}
	if v.unnamed {
		pieces = append(pieces, "as=message")
	}
	return strings.Join(pieces, "&")
}

// among reports whether values name v; nil names everything, and nothing names
// what is not there.
func among(values []string, v string) bool {
	return values == nil || v != "" && slices.ContainsFunc(values, func(w string) bool { return strings.EqualFold(v, w) })
}

// exactly is among for values whose case matters.
func exactly(values []string, v string) bool { return values == nil || slices.Contains(values, v) }

// seen is what filters read of an entry.
type seen struct{ state, room string }

func (e *entry) seen() seen {
	s := seen{e.value("State"), e.value("AssignedResourceId")}
	if s.state == "null" {
		s.state = ""
	}
	switch {
	case e.typ == "Resource":
		s.room = e.id
	case e.typ != "Reservation" || s.room == "null":
		s.room = ""
	}
	return s
}

func (f filter) holds(e *entry, s seen) bool {
	return exactly(f.sources, e.source) && exactly(f.types, e.typ) && among(f.ids, e.id) &&
		(f.states == nil || s.state != "" && exactly(f.states, s.state)) && among(f.rooms, s.room)
}

// hides reports whether a rule keeps a member of the event or entity from being
// seen.
func (r rule) hides(root, name string) bool {
	path := root + "." + name
	listed := func(p string) bool { return p == path }
	folded := func(p string) bool { return strings.EqualFold(p, path) }
	if slices.ContainsFunc(r.redact, folded) {
		return true
	}
	always := root == "event" && (name == "Type" || name == "Id")
	return r.fields != nil && !always && !slices.ContainsFunc(r.fields, listed)
}

// hidesRoom reports whether the member that a type's room is read from is hidden.
func (r rule) hidesRoom(typ string) bool {
	return typ != "Resource" && r.hides("event", "AssignedResourceId")
}

// match returns the first rule that lets the entry in, as it was seen, and
// whether the query holds by what that rule lets be seen.
func (v *view) match(e *entry, s seen) (rule, bool) {
	for _, r := range v.rules {
		if r.holds(e, s) {
			blind := v.query.states != nil && r.hides("event", "State") || v.query.rooms != nil && r.hidesRoom(e.typ)
			return r, !blind && v.query.holds(e, s)
		}
	}
	return rule{}, false
}

// loses reports whether an entity that was shown is to be taken off: it has gone,
// or matches no more, by what could be seen of it.
func (v *view) loses(e *entry) bool {
	if e.before == nil {
		return false
	}
	was := e.before.seen()
	r, shown := v.match(e, was)
	if !shown || e.gone {
		return shown
	}
	is := e.seen()
	if r.hides("event", "State") {
		is.state = was.state
	}
	if r.hidesRoom(e.typ) {
		is.room = was.room
	}
	_, still := v.match(e, is)
	return !still
}

// could reports whether anything of a type of a source can be shown.
func (v *view) could(source, typ string) bool {
	return slices.ContainsFunc(v.rules, func(r rule) bool {
		for _, f := range []filter{r.filter, v.query} {
			if !exactly(f.sources, source) || !exactly(f.types, typ) || f.states != nil && typ == "PriceUpdate" ||
				f.rooms != nil && (typ == "PriceUpdate" || typ == "DeviceCommand") {
				return false
			}
		}
		return (v.query.states == nil || !r.hides("event", "State")) && (v.query.rooms == nil || !r.hidesRoom(typ))
	})
}

// shows reports whether a stream of this view is given anything for an entry.
func (v *view) shows(e *entry) bool {
	if e.gap != nil {
		return len(v.gapTypes(e)) > 0
	}
	_, shown := v.match(e, e.seen())
	return shown && !e.gone || v.loses(e)
}

// gapTypes returns those of a gap's types that can be shown.
func (v *view) gapTypes(e *entry) []string {
	return slices.DeleteFunc(slices.Clone(e.gap), func(typ string) bool { return !v.could(e.source, typ) })
}

// block returns what a stream of this view is given for an entry that it shows.
func (v *view) block(e *entry) string {
	id := fmt.Sprintf("id: e1.%d\n", e.seq())
	if e.gap != nil {
		types, _ := json.Marshal(v.gapTypes(e))
		return id + fmt.Sprintf("event: bellhop.gap\ndata: {\"source\":%q,\"types\":%s,\"from\":%q,\"to\":%q,\"reason\":\"api\"}\n\n",
			e.source, types, gapFrom.Format(time.RFC3339), gapTo.Format(time.RFC3339))
	}
	if r, shown := v.match(e, e.seen()); shown && !e.gone {
		return id + v.event(e, r, "live")
	}
	return id + fmt.Sprintf("event: bellhop.left\ndata: {\"source\":%q,\"type\":%q,\"id\":%q}\n\n", e.source, e.typ, e.id)
}

// snapshotBlock returns what a snapshot shows of the last entry of an entity.
func (v *view) snapshotBlock(e *entry) string {
	r, shown := v.match(e, e.seen())
	if !shown || e.gone {
		return ""
	}
	return v.event(e, r, "snapshot")
}

// event returns the lines of an event behind its id.
func (v *view) event(e *entry, r rule, origin string) string {
	name := "event: " + e.typ + "\n"
	if v.unnamed {
		name = ""
	}
	entity := ""
	if e.entity != nil && (r.fields == nil || slices.ContainsFunc(r.fields, func(f string) bool { return strings.HasPrefix(f, "entity.") })) {
		entity = `,"entity":` + written(e.entity, func(name string) bool { return r.hides("entity", name) })
	}
	return fmt.Sprintf("%sdata: {\"source\":%q,\"type\":%q,\"id\":%q,\"origin\":%q,\"received\":%q,\"event\":%s%s}\n\n",
		name, e.source, e.typ, e.id, origin, e.record.Event.Received.UTC().Format("2006-01-02T15:04:05.000Z"),
		written(e.object, func(name string) bool { return r.hides("event", name) }), entity)
}
