package mews

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway"
)

const (
	// patience is how long a control frame may take to be written, and a
	// connection to end. So little is written that only a peer that has long
	// ceased to read makes a write wait.
	patience       = time.Second
	keptFrameSpace = 1 << 20 // bytes of the frame buffer that outlive a large frame
)

// session is one open socket. Its reader hands batches to the queue; its serve
// pings and says whether pings are answered.
type session struct {
	source   *Source
	socket   *websocket.Conn
	progress *progress
	queue    chan<- batch
	dialed   time.Time // when the handshake began
	expected bool      // the opening will be followed by reading what is missing
	gate     *gate

	pings   pings
	waiting atomic.Bool // the reader waits for the log
	begun   bool        // the upstream has answered or spoken; owned by the reader
	taken   atomic.Bool // the desk has begun what follows from that
}

// serve holds the connection until it fails or ctx ends, and returns why. It
// calls report, with the state and reason, whenever one may have changed.
func (s *session) serve(ctx context.Context, report func(gateway.State, gateway.Reason)) error {
	s.socket.SetPongHandler(func(payload string) error {
		if sent, ok := s.pings.answer(payload); ok {
			s.begin(ctx)
			s.progress.answer(sent)
		}
		return nil
	})
	read := make(chan error, 1)
	go func() { read <- s.read(ctx) }()

	unsent := s.ping()
	tick := time.NewTicker(s.source.keepalive)
	defer tick.Stop()
	overdue := time.NewTimer(s.source.keepalive / 2)
	defer overdue.Stop()
	for unsent == nil {
		report(s.state())
		select {
		case <-ctx.Done():
			s.farewell()
			s.await(read)
			return ctx.Err()
		case err := <-read:
			s.socket.Close()
			return err
		case <-s.gate.barred:
			s.farewell()
			s.await(read)
			return s.gate.why
		case <-tick.C:
			unsent = s.ping()
			overdue.Reset(s.source.keepalive / 2)
		case <-overdue.C:
		case <-s.progress.changed:
		}
	}
	if err := s.await(read); err != nil {
		return err // what broke the ping
	}
	return fmt.Errorf("ping: %w", unsent)
}

// state is what the pings say of the connection.
func (s *session) state() (gateway.State, gateway.Reason) {
	switch {
	case !s.pings.overdue(time.Now(), s.source.keepalive/2):
		if s.expected && !s.taken.Load() {
			return gateway.StateCatchingUp, ""
		}
		return gateway.StateLive, ""
	case s.waiting.Load():
		return gateway.StateStale, gateway.ReasonLog
	}
	return gateway.StateStale, gateway.ReasonSilent
}

func (s *session) ping() error {
	now := time.Now()
	return s.socket.WriteControl(websocket.PingMessage, s.pings.next(now), now.Add(patience))
}

// farewell says that the client goes (RFC 6455, section 7.1.1). When that cannot
// be said in time it is left unsaid.
func (s *session) farewell() {
	text := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
	_ = s.socket.WriteControl(websocket.CloseMessage, text, time.Now().Add(patience))
}

// await gives the reader a while to come to the end of the connection and
// returns what it met there; nil when the connection had to be closed under it.
func (s *session) await(read <-chan error) error {
	defer s.socket.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-read:
		return err
	case <-timer.C:
	}
	s.socket.Close()
	<-read
	return nil
}

// read reads messages until the connection fails or ctx ends. Pings of the other
// side are answered by the socket's own handler, with a deadline.
func (s *session) read(ctx context.Context) error {
	var buffer bytes.Buffer
	for ctx.Err() == nil {
		_, message, err := s.socket.NextReader()
		at := time.Now()
		if err == nil {
			s.begin(ctx)
		}
		release := s.progress.hold(at)
		if err == nil {
			_, err = buffer.ReadFrom(message)
		}
		if err != nil {
			s.cutOff(ctx, err, at, release)
			return err
		}
		s.handOver(ctx, s.decode(buffer.Bytes(), at, release))
		if buffer.Reset(); buffer.Cap() > keptFrameSpace {
			buffer = bytes.Buffer{}
		}
	}
	return ctx.Err()
}

// begin tells the desk, once, that the socket stands. Not before the upstream has
// answered or spoken on it is it certain that it says there what happens; what it
// said until then was missed.
func (s *session) begin(ctx context.Context) {
	if s.begun {
		return
	}
	o := &opening{at: time.Now(), taken: &s.taken}
	if from := s.progress.heard(); !from.IsZero() {
		o.release = s.progress.miss(from)
		ago := o.at.Sub(from) // right even where the clock was set since
		o.missed = span{o.at.Add(-ago).UTC(), o.at.UTC()}
	}
	s.handOver(ctx, batch{opening: o, at: o.at, release: func() {}})
	s.begun = true
	s.progress.answer(s.dialed)
}

// cutOff settles a message that began at at and never came whole. What is lost
// with the connection the next one announces; a message over the limit is
// announced besides.
func (s *session) cutOff(ctx context.Context, err error, at time.Time, release func()) {
	if errors.Is(err, websocket.ErrReadLimit) {
		s.handOver(ctx, batch{broken: true, at: at, release: release})
		return
	}
	s.progress.lose(at)
	release()
}

func (s *session) decode(text []byte, at time.Time, release func()) batch {
	s.source.metrics.frame(len(text))
	f := &frame{source: s.source.name, received: at.UTC(), judge: s.source.judge}
	records, err := f.decode(text)
	if err != nil {
		s.source.faults.Do(func() {
			s.source.log.Warn("broken frame", "err", err, "bytes", len(text), "records", len(records))
		})
	}
	return batch{records: records, broken: err != nil, at: at, release: release, bytes: len(text)}
}

// handOver waits until the desk takes b. When ctx ends first the hold of b
// stays, so that the next start announces what is lost.
func (s *session) handOver(ctx context.Context, b batch) {
	b.gate = s.gate
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	select {
	case s.queue <- b:
	case <-ctx.Done():
	}
}

// judge counts an event and says the shape of a bad one.
func (s *Source) judge(v verdict) {
	s.metrics.event(v.typ, v.outcome)
	if v.outcome == accepted {
		return
	}
	s.refusals.Do(func() {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "event refused",
			slog.String("reason", string(v.outcome)), slog.Any("err", v.err), slog.Int("bytes", v.bytes),
			slog.String("event", v.kinds[0]), slog.String("type", v.kinds[1]), slog.String("id", v.kinds[2]))
	})
}

// ended says what the end of a session means. Codes are logged, the texts that
// come with them are not: they are the upstream's.
func ended(err error, opened time.Time) *failure {
	lived := time.Since(opened)
	f := &failure{reason: gateway.ReasonClosed, err: err, lived: lived}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		f.err = fmt.Errorf("close code %d", closed.Code)
		if closed.Code == websocket.ClosePolicyViolation && lived < stability {
			f.reason = gateway.ReasonRejected
		}
	}
	if errors.Is(err, errForeign) {
		f.reason = gateway.ReasonEnterprise
	}
	// The library hides what a timeout wraps, but not that it is one.
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		f.reason = gateway.ReasonSilent
	}
	return f
}
