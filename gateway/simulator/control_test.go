package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

// do sends a control request, wants a status, and returns the body.
func (w *world) do(t *testing.T, method, path, body string, want int) string {
	t.Helper()
	r, err := http.NewRequest(method, "http://mews.test/control/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s %s: %d %s (%v), want %d", method, path, body, resp.StatusCode, text, err, want)
	}
	synctest.Wait()
	return strings.TrimSpace(string(text))
}

// post wants an operation to be done, and to reach or count so many sockets.
func (w *world) post(t *testing.T, path, body string, sockets int) {
	t.Helper()
	got := w.do(t, http.MethodPost, path, body, http.StatusOK)
	if want := fmt.Sprintf(`{"sockets":%d}`, sockets); got != want {
		t.Errorf("%s %s: %s, want %s", path, body, got, want)
	}
}

func get[T any](t *testing.T, w *world, path string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(w.do(t, http.MethodGet, path, "", http.StatusOK)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestControlViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Hotels: 2})
		for _, h := range w.Hotels() {
			h.Pause()
			h.Skip(day)
		}
		h := w.Hotels()[1]
		query := "?hotel=" + h.AccessToken()
		if d := cmp.Diff(h.Layout(), get[simulator.Layout](t, w, "layout"+query)); d != "" {
			t.Errorf("layout (-want +got):\n%s", d)
		}
		if d := cmp.Diff(h.State(), get[simulator.State](t, w, "state"+query)); d != "" {
			t.Errorf("state (-want +got):\n%s", d)
		}
		if got, want := get[simulator.State](t, w, "state").Hotel, w.Hotels()[0].Name(); got != want {
			t.Errorf("without a name: %s, want %s", got, want)
		}
		want := `[{"name":"Hotel Meridian","accessToken":"simulated-access-token","sockets":0},` +
			`{"name":"The Lantern House","accessToken":"simulated-access-token-2","sockets":0}]`
		if got := w.do(t, http.MethodGet, "hotels", "", http.StatusOK); got != want {
			t.Errorf("hotels: %s", got)
		}
	})
}

func TestControlEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		h.Skip(time.Hour)
		time.Sleep(time.Minute)
		between := time.Now()
		h.Skip(time.Hour)
		time.Sleep(time.Minute)
		all, _ := h.EventsAfter(0)
		earlier, _ := h.Events(time.Time{}, between)
		type answer struct {
			Events   []simulator.Event
			Complete bool
		}
		stamp := url.QueryEscape(between.Format(time.RFC3339Nano))
		for query, want := range map[string][]simulator.Event{
			"":                                     all,
			"?to=" + stamp:                         earlier,
			"?from=" + stamp:                       all[len(earlier):],
			fmt.Sprintf("?after=%d", len(earlier)): all[len(earlier):],
		} {
			got := get[answer](t, w, "events"+query)
			if d := cmp.Diff(want, got.Events); d != "" || !got.Complete {
				t.Errorf("%q: complete %v (-want +got):\n%s", query, got.Complete, d)
			}
		}
		for _, query := range []string{"?after=x", "?from=noon", "?to=noon"} {
			w.do(t, http.MethodGet, "events"+query, "", http.StatusBadRequest)
		}
	})
}

func TestControlOfTheHotel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		w.post(t, "pause", "", 0)
		before := h.State()
		w.post(t, "skip", `{"for":"90m"}`, 0)
		if got := h.State(); !got.Paused || got.HotelTime.Sub(before.HotelTime) != 90*time.Minute {
			t.Errorf("paused %v, skipped to %v", got.Paused, got.HotelTime)
		}
		w.post(t, "resume", "", 0)
		if h.State().Paused {
			t.Error("still paused")
		}
		w.post(t, "room", fmt.Sprintf(`{"id":%q,"state":"OutOfService"}`, before.Rooms[0].ID), 0)
		if got := h.State().Rooms[0].State; got != simulator.RoomOutOfService {
			t.Errorf("room is %s", got)
		}
		w.post(t, "quirks", `{"nulls":0.5}`, 0)
		w.do(t, http.MethodPost, "room", `{"id":"x","state":"Dirty"}`, http.StatusNotFound)
		w.do(t, http.MethodPost, "say?hotel=x", "", http.StatusNotFound)
	})
}

func TestControlOfSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		c := w.connect(t)
		w.post(t, "send", "{not json", 1)
		w.post(t, "send?binary=true", "\x00\xff", 1)
		w.post(t, "stall", `{"for":"30s"}`, 1)
		w.post(t, "send", "late", 1)
		if d := cmp.Diff([]string{"{not json", "\x00\xff"}, c.got()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.post(t, "stall", "", 1)
		w.post(t, "send", "later", 1)
		time.Sleep(time.Hour)
		if n := len(c.got()); n != 3 {
			t.Errorf("%d messages", n)
		}
		w.post(t, "unstall", "", 1)
		w.post(t, "manner", `{"delay":"5s","noPongs":true}`, 1)
		w.post(t, "send", "slow", 1)
		if n := len(c.got()); n != 4 {
			t.Errorf("%d messages", n)
		}
		time.Sleep(5 * time.Second)
		w.post(t, "manner", "", 1)
		said := len(c.got())
		w.post(t, "say", "", 1)
		checkSaid(t, h.State(), c.got()[said:])
		w.post(t, "drop", `{"code":1012,"reason":"restart"}`, 1)
		<-c.ended
		if c.closeCode() != 1012 {
			t.Errorf("dropped with %d", c.closeCode())
		}
		reset := w.connect(t)
		w.post(t, "drop", `{"reset":true}`, 1)
		<-reset.ended
		if reset.closeCode() != 1006 {
			t.Errorf("reset with %d", reset.closeCode())
		}
		w.post(t, "refuse", `{"status":429,"retryAfter":"3"}`, 0)
		if _, resp, err := w.dial(goodCookie); err == nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "3" {
			t.Errorf("refused: %v, %v", resp, err)
		}
		w.post(t, "admit", "", 0)
		w.connect(t)
	})
}

func TestControlRefusesMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		for _, c := range [][2]string{
			{"skip", ``}, {"skip", `{"for":"0s"}`}, {"skip", `{"for":"-1h"}`}, {"skip", `{"for":"9000h"}`}, {"skip", `{"for":3}`},
			{"stall", `{"during":"3s"}`}, {"stall", `{"for":"soon"}`}, {"drop", `{"code":70000}`}, {"drop", `{`},
			{"refuse", `{}`}, {"refuse", `{"status":401,"mute":true}`}, {"quirks", `{"nulls":2}`}, {"manner", `{"delay":"x"}`},
			{"room", `{"id":"x","state":"OutOfOrder"}`}, {"send?binary=maybe", ``},
		} {
			var answer struct{ Error string }
			text := w.do(t, http.MethodPost, c[0], c[1], http.StatusBadRequest)
			if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Error == "" {
				t.Errorf("%s %s: %s", c[0], c[1], text)
			}
		}
		w.do(t, http.MethodGet, "pause", "", http.StatusMethodNotAllowed)
		w.do(t, http.MethodPost, "state", "", http.StatusMethodNotAllowed)
	})
}

func TestControlIsNotForOtherSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		r, err := http.NewRequest(http.MethodPost, "http://mews.test/control/pause", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://other.test")
		resp, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || w.Hotels()[0].State().Paused {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}
