package mews

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bellhop/gateway"
)

// batch is what the reader gives to the desk: one message of the socket, or word
// that a socket stands.
type batch struct {
	records []*gateway.Record
	broken  bool      // it could not be decoded whole
	at      time.Time // its arrival, with the monotonic reading
	release func()    // ends the hold on the confirmed moment; never nil
	opening *opening  // nil for a message
	gate    *gate     // its socket's
	bytes   int       // of the message
}

// opening says that the upstream has answered, or spoken, on a new socket.
type opening struct {
	at      time.Time    // with the monotonic reading
	missed  span         // what was said while there was no socket; zero at the very first
	release func()       // lets the confirmed moment pass what was missed; nil at the very first
	taken   *atomic.Bool // set once what follows from it is shown
}

// desk takes frames in the order of the queue and decides each event's way: to the
// log at once, or first into the inbox, where it counts as taken, to wait for its
// entity, for the end of a recovery, or for an earlier event of the same entity.
// All that the API says comes here too. One goroutine, that of run, owns all of
// it; others that the desk has started ask it to do something with ask.
type desk struct {
	*Source
	sink      gateway.Sink
	progress  *progress
	queue     <-chan batch
	connected *atomic.Bool                      // a socket is open
	shown     *atomic.Pointer[gateway.Backfill] // what is read of the past; nil when nothing is
	tickets   *tickets
	trusted   *trust
	planned   *atomic.Int64 // unread, for the keeper

	// unread is from when on an earlier process had planned to read what was
	// updated; zero for none, and once that is part of a recovery.
	unread time.Time

	alarm   *time.Timer
	resumes time.Time // the end of a pause; zero for none
	mail    chan letter
	started sync.WaitGroup
	loaded  bool // the present state was loaded once

	lobby      []batch // that have not passed their gates
	lobbyBytes int
	unheard    *opening // the one of those that were dropped that has missed most, nil for none

	guests     map[gateway.EntityKey]*guest
	visits     int
	visitBytes int
	numbers    uint64
	held       []*visit // that wait for nothing but the end of the recovery
	patience   []*visit // that wait, or waited, for their entities, by arrival

	out     []outgoing                 // on their way to the log
	leaving map[gateway.EntityKey]bool // whose they are
	due     []readRow                  // to be judged when they are there

	fetches  map[string]*fetch      // by type
	recent   memory[readRow]        // what was read last, for events that came before but are taken after
	buried   memory[*gateway.Event] // the tombstones that were logged last
	large    memory[time.Time]      // the versions of rows that were announced as too large
	settling settling
	recovery *recovery // nil when there is none
	errands  []*errand
	errand   *errand // of which a piece is being read
	broken   faults
	told     time.Time // when shown was last brought up to date
}

func newDesk(r *run) *desk {
	d := &desk{
		Source: r.Source, sink: r.sink, progress: r.progress, queue: r.queue,
		connected: &r.connected, shown: &r.shown, planned: &r.planned, tickets: r.tickets, trusted: &r.trusted,
		loaded: r.loaded, unread: r.unread,
		mail:    make(chan letter),
		guests:  make(map[gateway.EntityKey]*guest),
		leaving: make(map[gateway.EntityKey]bool),
		fetches: make(map[string]*fetch),
	}
	for _, typ := range rowTypes {
		d.fetches[typ] = &fetch{typ: typ}
	}
	return d
}

// run works until ctx ends, which is no error, or the log is closed.
func (d *desk) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer d.started.Wait()
	defer cancel()
	if err := d.work(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("append: %w", err)
	}
	return nil
}

func (d *desk) work(ctx context.Context) error {
	if err := d.takeBack(ctx); err != nil {
		return err
	}
	d.alarm = time.NewTimer(0)
	defer d.alarm.Stop()
	for ctx.Err() == nil {
		queue := d.queue
		if d.full() || d.lobbyFull() {
			queue = nil
		}
		if err := d.serve(ctx, queue, d.lobbyGate()); err != nil {
			return err
		}
	}
	return nil
}

// serve does the next thing: with what comes, where queue and lobby are not nil,
// with what others want to have done, or with what is due.
func (d *desk) serve(ctx context.Context, queue <-chan batch, lobby <-chan struct{}) error {
	var err error
	select {
	case <-ctx.Done():
		return nil
	case b := <-queue:
		err = d.receive(ctx, b)
	case <-lobby:
		err = d.clearLobby(ctx)
	case <-d.trusted.changed:
	case l := <-d.mail:
		err = l.do()
		close(l.done)
	case <-d.loads:
		d.start(ctx, d.loadAnew)
	case <-d.alarm.C:
	}
	if err == nil {
		err = d.tick(ctx)
	}
	d.setAlarm()
	return err
}

