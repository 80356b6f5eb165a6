package simulator_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

// lived is what a hotel tells in d of its time, gone through in one go or in
// steps.
func lived(t *testing.T, o simulator.Options, d time.Duration, steps int) []string {
	h := newSimulator(t, o).Hotels()[0]
	for range steps {
		h.Skip(d / time.Duration(steps))
	}
	events, _ := h.EventsAfter(0)
	if len(events) == 0 {
		t.Fatal("nothing happened")
	}
	return bodies(events)
}

func TestSameSeedSameLife(t *testing.T) {
	want := lived(t, simulator.Options{Seed: 7}, 5*day, 1)
	for name, got := range map[string][]string{
		"again":          lived(t, simulator.Options{Seed: 7}, 5*day, 1),
		"in steps":       lived(t, simulator.Options{Seed: 7}, 5*day, 240),
		"faster":         lived(t, simulator.Options{Seed: 7, Speed: 100}, 5*day, 1),
		"with quirks":    lived(t, simulator.Options{Seed: 7, Quirks: simulator.Quirks{Dropped: 1, Broken: 1}}, 5*day, 1),
		"among siblings": lived(t, simulator.Options{Seed: 7, Hotels: 3}, 5*day, 1),
	} {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if cmp.Equal(want, lived(t, simulator.Options{Seed: 8}, 5*day, 1)) {
		t.Error("another seed, but the same life")
	}
}

func TestRunIsSkipInTime(t *testing.T) {
	want := lived(t, simulator.Options{Seed: 3}, day, 1)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Seed: 3, Speed: 10})
		time.Sleep(144*time.Second + time.Millisecond) // a day at ten minutes a second
		h := w.Hotels()[0]
		events, _ := h.EventsAfter(0)
		if d := cmp.Diff(want, bodies(events)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		for _, e := range events {
			due := e.HotelTime.Sub(start) / 600
			if late := e.At.Sub(time.Now().Add(-144*time.Second-time.Millisecond)) - due; late < -time.Millisecond || late > time.Millisecond {
				t.Fatalf("event %d happened %v late", e.Seq, late)
			}
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Speed: 10})
		h := w.Hotels()[0]
		time.Sleep(time.Minute)
		h.Pause()
		paused := h.State()
		if want := start.Add(10 * time.Hour); !paused.Paused || !paused.HotelTime.Equal(want) {
			t.Errorf("paused %v at %v, want %v", paused.Paused, paused.HotelTime, want)
		}
		time.Sleep(time.Hour)
		if d := cmp.Diff(paused, h.State()); d != "" {
			t.Errorf("changed while paused:\n%s", d)
		}
		h.Skip(time.Hour)
		skipped := h.State()
		if want := start.Add(11 * time.Hour); !skipped.HotelTime.Equal(want) || skipped.Seq == paused.Seq {
			t.Errorf("skipped to %v, seq %d, want %v", skipped.HotelTime, skipped.Seq, want)
		}
		h.Resume()
		time.Sleep(time.Minute)
		resumed := h.State()
		if want := start.Add(21 * time.Hour); !resumed.HotelTime.Equal(want) || resumed.Seq == skipped.Seq {
			t.Errorf("resumed: %v, seq %d, want %v", resumed.HotelTime, resumed.Seq, want)
		}
	})
}

var (
	guidIn = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	guid   = regexp.MustCompile("^" + guidIn.String() + "$")
)

func TestLayout(t *testing.T) {
	l := newSimulator(t, simulator.Options{}).Hotels()[0].Layout()
	if len(l.Rooms) != 48 || l.Rooms[0].Name != "101" || l.Rooms[47].Name != "412" || l.Rooms[47].Floor != 4 {
		t.Errorf("rooms: %v", l.Rooms)
	}
	ids := map[string]bool{}
	id := func(id, name string) {
		if !guid.MatchString(id) || ids[id] || name == "" {
			t.Errorf("id %q of %q", id, name)
		}
		ids[id] = true
	}
	categories := map[string]string{}
	for _, c := range l.Categories {
		id(c.ID, c.Name)
		categories[c.ID] = c.Name
	}
	for _, r := range l.Rooms {
		id(r.ID, r.Name)
		if r.Category == "" || categories[r.CategoryID] != r.Category {
			t.Errorf("room %s is %q, category %q", r.Name, r.Category, categories[r.CategoryID])
		}
	}
	for _, r := range l.Rates {
		id(r.ID, r.Name)
	}
	for _, d := range l.Devices {
		id(d.ID, d.Name)
	}
}

