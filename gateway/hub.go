package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What the hub keeps in memory of the log's tail.
const (
	ringRecords = 16384
	ringBytes   = 64 << 20
)

// gatherFrame is how long, at most, streams wait for the rest of an upstream
// frame, so that its events leave in one write.
const gatherFrame = 2 * time.Millisecond

// Hub tails the log and brings each record to the feeds that show it. Its
// methods may be called concurrently.
type Hub struct {
	log     Log
	store   StateStore // nil for none
	encode  Encoder
	logger  *slog.Logger
	readers chan struct{} // one for each read of the log under way
	older   older
	present *present
	kept    kept
	zero    time.Time // of all clocks

	rendered room // for what is kept of encoded records
	pasts    room // for what is kept of feeds' lists
	beat     atomic.Pointer[heartbeat]

	logReads atomic.Uint64 // for streams that came from far back
	// head is the last record that all feeds have been given.
	head atomic.Uint64
	// loaded is closed when the log's tail has been read.
	loaded chan struct{}

	mu        sync.Mutex
	feeds     map[feedKey]*Feed
	index     *index
	ring      ring
	hashes    []uint64 // of the record that is being dispatched
	idle      int      // of the feeds, how many have no stream
	touched   []*Feed  // have frames their streams were not woken for
	gather    *time.Timer
	sources   sources
	snapshots snapshots
}

// HubOptions are what a [Hub] is made of.
type HubOptions struct {
	Log        Log
	State      StateStore // keeps the present state; nil for nothing kept
	Encode     Encoder
	Sources    []string              // the names of the configured sources
	Logger     *slog.Logger          // nil for none
	Registerer prometheus.Registerer // nil for none
}

// NewHub returns a hub that shows nothing until [Hub.Run] has read the log's
// tail.
func NewHub(o HubOptions) *Hub {
	h := &Hub{
		log: o.Log, store: o.State, encode: o.Encode, logger: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		readers:   make(chan struct{}, olderReaders),
		loaded:    make(chan struct{}),
		present:   newPresent(),
		feeds:     make(map[feedKey]*Feed),
		zero:      time.Now(),
		index:     newIndex(),
		ring:      ring{maxLen: ringRecords, maxBytes: ringBytes},
		rendered:  room{limit: sharedRenderings},
		pasts:     room{limit: sharedPasts},
		sources:   newSources(o.Sources, time.Now()),
		snapshots: snapshots{piece: snapshotPiece, room: room{limit: sharedSnapshots}},
	}
	h.gather = time.AfterFunc(time.Hour, h.gathered)
	h.gather.Stop()
	h.register(o.Registerer)
	return h
}

func (h *Hub) register(r prometheus.Registerer) {
	if r == nil {
		return
	}
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bellhop_feeds", Help: "Feeds: distinct subscriptions with streams, or that had some within a minute.",
		}, func() float64 { return float64(h.Feeds()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bellhop_hub_sequence", Help: "The last sequence of the log that all feeds have been given.",
		}, func() float64 { return float64(h.Head()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "bellhop_log_reads_total", Help: "Reads of the log for streams that resumed further back than memory reaches.",
		}, func() float64 { return float64(h.logReads.Load()) }),
	)
}

// Run tails the log until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	if err := h.load(ctx); err != nil {
		return fmt.Errorf("read the log's tail: %w", err)
	}
	close(h.loaded)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { h.sweep(stop) })
	wg.Go(func() { h.keepState(stop) })
	defer wg.Wait()
	defer close(stop)
	defer h.gather.Stop()
	return h.log.Follow(ctx, h.head.Load(), h.dispatch)
}

// load reads the kept state, and the log from there on or from where the ring
// begins.
func (h *Hub) load(ctx context.Context) error {
	at, err := h.loadState(ctx)
	if err != nil {
		return err
	}
	first, last := h.log.Bounds()
	begin := max(first, 1) - 1
	ring := begin
	if n := uint64(h.ring.maxLen); last > n {
		ring = max(begin, last-n)
	}
	h.trimmed(begin)
	at = min(max(at, begin), ring)
	h.begin(at)
	for {
		_, last := h.log.Bounds() // before the read: what comes after it is not behind us
		records, err := h.log.Read(ctx, at, 1024)
		switch {
		case errors.Is(err, ErrTrimmed):
			first, _ := h.log.Bounds()
			h.trimmed(first - 1)
			at = max(first-1, at)
			h.begin(at)
		case err != nil:
			return err
		case len(records) == 0:
			h.head.Store(max(at, last)) // the last ones may have been erased
			return nil
		default:
			for _, rec := range records {
				h.dispatch(rec)
			}
			at = records[len(records)-1].Seq
		}
	}
}

