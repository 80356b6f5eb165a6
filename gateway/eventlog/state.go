package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"bellhop/gateway"
)

// The present state is a stream with one message an entity, under
// st.<source>.<kind>.<id>, and the marks of how far it is complete, under
// st.!upto.<slot>, which is no source's name as a subject has it.
const (
	stateStream   = "STATE"
	stateSubjects = "st.>"
	markPrefix    = "st.!upto."
	markSubjects  = markPrefix + "*"

	// The sequence in the log of an entity's record, and when it was logged.
	seqHeader    = "Bellhop-Seq"
	loggedHeader = "Bellhop-Logged"

	// savesAtOnce bounds the messages of a save that are under way, and with
	// them the memory that they take and how long all else waits for them.
	savesAtOnce = 64
	// markSlots is how many marks are kept: a power cut may cost the stream's
	// tail, and the last of them with it.
	markSlots = 3
)

// stateMark says that the state is complete up to a sequence of the log, by
// what was stored before the mark.
type stateMark struct {
	UpTo     uint64 `json:"upTo"`
	Entities uint64 `json:"entities"` // as many there were
}

// state is what the log knows of its use of the state's stream.
type state struct {
	busy chan struct{} // has a value while one loads or saves

	// Owned by who is busy.
	slot  int       // of the last mark
	since time.Time // when that slot was taken
}

var errNoEntity = errors.New("not an event of an entity with a lasting state")

// SaveState implements [gateway.StateStore]. It waits for other savings and
// loadings and, while the log is being opened anew, for that. Each entity costs a
// sync of the disk where [Options].Sync is 0.
func (l *Log) SaveState(ctx context.Context, changed []*gateway.Record, gone []gateway.EntityKey, upTo uint64) error {
	if err := l.state.take(ctx); err != nil {
		return err
	}
	defer l.state.leave()
	err := l.try(ctx, func(s *session) error { return l.saveState(ctx, s, changed, gone, upTo) })
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

func (l *Log) saveState(ctx context.Context, s *session, changed []*gateway.Record, gone []gateway.EntityKey, upTo uint64) error {
	if err := s.ensureState(ctx); err != nil {
		return err
	}
	st, err := s.stateOf(ctx, stateStream, "")
	if err != nil {
		return err
	}
	if err := s.saveEntities(ctx, changed, gone, st.Last); err != nil {
		return err
	}
	return l.markState(ctx, s, upTo)
}

// saveEntities stores records and removes what is kept of the entities that are
// gone up to the sequence last of the state's stream, which is its last one: a
// removal that is late must not hit what was stored later.
func (s *session) saveEntities(ctx context.Context, changed []*gateway.Record, gone []gateway.EntityKey, last uint64) error {
	g, removing := errgroup.WithContext(ctx)
	g.SetLimit(savesAtOnce)
	for _, key := range gone {
		g.Go(func() error { return s.removeEntity(removing, key, last) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for some := range slices.Chunk(changed, savesAtOnce) {
		if err := s.saveSome(ctx, some, last); err != nil {
			return err
		}
		last += uint64(len(some))
	}
	return nil
}

// saveSome stores records behind the sequence last. Each is stored only behind the
// one before it, so the answer to the last one is for all.
func (s *session) saveSome(ctx context.Context, records []*gateway.Record, last uint64) error {
	for i, r := range records {
		m, err := entityMessage(r)
		if err != nil {
			return err
		}
		m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(last+uint64(i), 10)}
		if i < len(records)-1 {
			err = s.put.PublishMsg(m)
		} else {
			_, err = s.store(ctx, m)
		}
		if err != nil {
			return s.failed(ctx, err)
		}
	}
	return nil
}

// failed returns err, the reason why something could not be stored. Where the
// server's files are at fault the session is of no more use, and failed waits for
// its end.
func (s *session) failed(ctx context.Context, err error) error {
	fault := s.fault()
	if fault == nil {
		return err
	}
	s.fail(fault)
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
	return fault
}

func (s *session) ensureState(ctx context.Context) error {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return s.check(ctx, "state", s.ensure(opCtx, jetstream.StreamConfig{
		Name:              stateStream,
		Subjects:          []string{stateSubjects},
		MaxMsgsPerSubject: 1,
		Duplicates:        idWindow,
	}))
}

func (s *session) removeEntity(ctx context.Context, key gateway.EntityKey, last uint64) error {
	subject, err := entitySubject(key)
	if err != nil {
		return err
	}
	return s.purge(ctx, stateStream, subject, last+1)
}

// entityMessage returns the message that keeps an entity's record.
func entityMessage(r *gateway.Record) (*nats.Msg, error) {
	if r.Event == nil {
		return nil, errNoEntity
	}
	key, lasts := r.Event.Key()
	if !lasts {
		return nil, errNoEntity
	}
	subject, err := entitySubject(key)
	if err != nil {
		return nil, err
	}
	data, err := marshal(r)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{
		Subject: subject,
		Header: nats.Header{
			seqHeader:    {strconv.FormatUint(r.Seq, 10)},
			loggedHeader: {r.Logged.UTC().Format(time.RFC3339Nano)},
		},
		Data: data,
	}, nil
}

// markState stores how far the state is complete.
func (l *Log) markState(ctx context.Context, s *session, upTo uint64) error {
	st, err := s.stateOf(ctx, stateStream, markSubjects)
	if err != nil {
		return err
	}
	data, err := json.Marshal(stateMark{UpTo: upTo, Entities: st.Messages - uint64(len(st.Subjects))})
	if err != nil {
		return err
	}
	_, err = s.store(ctx, &nats.Msg{Subject: markPrefix + strconv.Itoa(l.nextSlot()), Data: data})
	return err
}

// nextSlot returns the slot of the next mark. Another one is taken so seldom that
// of the slots before it only the last one's mark may not have been synced.
func (l *Log) nextSlot() int {
	if now := time.Now(); now.Sub(l.state.since) > 2*l.opts.Sync {
		l.state.slot, l.state.since = (l.state.slot+1)%markSlots, now
	}
	return l.state.slot
}

func (st *state) take(ctx context.Context) error {
	select {
	case st.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (st *state) leave() { <-st.busy }
