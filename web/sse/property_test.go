package sse_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bellhop/web/sse"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// check reads b back and returns what is wrong with the reading.
func check(b sse.Block) error {
	wire := sse.Append([]byte("id: before\ndata: 0\n\n"), b)
	if fault := wellFormed(wire); fault != "" {
		return fmt.Errorf("%q: %s", wire, fault)
	}
	got := parse(wire)
	if len(got.Messages) != 2 || got.Oddities != nil {
		return fmt.Errorf("%q: read as %+v", wire, got)
	}
	m := got.Messages[1]
	if want := wantID(b.ID); m.LastEventID != want {
		return fmt.Errorf("id %q, want %q", m.LastEventID, want)
	}
	if want := wantType(b.Event); m.Type != want {
		return fmt.Errorf("type %q, want %q", m.Type, want)
	}
	if want := wantRetry(b.Retry); got.Retry != want {
		return fmt.Errorf("retry %q, want %q", got.Retry, want)
	}
	return sameJSON(b.Data, []byte(m.Data))
}

func wantID(id string) string {
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' }) {
		return "before"
	}
	return id
}

func wantType(event string) string {
	if event == "" {
		return "message"
	}
	var name []rune
	for _, r := range event {
		if r < ' ' || 0x7f <= r && r <= 0x9f || strings.ContainsRune("\u2028\u2029\ufeff", r) {
			r = '\ufffd'
		}
		name = append(name, r)
	}
	return string(name)
}

func wantRetry(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	return fmt.Sprint(int64(d / time.Millisecond))
}

// sameJSON compares two documents by value; of what is no JSON it asks only
// that the length in characters is that of the input, or more by escapes.
func sameJSON(in, out []byte) error {
	if len(in) == 0 {
		in = []byte("{}")
	}
	if !json.Valid(in) {
		if utf8.RuneCount(out) < utf8.RuneCount(in) {
			return fmt.Errorf("data %q lost characters of %q", out, in)
		}
		return nil
	}
	want, err := decodeJSON(in)
	if err != nil {
		return nil // beyond the decoder's depth, not the encoder's matter
	}
	got, err := decodeJSON(out)
	if err != nil {
		return fmt.Errorf("data %q: %w", out, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("data (-want +got):\n%s", diff)
	}
	return nil
}

func decodeJSON(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func FuzzAppend(f *testing.F) {
	f.Add(int64(2841), "k3v9.1041", "Reservation", []byte(`{"id":"r-1","n":1.0e2}`))
	f.Add(int64(0), "", "", []byte(nil))
	f.Add(int64(-1), "1\n", "a\rdata: x", []byte("\"\r\n\r\nid: 666\""))
	f.Add(int64(1), "\xef\xbb\xbf", "\x00", []byte("{\n \"a\":\"\u2028\ufeff\\\\\u2029\xff\"\r}"))
	f.Add(int64(1)<<62, "!~", "\u0085", []byte("\xe2\x80"))
	f.Fuzz(func(t *testing.T, retry int64, id, event string, data []byte) {
		if err := check(sse.Block{Retry: time.Duration(retry), ID: id, Event: event, Data: data}); err != nil {
			t.Error(err)
		}
	})
}

// nasty draws text in which what matters to the grammar is frequent.
func nasty() *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\n\n", "\x00", "\ufeff", "\u2028", "\u2029", "\u0085", "\xff", "\xe2\x80", ":", " ", "\t", "data: ", "id: ", "event: ", "retry: 1"}),
		rapid.String(),
	)
	return rapid.Map(rapid.SliceOfN(part, 0, 6), func(parts []string) string { return strings.Join(parts, "") })
}

// document draws JSON with indentation and with raw characters in its strings.
func document() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		v := rapid.MapOf(nasty(), nasty()).Draw(t, "members")
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"))
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		raw := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\ufffd").Replace(b.String())
		return []byte(strings.ReplaceAll(raw, "\n", rapid.SampledFrom([]string{"\n", "\r", "\r\n"}).Draw(t, "end")))
	})
}

func block() *rapid.Generator[sse.Block] {
	data := rapid.OneOf(document(), rapid.Map(nasty(), func(s string) []byte { return []byte(s) }))
	return rapid.Custom(func(t *rapid.T) sse.Block {
		return sse.Block{
			Retry: time.Duration(rapid.Int64().Draw(t, "retry")),
			ID:    rapid.OneOf(nasty(), rapid.StringMatching(`[!-~]{1,12}`)).Draw(t, "id"),
			Event: nasty().Draw(t, "event"),
			Data:  data.Draw(t, "data"),
		}
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := check(block().Draw(t, "block")); err != nil {
			t.Fatal(err)
		}
	})
}

// TestConcatenation: blocks put one after the other are read as the blocks that
// they were, whatever they hold, and a head and a body encoded apart are the
// block.
func TestConcatenation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.SliceOfN(block(), 1, 8).Draw(t, "blocks")
		wire := appendAll(blocks)
		var pieces []byte
		for _, b := range blocks {
			body := sse.AppendBody(nil, b.Event, b.Data)
			pieces = append(sse.AppendHead(pieces, b.Retry, b.ID), body...)
		}
		if !bytes.Equal(wire, pieces) {
			t.Fatalf("head and body: got %q, want %q", pieces, wire)
		}
		got := parse(wire)
		if len(got.Messages) != len(blocks) || got.Oddities != nil {
			t.Fatalf("%d blocks were read as %+v", len(blocks), got)
		}
	})
}