// begin empties the ring: what comes next follows on seq.
func (h *Hub) begin(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.clear(seq)
	h.head.Store(seq)
}

// Loaded is closed once the log's tail has been read: from then on streams can
// be opened.
func (h *Hub) Loaded() <-chan struct{} { return h.loaded }

// Head returns the sequence of the last record that all feeds have been given.
func (h *Hub) Head() uint64 { return h.head.Load() }

// dispatch links a record's frames to the feeds that show it.
func (h *Hub) dispatch(rec *Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	idle := len(h.touched) == 0
	if next := h.head.Load() + 1; rec.Seq > next {
		if first, _ := h.log.Bounds(); first > next {
			h.overtakenLocked(min(first, rec.Seq) - 1)
		}
	}
	r := newRendering(h, rec, coming)
	if rec.Gap != nil {
		h.hashes = append(h.hashes[:0], h.index.gap)
		for _, f := range h.feeds {
			h.give(f, r)
		}
	} else {
		h.hashes = h.index.appendKeys(h.hashes[:0], rec.Event, r.id)
		h.index.candidates(h.hashes, func(f *Feed) { h.give(f, r) })
	}
	r.stay()
	h.present.read(rec)
	h.ring.add(r, h.hashes)
	h.head.Store(rec.Seq)
	switch {
	case rec.Event == nil || !rec.Event.More:
		h.wakeLocked()
	case idle && len(h.touched) > 0: // from the first on: the rest may be long in coming
		h.gather.Reset(gatherFrame)
	}
}

// overtakenLocked says to all streams that trimming was faster than the hub: what
// stood up to seq is gone.
func (h *Hub) overtakenLocked(seq uint64) {
	h.logger.Warn("the log was trimmed faster than it was read", "from", h.head.Load(), "to", seq)
	h.ring.clear(seq)
	h.present.overtake(seq)
	reset := marshal(reasonData{resetTrimmed})
	last := block{data: h.encode(nil, 0, h.position(seq), nameReset, reset)}
	first := h.encode(nil, 0, "", nameReset, reset) // a snapshot follows
	list := h.present.list(seq)
	for _, f := range h.feeds {
		h.forgetLocked(f) // nobody can come back to before seq
		if f.variant.Snapshot {
			h.appendSnapshotLocked(f, first, list)
		} else {
			h.appendLocked(f, last, seq)
		}
	}
}

// give links the record's frame to the feed, if it shows it.
func (h *Hub) give(f *Feed, r *rendering) {
	if f.seen == r.rec.Seq {
		return // found under another key already
	}
	f.seen = r.rec.Seq
	if b := r.show(f.sub, f.variant); b.data != nil {
		h.appendLocked(f, b, r.rec.Seq)
	}
}

// appendLocked links a block to the feed's list; its streams are woken later. Seq
// is its place in the log, 0 for what has none.
func (h *Hub) appendLocked(f *Feed, b block, seq uint64) {
	last := f.append(b, seq)
	if f.past != nil && seq > 0 {
		h.rememberLocked(f, last)
	}
	if !f.stirred {
		f.stirred = true
		h.touched = append(h.touched, f)
	}
}

func (h *Hub) wakeLocked() {
	for _, f := range h.touched {
		f.stir()
	}
	clear(h.touched)
	h.touched = h.touched[:0]
}

func (h *Hub) gathered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeLocked()
}

// since returns how long after the zero of all clocks now is.
func (h *Hub) since(now time.Time) time.Duration { return now.Sub(h.zero) }

// end returns where a stream begins that asks for nothing older: the head, or
// what is left to come when trimming was faster than the hub.
func (h *Hub) end() uint64 {
	first, _ := h.log.Bounds()
	return max(h.head.Load(), max(first, 1)-1)
}

// floor returns the sequence from which on everything is in memory.
func (h *Hub) floor() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ring.floor
}
