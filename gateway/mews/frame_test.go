package mews_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"bellhop/gateway"
	"bellhop/gateway/mews"
)

var arrival = time.Date(2026, 3, 14, 9, 26, 53, 589e6, time.UTC)

// transcript is what a frame becomes, one line a thing.
func transcript(text []byte) string {
	records, refused, fault := mews.DecodeFrame("prague", text, arrival)
	var b strings.Builder
	for _, r := range records {
		if g := r.Gap; g != nil {
			fmt.Fprintf(&b, "gap %s %v\n", g.Reason, g.Types)
			continue
		}
		attributes, _ := json.Marshal(r.Event.Attributes)
		fmt.Fprintf(&b, "event %q %q more=%t\n  %s\n  %s\n", r.Event.Type, r.Event.ID, r.Event.More, r.Event.Object, attributes)
	}
	for _, line := range refused {
		fmt.Fprintf(&b, "refused %s\n", line)
	}
	if fault != nil {
		fmt.Fprintf(&b, "fault %v\n", fault)
	}
	return b.String()
}

func TestFrameGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/frames/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) == 0 || archive.Files[0].Name != "frame" {
				t.Fatal("no frame in the file")
			}
			got := transcript(archive.Files[0].Data)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// bad events: each is refused and none disturbs its neighbours.
var bad = map[string]string{
	"null":                   `null`,
	"a number":               `17`,
	"a boolean":              `true`,
	"a string":               `"Reservation"`,
	"an array":               `[{"Type":"Resource","Id":"r"}]`,
	"empty":                  `{}`,
	"no Id":                  `{"Type":"Resource"}`,
	"no Type":                `{"Id":"r"}`,
	"other case":             `{"type":"Resource","ID":"r"}`,
	"null Id":                `{"Type":"Resource","Id":null}`,
	"number Id":              `{"Type":"Resource","Id":7}`,
	"object Type":            `{"Type":{},"Id":"r"}`,
	"empty Type":             `{"Type":"","Id":"r"}`,
	"empty Id":               `{"Type":"Resource","Id":""}`,
	"last Id is bad":         `{"Type":"Resource","Id":"r","Id":null}`,
	"long Type":              `{"Type":"` + strings.Repeat("t", gateway.MaxType+1) + `","Id":"r"}`,
	"long Id":                `{"Type":"Resource","Id":"` + strings.Repeat("ä", gateway.MaxID/2+1) + `"}`,
	"newline in Type":        `{"Type":"Re\nsource","Id":"r"}`,
	"NUL in Id":              `{"Type":"Resource","Id":"\u0000"}`,
	"DEL in Id":              `{"Type":"Resource","Id":"` + "\x7f" + `"}`,
	"C1 in Id":               `{"Type":"Resource","Id":"\u0085"}`,
	"line separator in Id":   `{"Type":"Resource","Id":"a\u2028b"}`,
	"paragraph separator":    `{"Type":"Re` + "\u2029" + `source","Id":"r"}`,
	"BOM in Type":            `{"Type":"\uFEFFResource","Id":"r"}`,
	"high surrogate in Id":   `{"Type":"Resource","Id":"\ud83d"}`,
	"low surrogate in Type":  `{"Type":"R\uDC00","Id":"r"}`,
	"surrogates swapped":     `{"Type":"Resource","Id":"\udc00\ud800"}`,
	"high, high, low":        `{"Type":"Resource","Id":"\ud83d\ud83d\ude00"}`,
	"invalid UTF-8 in Id":    `{"Type":"Resource","Id":"` + "\xff" + `"}`,
	"invalid UTF-8 deep":     `{"Type":"Resource","Id":"r","X":[{"Y":"` + "\xc3\x28" + `"}]}`,
	"invalid UTF-8 in names": `{"Type":"Resource","Id":"r","` + "\xed\xa0\x80" + `":1}`,
	"reserved open":          `{"Type":"open","Id":"r"}`,
	"reserved Error":         `{"Type":"Error","Id":"r"}`,
	"reserved MESSAGE":       `{"Type":"MESSAGE","Id":"r"}`,
	"reserved bellhop":       `{"Type":"Bellhop.reset","Id":"r"}`,
}

