package eventlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bellhop/gateway"
)

// LoadState implements [gateway.StateStore]. It calls f once for each entity.
// Of a damaged state f gets what is left, and that is stored anew. It waits as
// SaveState does.
func (l *Log) LoadState(ctx context.Context, f func(*gateway.Record)) (upTo uint64, err error) {
	if err := l.state.take(ctx); err != nil {
		return 0, err
	}
	defer l.state.leave()
	var found stateFound
	err = l.try(ctx, func(s *session) (err error) {
		found, err = s.readState(ctx)
		return err
	})
	if err == nil && !found.sound() {
		l.log.Warn("the kept state is damaged, storing anew what is left", "entities", len(found.records), "upto", found.upTo(), "err", found.bad)
		l.metrics.unreadable.Add(float64(found.missing()))
		err = l.try(ctx, func(s *session) error { return l.rebuildState(ctx, s, found) })
	}
	if err != nil {
		return 0, fmt.Errorf("load state: %w", err)
	}
	for _, r := range found.records {
		f(r)
	}
	return found.upTo(), nil
}

// stateFound is what the state's stream has.
type stateFound struct {
	records  []*gateway.Record
	mark     stateMark // the last one
	marks    uint64
	bad      error  // why something cannot be decoded
	messages uint64 // as many the server says there are
}

// upTo returns up to which sequence of the log the state is complete: none may
// be missing that was there at the mark. More can be: a later save broke off.
func (found *stateFound) upTo() uint64 {
	if found.bad != nil || uint64(len(found.records)) < found.mark.Entities {
		return 0
	}
	return found.mark.UpTo
}

// sound reports whether the stream is as it was written. Where it has lost a
// message without knowing, the server takes the next one of the same subject for
// one too many and drops it, though it answers that it is stored.
func (found *stateFound) sound() bool {
	marked := found.marks > 0 || len(found.records) == 0
	return marked && found.missing() == 0
}

// missing returns how many messages cannot be read.
func (found *stateFound) missing() uint64 {
	there := uint64(len(found.records))
	return max(found.messages, there+found.marks, found.mark.Entities+found.marks) - there - found.marks
}

func (s *session) readState(ctx context.Context) (found stateFound, err error) {
	if err := s.ensureState(ctx); err != nil {
		return found, err
	}
	st, err := s.stateOf(ctx, stateStream, "")
	if err != nil {
		return found, err
	}
	found.messages = st.Messages
	for next := uint64(1); ; {
		page, err := s.matching(ctx, stateStream, "", next)
		if err != nil || len(page) == 0 {
			return found, err
		}
		for _, m := range page {
			if err := found.add(m); err != nil {
				found.bad = err
			}
		}
		next = page[len(page)-1].seq + 1
	}
}

func (found *stateFound) add(m message) error {
	if strings.HasPrefix(m.header.Get(jetstream.SubjectHeader), markPrefix) {
		var mark stateMark
		if err := json.Unmarshal(m.data, &mark); err != nil {
			return err
		}
		found.mark = mark
		found.marks++
		return nil
	}
	r, err := gateway.UnmarshalRecord(m.data)
	if err != nil {
		return err
	}
	if r.Seq, err = strconv.ParseUint(m.header.Get(seqHeader), 10, 64); err != nil {
		return fmt.Errorf("sequence: %w", err)
	}
	if r.Logged, err = time.Parse(time.RFC3339Nano, m.header.Get(loggedHeader)); err != nil {
		return fmt.Errorf("time of logging: %w", err)
	}
	found.records = append(found.records, r)
	return nil
}

// rebuildState replaces the stream by one that has what was found.
func (l *Log) rebuildState(ctx context.Context, s *session, found stateFound) error {
	if err := s.remove(ctx, stateStream); err != nil {
		return err
	}
	if upTo := found.upTo(); upTo > 0 {
		return l.saveState(ctx, s, found.records, nil, upTo)
	}
	if err := s.ensureState(ctx); err != nil {
		return err
	}
	return s.saveEntities(ctx, found.records, nil, 0)
}
