package sse_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bellhop/web/sse"

	"github.com/google/go-cmp/cmp"
	gosse "github.com/tmaxmax/go-sse"
	"golang.org/x/tools/txtar"
)

// short is a stream with one block of each shape.
var short = []sse.Block{
	{Retry: 2841 * time.Millisecond, ID: "k3v9.1041", Event: "bellhop.ready", Data: []byte(`{"position":"k3v9.1041","resumed":true,"heartbeat":15}`)},
	{ID: "k3v9.1042", Event: "Reservation", Data: []byte(`{"source":"prague","type":"Reservation","id":"r-1","event":{"Name":"Žofie\nMarešová"}}`)},
	{ID: "k3v9.1043", Data: []byte(`{"source":"prague","type":"Resource","id":"u-7"}`)},
	{ID: "k3v9.1050", Event: "bellhop.heartbeat", Data: []byte(`{"now":"2026-11-21T08:01:00Z"}`)},
	{Event: "bellhop.source"},
	{Retry: time.Minute, Event: "bellhop.bye", Data: []byte(`{"reason":"busy"}`)},
}

func appendAll(blocks []sse.Block) []byte {
	var b []byte
	for _, block := range blocks {
		b = sse.Append(b, block)
	}
	return b
}

func TestWire(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/blocks.txtar")
	if err != nil {
		t.Fatal(err)
	}
	want := archive.Files[0].Data
	if diff := cmp.Diff(string(want), string(appendAll(short))); diff != "" {
		t.Errorf("wire bytes (-want +got):\n%s", diff)
	}
}