// pause goes on with all but what comes, until the pause is over or ctx ends.
func (d *desk) pause(ctx context.Context, pause time.Duration) error {
	d.resumes = time.Now().Add(pause)
	defer func() { d.resumes = time.Time{} }()
	for d.setAlarm(); time.Now().Before(d.resumes); {
		if err := d.serve(ctx, nil, nil); err != nil || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
	}
	return nil
}

// letter is what another goroutine wants to have done.
type letter struct {
	do   func() error
	done chan struct{}
}

// start runs f, of which run waits for the end.
func (d *desk) start(ctx context.Context, f func(context.Context)) {
	d.started.Go(func() { f(ctx) })
}

// ask has the desk run f and waits until it has; the error is that of ctx. An
// error of f ends the desk.
func (d *desk) ask(ctx context.Context, f func() error) error {
	l := letter{f, make(chan struct{})}
	select {
	case d.mail <- l:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tick does what is due and gives the log what is on its way.
func (d *desk) tick(ctx context.Context) error {
	now := time.Now()
	d.losePatience(now)
	d.startSettling(now)
	if due := d.broken.due(); !due.IsZero() && !due.After(now) {
		gap, release := d.broken.gap(d.Source, now)
		if err := d.store(ctx, []*gateway.Record{gap}, release); err != nil {
			return err
		}
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	if err := d.startRecovery(ctx, now); err != nil {
		return err
	}
	if d.trusted.on.Load() {
		d.startFetches(ctx, now)
		d.startErrand(ctx, now)
	}
	d.plans()
	if d.shown.Load() != nil && now.Sub(d.told) >= time.Second {
		d.publish()
	}
	return nil
}

// setAlarm has the alarm go off when something is due.
func (d *desk) setAlarm() {
	var next time.Time
	consider := func(due time.Time) {
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if len(d.patience) > 0 {
		consider(d.patience[0].arrived.Add(d.enrichWait))
	}
	consider(d.resumes)
	consider(d.settling.due())
	consider(d.broken.due())
	if r := d.recovery; r != nil {
		consider(r.patience())
	}
	if d.holding() {
		consider(d.recovery.begun.Add(holdMost))
	}
	if d.trusted.on.Load() {
		d.considerReads(consider)
	}
	if d.shown.Load() != nil {
		consider(d.told.Add(time.Second))
	}
	d.alarm.Stop()
	if !next.IsZero() {
		d.alarm.Reset(time.Until(next))
	}
}

// considerReads considers when the API is to be asked.
func (d *desk) considerReads(consider func(time.Time)) {
	for _, f := range d.fetches {
		consider(f.due())
	}
	if r := d.recovery; r != nil && r.reading == nil {
		consider(r.due)
	}
	if e := d.nextErrand(); e != nil {
		consider(e.due)
	}
}

// take takes a batch that has passed the gate.
func (d *desk) take(ctx context.Context, b batch) error {
	if b.opening != nil {
		return d.opened(ctx, b.opening)
	}
	if b.broken && d.broken.take(&b, time.Now()) {
		b.records = append(b.records, d.gapOf(d.types, b.at, b.at, gateway.GapFrame))
	}
	straight, visits := d.sort(b.records, b.at)
	waited, err := d.shelve(ctx, visits)
	if err != nil {
		return err
	}
	if len(straight) == 0 {
		b.release()
	} else if err := d.store(ctx, straight, b.release); err != nil {
		return err
	}
	for _, v := range visits {
		d.admit(v)
	}
	if waited {
		d.settleAll(b.records)
	}
	return nil
}

// sort tells the records that go to the log at once from those that wait.
func (d *desk) sort(records []*gateway.Record, at time.Time) (straight []*gateway.Record, visits []*visit) {
	for _, rec := range records {
		if rec.Event == nil || !d.waits(rec.Event) {
			straight = append(straight, rec)
		} else {
			visits = append(visits, newVisit(rec, at))
		}
	}
	return straight, visits
}

func (d *desk) waits(e *gateway.Event) bool {
	if d.fetches[e.Type] == nil {
		return false // the API has none of these
	}
	return d.enriches(e.Type) || d.holding() || d.guests[d.key(e.Type, e.ID)] != nil
}

// opened begins to make up for what was not heard before a socket stood, or
// announces it where the API is not to be asked.
func (d *desk) opened(ctx context.Context, o *opening) error {
	if o.release != nil {
		d.recollect(o)
	}
	switch {
	case o.release == nil:
	case d.backfill:
		d.recover(o)
	default:
		gap := d.gapOf(d.types, o.missed.from, o.missed.to, gateway.GapUpstream)
		if err := d.store(ctx, []*gateway.Record{gap}, o.release); err != nil {
			return err
		}
	}
	if !d.backfill {
		return nil
	}
	d.echo(o.at)
	if !d.loaded {
		d.loaded = true
		d.load()
	}
	d.readAgain()
	d.plans()
	d.publish()
	o.taken.Store(true)
	d.progress.wake()
	return nil
}
