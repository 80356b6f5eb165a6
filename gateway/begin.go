package gateway

import (
	"context"
	"errors"
	"time"
)

// The reasons of bellhop.reset.
const (
	resetTrimmed = "trimmed"
	resetForeign = "foreign"
)

// asked is what a stream needs to begin.
type asked struct {
	StreamOptions
	newest  bool     // it begins with what is new, wherever that is when it joins its feed
	at      uint64   // the place in the log that it goes on from, as far as that is known
	sources []byte   // what the opening says of the sources, as JSON
	told    []Status // the same, where the opening is written before joining
	changed []Status // what of that has changed until then
}

// Begin writes the stream's opening and puts the stream into its feed, there
// where what it missed begins: that is then taken as what is new is. What is no
// longer in memory, or has to be said before, a snapshot, Begin writes itself. It
// returns [ErrEnded] when the stream has to end before that, or the error of
// write, ctx or log. Each call of write hands over whole blocks.
func (s *Stream) Begin(ctx context.Context, write func([]byte) error) error {
	reset, err := s.start(ctx)
	if err != nil {
		return err
	}
	var missed []*rendering
	joined := false
	if !s.anew(reset) {
		missed, joined = s.hub.join(s)
	}
	if !joined {
		s.hub.tell(s.asked)
	}
	if err := write(s.opening(reset)); err != nil {
		return err
	}
	s.clock.written(s.hub.since(time.Now()))
	give := s.giver(write)
	if s.anew(reset) {
		if err := s.giveSnapshot(give); err != nil {
			return err
		}
	}
	for !joined {
		if missed, joined = s.hub.join(s); joined {
			break
		}
		if err := s.older(ctx, give); err != nil {
			return err
		}
	}
	if err := s.replay(missed, give); err != nil {
		return err
	}
	err = s.settle(give)
	s.begun.Store(err == nil)
	return err
}

// anew reports whether the stream begins with a snapshot.
func (s *Stream) anew(reset string) bool {
	return s.asked.Variant.Snapshot && (s.asked.Resume == "" || reset != "")
}

// giveSnapshot writes the present state; the stream goes on from the place in the
// log that it holds for.
func (s *Stream) giveSnapshot(write func([]byte) error) error {
	shot := s.hub.snapshot(s.asked.Subscription, s.asked.Variant)
	defer shot.release()
	total, err := shot.give(write)
	if err != nil {
		return err
	}
	s.asked.at, s.asked.newest = shot.at, false
	return write(s.hub.snapshotEnd(shot.at, total))
}

// giver returns write for what was missed. Giving it may take longer than the
// token is good.
func (s *Stream) giver(write func([]byte) error) func([]byte) error {
	return func(blocks []byte) error {
		now := time.Now()
		if s.Over(now) {
			return ErrEnded
		}
		s.clock.written(s.hub.since(now))
		return write(blocks)
	}
}

// start finds the place in the log that the stream goes on from, and why it is
// not the one asked for.
func (s *Stream) start(ctx context.Context) (reset string, err error) {
	a := s.asked
	if a.Resume != "" {
		seq, known, good := s.hub.log.Resolve(a.Resume)
		switch {
		case good:
			a.at = seq
			return "", nil
		case known:
			reset = resetTrimmed
		default:
			reset = resetForeign
		}
	}
	if a.Since.IsZero() {
		a.at, a.newest = s.hub.end(), true
		return reset, nil
	}
	at, trimmed, err := s.hub.log.Since(ctx, a.Since)
	if trimmed && reset == "" {
		reset = resetTrimmed
	}
	a.at = at
	return reset, err
}

// older writes a page of what is no longer in memory. Where trimming was faster,
// it says so and goes on as a new stream would.
func (s *Stream) older(ctx context.Context, write func([]byte) error) error {
	a := s.asked
	read, upTo, err := s.hub.readOlder(ctx, a.at)
	if errors.Is(err, ErrTrimmed) {
		return s.restart(ctx, write)
	}
	if err != nil {
		return err
	}
	if err := s.replay(read, write); err != nil {
		return err
	}
	a.at = upTo
	if now := time.Now(); s.clock.silent(s.hub.since(now)) { // a long way without a match
		return write(s.hub.heartbeat(a.at, now))
	}
	return nil
}

// restart has a stream go on as a new one does.
func (s *Stream) restart(ctx context.Context, write func([]byte) error) error {
	s.asked.Resume = ""
	reset := marshal(reasonData{resetTrimmed})
	if s.asked.Variant.Snapshot {
		if err := write(s.hub.encode(nil, 0, "", nameReset, reset)); err != nil {
			return err
		}
		return s.giveSnapshot(write)
	}
	if _, err := s.start(ctx); err != nil {
		return err
	}
	s.asked.newest = false // its place is said now
	return write(s.hub.encode(nil, 0, s.hub.position(s.asked.at), nameReset, reset))
}

// replay writes what the stream shows of the records.
func (s *Stream) replay(records []*rendering, write func([]byte) error) error {
	const limit = 64 << 10
	var b []byte
	flush := func() error {
		if len(b) == 0 {
			return nil
		}
		err := write(b)
		b = b[:0]
		return err
	}
	for _, rec := range records {
		b = append(b, rec.show(s.asked.Subscription, s.asked.Variant).data...)
		if len(b) >= limit {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// settle writes what became of the sources between the opening and joining the
// feed, and forgets what the stream needed to begin.
func (s *Stream) settle(write func([]byte) error) error {
	var b []byte
	for _, status := range s.asked.changed {
		b = s.hub.encode(b, 0, "", nameSource, marshal(status))
	}
	s.asked = nil
	if b == nil {
		return nil
	}
	return write(b)
}

// tell notes what the opening may say of the sources now.
func (h *Hub) tell(a *asked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.told = h.sources.shown(a.Subscription)
	a.sources = h.sources.appendShown(nil, a.Subscription)
}
