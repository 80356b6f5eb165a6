package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

// The oracle: a simulated hotel runs at high speed while its socket is cut,
// stalled and refused, its API fails in every way that is known of it, the
// gateway is killed and the client is cut off, all at random. When that is over,
// a client that applied what it was given knows what the hotel knows, and of what
// it missed it was told.
//
// The seeds begin at BELLHOP_ORACLE_SEED and are as many as BELLHOP_ORACLE_SEEDS
// says.
func TestOracle(t *testing.T) {
	t.Parallel()
	first, count := uint64(1), 20
	if long() {
		count = 100
	}
	if n, err := strconv.Atoi(os.Getenv("BELLHOP_ORACLE_SEEDS")); err == nil {
		count = n
	}
	if seed, err := strconv.ParseUint(os.Getenv("BELLHOP_ORACLE_SEED"), 10, 64); err == nil {
		first = seed
	}
	for seed := first; seed < first+uint64(count); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			consult(t, seed)
		})
	}
}

// troubleTime is how long trouble lasts.
const troubleTime = 6 * time.Second

// An oracle is one run.
type oracle struct {
	t      *testing.T
	dice   *rand.Rand
	hotel  hotel
	g      *gateway
	client *listener
	began  time.Time
	rooms  []string
}

func consult(t *testing.T, seed uint64) {
	hotels := newHotelsWith(t, simulator.Options{
		Seed: seed, Rooms: 30, Speed: 30, Limiter: simulator.Limiter{Calls: 200, Window: 2 * time.Second},
	})
	hotels.run()
	o := &oracle{t: t, dice: rand.New(rand.NewPCG(seed, 1)), hotel: hotels.at(0)}
	for _, room := range o.hotel.Layout().Rooms {
		o.rooms = append(o.rooms, room.ID)
	}
	o.g = startGateway(t, hotels.sources(
		"keepalive: 300ms", "backfill: true", "backfill_settle: 1s", "enrich: [Resource, Reservation]", "enrich_wait: 500ms",
		"entity_fields: {Resource: [Name], Reservation: [Number, State]}", "api_budget: {requests: 160, per: 2s, reserve: 20}",
	), issuer, "stream: {heartbeat: 200ms, retry: 50ms}", "history: {sync: 100ms}")
	o.began = time.Now()
	o.client = o.g.listen(t, allOf(t), "snapshot=true")
	o.client.keep()
	o.trouble()
	o.peace()
	var faults []string
	eventually(t, "the client knows what the hotel knows", func() bool {
		faults = o.compare()
		if len(faults) > 0 && time.Since(o.began) > patience-5*time.Second {
			t.Fatalf("the client does not know what the hotel knows:\n%s", strings.Join(faults, "\n"))
		}
		time.Sleep(100 * time.Millisecond)
		return len(faults) == 0
	})
	if v := o.hotel.Violations(); len(v) > 0 {
		t.Errorf("calls that went against the API's documents: %q", v)
	}
}

// trouble makes it.
func (o *oracle) trouble() {
	actions := []func(){
		func() { o.hotel.Drop(uint16(o.pick(1000, 1001, 1011, 1013)), "") },
		func() { o.hotel.Reset() },
		func() { o.hotel.Stall(o.time(50, 900)) },
		func() {
			o.hotel.Refuse(simulator.Refusal{Status: o.pick(503, 429, 500)})
			o.hotel.Drop(1001, "")
		},
		func() { o.hotel.Admit() },
		func() { o.hotel.Admit() },
		func() { o.must(o.hotel.SetFaults(o.faults())) },
		func() { o.must(o.hotel.SetFaults(nil)) },
		func() { o.must(o.hotel.SetLag(o.time(0, 400))) },
		func() { o.hotel.SetManner(simulator.Manner{Delay: o.time(0, 20), NoPongs: o.dice.IntN(5) == 0}) },
		func() { o.g.kill(); o.g.launch() },
		func() { o.client.cut() },
		func() { o.hotel.DeactivateRoom(o.room()) }, // fails where somebody is in it
		func() { o.hotel.ReactivateRoom(o.room()) },
		func() { o.must(o.hotel.RenameRoom(o.room(), fmt.Sprint("Room ", o.dice.IntN(1000)))) },
	}
	for end := time.Now().Add(troubleTime); time.Now().Before(end); {
		time.Sleep(o.time(20, 400))
		actions[o.dice.IntN(len(actions))]()
	}
}

// peace ends all trouble, and lets the hotel's time stand still.
func (o *oracle) peace() {
	o.must(o.hotel.SetFaults(nil))
	o.must(o.hotel.SetLag(0))
	o.hotel.SetManner(simulator.Manner{})
	o.hotel.Unstall()
	o.hotel.Admit()
	time.Sleep(500 * time.Millisecond)
	o.hotel.Pause()
	o.g.awaitReady()
	o.g.awaitState("live")
	// The socket says nothing of rooms that are closed. What finds them is the
	// reading of every hour, for which an operator's stands in here.
	answer, err := plain.Post(o.g.admin+"/sources/prague/load", "", nil)
	o.must(err)
	answer.Body.Close()
}

