package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"bellhop/gateway"
)

// What follows says, as plainly and slowly as can be, which events a grant and a
// query show and what of them. It is written from the contract and shares
// nothing with the package.

// A tree is decoded JSON: an object, an array, or the text of anything else. It
// keeps order, repeats and the spelling of numbers.
type (
	object []member
	member struct {
		Name  string
		Value any
	}
	array []any
)

// parseTree decodes one JSON value.
func parseTree(b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v := must(readTree(d))
	if _, err := d.Token(); err != io.EOF {
		panic("more than one value")
	}
	return v
}

func readTree(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name := must(d.Token()).(string)
			o = append(o, member{name, must(readTree(d))})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		a := array{}
		for d.More() {
			a = append(a, must(readTree(d)))
		}
		_, err := d.Token()
		return a, err
	}
	return token, nil
}

// refHidden says whether a value that is neither object nor array is kept from a
// client: path leads to it, arrays left out.
func refHidden(fields, redact []string, path []string) bool {
	for _, r := range redact {
		if refBegins(path, strings.Split(r, "."), refFold) {
			return true
		}
	}
	if fields == nil || len(path) >= 2 && path[0] == "event" && (path[1] == "Type" || path[1] == "Id") {
		return false
	}
	return !slices.ContainsFunc(fields, func(f string) bool {
		return refBegins(path, strings.Split(f, "."), func(a, b string) bool { return a == b })
	})
}

func refBegins(path, prefix []string, same func(a, b string) bool) bool {
	return len(path) >= len(prefix) && slices.EqualFunc(path[:len(prefix)], prefix, same)
}

// refFold compares without ASCII case, and without that alone.
func refFold(a, b string) bool { return refLower(a) == refLower(b) }

func refLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] += 32
		}
	}
	return string(b)
}

// refShow returns what is left of v. An object or array stays, empty perhaps,
// when something below it might be let out.
func refShow(fields, redact []string, path []string, v any) (any, bool) {
	switch v := v.(type) {
	case object:
		if !refOpen(fields, redact, path) {
			return nil, false
		}
		left := object{}
		for _, m := range v {
			if value, ok := refShow(fields, redact, append(slices.Clone(path), m.Name), m.Value); ok {
				left = append(left, member{m.Name, value})
			}
		}
		return left, true
	case array:
		if !refOpen(fields, redact, path) {
			return nil, false
		}
		left := array{}
		for _, e := range v {
			if value, ok := refShow(fields, redact, path, e); ok {
				left = append(left, value)
			}
		}
		return left, true
	}
	return v, !refHidden(fields, redact, path)
}

// refOpen says whether a container at path may be seen to be there: it is not
// hidden itself, or a listed path leads through it.
func refOpen(fields, redact []string, path []string) bool {
	for _, r := range redact {
		if refBegins(path, strings.Split(r, "."), refFold) {
			return false
		}
	}
	leads := slices.ContainsFunc(fields, func(f string) bool {
		return refBegins(strings.Split(f, "."), path, func(a, b string) bool { return a == b })
	})
	return leads || !refHidden(fields, nil, path) || len(path) == 1 && path[0] == "event"
}

// A reading is how a filter reads events of a type.
type reading struct {
	can   bool     // events of the type can have it
	ownID bool     // it is the entity's id
	path  []string // of the member, without "event"; empty for ownID
	// thread: not from the object, but given along with it
	thread bool
}

var webhookTypes = []string{"MessageAdded", "ServiceOrderUpdated", "ResourceUpdated", "ResourceBlockUpdated", "CustomerAdded", "CustomerUpdated", "PaymentUpdated"}

var knownTypes = append([]string{
	"DeviceCommand", "Reservation", "Resource", "PriceUpdate",
	"airy.message", "airy.unread-count", "airy.channel.connected", "airy.channel.disconnected",
}, webhookTypes...)

