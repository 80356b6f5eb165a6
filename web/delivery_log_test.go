package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"bellhop/gateway"
)

// An entry is a record of the log as the model knows it: in plain fields, from
// which the record was made and every block that tells of it can be.
type entry struct {
	record          *gateway.Record // has its place once it was appended
	source, typ, id string
	object, entity  []property
	gone            bool
	before          *entry   // what its entity was until then; nil for none
	gap             []string // the types of a gap; nil for an event
}

func (e *entry) seq() uint64 { return e.record.Seq }

// lasts reports whether the entry is part of the present state until the next of
// its entity.
func (e *entry) lasts() bool {
	return e.gap == nil && (e.typ == "Resource" || e.typ == "Reservation" || e.typ == "DeviceCommand")
}

// A property is a member of an upstream's object, its value as it is written.
type property struct{ name, value string }

func (e *entry) value(name string) string {
	for _, p := range e.object {
		if p.name == name {
			return strings.Trim(p.value, `"`)
		}
	}
	return ""
}

// written returns the members that are not hidden, as JSON.
func written(properties []property, hidden func(name string) bool) string {
	var shown []string
	for _, p := range properties {
		if !hidden(p.name) {
			shown = append(shown, fmt.Sprintf(`"%s":%s`, p.name, p.value))
		}
	}
	return "{" + strings.Join(shown, ",") + "}"
}

// gapFrom and gapTo are the interval of all gaps.
var (
	gapFrom = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	gapTo   = gapFrom.Add(time.Minute)
)

// appendEntries gives entries to the log, as one frame.
func appendEntries(ctx context.Context, log gateway.Log, entries []*entry) error {
	records := make([]*gateway.Record, len(entries))
	for i, e := range entries {
		records[i] = e.record
	}
	return log.Append(ctx, records, nil)
}

// make makes the entry's record.
func (e *entry) make(more bool) {
	if e.gap != nil {
		e.record = &gateway.Record{Gap: &gateway.Gap{Source: e.source, Types: e.gap, From: gapFrom, To: gapTo, Reason: gateway.GapAPI}}
		return
	}
	said := &gateway.Event{
		Source: e.source, Type: e.typ, ID: e.id, Origin: gateway.OriginLive, Received: time.Now(), More: more, Gone: e.gone,
	}
	if !e.gone {
		all := func(string) bool { return false }
		said.Object = json.RawMessage(written(e.object, all))
		said.Attributes = gateway.ReadAttributes(e.typ, e.id, said.Object)
		if e.entity != nil {
			said.Entity = json.RawMessage(written(e.entity, all))
		}
	}
	if e.before != nil {
		said.Before = new(e.before.record.Event.Attributes)
	}
	e.record = &gateway.Record{Event: said}
}

// A teller says what one source has to say. Nobody else speaks of its entities.
type teller struct {
	source string
	random *rand.Rand
	log    gateway.Log
	large  int               // one event in so many is large; 0 for none
	latest map[string]*entry // of each entity with a lasting state that is there, by type and id
	told   []*entry
}

// of draws one of the values; what is there more than once is the more likely.
func of[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// oneIn is true once in n times.
func oneIn(random *rand.Rand, n int) bool { return random.IntN(n) == 0 }

// run tells until ctx ends, at times more than anybody can follow.
func (t *teller) run(ctx context.Context) error {
	for ctx.Err() == nil {
		frames := 1
		if oneIn(t.random, 30) {
			frames = 60
		}
		for range frames {
			if err := t.tell(ctx, of(t.random, 1, 1, 2, 5)); err != nil {
				return err
			}
		}
		pause(ctx, of(t.random, 0, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond))
	}
	return nil
}

// tell appends a frame of n entries.
func (t *teller) tell(ctx context.Context, n int) error {
	frame := make([]*entry, n)
	for i := range frame {
		frame[i] = t.next()
		frame[i].make(i < n-1 || oneIn(t.random, 10)) // sometimes the rest is long in coming
	}
	t.told = append(t.told, frame...)
	return appendEntries(ctx, t.log, frame)
}

// next draws an entry.
func (t *teller) next() *entry {
	e := &entry{source: t.source}
	if oneIn(t.random, 60) {
		e.gap = of(t.random, []string{"PriceUpdate", "Resource"}, []string{"Odd"}, []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"})
		return e
	}
	e.typ = of(t.random, "Resource", "Resource", "Reservation", "PriceUpdate", "PriceUpdate", "DeviceCommand", "Odd")
	e.id = of(t.random, "r1", "r2", "r3", "R4", "v5", "V6")
	if !e.lasts() {
		e.object = t.object(e)
		return e
	}
	key := e.typ + " " + e.id
	e.before = t.latest[key]
	if e.before != nil && oneIn(t.random, 12) {
		e.gone = true
		delete(t.latest, key)
		return e
	}
	e.object = t.object(e)
	t.latest[key] = e
	return e
}

func (t *teller) object(e *entry) []property {
	object := []property{{"Type", `"` + e.typ + `"`}, {"Id", `"` + e.id + `"`}}
	if e.typ != "PriceUpdate" {
		object = append(object, property{"State", of(t.random, `"Dirty"`, `"Clean"`, `"Started"`, `null`)})
	}
	if e.typ == "Reservation" {
		object = append(object, property{"AssignedResourceId", of(t.random, `"r1"`, `"R2"`, `"r3"`, `null`)})
	}
	note := strings.Repeat("x", of(t.random, 0, 10, 100, 100, 400))
	if t.large > 0 && oneIn(t.random, t.large) {
		note = strings.Repeat("y", 200<<10)
	}
	object = append(object, property{"Amount", of(t.random, "1.50", "-0e7", "12345678901234567890")},
		property{"Note", fmt.Sprintf(`"é🛎\n\nid: 7\u2028%s"`, note)})
	if oneIn(t.random, 4) {
		e.entity = []property{{"Name", `"Suite \"B\""`}, {"Phone", `"+420"`}}
	}
	return object
}

// A shortLog forgets its beginning when it is told to.
type shortLog struct {
	*memoryLog
	first atomic.Uint64 // the first sequence that it has
}

func newShortLog() *shortLog {
	l := &shortLog{memoryLog: newLog()}
	l.first.Store(1)
	return l
}

// Follow is now and then behind, so that a position may be ahead of the hub, as
// one is that another gateway gave.
func (l *shortLog) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
	return l.memoryLog.Follow(ctx, after, func(r *gateway.Record) {
		if r.Seq%64 == 0 {
			pause(ctx, 5*time.Millisecond)
		}
		f(r)
	})
}

// trim forgets all but the last n records.
func (l *shortLog) trim(n int) {
	_, last := l.Bounds()
	l.first.Store(max(l.first.Load(), last+1-min(last, uint64(n))))
}

func (l *shortLog) Bounds() (first, last uint64) {
	_, last = l.memoryLog.Bounds()
	return l.first.Load(), last
}

func (l *shortLog) Read(ctx context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	if after+1 < l.first.Load() {
		return nil, gateway.ErrTrimmed
	}
	return l.memoryLog.Read(ctx, after, limit)
}

func (l *shortLog) Since(ctx context.Context, t time.Time) (after uint64, trimmed bool, err error) {
	after, _, err = l.memoryLog.Since(ctx, t)
	before := l.first.Load() - 1
	return max(after, before), after < before, err
}

func (l *shortLog) Resolve(position string) (seq uint64, known, good bool) {
	seq, known, good = l.memoryLog.Resolve(position)
	return seq, known, good && seq+1 >= l.first.Load()
}