// faults are some of what an API may do wrong.
func (o *oracle) faults() simulator.Faults {
	all := simulator.Faults{
		{Kind: simulator.FaultError}, {Kind: simulator.FaultGateway}, {Kind: simulator.FaultTimeout}, {Kind: simulator.FaultConflict},
		{Kind: simulator.FaultLimited}, {Kind: simulator.FaultCut}, {Kind: simulator.FaultCutShort},
		{Kind: simulator.FaultSlow, Delay: 200 * time.Millisecond}, {Kind: simulator.FaultHeavy, MaxCount: 50},
	}
	o.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	some := all[:1+o.dice.IntN(3)]
	for i := range some {
		some[i].Probability = 0.1 + 0.6*o.dice.Float64()
	}
	return some
}

func (o *oracle) pick(values ...int) int { return values[o.dice.IntN(len(values))] }

func (o *oracle) room() string { return o.rooms[o.dice.IntN(len(o.rooms))] }

// time returns a duration between so many milliseconds.
func (o *oracle) time(from, to int) time.Duration {
	return time.Duration(from+o.dice.IntN(to-from+1)) * time.Millisecond
}

func (o *oracle) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// compare holds what the client was given against the hotel, and returns what
// differs.
func (o *oracle) compare() (faults []string) {
	b := readBoard(o.t, o.client.all())
	differs := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	state := o.hotel.State()
	for _, room := range state.Rooms {
		got, there := b.entities["Resource "+room.ID]
		switch want := fmt.Sprint(room.State); {
		case there != room.Active:
			differs("room %s: there %v, active %v", room.ID, there, room.Active)
		case there && got.text("State") != want:
			differs("room %s: %v, want %s", room.ID, got, want)
		}
	}
	for _, r := range state.Reservations {
		got, there := b.entities["Reservation "+r.ID]
		if over := r.State == simulator.ReservationProcessed || r.State == simulator.ReservationCanceled; !there && over && r.UpdatedUTC.Before(o.began) {
			continue // it was over before
		}
		room := ""
		if r.RoomID != nil {
			room = *r.RoomID
		}
		if got.text("State") != string(r.State) || got.text("AssignedResourceId") != room || !got.moment("StartUtc").Equal(r.StartUTC().Truncate(time.Second)) ||
			!got.moment("EndUtc").Equal(r.EndUTC().Truncate(time.Second)) {
			differs("reservation %s: %v, want %+v", r.ID, got, r)
		}
	}
	for _, c := range state.Commands {
		got, there := b.entities["DeviceCommand "+c.ID]
		active := c.State == simulator.CommandPending || c.State == simulator.CommandReceived
		if (there || active) && got.text("State") != string(c.State) {
			differs("command %s: %v, want %s", c.ID, got, c.State)
		}
	}
	events, complete := o.hotel.Events(o.began, time.Now())
	if !complete {
		o.t.Fatal("the hotel does not remember all that happened")
	}
	for _, e := range events {
		if e.Type == "PriceUpdate" && !b.seen[e.ID] && !b.missed(e) {
			differs("price update %s of %v: neither seen nor within one of the gaps %v", e.ID, e.At, b.gaps)
		}
	}
	return faults
}

// A board is what a page makes of its stream.
type board struct {
	entities map[string]object // the upstream's objects, by type and id
	seen     map[string]bool   // ids of all events
	gaps     []gap
}

type object map[string]any

func (o object) text(name string) string {
	text, _ := o[name].(string)
	return text
}

func (o object) moment(name string) time.Time {
	at, _ := time.Parse(time.RFC3339, o.text(name))
	return at
}

// readBoard applies blocks as a page does.
func readBoard(t testing.TB, blocks []block) *board {
	t.Helper()
	b := &board{entities: make(map[string]object), seen: make(map[string]bool)}
	for _, block := range blocks {
		switch block.name {
		case "bellhop.ready":
			var ready struct{ Resumed bool }
			if block.decode(t, &ready); !ready.Resumed {
				clear(b.entities)
			}
		case "bellhop.reset":
			clear(b.entities)
		case "bellhop.left":
			var left struct{ Type, ID string }
			block.decode(t, &left)
			delete(b.entities, left.Type+" "+left.ID)
		case "bellhop.gap":
			var lost gap
			block.decode(t, &lost)
			b.gaps = append(b.gaps, lost)
		default:
			if block.control() {
				continue
			}
			e := block.event(t)
			b.seen[e.ID] = true
			var said object
			if err := json.Unmarshal(e.Event, &said); err != nil {
				t.Fatal(err)
			}
			b.entities[e.Type+" "+e.ID] = said
		}
	}
	return b
}

// missed reports whether a gap says that the event may be missing.
func (b *board) missed(e simulator.Event) bool {
	return slices.ContainsFunc(b.gaps, func(g gap) bool {
		return slices.Contains(g.Types, e.Type) && !e.At.Before(g.From) && !e.At.After(g.To.Add(upgrade))
	})
}

// run lets the hotels' time pass until the test ends.
func (h *hotels) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.simulator.Run(ctx)
	}()
	h.t.Cleanup(func() {
		stop()
		<-done
	})
}
