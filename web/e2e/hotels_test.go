package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

// hotelNames are the sources' names, in the order of the simulated hotels.
var hotelNames = []string{"prague", "brno", "olomouc", "plzen"}

// hotels are a simulated upstream in this process.
type hotels struct {
	t         testing.TB
	server    *httptest.Server
	simulator *simulator.Simulator
}

// A hotel is one of them.
type hotel struct {
	*simulator.Hotel
	t testing.TB
}

// newHotels makes n hotels whose time stands still: they say only what they are
// told to.
func newHotels(t testing.TB, n int) *hotels {
	t.Helper()
	return newHotelsWith(t, simulator.Options{Hotels: n, Rooms: 4})
}

func newHotelsWith(t testing.TB, o simulator.Options) *hotels {
	t.Helper()
	s, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &hotels{t: t, server: httptest.NewServer(s.Handler()), simulator: s}
	t.Cleanup(func() {
		for _, hotel := range s.Hotels() {
			hotel.Reset()
		}
		h.server.Close()
	})
	return h
}

// at returns a hotel, which is the source hotelNames[i].
func (h *hotels) at(i int) hotel { return hotel{h.simulator.Hotels()[i], h.t} }

// sources is the part of the configuration that has all hotels as sources, each
// with the further lines of YAML, such as "keepalive: 1s".
func (h *hotels) sources(further ...string) string {
	if !slices.ContainsFunc(further, func(line string) bool { return strings.HasPrefix(line, "backfill:") }) {
		further = append(further, "backfill: false") // what most tests say the hotel does not know
	}
	var b strings.Builder
	b.WriteString("sources:\n")
	host := h.server.Listener.Addr()
	for i, hotel := range h.simulator.Hotels() {
		fmt.Fprintf(&b, "  - name: %s\n    mews:\n", hotelNames[i])
		for _, line := range append([]string{
			fmt.Sprintf("socket: ws://%s", host), fmt.Sprintf("api: http://%s", host),
			"client_token: " + simulator.ClientToken, "access_token: " + hotel.AccessToken(),
		}, further...) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

// send sends a text message, byte by byte, to the socket that is connected or
// will soon be.
func (h hotel) send(message string) {
	h.t.Helper()
	eventually(h.t, "a socket at the hotel", func() bool { return h.Sockets() > 0 })
	h.Hotel.Send(false, []byte(message))
}

// tell sends a frame with these events.
func (h hotel) tell(events ...string) {
	h.t.Helper()
	h.send(`{"Events":[` + strings.Join(events, ",") + `]}`)
}

// resource is the event that a room's state changed.
func resource(id, state string) string {
	return fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":%q}`, id, state)
}

// A speech is a hotel that says one numbered room after another, one to three in
// a frame.
type speech struct {
	quit, done chan struct{}
	said       []time.Time // when which number was said
}

// speak begins a speech. Nobody may be listening.
func (h hotel) speak(pause time.Duration) *speech {
	s := &speech{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-s.quit:
				return
			case <-tick.C:
			}
			var events []string
			for range 1 + len(s.said)%3 {
				events = append(events, resource(strconv.Itoa(len(s.said)), "Dirty"))
				s.said = append(s.said, time.Now())
			}
			h.Hotel.Send(false, []byte(`{"Events":[`+strings.Join(events, ",")+`]}`))
		}
	}()
	h.t.Cleanup(s.end)
	return s
}

// end ends the speech. Only then said may be read.
func (s *speech) end() {
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	<-s.done
}

// compactEvents returns the events of a frame without insignificant spaces.
func compactEvents(t testing.TB, frame string) (events []string) {
	t.Helper()
	var f struct{ Events []json.RawMessage }
	if err := json.Unmarshal([]byte(frame), &f); err != nil {
		t.Fatal(err)
	}
	for _, e := range f.Events {
		var b bytes.Buffer
		if err := json.Compact(&b, e); err != nil {
			t.Fatal(err)
		}
		events = append(events, b.String())
	}
	return events
}

// member returns a text member of an object.
func member(t testing.TB, object, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		t.Fatal(err)
	}
	text, ok := members[name].(string)
	if !ok {
		t.Fatalf("no text %s in %s", name, object)
	}
	return text
}
