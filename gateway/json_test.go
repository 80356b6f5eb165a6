package gateway_test

import (
	"bytes"
	"encoding/json"
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

func scanElements(t testing.TB, b []byte) (elements []string) {
	gateway.EachElement(b, func(value []byte) {
		if elements = append(elements, string(value)); len(elements) > len(b) {
			t.Fatal("more elements than bytes")
		}
	})
	return elements
}

// decoderWithin returns a decoder behind the first byte of b, or at the end of
// nothing when that is another.
func decoderWithin(b []byte, first byte) *json.Decoder {
	if b[0] != first {
		return json.NewDecoder(bytes.NewReader(nil))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	must(d.Token())
	return d
}

// decodeMembers is what encoding/json finds in an object, repeats included.
func decodeMembers(b []byte) (members []pair) {
	d := decoderWithin(b, '{')
	for d.More() {
		name := must(d.Token()).(string)
		members = append(members, pair{name, decodeNext(d)})
	}
	return members
}

func decodeElements(b []byte) (elements []string) {
	d := decoderWithin(b, '[')
	for d.More() {
		elements = append(elements, decodeNext(d))
	}
	return elements
}

func decodeNext(d *json.Decoder) string {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		panic(err)
	}
	return string(raw)
}

// On compact JSON in UTF-8 the scanners find what encoding/json finds; on anything else
// they end, within bounds.
func FuzzScanners(f *testing.F) {
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
		scanElements(t, b)
		var compact bytes.Buffer
		if !utf8.Valid(b) || json.Compact(&compact, b) != nil {
			return
		}
		b = bytes.Clone(compact.Bytes())
		if diff := cmp.Diff(decodeMembers(b), scanMembers(t, b)); diff != "" {
			t.Errorf("members of %q (-want +got):\n%s", b, diff)
		}
		if diff := cmp.Diff(decodeElements(b), scanElements(t, b)); diff != "" {
			t.Errorf("elements of %q (-want +got):\n%s", b, diff)
		}
	})
}

// What an upstream says is as deep as it likes.
func TestScannersDoNotRecurse(t *testing.T) {
	const depth = 1 << 20
	deep := bytes.Repeat([]byte("["), depth)
	deep = append(append([]byte(`{"a":`), deep...), bytes.Repeat([]byte("]"), depth)...)
	if members := scanMembers(t, append(deep, '}')); len(members) != 1 || len(members[0].Value) != 2*depth {
		t.Errorf("%d members", len(members))
	}
}