func TestBadEventsLeaveTheirNeighbours(t *testing.T) {
	for name, event := range bad {
		t.Run(name, func(t *testing.T) {
			records, refused, fault := mews.DecodeFrame("prague", []byte(frameOf(room("a"), event, room("b"))), arrival)
			if fault != nil || len(refused) != 1 {
				t.Errorf("refused %q, fault %v; want one and none", refused, fault)
			}
			if diff := cmp.Diff([]string{"a", "b"}, ids(records)); diff != "" {
				t.Errorf("ids, -want +got:\n%s", diff)
			}
		})
	}
}

func TestManyBadEventsAmongGood(t *testing.T) {
	names := make([]string, 0, len(bad))
	for name := range bad {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		var events, want []string
		for i := range rapid.IntRange(0, 30).Draw(t, "events") {
			if name := rapid.SampledFrom(append(names, "", "")).Draw(t, "event"); name != "" {
				events = append(events, bad[name])
				continue
			}
			id := fmt.Sprint("r", i)
			events, want = append(events, room(id)), append(want, id)
		}
		records, refused, fault := mews.DecodeFrame("prague", []byte(frameOf(events...)), arrival)
		if fault != nil || len(refused) != len(events)-len(want) {
			t.Fatalf("refused %d, fault %v; want %d and none", len(refused), fault, len(events)-len(want))
		}
		if diff := cmp.Diff(want, ids(records)); diff != "" {
			t.Fatalf("ids, -want +got:\n%s", diff)
		}
		for i, r := range records {
			if more := i < len(records)-1; r.Event.More != more {
				t.Errorf("event %d has More %t, want %t", i, r.Event.More, more)
			}
		}
	})
}

func ids(records []*gateway.Record) []string {
	var ids []string
	for _, r := range records {
		ids = append(ids, r.Event.ID)
	}
	return ids
}

func TestBrokenFrames(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	inEvent := func(value string) string { return `{"Type":"Resource","Id":"b","X":` + value + `}` }
	for _, tt := range []struct {
		name, text string
		want       []string
		fault      bool
	}{
		{"empty", "", nil, true},
		{"spaces", " \n", nil, true},
		{"NUL", "\x00", nil, true},
		{"word", "hello", nil, true},
		{"array", `[` + room("a") + `]`, nil, true},
		{"null", `null`, nil, true},
		{"string", `"Events"`, nil, true},
		{"no Events", `{}`, nil, false},
		{"null Events", `{"Events":null}`, nil, false},
		{"no event", `{"Events":[]}`, nil, false},
		{"other case", `{"events":[` + room("a") + `]}`, nil, false},
		{"escaped name", `{"\u0045vents":[` + room("a") + `]}`, []string{"a"}, false},
		{"other members", `{"Id":1,"Events":[` + room("a") + `],"X":{"Events":5}}`, []string{"a"}, false},
		{"spaces between", " { \"Events\" :\t[ " + room("a") + " ,\r\n" + room("b") + " ] } ", []string{"a", "b"}, false},
		{"byte order mark", "\xef\xbb\xbf" + frameOf(room("a")), []string{"a"}, false},
		{"invalid UTF-8 elsewhere", "{\"X\":\"\xff\",\"Events\":[" + room("a") + "]}", []string{"a"}, false},
		{"Events an object", `{"Events":{"0":` + room("a") + `}}`, nil, true},
		{"Events a string", `{"Events":"` + "x" + `"}`, nil, true},
		{"Events false", `{"Events":false}`, nil, true},
		{"breaks off in an event", `{"Events":[` + room("a") + `,{"Type":"Res`, []string{"a"}, true},
		{"breaks off behind an event", `{"Events":[` + room("a"), []string{"a"}, true},
		{"breaks off at the end", `{"Events":[` + room("a") + `]`, []string{"a"}, true},
		{"more behind it", frameOf(room("a")) + frameOf(room("b")), []string{"a"}, true},
		{"NUL behind it", frameOf(room("a")) + "\x00", []string{"a"}, true},
		{"bad event text", frameOf(room("a"), `{"Type":}`, room("b")), []string{"a"}, true},
		{"trailing comma", `{"Events":[` + room("a") + `,]}`, []string{"a"}, true},
		{"no comma", `{"Events":[` + room("a") + room("b") + `]}`, []string{"a"}, true},
		{"NaN", frameOf(room("a"), inEvent("NaN")), []string{"a"}, true},
		{"raw newline in a string", frameOf(room("a"), inEvent("\"\n\"")), []string{"a"}, true},
		{"second Events", `{"Events":[` + room("a") + `],"Events":[` + room("b") + `]}`, []string{"a", "b"}, false},
		{"second Events bad", `{"Events":[` + room("a") + `],"Events":7}`, []string{"a"}, true},
		// The frame's object, its array and the event are three levels.
		{"10 000 deep", frameOf(room("a"), inEvent(deep(9_997)), room("c")), []string{"a", "b", "c"}, false},
		{"10 001 deep", frameOf(room("a"), inEvent(deep(9_998)), room("c")), []string{"a"}, true},
		{"a million deep", frameOf(room("a"), inEvent(strings.Repeat("[", 1e6))), []string{"a"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			records, refused, fault := mews.DecodeFrame("prague", []byte(tt.text), arrival)
			if (fault != nil) != tt.fault || refused != nil {
				t.Errorf("fault %v, refused %q; want a fault: %t", fault, refused, tt.fault)
			}
			if diff := cmp.Diff(tt.want, ids(records)); diff != "" {
				t.Errorf("ids, -want +got:\n%s", diff)
			}
		})
	}
}