func TestSetRoom(t *testing.T) {
	h := newSimulator(t, simulator.Options{}).Hotels()[0]
	before := h.State()
	room := before.Rooms[0]
	if err := h.SetRoom(room.ID, simulator.RoomOutOfService); err != nil {
		t.Fatal(err)
	}
	after := h.State()
	if got := after.Rooms[0]; got.State != simulator.RoomOutOfService || got.Version != room.Version+1 || !got.UpdatedUTC.After(room.UpdatedUTC) {
		t.Errorf("room: %+v, was %+v", got, room)
	}
	events, _ := h.EventsAfter(before.Seq)
	want := fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":"OutOfService"}`, room.ID)
	if d := cmp.Diff([]string{want}, bodies(events)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if err := h.SetRoom("nowhere", simulator.RoomDirty); !errors.Is(err, simulator.ErrNoRoom) {
		t.Errorf("unknown room: %v", err)
	}
	for _, state := range []simulator.RoomState{"", "dirty", simulator.RoomOutOfOrder} {
		if err := h.SetRoom(room.ID, state); err == nil {
			t.Errorf("state %q was set", state)
		}
	}
}

func TestJournalIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSimulator(t, simulator.Options{Journal: 100}).Hotels()[0]
		begun := time.Now()
		time.Sleep(time.Minute)
		h.Skip(2 * day)
		time.Sleep(time.Minute)
		skipped := time.Now()
		h.Skip(time.Hour)

		if events, complete := h.EventsAfter(0); complete || len(events) < 100 || len(events) > 200 {
			t.Errorf("%d events, complete %v", len(events), complete)
		}
		if _, complete := h.Events(begun, skipped); complete {
			t.Error("what was trimmed is called complete")
		}
		last := h.State().Seq
		for _, c := range []struct {
			from, to time.Time
			want     int
		}{
			{skipped, skipped.Add(time.Nanosecond), int(last - seqBefore(h, skipped))},
			{skipped, skipped, 0},
			{skipped.Add(time.Nanosecond), skipped.Add(time.Hour), 0},
			{skipped.Add(time.Hour), skipped, 0},
		} {
			if events, complete := h.Events(c.from, c.to); !complete || len(events) != c.want {
				t.Errorf("[%v, %v): %d events, complete %v, want %d", c.from, c.to, len(events), complete, c.want)
			}
		}
		if events, complete := h.EventsAfter(last - 10); !complete || len(events) != 10 || events[0].Seq != last-9 {
			t.Errorf("after: %d events, complete %v", len(events), complete)
		}
		if events, complete := h.EventsAfter(last); !complete || len(events) != 0 {
			t.Errorf("after the last: %d events, complete %v", len(events), complete)
		}
		if _, complete := h.EventsAfter(1); complete {
			t.Error("what was trimmed is called complete")
		}
	})
}

func seqBefore(h *simulator.Hotel, t time.Time) uint64 {
	events, _ := h.Events(time.Time{}, t)
	return events[len(events)-1].Seq
}

func TestOptionsAreChecked(t *testing.T) {
	bad := simulator.Options{
		Speed: -1, Rooms: 6000, Hotels: -1, TimeZone: "Nowhere/Land", Journal: -1, Ping: -1,
		Quirks: simulator.Quirks{Nulls: 2}, BadTokens: simulator.Refusal{Status: 99},
		Kept: -1, Lag: time.Hour, Limiter: simulator.Limiter{RetryAfter: "soon"}, Faults: simulator.Faults{{Kind: "storm"}},
	}
	_, err := simulator.New(bad)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"speed", "rooms", "hotels", "Nowhere/Land", "journal", "ping", "nulls", "status", "kept", "lag", "limiter", "storm"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}

func TestHotelsDiffer(t *testing.T) {
	s := newSimulator(t, simulator.Options{Hotels: 8})
	names, rooms := map[string]bool{}, map[string]bool{}
	for _, h := range s.Hotels() {
		names[h.Name()] = true
		rooms[h.Layout().Rooms[0].ID] = true
		if s.Hotel(h.AccessToken()) != h {
			t.Errorf("token of %s opens another", h.Name())
		}
	}
	if len(names) != 8 || len(rooms) != 8 {
		t.Errorf("%d names, %d rooms", len(names), len(rooms))
	}
	if s.Hotels()[1].AccessToken() != simulator.AccessToken+"-2" || s.Hotel("other") != nil {
		t.Error("tokens")
	}
}
