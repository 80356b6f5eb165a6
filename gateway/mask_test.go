package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMask(t *testing.T) {
	tests := []struct {
		name           string
		fields, redact []string
		root           string
		value          string
		want           string // empty where nothing is left
	}{
		{"nothing hidden", nil, nil, "event", `{"a":1.50,"b":[]}`, `{"a":1.50,"b":[]}`},
		{"redact", nil, []string{"event.b"}, "event", `{"a":1,"b":2,"c":3}`, `{"a":1,"c":3}`},
		{"redact the first", nil, []string{"event.a"}, "event", `{"a":1,"b":2}`, `{"b":2}`},
		{"redact all", nil, []string{"event.a", "event.b"}, "event", `{"a":1,"b":2}`, `{}`},
		{"redact what is not there", nil, []string{"event.c.d"}, "event", `{"a":1}`, `{"a":1}`},
		{"redact in any case", nil, []string{"event.State"}, "event", `{"STATE":1,"state":2,"Stat":3}`, `{"Stat":3}`},
		{"redact no more than ASCII's case", nil, []string{"event.k\u00c9"}, "event", "{\"\u212a\u00c9\":1,\"K\u00c9\":2,\"k\u00e9\":3}", "{\"\u212a\u00c9\":1,\"k\u00e9\":3}"},
		{"redact behind escapes", nil, []string{"event.State"}, "event", `{"Sta\u0074e":1,"\u0053tate":2,"a\u0062":3}`, `{"a\u0062":3}`},
		{"redact each of a repeated one", nil, []string{"event.a"}, "event", `{"a":1,"b":2,"a":{"x":3},"A":[]}`, `{"b":2}`},
		{"redact a whole object", nil, []string{"event.a"}, "event", `{"a":{"b":{"c":1}},"d":2}`, `{"d":2}`},
		{"redact below", nil, []string{"event.a.b"}, "event", `{"a":{"b":1,"c":2},"b":3}`, `{"a":{"c":2},"b":3}`},
		{"redact below each of a repeated one", nil, []string{"event.a.b"}, "event", `{"a":{"b":1},"a":{"B":2,"c":3}}`, `{"a":{},"a":{"c":3}}`},
		{"redact below what is no object", nil, []string{"event.a.b"}, "event", `{"a":"b"}`, `{"a":"b"}`},
		{"redact through arrays", nil, []string{"event.a.b"}, "event", `{"a":[{"b":1,"c":2},[{"b":3}],4]}`, `{"a":[{"c":2},[{}],4]}`},
		{"redact the type", nil, []string{"event.Type"}, "event", `{"Type":"x","Id":"y"}`, `{"Id":"y"}`},
		{"redact the whole above the part", nil, []string{"event.a", "event.a.b"}, "event", `{"a":{"c":1}}`, `{}`},
		{"redact of the other root", nil, []string{"entity.a"}, "event", `{"a":1}`, `{"a":1}`},
		{"a name with a dot is no path", nil, []string{"event.a.b"}, "event", `{"a.b":1}`, `{"a.b":1}`},

		{"fields", []string{"event.b"}, nil, "event", `{"a":1,"b":2,"c":3}`, `{"b":2}`},
		{"fields with type and id", []string{"event.b"}, nil, "event", `{"Type":"x","a":1,"Id":"y","b":2}`, `{"Type":"x","Id":"y","b":2}`},
		{"type and id in their case alone", []string{"event.b"}, nil, "event", `{"type":"x","ID":"y"}`, `{}`},
		{"type and id at the top alone", []string{"event.b.c"}, nil, "event", `{"b":{"Type":"x","Id":"y","c":1}}`, `{"b":{"c":1}}`},
		{"type and id whatever the paths below them", []string{"event.Id.x", "event.Type.y"}, nil, "event", `{"Type":"x","Id":"y"}`, `{"Type":"x","Id":"y"}`},
		{"type and id behind escapes", []string{"event.b"}, nil, "event", `{"\u0054ype":"x","I\u0064":"y"}`, `{"\u0054ype":"x","I\u0064":"y"}`},
		{"fields in their case alone", []string{"event.State"}, nil, "event", `{"state":1,"State":2}`, `{"State":2}`},
		{"fields behind escapes", []string{"event.State"}, nil, "event", `{"Sta\u0074e":2}`, `{"Sta\u0074e":2}`},
		{"fields: each of a repeated one", []string{"event.a"}, nil, "event", `{"a":1,"b":2,"a":3}`, `{"a":1,"a":3}`},
		{"fields below", []string{"event.a.b"}, nil, "event", `{"a":{"b":{"x":[1]},"c":2}}`, `{"a":{"b":{"x":[1]}}}`},
		{"fields below what is no object", []string{"event.a.b"}, nil, "event", `{"a":"b"}`, `{}`},
		{"fields through arrays", []string{"event.a.b"}, nil, "event", `{"a":[1,{"b":2,"c":3},[{"b":4},5],"x"]}`, `{"a":[{"b":2},[{"b":4}]]}`},
		{"fields of the whole above the part", []string{"event.a", "event.a.b"}, nil, "event", `{"a":{"c":1}}`, `{"a":{"c":1}}`},
		{"fields of the entity alone", []string{"entity.a"}, nil, "event", `{"Type":"x","a":1}`, `{"Type":"x"}`},
		{"an entity of which nothing is let out", []string{"event.a"}, nil, "entity", `{"a":1}`, ``},
		{"an entity", []string{"event.a", "entity.b"}, nil, "entity", `{"Type":"x","Id":"y","b":1}`, `{"b":1}`},

		{"redact from fields", []string{"event.a"}, []string{"event.a.b"}, "event", `{"a":{"b":1,"c":2}}`, `{"a":{"c":2}}`},
		{"redact wins", []string{"event.a"}, []string{"event.A"}, "event", `{"a":1}`, `{}`},
		{"strings that look like structure", nil, []string{"event.a"}, "event", `{"b":"\"a\":1,{[","a":"]}\\","c":"\\\""}`, `{"b":"\"a\":1,{[","c":"\\\""}`},
		{"empty ones within", []string{"event.a.b"}, []string{"event.a.c"}, "event", `{"a":[[],{},[[],[]],[{}],{"x":[]}],"Id":{}}`, `{"a":[[],{},[[],[]],[{}],{}],"Id":{}}`},
		{"an empty name", nil, []string{"event.a"}, "event", `{"":1,"a":2}`, `{"":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := gateway.Visible(tt.fields, tt.redact, tt.root, []byte(tt.value))
			if string(got) != tt.want || ok != (tt.want != "") {
				t.Errorf("got %s, %t; want %s", got, ok, tt.want)
			}
			want, ok := refShow(tt.fields, tt.redact, []string{tt.root}, parseTree([]byte(tt.value)))
			if !ok {
				want = nil
			}
			if diff := cmp.Diff(want, wantTree(tt.want)); diff != "" {
				t.Errorf("the reference differs (-reference +table):\n%s", diff)
			}
		})
	}
}

func wantTree(s string) any {
	if s == "" {
		return nil
	}
	return parseTree([]byte(s))
}

// names are those of random objects and paths: few, so that they meet, and of
// every kind that the rules tell apart.
var names = []string{"a", "A", "b", "Type", "Id", "id", "State", "sTATE", "\u00e9", "\u00c9", "K", "\u212a", "a.b", ""}

// A generator draws JSON whose every value other than an object or array is
// unlike all others, and tells where it stands.
type generator struct {
	t       *rapid.T
	markers map[string][]string // by the value's text, its path
}

func (g *generator) value(path []string, depth int) string {
	kind := rapid.IntRange(0, 7).Draw(g.t, "kind")
	switch {
	case kind < 3 && depth > 0:
		return g.object(path, depth-1)
	case kind < 5 && depth > 0:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(g.t, "elements") {
			elements = append(elements, g.value(path, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	marker := fmt.Sprintf("%d", 100000+len(g.markers))
	g.markers[marker] = slices.Clone(path)
	form := rapid.SampledFrom([]string{"%s", "-%s.0e+0", `"%s"`, `"%s\"\\"`, `"{\"a\":[%s"`, `"],}%s:"`, "\"\u2028\\u2028%s\""})
	return fmt.Sprintf(form.Draw(g.t, "scalar"), marker)
}

func (g *generator) object(path []string, depth int) string {
	var members []string
	for range rapid.IntRange(0, 4).Draw(g.t, "members") {
		name := rapid.SampledFrom(names).Draw(g.t, "name")
		members = append(members, spell(g.t, name)+":"+g.value(append(slices.Clone(path), name), depth))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// spell writes a name as JSON, some of its characters as escapes.
func spell(t *rapid.T, name string) string {
	var b strings.Builder
	for _, r := range name {
		if rapid.Bool().Draw(t, "escaped") {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func drawPaths(t *rapid.T, label string) []string {
	step := rapid.SampledFrom([]string{"a", "A", "b", "Type", "Id", "State", "state", "\u00e9", "K", "k"})
	path := rapid.Custom(func(t *rapid.T) string {
		root := rapid.SampledFrom([]string{"event", "event", "event", "entity"}).Draw(t, "root")
		return strings.Join(append([]string{root}, rapid.SliceOfN(step, 1, 3).Draw(t, "steps")...), ".")
	})
	if !rapid.Bool().Draw(t, label+" given") {
		return nil
	}
	return rapid.SliceOfN(path, 1, 4).Draw(t, label)
}

// For any object and any mask, no hidden value comes out and every other does;
// what comes out is JSON, as the reference would have it, and stays as it is
// when it is masked again.
func TestMaskProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := rapid.SampledFrom([]string{"event", "entity"}).Draw(t, "root")
		g := &generator{t, make(map[string][]string)}
		value := g.object([]string{root}, 4)
		fields, redact := drawPaths(t, "fields"), drawPaths(t, "redact")

		got, ok := gateway.Visible(fields, redact, root, []byte(value))
		for marker, path := range g.markers {
			if in, hidden := bytes.Contains(got, []byte(marker)), refHidden(fields, redact, path); in == hidden {
				t.Fatalf("%s at %v: let out %t, hidden %t\nfrom %s\nto   %s", marker, path, in, hidden, value, got)
			}
		}
		want, wantOK := refShow(fields, redact, []string{root}, parseTree([]byte(value)))
		if ok != wantOK {
			t.Fatalf("something is left: %t, want %t", ok, wantOK)
		}
		if !ok {
			if len(got) > 0 {
				t.Fatalf("nothing is left, but %s", got)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("no JSON: %s", got)
		}
		if diff := cmp.Diff(want, parseTree(got)); diff != "" {
			t.Fatalf("of %s (-want +got):\n%s", value, diff)
		}
		if again, _ := gateway.Visible(fields, redact, root, got); !bytes.Equal(again, got) {
			t.Fatalf("masked again: %s\nwas: %s", again, got)
		}
	})
}

// Whether a filter may read a member is what a client may see of it.
func TestHidesIsWhatIsNotLetOut(t *testing.T) {
	paths := []string{"event.State", "event.a.b", "event.message.delivery_state", "entity.MessageThreadId"}
	rapid.Check(t, func(t *rapid.T) {
		fields, redact := drawPaths(t, "fields"), drawPaths(t, "redact")
		path := rapid.SampledFrom(paths).Draw(t, "path")
		steps := strings.Split(path, ".")
		value := `"here"`
		for _, name := range slices.Backward(steps[1:]) {
			value = fmt.Sprintf("{%q:%s}", name, value)
		}
		got, _ := gateway.Visible(fields, redact, steps[0], []byte(value))
		if shown := bytes.Contains(got, []byte("here")); shown == gateway.Hides(fields, redact, path) {
			t.Fatalf("%s: let out %t, hidden %t", path, shown, !shown)
		}
	})
}

// The appended stands behind what was there, and what is shown whole is shown as
// it was written.
func TestShowKeepsNumbersAndEscapes(t *testing.T) {
	const odd = `{"n":1.2300e+05,"m":-0.0,"big":123456789012345678901234567890,"s":"\u00e9\/\u2028","a":[ ]}`
	e := newEvent("prague", "Odd", "i\u2028\"<", odd)
	e.Entity = json.RawMessage(`{"x":1.0}`)
	data, ok := subscribe(t, gateway.Query{}, everything).Show(e)
	const want = `{"source":"prague","type":"Odd","id":"i\u2028\"\u003c","origin":"live","received":"2030-01-02T03:04:05.678Z","event":` + odd + `,"entity":{"x":1.0}}`
	if !ok || string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

// An event of which a grant shows nothing is still an event; an entity of which
// it shows nothing is none.
func TestShowHidesTheEntity(t *testing.T) {
	e := newEvent("prague", "Odd", "i", `{"a":1}`)
	e.Entity = json.RawMessage(`{"a":1}`)
	e.Received = e.Received.Truncate(1e9)
	data, _ := subscribe(t, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Fields: []string{"event.b"}}).Show(e)
	const want = `{"source":"prague","type":"Odd","id":"i","origin":"live","received":"2030-01-02T03:04:05.000Z","event":{}}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	e.Object, e.Entity = json.RawMessage(`{}`), json.RawMessage{} // an empty one is none, too
	if data, _ = subscribe(t, gateway.Query{}, everything).Show(e); string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":2}]},"State":"x"}`), "event.a.b", "event.State")
	f.Add([]byte(`{"Sta\u0074e":[[]],"a":{}}`), "event.a", "event.a.b.c")
	f.Add([]byte(`{"\"":"}{","a":[null]}`), "", "event.A")
	for _, torn := range []string{``, `[`, `[1`, `[,]`, `[}`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":{"b`, `{"a":["\`, `{"a":[`, `{a}`, `{"a",,}`} {
		f.Add([]byte(torn), "event.a.b", "event.a.c")
	}
	f.Fuzz(func(t *testing.T, object []byte, field, redacted string) {
		list := func(path string) []string {
			if !strings.HasPrefix(path, "event.") {
				return nil
			}
			return []string{path}
		}
		var compact bytes.Buffer
		valid := json.Compact(&compact, object) == nil && bytes.HasPrefix(compact.Bytes(), []byte("{"))
		if !valid {
			gateway.Visible(list(field), list(redacted), "event", bytes.Clone(object)[:len(object):len(object)]) // must not panic
			return
		}
		got, _ := gateway.Visible(list(field), list(redacted), "event", compact.Bytes())
		if !json.Valid(got) {
			t.Fatalf("no JSON: %q", got)
		}
		want, _ := refShow(list(field), list(redacted), []string{"event"}, parseTree(compact.Bytes()))
		if diff := cmp.Diff(want, parseTree(got)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
