package mews_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"bellhop/gateway/mews"
)

// FuzzWalk holds the cursor against encoding/json.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+7,true,false,null,"\u00e9\\\"\/\b\f\n\r\t"],"b":{}}`, ` [ ] `, `01`, `-`, `1.`, `1e`, `.5`, `+1`,
		`[1,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{1:1}`, `"\x"`, `"\u12g4"`, `"` + "\n" + `"`, `tru`, `nul`, `"a`, `[1 2]`,
		`{"a":1 "b":2}`, "\x00", "[\x00]", "\ufeff1", `"` + "\xff" + `"`, `1 2`, ``, ` `, `"\`, `"\u`, `[`, `{`, `{"a`, `{"a":`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err, want := mews.Walk(text), json.Valid(text); (err == nil) != want {
			t.Errorf("Walk(%q) = %v, json.Valid says %t", text, err, want)
		}
	})
}

// FuzzCompact holds compact against encoding/json.
func FuzzCompact(f *testing.F) {
	for _, seed := range []string{
		` { "a" : [ 1 , -0.50e+7 , "b c\\" , "\\\" \t" ] ,` + "\r\n\t" + `"d e" : { } } `, `" \" "`, `[]`, "\n7 ", `"<\u2028>"`, "\"\u2028\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want bytes.Buffer
		if json.Compact(&want, text) != nil {
			return // not valid
		}
		if got := mews.Compact(text); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("Compact(%q) = %q, want %q", text, got, want.Bytes())
		}
	})
}

func TestLoneSurrogate(t *testing.T) {
	for text, want := range map[string]bool{
		`""`:                         false,
		`"plain"`:                    false,
		`"\ud83d\ude00"`:             false,
		`"\uD83D\uDE00\n"`:           false,
		`"\\ud83d"`:                  false,
		`"\ufffd"`:                   false,
		"\"\ufffd\"":                 false,
		`"\ud83d"`:                   true,
		`"\ude00"`:                   true,
		`"\ud83dx"`:                  true,
		`"\ud83d\n"`:                 true,
		`"\ud83d\u0041"`:             true,
		`"\ude00\ud83d"`:             true,
		`"\ud83d\ud83d\ude00"`:       true,
		`"\ud83d\ude00\\\ude00"`:     true,
		`"\\\ud83d\ude00"`:           false,
		`"\u0041\ud83d\ude00\u0042"`: false,
	} {
		if got := mews.LoneSurrogate([]byte(text)); got != want {
			t.Errorf("LoneSurrogate(%s) = %t, want %t", text, got, want)
		}
	}
}
