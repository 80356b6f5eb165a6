package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// appendTimeout is how long the oldest append under way may be unanswered.
	appendTimeout = 5 * time.Second
	// stallCheck is how often a stalled stream is asked what is wrong with it.
	stallCheck = 250 * time.Millisecond

	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second

	// answerEvery is how many records at most one answer is for.
	answerEvery = 256
)

var errUnanswered = errors.New("append is not answered")

// writer appends what the intake took, in order, and reopens the log when that
// fails. Its methods run on one goroutine.
type writer struct {
	l       *Log
	flight  flight
	failed  bool // OnHealth was told so
	backoff time.Duration
	pace    pace

	// Of the present session.
	inbox     string
	asked     []uint64 // the sequences that answers are outstanding for, in order
	gathering bool     // what waits is published when a timer says so
}

func newWriter(l *Log) *writer { return &writer{l: l, backoff: firstBackoff} }

// run appends until the intake is closed and drained, or ctx ends.
func (w *writer) run(ctx context.Context, s *session) {
	for s != nil {
		err := w.append(ctx, s)
		if err == nil || ctx.Err() != nil {
			return
		}
		w.fail(err)
		s = w.reopen(ctx, s)
	}
}

// reopen opens the log anew until that succeeds. It returns nil when ctx ends
// before. While it waits the old session goes on serving readers.
func (w *writer) reopen(ctx context.Context, s *session) *session {
	for {
		if !w.wait(ctx) {
			return nil
		}
		w.l.leave(s)
		w.l.metrics.reopens.Inc()
		var err error
		if s, err = w.l.open(ctx); err == nil {
			return s
		}
		w.l.log.Warn("the log cannot be opened anew", "err", err)
	}
}

// wait sleeps for up to the backoff and doubles it. It reports whether ctx goes
// on.
func (w *writer) wait(ctx context.Context) bool {
	d := rand.N(w.backoff)
	w.backoff = min(2*w.backoff, maxBackoff)
	return sleep(ctx, d) == nil
}

// sleep waits for d, or returns why ctx ended before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) fail(err error) {
	w.l.log.Error("the log cannot be written, opening it anew", "err", err)
	if w.failed {
		return
	}
	w.failed = true
	w.l.metrics.writable.Set(0)
	if w.l.opts.OnHealth != nil {
		w.l.opts.OnHealth(err)
	}
}

func (w *writer) heal() {
	w.backoff = firstBackoff
	if !w.failed {
		return
	}
	w.failed = false
	w.l.metrics.writable.Set(1)
	w.l.log.Info("the log can be written again")
	if w.l.opts.OnHealth != nil {
		w.l.opts.OnHealth(nil)
	}
}

// append publishes over s until all is stored and the intake closed, which is
// no error, or something fails.
func (w *writer) append(ctx context.Context, s *session) error {
	w.inbox, w.asked = s.pub.NewInbox(), nil
	acks := make(chan *nats.Msg, maxPending+1)
	if _, err := s.pub.ChanSubscribe(w.inbox, acks); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := w.resume(ctx, s); err != nil {
		return err
	}
	stall := time.NewTicker(stallCheck)
	defer stall.Stop()
	gathered := time.NewTimer(0)
	defer gathered.Stop()
	w.gathering = true
	progress := time.Now()
	for {
		if w.flight.sent == 0 {
			progress = time.Now()
		}
		if err := w.begin(s, gathered); err != nil {
			return err
		}
		if len(w.flight.entries) == 0 {
			w.heal()
			if w.l.intake.drained() {
				return nil
			}
		}
		select {
		case <-gathered.C:
			w.gathering = false
			if err := w.publish(s); err != nil {
				return err
			}
		case <-w.l.intake.ready:
			w.flight.add(w.l.intake.take())
			w.stored(w.flight.settle(w.flight.at))
		case m := <-acks:
			if err := w.answered(m, acks); err != nil {
				return cmp.Or(s.fault(), err) // what follows a failed write is only out of sequence
			}
			progress = time.Now()
		case <-stall.C:
			if err := w.stalled(s, time.Since(progress)); err != nil {
				return err
			}
		case err := <-s.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// resume finds out what of the flight an earlier session stored.
func (w *writer) resume(ctx context.Context, s *session) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	readable := w.flight.acked // of an empty stream: who knows whether the rest was trimmed or never there
	if st.First <= st.Last {
		end, err := s.readable(ctx, st)
		if err != nil {
			return err
		}
		readable = end.seq
	}
	w.flight.add(w.l.intake.take())
	w.l.recent.clear() // what an earlier session stored may be lost or damaged
	w.stored(w.flight.resume(st.Last, readable))
	return nil
}

// begin publishes what waits or, where that is too often, sets the timer for it.
func (w *writer) begin(s *session, gathered *time.Timer) error {
	if w.gathering || !w.flight.waits() {
		return nil
	}
	if wait := w.pace.wait(time.Now()); wait > 0 {
		gathered.Reset(wait)
		w.gathering = true
		return nil
	}
	return w.publish(s)
}

// publish publishes as much as may be under way. An answer is asked for to the last
// record: as each is stored only behind the one before it, it answers for all.
func (w *writer) publish(s *session) error {
	for e := w.flight.next(); e != nil; {
		following := w.flight.next()
		m := &nats.Msg{
			Subject: e.subject,
			Header:  nats.Header{jetstream.ExpectedLastSeqHeader: {strconv.FormatUint(e.seq-1, 10)}},
			Data:    e.data,
		}
		// While something is wrong each answers for itself, and so says what that is.
		if following == nil || e.seq%answerEvery == 0 || w.failed {
			m.Reply = w.inbox
			w.asked = append(w.asked, e.seq)
		}
		if err := s.pub.PublishMsg(m); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		e = following
	}
	return nil
}

// stalled returns what is wrong when no answer has come for so long.
func (w *writer) stalled(s *session, silence time.Duration) error {
	if w.flight.sent == 0 || silence < stallCheck {
		return nil
	}
	if err := s.fault(); err != nil {
		return err
	}
	if silence >= appendTimeout {
		return errUnanswered
	}
	return nil
}
