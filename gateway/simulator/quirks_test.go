package simulator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

// tellTwoDays is what a socket is told of two days under these quirks, and
// what happened.
func tellTwoDays(t *testing.T, q simulator.Quirks) (frames []string, events []simulator.Event) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Seed: 11, Quirks: q})
		h := w.Hotels()[0]
		h.Pause()
		c := w.connect(t)
		h.Skip(2 * day)
		synctest.Wait()
		frames = c.got()
		events, _ = h.EventsAfter(0)
	})
	return frames, events
}

// rawEvents are the events of frames, each as it stands.
func rawEvents(t *testing.T, frames []string) []string {
	t.Helper()
	var out []string
	for _, f := range frames {
		var v struct{ Events []json.RawMessage }
		if err := json.Unmarshal([]byte(f), &v); err != nil {
			t.Fatalf("frame %s: %v", f, err)
		}
		for _, e := range v.Events {
			out = append(out, string(e))
		}
	}
	return out
}

func TestQuirksAreRepeatable(t *testing.T) {
	q := simulator.Quirks{Unknown: .1, Legacy: .1, Duplicates: .1, Reordered: .1, Dropped: .1, Broken: .1, Nulls: .1}
	first, _ := tellTwoDays(t, q)
	second, _ := tellTwoDays(t, q)
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
	plain, events := tellTwoDays(t, simulator.Quirks{})
	if d := cmp.Diff(told(events), plain); d != "" {
		t.Errorf("without quirks (-want +got):\n%s", d)
	}
	if cmp.Equal(first, plain) {
		t.Error("no quirk was seen")
	}
}

// TestQuirksOnlyAdd: whatever else is in the frames, the good events are all
// there, in order.
func TestQuirksOnlyAdd(t *testing.T) {
	frames, events := tellTwoDays(t, simulator.Quirks{Broken: 1})
	extra := without(t, rawEvents(t, frames), bodies(events))
	if len(extra) != len(frames) {
		t.Errorf("%d broken events in %d frames", len(extra), len(frames))
	}
	kinds := map[string]bool{}
	for _, e := range extra {
		kinds[guidIn.ReplaceAllString(e, "*")] = true
	}
	if len(kinds) != 14 {
		t.Errorf("%d kinds of broken events: %v", len(kinds), kinds)
	}
}

// without takes the wanted, in order, out of all, and returns the rest.
func without(t *testing.T, all, wanted []string) []string {
	t.Helper()
	var rest []string
	for _, e := range all {
		if len(wanted) > 0 && e == wanted[0] {
			wanted = wanted[1:]
		} else {
			rest = append(rest, e)
		}
	}
	if len(wanted) > 0 {
		t.Errorf("%d events are not there, the first %s", len(wanted), wanted[0])
	}
	return rest
}

func TestUnknown(t *testing.T) {
	frames, events := tellTwoDays(t, simulator.Quirks{Unknown: 1})
	known := []string{"Resource", "Reservation", "DeviceCommand", "PriceUpdate"}
	unknown, extended := 0, 0
	for _, e := range rawEvents(t, frames) {
		switch w := decode(t, []byte(e)); {
		case !slices.Contains(known, w.Type):
			unknown++
		case strings.HasSuffix(e, `,"Extra":{"Depth":{"Depth":{}},"Amount":0.10,"Big":12345678901234567890}}`):
			extended++
		}
	}
	if unknown != len(frames) || extended != len(events) {
		t.Errorf("%d unknown events in %d frames, %d of %d extended", unknown, len(frames), extended, len(events))
	}
}

func TestLegacy(t *testing.T) {
	frames, events := tellTwoDays(t, simulator.Quirks{Legacy: 1})
	var want []string
	for _, e := range events {
		body := strings.NewReplacer("AssignedResourceId", "AssignedSpaceId", "ResourceCategoryId", "SpaceCategoryId",
			`"Inquired"`, `"Enquired"`).Replace(string(e.Body))
		want = append(want, body)
		if e.Type == "Resource" {
			want = append(want, strings.Replace(body, "Resource", "Space", 1))
		}
	}
	got := rawEvents(t, frames)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !strings.Contains(strings.Join(got, ""), `"Enquired"`) {
		t.Error("nobody enquired")
	}
}

func TestNulls(t *testing.T) {
	frames, events := tellTwoDays(t, simulator.Quirks{Nulls: 1})
	var want []string
	for _, e := range events {
		body := strings.Replace(string(e.Body), `,"ResourceCategoryId":null`, "", 1)
		switch {
		case e.Type == "Reservation" && !strings.Contains(body, "AssignedResourceId"):
			body = body[:len(body)-1] + `,"AssignedResourceId":null}`
		case e.Type == "PriceUpdate" && !strings.Contains(body, "StartUtc"):
			body = body[:len(body)-1] + `,"StartUtc":null,"EndUtc":null}`
		}
		want = append(want, body)
	}
	if d := cmp.Diff(want, rawEvents(t, frames)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestWholeFrames(t *testing.T) {
	plain, _ := tellTwoDays(t, simulator.Quirks{})
	var twice, swapped []string
	for i, f := range plain {
		twice = append(twice, f, f)
		if i%2 == 1 {
			swapped = append(swapped, f, plain[i-1])
		}
	}
	for name, c := range map[string]struct {
		quirks simulator.Quirks
		want   []string
	}{
		"duplicates": {simulator.Quirks{Duplicates: 1}, twice},
		"reordered":  {simulator.Quirks{Reordered: 1}, swapped},
		"dropped":    {simulator.Quirks{Dropped: 1}, nil},
	} {
		got, _ := tellTwoDays(t, c.quirks)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParseQuirks(t *testing.T) {
	q, err := simulator.ParseQuirks("duplicates=0.25,nulls=1")
	if err != nil || q != (simulator.Quirks{Duplicates: 0.25, Nulls: 1}) {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err := simulator.ParseQuirks(""); err != nil || q != (simulator.Quirks{}) {
		t.Errorf("of nothing: %+v, %v", q, err)
	}
	for _, bad := range []string{"duplicate=1", "nulls", "nulls=x", "nulls=2", "nulls=-0.1", "nulls=NaN"} {
		if _, err := simulator.ParseQuirks(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestSetQuirks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		c := w.connect(t)
		if err := h.SetQuirks(simulator.Quirks{Dropped: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(c.got()); n != 0 || h.State().Seq == 0 {
			t.Errorf("%d frames, %d events", n, h.State().Seq)
		}
		if err := h.SetQuirks(simulator.Quirks{Dropped: 3}); err == nil {
			t.Error("a rate of 3 was accepted")
		}
	})
}
