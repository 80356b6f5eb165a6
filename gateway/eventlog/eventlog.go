package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bellhop/gateway"
)

// Options say where the log is and how much it keeps.
type Options struct {
	// Dir is the data folder. It is created, closed to other users, and taken
	// for this process alone.
	Dir string
	// MaxAge and MaxBytes bound what is kept; 0 is no bound. An age is at least
	// 100ms.
	MaxAge   time.Duration
	MaxBytes int64
	// Sync is how often the disk is told to keep what was written, and so what
	// a power cut may cost; a crash of the process costs nothing. 0 syncs every
	// append before it counts as stored.
	Sync time.Duration

	// Logger is for the log's own troubles; nil discards them.
	Logger *slog.Logger
	// Registerer gets the metrics, until Close; nil is none.
	Registerer prometheus.Registerer
	// OnHealth is called with the reason when the log cannot be written any
	// more and with nil when it can be again, on the log's goroutine and on
	// each change; it must not block. After nil, [Log.Opened] may have news.
	OnHealth func(err error)
}

// Opening is what the log's last opening found.
type Opening struct {
	// Clean says that the log was closed properly before, or is new.
	Clean bool
	// LostTail says that records which were stored are gone from the log's end:
	// its files are older than they were, or damaged.
	LostTail bool
	// LostFrom is when the last record before the lost ones was logged; when
	// none is left, the longest ago that a lost one can have been logged.
	LostFrom time.Time
}

// Log is a [gateway.Log], a [gateway.StateStore] and a [gateway.Keeper]. All methods may be called
// concurrently.
type Log struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	lock    *os.File

	intake  *intake
	state   state
	inboxes inboxes
	marks   marks
	recent  recent
	more    signal // said when something was stored

	table   atomic.Pointer[epochs]
	opening atomic.Pointer[Opening]
	first   atomic.Uint64
	last    atomic.Uint64

	stop   context.CancelFunc // gives up
	quit   <-chan struct{}    // closed when all is stored, or by stop
	done   chan struct{}      // closed when all goroutines have ended
	result error              // of Close, set before done is closed

	mu      sync.Mutex
	current *session      // nil while there is none
	changed chan struct{} // closed when current changes
}

var (
	_ gateway.Log        = (*Log)(nil)
	_ gateway.StateStore = (*Log)(nil)
	_ gateway.Keeper     = (*Log)(nil)
)

// ErrFull is matched by the error of [Open] where the disk has no room.
var ErrFull = errors.New("disk full")

// Open opens the log in o.Dir, which no other process may have open. It returns
// when the log can be read and written. The log runs until [Log.Close].
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := lockFolder(o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	l := &Log{
		opts:    o,
		log:     o.Logger,
		lock:    lock,
		intake:  newIntake(),
		state:   state{busy: make(chan struct{}, 1)},
		inboxes: inboxes{by: make(map[string]*inbox)},
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	l.metrics = newMetrics(l)
	s, err := l.openFirst(ctx)
	if err != nil {
		if full(o.Dir) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.quit = ctx.Done()
	go l.serve(ctx, s)
	return l, nil
}

func (l *Log) openFirst(ctx context.Context) (*session, error) {
	table, err := loadEpochs(l.opts.Dir)
	if err != nil { // all positions become foreign, which is safe
		l.log.Error("positions given until now are void", "err", err)
		table = &epochs{}
	}
	l.table.Store(table)
	if err := l.metrics.register(); err != nil {
		return nil, err
	}
	s, err := l.open(ctx)
	if err != nil {
		l.leave(s)
		l.metrics.unregister()
		return nil, err
	}
	return s, nil
}

// serve runs the log's goroutines to their end.
func (l *Log) serve(ctx context.Context, s *session) {
	defer close(l.done)
	var others sync.WaitGroup
	others.Go(func() { l.watch(ctx) })
	others.Go(func() { l.dropLate(ctx) })
	others.Go(func() { l.syncAgain(ctx) })
	w := newWriter(l)
	w.run(ctx, s)
	l.stop()
	others.Wait()
	l.result = l.shutdown(w)
}

// shutdown ends the present session and notes that it was ended properly.
func (l *Log) shutdown(w *writer) error {
	var errs []error
	if n := l.intake.pending(); n > 0 {
		errs = append(errs, fmt.Errorf("%d records were not stored", n))
	} else {
		l.dropAll()
	}
	if s := l.session(); s != nil {
		l.leave(s)
		errs = append(errs, l.table.Load().close(w.flight.acked).save(l.opts.Dir))
	}
	l.metrics.unregister()
	return errors.Join(append(errs, l.lock.Close())...)
}

// Close takes no more records, stores what was taken, and ends the log. Where
// ctx ends before, what is not stored is given up and Close returns at once;
// the rest of the log ends soon after.
func (l *Log) Close(ctx context.Context) error {
	l.intake.close()
	select {
	case <-l.done:
	case <-ctx.Done():
		l.stop()
		return fmt.Errorf("close log: %w", ctx.Err())
	}
	return l.result
}

// Opened returns what the opening found, or a later one inside the process that
// found a lost tail.
func (l *Log) Opened() Opening { return *l.opening.Load() }

// Append implements [gateway.Log]. It returns an error, and takes nothing, for
// a record that no stream can hold; [gateway.CheckName] and the limits of
// package gateway keep clear of that.
func (l *Log) Append(ctx context.Context, records []*gateway.Record, done func()) error {
	entries := make([]entry, len(records), len(records)+1)
	for i, r := range records {
		e, err := newEntry(r)
		if err != nil {
			return fmt.Errorf("append record %d: %w", i, err)
		}
		entries[i] = e
	}
	switch {
	case len(entries) > 0:
		entries[len(entries)-1].done = done
	case done != nil:
		entries = append(entries, entry{done: done})
	default:
		return nil
	}
	return l.intake.put(ctx, entries)
}