func TestOversizeEventBecomesGap(t *testing.T) {
	sized := func(n int) string {
		head := `{"Type":"Resource","Id":"b","X":"`
		return head + strings.Repeat("x", n-len(head)-2) + `"}`
	}
	spaced := strings.Replace(sized(gateway.MaxObject), ",", strings.Repeat(" ", 100)+",", 1)
	records, refused, fault := mews.DecodeFrame("prague",
		[]byte(frameOf(room("a"), sized(gateway.MaxObject+1), spaced)), arrival)
	if fault != nil || len(refused) != 1 || len(records) != 3 {
		t.Fatalf("got %d records, refused %q, fault %v; want 3, one, none", len(records), refused, fault)
	}
	want := &gateway.Gap{Source: "prague", Types: []string{"Resource"}, From: arrival, To: arrival, Reason: gateway.GapSize}
	if diff := cmp.Diff(want, records[1].Gap); diff != "" {
		t.Errorf("gap, -want +got:\n%s", diff)
	}
	if e := records[2].Event; e == nil || len(e.Object) != gateway.MaxObject {
		t.Error("an event of just the limit, once its spaces are gone, is no event")
	}
	if !records[0].Event.More || records[2].Event.More {
		t.Error("More is wrong around a gap")
	}

	nameless := strings.Replace(sized(gateway.MaxObject+1), "Resource", "open", 1)
	if records, _, _ := mews.DecodeFrame("prague", []byte(frameOf(nameless)), arrival); len(records) != 0 {
		t.Errorf("an oversize event with a reserved type gave %d records, want none", len(records))
	}
}

func TestRecordsKeepNothingOfTheFrame(t *testing.T) {
	text := []byte(frameOf(room("a")))
	records, _, _ := mews.DecodeFrame("prague", text, arrival)
	clear(text)
	if got := string(records[0].Event.Object); got != room("a") {
		t.Errorf("object became %q", got)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(frameOf(room("a"), room("b"))))
	for _, event := range bad {
		f.Add([]byte(frameOf(room("a"), event)))
	}
	files, _ := filepath.Glob("testdata/frames/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		records, _, fault := mews.DecodeFrame("prague", text, arrival)
		if fault == nil && !json.Valid(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
			t.Error("no fault in invalid JSON")
		}
		var squeezed bytes.Buffer
		whole := json.Compact(&squeezed, bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) == nil
		for _, r := range records {
			checkRecord(t, r)
			if r.Event != nil && whole && !bytes.Contains(squeezed.Bytes(), r.Event.Object) {
				t.Errorf("object %q is not in the frame", r.Event.Object)
			}
		}
	})
}

// checkRecord holds what every record of a frame must hold.
func checkRecord(t *testing.T, r *gateway.Record) {
	t.Helper()
	if e := r.Event; e != nil {
		if err := gateway.CheckName(e.Type, e.ID); err != nil {
			t.Errorf("name: %v", err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, e.Object); err != nil || !bytes.Equal(compact.Bytes(), e.Object) || !utf8.Valid(e.Object) {
			t.Errorf("object %q is not compact JSON: %v", e.Object, err)
		}
	}
	stored, err := gateway.MarshalRecord(r)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	back, err := gateway.UnmarshalRecord(stored)
	if err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("record, -before +after:\n%s", diff)
	}
}
