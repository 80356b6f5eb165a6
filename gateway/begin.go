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

// Begin writes the stream's first block and all that it missed, or the present
// state where that is asked for, and puts it into its feed. It returns when the
// stream has reached what is live, with [ErrEnded] when the stream has to end
// before that, or with the error of write, ctx or log. Each call of write hands
// over whole blocks.
func (s *Stream) Begin(ctx context.Context, write func([]byte) error) error {
	at, reset, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := write(s.opening(at, reset)); err != nil {
		return err
	}
	s.clock.written(time.Now())
	give := s.giver(write)
	if s.anew(reset) {
		if at, err = s.giveSnapshot(give); err != nil {
			return err
		}
	}
	for {
		missed, joined := s.hub.join(s, at)
		if joined {
			if err := s.replay(missed, give); err != nil {
				return err
			}
			return s.tellChanged(give)
		}
		if at, err = s.older(ctx, at, give); err != nil {
			return err
		}
	}
}

// anew reports whether the stream begins with a snapshot.
func (s *Stream) anew(reset string) bool {
	return s.variant.Snapshot && (s.resume == "" || reset != "")
}

// giveSnapshot writes the present state and returns the place in the log that it
// holds for.
func (s *Stream) giveSnapshot(write func([]byte) error) (at uint64, err error) {
	shot := s.hub.snapshot(s.sub, s.variant)
	defer shot.release()
	total, err := shot.give(write)
	if err != nil {
		return 0, err
	}
	return shot.at, write(s.hub.snapshotEnd(shot.at, total))
}

// giver returns write for what was missed. Giving it may take longer than the
// token is good.
func (s *Stream) giver(write func([]byte) error) func([]byte) error {
	return func(blocks []byte) error {
		now := time.Now()
		if s.Over(now) {
			return ErrEnded
		}
		s.clock.written(now)
		return write(blocks)
	}
}

// start finds the place in the log that the stream goes on from, and why it is
// not the one asked for.
func (s *Stream) start(ctx context.Context) (at uint64, reset string, err error) {
	if s.resume != "" {
		seq, known, good := s.hub.log.Resolve(s.resume)
		switch {
		case good:
			return seq, "", nil
		case known:
			reset = resetTrimmed
		default:
			reset = resetForeign
		}
	}
	if s.since.IsZero() {
		return s.hub.end(), reset, nil
	}
	at, trimmed, err := s.hub.log.Since(ctx, s.since)
	if trimmed && reset == "" {
		reset = resetTrimmed
	}
	return at, reset, err
}

// opening returns bellhop.ready and, where the stream cannot go on from where it
// was asked to, bellhop.reset. Only one of them bears the position, and neither
// where a snapshot follows.
func (s *Stream) opening(at uint64, reset string) []byte {
	position := s.hub.position(at)
	s.told = s.hub.shown(s.sub)
	ready := readyData{
		Position: position, Resumed: s.resume != "" && reset == "", View: s.sub.View(), Stream: s.id,
		Now: stamp(time.Now()), Heartbeat: s.clock.timing.Heartbeat.Seconds(), Expires: stamp(s.clock.timing.Expires),
		Sources: s.told,
	}
	if reset == "" && !s.anew(reset) {
		return s.hub.encode(nil, s.clock.retry(), position, nameReady, marshal(ready))
	}
	ready.Position = ""
	b := s.hub.encode(nil, s.clock.retry(), "", nameReady, marshal(ready))
	if reset == "" {
		return b
	}
	if s.anew(reset) {
		position = "" // it is the snapshot's end that bears it
	}
	return s.hub.encode(b, 0, position, nameReset, marshal(reasonData{reset}))
}

// older writes a page of what is no longer in memory, and returns how far the
// stream has come. Where trimming was faster, it says so and goes on as a new
// stream would.
func (s *Stream) older(ctx context.Context, at uint64, write func([]byte) error) (uint64, error) {
	floor := s.hub.floor() // before the read, which then had all up to it
	page, err := s.hub.readOlder(ctx, at)
	if errors.Is(err, ErrTrimmed) {
		s.resume = ""
		if s.variant.Snapshot {
			if err := write(s.hub.encode(nil, 0, "", nameReset, marshal(reasonData{resetTrimmed}))); err != nil {
				return at, err
			}
			return s.giveSnapshot(write)
		}
		if at, _, err = s.start(ctx); err != nil {
			return at, err
		}
		return at, write(s.hub.encode(nil, 0, s.hub.position(at), nameReset, marshal(reasonData{resetTrimmed})))
	}
	if err != nil {
		return at, err
	}
	if len(page) == 0 { // what was there has been erased
		return max(at, floor), nil
	}
	if err := s.replay(page, write); err != nil {
		return at, err
	}
	at = page[len(page)-1].Seq
	if now := time.Now(); s.clock.silent(now) { // a long way without a match
		return at, write(s.hub.heartbeat(at, now))
	}
	return at, nil
}

// replay writes what the stream shows of the records.
func (s *Stream) replay(records []*Record, write func([]byte) error) error {
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
		r := rendering{hub: s.hub, rec: rec}
		data, _ := r.frame(s.sub, s.variant)
		b = append(b, data...)
		if len(b) >= limit {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// tellChanged writes what became of the sources between ready and joining the
// feed.
func (s *Stream) tellChanged(write func([]byte) error) error {
	changed := s.changed
	s.told, s.changed = nil, nil
	var b []byte
	for _, status := range changed {
		b = s.hub.encode(b, 0, "", nameSource, marshal(status))
	}
	if b == nil {
		return nil
	}
	return write(b)
}

// shown returns what the subscription may be told of the sources now.
func (h *Hub) shown(sub *Subscription) []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sources.shown(sub)
}
