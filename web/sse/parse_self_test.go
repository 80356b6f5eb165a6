package sse_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParser holds the tests' own reader against the examples of the standard,
// WHATWG HTML 9.2.6.
func TestParser(t *testing.T) {
	tests := map[string]struct {
		in   string
		want []message
	}{
		"lines joined": {"data: YHOO\ndata: +2\ndata: 10\n\n", []message{{"message", "YHOO\n+2\n10", ""}}},
		"ids set, cleared, one space cut": {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			[]message{{"message", "first event", "1"}, {"message", "second event", ""}, {"message", " third event", ""}}},
		"empty data, unfinished block": {"data\n\ndata\ndata\n\ndata:", []message{{"message", "", ""}, {"message", "\n", ""}}},
		"space optional":               {"data:test\n\ndata: test\n\n", []message{{"message", "test", ""}, {"message", "test", ""}}},
		"CR, CRLF and LF":              {"data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", []message{{"message", "a", ""}, {"message", "b", ""}, {"message", "c", ""}}},
		"byte order mark":              {"\ufeffdata: a\n\n", []message{{"message", "a", ""}}},
		"NUL in an id":                 {"id: 1\nid: 2\x00\nevent: x\ndata: a\n\n", []message{{"x", "a", "1"}}},
		"type without data is gone":    {"event: x\n\ndata: a\n\n", []message{{"message", "a", ""}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parse([]byte(tt.in)).Messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
