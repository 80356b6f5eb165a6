package mews_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/mews"
	"bellhop/gateway/simulator"
)

// pipes is a network of its own, so that a whole upstream can live in a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	down  map[string]bool // hosts that are not reached
	mu    sync.Mutex
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	p.mu.Lock()
	down := p.down[host]
	p.mu.Unlock()
	if down {
		return nil, errors.New("no route")
	}
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reach says whether a host can be dialled from now on.
func (p *pipes) reach(host string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[host] = !on
}

const (
	socketHost = "ws.test"
	apiHost    = "api.test"
)

// house is a simulated hotel in a bubble, with a source that listens to it.
type house struct {
	t *testing.T
	*simulator.Hotel
	*pipes
	rooms []simulator.LayoutRoom
	to    *sink
	log   *bytes.Buffer
	stop  func() // ends the source
}

// inHouse calls f in a bubble with a hotel of ten rooms whose time stands still
// unless its options name a speed. No source runs yet.
func inHouse(t *testing.T, o simulator.Options, f func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		still := o.Speed == 0
		if o.Rooms == 0 {
			o.Rooms = 10
		}
		hotels, err := simulator.New(o)
		if err != nil {
			t.Fatal(err)
		}
		h := &house{
			t: t, Hotel: hotels.Hotels()[0], to: &sink{}, log: new(bytes.Buffer), stop: func() {},
			pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{}), down: make(map[string]bool)},
		}
		h.rooms = h.Layout().Rooms
		if still {
			h.Pause()
		}
		server := &http.Server{Handler: hotels.Handler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { server.Serve(h.pipes) })
		wg.Go(func() { hotels.Run(ctx) })
		defer func() {
			h.stop()
			cancel()
			close(h.done)
			server.Close()
			wg.Wait()
		}()
		time.Sleep(time.Hour) // the hotel is older than the source
		f(t, h)
		h.stop()
		for _, v := range h.Violations() {
			t.Errorf("against the documents: %s", v)
		}
		for _, secret := range []string{simulator.ClientToken, simulator.AccessToken} {
			if strings.Contains(h.log.String(), secret) {
				t.Errorf("a token is in the log:\n%s", h.log)
			}
		}
	})
}

func (h *house) options() mews.Options {
	return mews.Options{
		Name: "prague", Socket: "ws://" + socketHost, API: "http://" + apiHost, Client: "Bellhop 1.0",
		ClientToken: simulator.ClientToken, AccessToken: simulator.AccessToken,
		Dial: h.dial, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
		Backfill: true,
	}
}

// listen runs a source until stop.
func (h *house) listen(o mews.Options) *mews.Source {
	h.t.Helper()
	s, err := mews.NewSource(o)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx, h.to); err != nil && !errors.Is(err, gateway.ErrClosed) {
			h.t.Errorf("Run: %v", err)
		}
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	return s
}

// kill ends the source as a process is killed: at once it writes nothing more.
func (h *house) kill() {
	h.to.set(func(s *sink) { s.ended = gateway.ErrClosed })
	h.stop()
	h.to.set(func(s *sink) { s.ended = nil })
}

// room returns the id of the n-th room.
func (h *house) room(n int) string { return h.rooms[n].ID }

// set puts the n-th room into a state.
func (h *house) set(n int, state simulator.RoomState) {
	h.t.Helper()
	if err := h.SetRoom(h.room(n), state); err != nil {
		h.t.Fatal(err)
	}
}

// away has no socket of the hotel open, and none opened until the return.
func (h *house) away(d time.Duration, meanwhile func()) {
	h.reach(socketHost, false)
	h.Reset()
	settle(time.Second)
	meanwhile()
	settle(d)
	h.reach(socketHost, true)
}

// awaitRecovery waits until what was missed is being read.
func (h *house) awaitRecovery() {
	for h.to.now().Backfill == nil {
		settle(100 * time.Millisecond)
	}
}

// idleRoom returns the number of a room above 3 that can be taken out of service.
func (h *house) idleRoom() int {
	for n := len(h.rooms) - 1; n > 3; n-- {
		if h.DeactivateRoom(h.room(n)) == nil && h.ReactivateRoom(h.room(n)) == nil {
			return n
		}
	}
	h.t.Fatal("all rooms are in use")
	return 0
}

// since returns the log's lines from the n-th record on: "origin type id state"
// for an event, with its entity if it has one, "gone type id", and "gap reason
// types".
func (h *house) since(n int) []string {
	var lines []string
	for _, rec := range h.to.taken()[n:] {
		e, g := rec.Event, rec.Gap
		switch {
		case g != nil:
			lines = append(lines, fmt.Sprintf("gap %s %s", g.Reason, strings.Join(g.Types, " ")))
		case e.Gone:
			lines = append(lines, fmt.Sprintf("gone %s %s", e.Type, h.short(e.ID)))
		default:
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Origin, e.Type, h.short(e.ID), e.Attributes.State, e.Entity)))
		}
	}
	return lines
}

// short names a room by its number.
func (h *house) short(id string) string {
	if i := slices.IndexFunc(h.rooms, func(r simulator.LayoutRoom) bool { return r.ID == id }); i >= 0 {
		return fmt.Sprint("room", i)
	}
	return id
}

// mark returns the number of records that there are.
func (h *house) mark() int { return len(h.to.taken()) }

// checkTruth compares the latest events with what is true of the entities of which
// something happened since the given time, and of all rooms.
func (h *house) checkTruth(since time.Time) {
	h.t.Helper()
	happened := make(map[string]bool)
	events, complete := h.Events(since, time.Now().Add(time.Hour))
	if !complete {
		h.t.Fatal("the journal is too short")
	}
	for _, e := range events {
		happened[e.ID] = true
	}
	away := make(map[string]bool) // rooms that are taken out
	for _, r := range h.State().Rooms {
		away[r.ID] = !r.Active
	}
	for _, fact := range h.Facts() {
		if !happened[fact.ID] && !away[fact.ID] {
			continue
		}
		latest := h.to.Latest(fact.Type, fact.ID)
		if away[fact.ID] {
			if latest != nil {
				h.t.Errorf("room %s is still there", fact.ID)
			}
			continue
		}
		if latest == nil && (&gateway.Event{Type: fact.Type, Attributes: gateway.ReadAttributes(fact.Type, fact.ID, fact.Body)}).Final() && fact.Type == "DeviceCommand" {
			continue // it came and went unheard
		}
		if latest == nil {
			h.t.Errorf("%s %s is not known, want %s", fact.Type, fact.ID, fact.Body)
			continue
		}
		want := gateway.ReadAttributes(fact.Type, fact.ID, fact.Body)
		if latest.Attributes != want {
			h.t.Errorf("%s %s: %+v, want %+v", fact.Type, fact.ID, latest.Attributes, want)
		}
	}
}
