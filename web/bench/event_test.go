//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestEvent(t *testing.T) {
	h := newHotel(5000)
	at := time.Unix(1234567890, 987654321)
	for number, kind := range map[uint32]string{0: "Resource", 1: "Reservation", 20: "Resource", 5007: "Reservation", 1<<32 - 1: "Reservation"} {
		text := h.appendEvent(nil, at, number)
		var event struct{ Type, ID, State, StartUtc, EndUtc, Stamp string }
		if err := json.Unmarshal(text, &event); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if want := string(appendEntity(nil, number%5000)); event.Type != kind || event.ID != want || len(event.ID) != 36 {
			t.Errorf("event %d: %s %s, want %s %s", number, event.Type, event.ID, kind, want)
		}
		for _, text := range []string{event.StartUtc, event.EndUtc} {
			if when, err := time.Parse(time.RFC3339, text); err != nil || !when.After(time.Now()) {
				t.Errorf("event %d: %s is not to come: its entity would be done (%v)", number, text, err)
			}
		}
		found := 0
		stamps(text, func(stamp []byte, n uint32) {
			found++
			if fed, ok := stampTime(stamp); string(stamp) != event.Stamp || n != number || !ok || !fed.Equal(at) {
				t.Errorf("event %d: stamp %s is %d of %v", number, stamp, n, fed)
			}
		})
		if found != 1 {
			t.Errorf("event %d: %d stamps", number, found)
		}
	}
}

func TestStampsPassOver(t *testing.T) {
	for _, text := range []string{"", "@", "stamp@00000000", strings.Repeat("@", 50), "00000000-0000-0000-stomp@00000000", "00000000-0000-0000-stamp@0000000", "00000000-0000-0000-stamp@0000000g"} {
		stamps([]byte(text), func(stamp []byte, n uint32) { t.Errorf("%q: found %s", text, stamp) })
	}
}