// refReading follows the table of filters line by line.
func refReading(parameter, typ string) reading {
	unknown := !slices.Contains(knownTypes, typ)
	of := func(types string, path ...string) reading {
		return reading{can: unknown || slices.Contains(strings.Fields(types), typ), path: path}
	}
	channelEvent := strings.HasPrefix(typ, "airy.channel.") && !unknown
	switch parameter {
	case "state":
		if typ == "airy.message" {
			return reading{can: true, path: []string{"message", "delivery_state"}}
		}
		return of("DeviceCommand Reservation Resource", "State")
	case "resource":
		if typ == "Resource" {
			return reading{can: true, ownID: true}
		}
		return of("Reservation", "AssignedResourceId")
	case "rate":
		return of("PriceUpdate", "RateId")
	case "category":
		return of("PriceUpdate", "ResourceCategoryId")
	case "thread":
		return reading{can: typ == "MessageAdded", thread: true}
	case "conversation":
		return of("airy.message airy.unread-count", "conversation_id")
	case "channel":
		if channelEvent {
			return reading{can: true, ownID: true}
		}
		return of("airy.message", "channel_id")
	case "start":
		return of("Reservation PriceUpdate", "StartUtc")
	case "end":
		return of("Reservation PriceUpdate", "EndUtc")
	}
	panic(parameter)
}

// refValue returns the text that a filter reads, "" for none.
func refValue(e *gateway.Event, r reading) string {
	switch {
	case r.ownID:
		return e.ID
	case r.thread:
		return e.Attributes.Thread
	}
	var v any
	if json.Unmarshal(e.Object, &v) != nil {
		return ""
	}
	for _, name := range r.path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

func refCovered(g gateway.Grant, r reading) bool {
	if r.ownID {
		return false
	}
	path := append([]string{"event"}, r.path...)
	if r.thread {
		path = []string{"entity", "MessageThreadId"}
	}
	return refHidden(g.Fields, g.Redact, path)
}

func refState(s string) string {
	return strings.NewReplacer("Enquired", "Inquired", "Cancelled", "Canceled").Replace(s)
}

func refAmong(values []string, v string, same func(string) string) bool {
	return slices.ContainsFunc(values, func(w string) bool { return same(w) == same(v) })
}

// refAll says whether a grant's list of sources, types or threads is "*".
func refAll(values []string) bool { return len(values) == 1 && values[0] == "*" }

// refMatches returns the first grant that lets e in, and whether the query holds
// for what that grant lets be read.
func refMatches(grants []gateway.Grant, q gateway.Query, e *gateway.Event) (gateway.Grant, bool) {
	for _, g := range grants {
		if refGrants(g, e) {
			return g, refHolds(g, q, e)
		}
	}
	return gateway.Grant{}, false
}

// A parameter is a list that grants, queries or both may have.
type parameter struct {
	name         string
	grant, query []string
	same         func(string) string // what makes two values equal
}

func refParameters(g gateway.Grant, q gateway.Query) []parameter {
	threads := g.Threads
	if refAll(threads) {
		threads = nil
	}
	return []parameter{
		{"state", g.States, q.States, refState},
		{"resource", g.Resources, q.Resources, refLower},
		{"rate", nil, q.Rates, refLower},
		{"category", nil, q.Categories, refLower},
		{"thread", threads, q.Threads, refLower},
		{"conversation", g.Conversations, q.Conversations, refLower},
		{"channel", g.Channels, q.Channels, refLower},
	}
}

func refGrants(g gateway.Grant, e *gateway.Event) bool {
	for _, p := range refParameters(g, gateway.Query{}) {
		if p.grant == nil {
			continue
		}
		r := refReading(p.name, e.Type)
		if v := refValue(e, r); !r.can || v == "" || !refAmong(p.grant, v, p.same) {
			return false
		}
	}
	return (refAll(g.Sources) || slices.Contains(g.Sources, e.Source)) &&
		(refAll(g.Types) || slices.Contains(g.Types, e.Type)) &&
		(g.IDs == nil || refAmong(g.IDs, e.ID, refLower))
}

func refHolds(g gateway.Grant, q gateway.Query, e *gateway.Event) bool {
	for _, p := range refParameters(g, q) {
		if p.query == nil {
			continue
		}
		r := refReading(p.name, e.Type)
		if !r.can || refCovered(g, r) {
			return false
		}
		v := refValue(e, r)
		all := v == "" && e.Type == "PriceUpdate" && (p.name == "rate" || p.name == "category")
		if !all && (v == "" || !refAmong(p.query, v, p.same)) {
			return false
		}
	}
	return (q.Sources == nil || slices.Contains(q.Sources, e.Source)) &&
		(q.Types == nil || slices.Contains(q.Types, e.Type)) &&
		(q.IDs == nil || refAmong(q.IDs, e.ID, refLower)) &&
		refOverlaps(g, q, e)
}

// refCould says whether a grant and a query leave anything of a type.
func refCould(g gateway.Grant, q gateway.Query, source, typ string) bool {
	dated := !q.From.IsZero() || !q.To.IsZero()
	for _, name := range []string{"start", "end"} {
		if r := refReading(name, typ); dated && (!r.can || refCovered(g, r)) {
			return false
		}
	}
	for _, p := range append(refParameters(g, q), parameter{"", g.IDs, q.IDs, refLower}) {
		if p.grant == nil && p.query == nil {
			continue
		}
		if p.name != "" {
			if r := refReading(p.name, typ); !r.can || p.query != nil && refCovered(g, r) {
				return false
			}
		}
		both := p.grant == nil || p.query == nil || slices.ContainsFunc(p.grant, func(v string) bool { return refAmong(p.query, v, p.same) })
		if !both {
			return false
		}
	}
	return (refAll(g.Sources) || slices.Contains(g.Sources, source)) && (refAll(g.Types) || slices.Contains(g.Types, typ)) &&
		(q.Sources == nil || slices.Contains(q.Sources, source)) && (q.Types == nil || slices.Contains(q.Types, typ))
}

func refOverlaps(g gateway.Grant, q gateway.Query, e *gateway.Event) bool {
	if q.From.IsZero() && q.To.IsZero() {
		return true
	}
	start, end := refReading("start", e.Type), refReading("end", e.Type)
	if !start.can || refCovered(g, start) || refCovered(g, end) {
		return false
	}
	from, hasStart := refTime(refValue(e, start))
	to, hasEnd := refTime(refValue(e, end))
	if !hasStart && !hasEnd {
		return slices.Contains(knownTypes, e.Type)
	}
	before := hasEnd && !q.From.IsZero() && to.Before(q.From)
	after := hasStart && !q.To.IsZero() && from.After(q.To)
	return !before && !after
}

func refTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

// refData returns the data of an event as a client of grant g sees it, decoded.
func refData(g gateway.Grant, e *gateway.Event) any {
	shown := object{
		{"source", e.Source}, {"type", e.Type}, {"id", e.ID}, {"origin", string(e.Origin)},
		{"received", e.Received.UTC().Format("2006-01-02T15:04:05.000Z")},
	}
	event, _ := refShow(g.Fields, g.Redact, []string{"event"}, parseTree(e.Object))
	shown = append(shown, member{"event", event})
	if e.Entity != nil {
		if entity, ok := refShow(g.Fields, g.Redact, []string{"entity"}, parseTree(e.Entity)); ok {
			shown = append(shown, member{"entity", entity})
		}
	}
	return shown
}

// newEvent returns an event with the attributes that its object has.
func newEvent(source, typ, id, object string) *gateway.Event {
	return &gateway.Event{
		Source: source, Type: typ, ID: id, Origin: gateway.OriginLive,
		Received:   time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC),
		Object:     json.RawMessage(object),
		Attributes: gateway.ReadAttributes(typ, id, json.RawMessage(object)),
	}
}

