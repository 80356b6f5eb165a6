package eventlog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bellhop/gateway"
)

// Break makes the log open itself anew. A hard break takes the server away
// under its appends.
func Break(l *Log, hard bool) {
	s := l.session()
	if s == nil {
		return
	}
	if hard {
		s.pub.Close()
		return
	}
	s.fail(errors.New("broken by a test"))
}

// LimitMessages makes the log's stream refuse messages larger than size.
func LimitMessages(ctx context.Context, l *Log, size int32) error {
	return update(ctx, l, logStream, func(c *jetstream.StreamConfig) { c.MaxMsgSize = size })
}

// BreakPuts takes the connection away over which inboxes are filled.
func BreakPuts(l *Log) {
	if s := l.session(); s != nil {
		s.put.Close()
	}
}

// LimitInbox has a source's inbox hold no more than size bytes, until the log is
// opened anew.
func LimitInbox(ctx context.Context, l *Log, source string, size int64) error {
	return update(ctx, l, inboxPrefix+token(source), func(c *jetstream.StreamConfig) { c.MaxBytes = size })
}

func update(ctx context.Context, l *Log, name string, change func(*jetstream.StreamConfig)) error {
	return l.try(ctx, func(s *session) error {
		stream, err := s.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		cfg := stream.CachedInfo().Config
		change(&cfg)
		_, err = s.js.UpdateStream(ctx, cfg)
		return err
	})
}

// SpoilState puts data in the place of an entity's record.
func SpoilState(ctx context.Context, l *Log, key gateway.EntityKey, data string) error {
	return l.try(ctx, func(s *session) error {
		subject, err := entitySubject(key)
		if err == nil {
			_, err = s.store(ctx, &nats.Msg{Subject: subject, Data: []byte(data)})
		}
		return err
	})
}

// RemoveLate removes an entity as a save does that began when the state's stream
// was empty.
func RemoveLate(ctx context.Context, l *Log, key gateway.EntityKey) error {
	return l.try(ctx, func(s *session) error { return s.removeEntity(ctx, key, 0) })
}

// Syncer is syncer.
type Syncer struct{ *syncer }

// NewSyncer returns a syncer of the log in dir.
func NewSyncer(dir string) Syncer { return Syncer{newSyncer(dir)} }

// Written is written.
func (s Syncer) Written(now time.Time) (files, folders []string, err error) { return s.written(now) }

// Sync is sync.
func (s Syncer) Sync(now time.Time) error { return s.sync(now) }

// What appends are gathered by.
const (
	GatherFor   = gatherFor
	GatherAfter = gatherAfter
)

// Pace is pace.
type Pace struct{ pace }

// Wait is wait.
func (p *Pace) Wait(now time.Time) time.Duration { return p.wait(now) }
