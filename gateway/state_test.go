package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"
)

var errNoRoom = errors.New("no room")

// memoryState keeps the present state in memory, record by record, and can be
// made to fail between any two.
type memoryState struct {
	mu      sync.Mutex
	records map[gateway.EntityKey]stored
	upTo    uint64
	works   int // how many more steps go well; below 0 for all
	saves   int // that were asked for
}

type stored struct {
	seq    uint64
	logged time.Time
	data   []byte
}

func newState() *memoryState {
	return &memoryState{records: make(map[gateway.EntityKey]stored), works: -1}
}

// fail has all fail that comes after so many steps; below 0 none.
func (m *memoryState) fail(after int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.works = after
}

// asked returns how many saves were asked for.
func (m *memoryState) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

// entities returns how many are kept.
func (m *memoryState) entities() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

func (m *memoryState) stepLocked() error {
	if m.works == 0 {
		return errNoRoom
	}
	m.works = max(m.works-1, -1)
	return nil
}

func (m *memoryState) LoadState(_ context.Context, f func(*gateway.Record)) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := slices.SortedFunc(maps.Values(m.records), func(a, b stored) int { return cmp.Compare(b.seq, a.seq) })
	for _, s := range newest {
		if err := m.stepLocked(); err != nil {
			return 0, err
		}
		rec := must(gateway.UnmarshalRecord(s.data))
		rec.Seq, rec.Logged = s.seq, s.logged
		f(rec)
	}
	return m.upTo, nil
}

func (m *memoryState) SaveState(_ context.Context, changed []*gateway.Record, gone []gateway.EntityKey, upTo uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	for _, rec := range changed {
		if err := m.stepLocked(); err != nil {
			return err
		}
		key, _ := rec.Event.Key()
		m.records[key] = stored{rec.Seq, rec.Logged, must(gateway.MarshalRecord(rec))}
	}
	for _, key := range gone {
		if err := m.stepLocked(); err != nil {
			return err
		}
		delete(m.records, key)
	}
	if err := m.stepLocked(); err != nil {
		return err
	}
	m.upTo = upTo
	return nil
}

// complete returns the place in the log up to which the state is kept.
func (m *memoryState) complete() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.upTo
}

// A writer is a source of which the test has the sink.
type writer struct {
	name  string
	types []string
	sink  chan gateway.Sink
}

func (w *writer) Name() string    { return w.name }
func (w *writer) Types() []string { return w.types }

func (w *writer) Run(ctx context.Context, to gateway.Sink) error {
	w.sink <- to
	<-ctx.Done()
	return nil
}

var writerTypes = []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}

// A hotel is what outlives a gateway: the log, the state beside it, the notes.
type hotel struct {
	log    *memoryLog
	state  *memoryState
	keeper *keeper
	keep   time.Duration // how long entities are kept once they are done
	ring   int
	piece  int // bytes of a snapshot's pieces
	shared int // bytes of snapshots that are kept
}

func newHotel() *hotel {
	log := newLog()
	log.coded = true
	return &hotel{log: log, state: newState(), keeper: &keeper{kept: make(map[string]time.Time)}, keep: time.Hour, ring: 100, piece: 64 << 10, shared: 64 << 20}
}

// An opened hotel is one with a gateway that runs.
type opened struct {
	*house
	*gateway.Gateway
	sinks  map[string]gateway.Sink // by source
	cancel context.CancelFunc
	err    chan error
}

// start runs a gateway over the hotel with the sources prague and brno. It
// returns the error of one that did not come to run its sources.
func (h *hotel) start() (*opened, error) {
	o := &opened{sinks: make(map[string]gateway.Sink), err: make(chan error, 1)}
	writers := []*writer{{"prague", slices.Clone(writerTypes), make(chan gateway.Sink)}, {"brno", slices.Clone(writerTypes), make(chan gateway.Sink)}}
	hub := gateway.NewHubWithRing(gateway.HubOptions{Log: h.log, State: h.state, Encode: encode, Sources: []string{"prague", "brno"}}, h.ring)
	hub.SetPiece(h.piece)
	hub.SetShared(h.shared)
	o.Gateway = &gateway.Gateway{Log: h.log, Keeper: h.keeper, Hub: hub, Keep: h.keep, Sources: []gateway.Source{writers[0], writers[1]}}
	o.house = &house{log: h.log, hub: hub}
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	go func() { o.err <- o.Run(ctx) }()
	for _, w := range writers {
		select {
		case o.sinks[w.name] = <-w.sink:
		case err := <-o.err:
			cancel()
			return nil, err
		}
	}
	return o, nil
}

// mustStart is start where it cannot fail.
func (h *hotel) mustStart(t testing.TB) *opened {
	t.Helper()
	o, err := h.start()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// end stops the gateway.
func (o *opened) end(t testing.TB) {
	t.Helper()
	o.cancel()
	if err := <-o.err; err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
}

// crash stops the gateway without anything more being kept.
func (h *hotel) crash(t testing.TB, o *opened) {
	t.Helper()
	h.state.fail(0)
	o.end(t)
	h.state.fail(-1)
}

// inHotel runs f in a bubble with a hotel that is open.
func inHotel(t *testing.T, f func(t *testing.T, h *hotel, o *opened)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotel()
		o := h.mustStart(t)
		f(t, h, o)
		o.end(t)
	})
}

// say has the events' sources append them, one by one.
func (o *opened) say(t testing.TB, events ...*gateway.Event) {
	t.Helper()
	for _, e := range events {
		if err := o.sinks[e.Source].Append(t.Context(), []*gateway.Record{{Event: e}}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// gone is an event that says that an entity has left.
func gone(typ, id string) *gateway.Event {
	return &gateway.Event{Source: "prague", Type: typ, ID: id, Origin: gateway.OriginBackfill, Received: time.Now(), Gone: true}
}
