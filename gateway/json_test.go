package gateway_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// A pair is a member as the scanners give it, the name decoded.
type pair struct{ Name, Value string }

func scanMembers(t testing.TB, b []byte) (members []pair) {
	gateway.EachMember(b, func(name, value []byte) {
		if members = append(members, pair{gateway.Unquote(name), string(value)}); len(members) > len(b) {
			t.Fatal("more members than bytes")
		}
	})
	return members
}

// decodeMembers is what encoding/json finds in an object, repeats included.
func decodeMembers(b []byte) (members []pair) {
	if b[0] != '{' {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	must(d.Token())
	for d.More() {
		name := must(d.Token()).(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			panic(err)
		}
		members = append(members, pair{name, string(value)})
	}
	return members
}

// In a compact object in UTF-8 the scanner finds what encoding/json finds; on
// anything else it ends, within bounds.
func FuzzEachMember(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"a":1}`, `{"a":"b","a":[1,{"x":null}],"":{}}`, `[1,"]",[],{"a":[]},-2.5e3,true]`,
		`{"\"":"\\","\u0041":"}"}`, `[[[[]]]]`, `"text"`, `17`, ``, `{`, `[`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":{"b`, `{"a":"\`,
		`["\`, `[{"`, `[[1,"`, `{"a":1,}`, `{"a":1 "b":2}`, `[,]`, `[}]`, `{"a"}`, `{"a","b"}`, "\x00", `{"\ud800":1}`, "{\"\xdd\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)] // so that reading beyond the end is seen
		scanMembers(t, b)
		var compact bytes.Buffer
		if !utf8.Valid(b) || json.Compact(&compact, b) != nil {
			return
		}
		b = bytes.Clone(compact.Bytes())
		if diff := cmp.Diff(decodeMembers(b), scanMembers(t, b)); diff != "" {
			t.Errorf("members of %q (-want +got):\n%s", b, diff)
		}
	})
}

// What an upstream says may be deep: to read and to mask it takes one look at
// each byte, not one at each level.
func TestDepth(t *testing.T) {
	const depth = 100_000
	deep := append(bytes.Repeat([]byte(`[{"a":`), depth), '1')
	deep = append(deep, bytes.Repeat([]byte("}]"), depth)...)
	object := append(append([]byte(`{"a":`), deep...), '}')
	if members := scanMembers(t, object); len(members) != 1 || len(members[0].Value) != len(deep) {
		t.Errorf("%d members", len(members))
	}
	path := "event" + strings.Repeat(".a", depth+1)
	if got, _ := gateway.Visible(nil, []string{path}, "event", object); len(got) != len(object)-len(`"a":1`) {
		t.Errorf("%d bytes are left of %d", len(got), len(object))
	}
	arrays := append(bytes.Repeat([]byte("["), depth), bytes.Repeat([]byte("]"), depth)...)
	object = append(append([]byte(`{"a":`), arrays...), '}')
	if got, _ := gateway.Visible([]string{"event.a.b"}, []string{"event.a.c"}, "event", object); !bytes.Equal(got, object) {
		t.Errorf("%d bytes are left of %d", len(got), len(object))
	}
}