// TestForeignReader has the stream read by another hand than ours.
func TestForeignReader(t *testing.T) {
	want := []gosse.Event{
		{Type: "bellhop.ready", LastEventID: "k3v9.1041", Data: string(short[0].Data)},
		{Type: "Reservation", LastEventID: "k3v9.1042", Data: string(short[1].Data)},
		{Type: "", LastEventID: "k3v9.1043", Data: string(short[2].Data)},
		{Type: "bellhop.heartbeat", LastEventID: "k3v9.1050", Data: string(short[3].Data)},
		{Type: "bellhop.source", LastEventID: "k3v9.1050", Data: "{}"},
		{Type: "bellhop.bye", LastEventID: "k3v9.1050", Data: string(short[5].Data)},
	}
	var got []gosse.Event
	for ev, err := range gosse.Read(bytes.NewReader(appendAll(short)), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestInjection is the family of encoder bugs known from other libraries: a
// line end in a value begins a field, or a block, of the attacker's choice.
func TestInjection(t *testing.T) {
	const evil = "id: 666%event: bellhop.reset%data: {\"reason\":\"trimmed\"}%%"
	for _, end := range []string{"\n", "\r", "\r\n", "\x00\n", "\u2028", "\u2029", "\u0085", "\v", "\f", "\x1e"} {
		payload := strings.ReplaceAll("x%"+evil, "%", end)
		for name, b := range map[string]sse.Block{
			"data":  {ID: "1", Event: "Resource", Data: []byte(`{"Name":"` + payload + `"}`)},
			"event": {ID: "1", Event: payload, Data: []byte(`{}`)},
			"id":    {ID: payload, Event: "Resource", Data: []byte(`{}`)},
		} {
			wire := sse.Append(nil, b)
			got := parse(wire)
			if len(got.Messages) != 1 || got.LastEventID == "666" || got.Messages[0].Type == "bellhop.reset" || got.Oddities != nil {
				t.Errorf("%q in %s: wrote %q, read as %+v", end, name, wire, got)
			}
			if fault := wellFormed(wire); fault != "" {
				t.Errorf("%q in %s: wrote %q: %s", end, name, wire, fault)
			}
		}
	}
}

func TestHead(t *testing.T) {
	tests := map[string]struct {
		retry time.Duration
		id    string
		want  string
	}{
		"both":                 {1500 * time.Millisecond, "k3v9.7", "retry: 1500\nid: k3v9.7\n"},
		"neither":              {0, "", ""},
		"part of a ms":         {999 * time.Microsecond, "", ""},
		"negative":             {-time.Second, "", ""},
		"whole ms":             {1999 * time.Microsecond, "", "retry: 1\n"},
		"id not ASCII":         {0, "k3v9.7é", ""},
		"id with a space":      {0, "k3v9 7", ""},
		"id with NUL":          {0, "k3v9.7\x00", ""},
		"id with DEL":          {0, "k3v9.7\x7f", ""},
		"id not UTF-8":         {0, "k3v9.7\xff", ""},
		"bad id, retry stays":  {time.Second, "7\n8", "retry: 1000\n"},
		"first and last ASCII": {0, "!~", "id: !~\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(sse.AppendHead(nil, tt.retry, tt.id)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBody(t *testing.T) {
	tests := map[string]struct {
		event, data, want string
	}{
		"plain":                   {"Resource", `{"a":1}`, "event: Resource\ndata: {\"a\":1}\n\n"},
		"no event":                {"", `{"a":1}`, "data: {\"a\":1}\n\n"},
		"no data":                 {"x", "", "event: x\ndata: {}\n\n"},
		"indented":                {"", "{\r\n\t\"a\": 1\n}", "data: {   \"a\": 1 }\n\n"},
		"only a line end":         {"", "\n", "data:  \n\n"},
		"first byte a space":      {"", " 1", "data:  1\n\n"},
		"first byte a colon":      {"", ":1", "data: :1\n\n"},
		"escapes":                 {"", "\"\u2028\u2029\u0085\ufeff\x7f\"", "data: \"\\u2028\\u2029\\u0085\\ufeff\\u007f\"\n\n"},
		"neighbours of these":     {"", "\"\u2027\u202a\u00a0\ufefe~\"", "data: \"\u2027\u202a\u00a0\ufefe~\"\n\n"},
		"not UTF-8":               {"", "\"\xe2\x80\"", "data: \"\ufffd\ufffd\"\n\n"},
		"lone surrogate":          {"", "\"\xed\xa0\x80\"", "data: \"\ufffd\ufffd\ufffd\"\n\n"},
		"U+FFFD itself":           {"", "\"\ufffd\"", "data: \"\ufffd\"\n\n"},
		"event outside ASCII":     {"Zimmer-\u00fc", "1", "event: Zimmer-\u00fc\ndata: 1\n\n"},
		"event with a space":      {" x ", "1", "event:  x \ndata: 1\n\n"},
		"event that needs care":   {"bell\r\nhop\x00\ufeff\u2028", "1", "event: bell\ufffd\ufffdhop\ufffd\ufffd\ufffd\ndata: 1\n\n"},
		"event that is not UTF-8": {"a\xff", "1", "event: a\ufffd\ndata: 1\n\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(sse.AppendBody(nil, tt.event, []byte(tt.data))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoAllocation(t *testing.T) {
	b := sse.Block{Retry: time.Second, ID: "k3v9.1042", Event: "Zimmer-\u00fc\n", Data: []byte("{\"a\":\"\u2028\u017d\xff\"\n}")}
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = sse.Append(dst[:0], b) }); n != 0 {
		t.Errorf("got %v allocations a block, want 0", n)
	}
	if want := sse.Append(nil, b); !bytes.Equal(dst, want) {
		t.Errorf("got %q, want %q", dst, want)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, text := range map[string]string{"ASCII": "Novak, Jan", "Czech": "Nov\u00e1k, Ji\u0159\u00ed"} {
		b.Run(name, func(b *testing.B) {
			block := sse.Block{ID: "k3v9.1042", Event: "Reservation", Data: []byte(`{"Names":["` + strings.Repeat(text+`","`, 64) + `"]}`)}
			dst := make([]byte, 0, 4096)
			b.SetBytes(int64(len(block.Data)))
			b.ReportAllocs()
			for b.Loop() {
				dst = sse.Append(dst[:0], block)
			}
		})
	}
}