// refLeaves says whether what was shown until now, as before told it, is to be
// taken off: it has gone, or matches no more for a reason that the grant which
// showed it lets be seen.
func refLeaves(grants []gateway.Grant, q gateway.Query, before, now *gateway.Event) bool {
	if before == nil {
		return false
	}
	g, shown := refMatches(grants, q, before)
	if !shown || now.Gone {
		return shown
	}
	if _, still := refMatches(grants, q, now); still {
		return false
	}
	_, still := refMatches(grants, q, refUnseen(g, before, now))
	return !still
}

// refUnseen returns now as it would be if nothing of what g hides had changed.
func refUnseen(g gateway.Grant, before, now *gateway.Event) *gateway.Event {
	var was, is map[string]any
	if json.Unmarshal(before.Object, &was) != nil || json.Unmarshal(now.Object, &is) != nil {
		panic("no object")
	}
	for _, p := range []string{"state", "resource", "conversation", "channel", "start", "end"} {
		r := refReading(p, now.Type)
		if !r.can || len(r.path) != 1 || !refCovered(g, r) {
			continue
		}
		if is[r.path[0]] = was[r.path[0]]; is[r.path[0]] == nil {
			delete(is, r.path[0])
		}
	}
	unseen := *now
	unseen.Object = must(json.Marshal(is))
	return &unseen
}
