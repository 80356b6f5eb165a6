package mews

import (
	"fmt"
	"testing"
)

func TestReadPage(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"Rooms":[],"Cursor":null}`, `[]  <nil>`},
		{`{"Rooms":[{"Id":"a"}, 7 ],"Cursor":"a\u002d1"}`, `[{"Id":"a"} 7] a-1 <nil>`},
		{`{"Rooms":[null]}`, `[null]  <nil>`},
		{`{"Rooms":null,"Cursor":null}`, `[]  <nil>`},
		{`{"Rooms":[1],"Rooms":[2],"rooms":[3]}`, `[2]  <nil>`},
		{`{}`, `[]  no list of rows`},
		{`{"rooms":[]}`, `[]  no list of rows`},
		{`{"Rooms":{}}`, `[]  no list of rows`},
		{`{"Rooms":[1],"Cursor":7}`, `[1]  no cursor`},
	} {
		items, next, err := readPage([]byte(tt.text), "Rooms")
		if got := fmt.Sprintf("%s %s %v", items, next, err); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.text, got, tt.want)
		}
	}
}
