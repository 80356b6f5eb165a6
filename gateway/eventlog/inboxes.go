package eventlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"bellhop/gateway"
)

// inboxPrefix and the source's token are the name of an inbox's stream. Each has
// one of its own, so that none takes another's room.
const inboxPrefix = "INBOX_"

// inboxes are those in use, by their sources.
type inboxes struct {
	mu sync.Mutex
	by map[string]*inbox
}

// Inbox returns the inbox of a source. It holds 256 MiB.
func (l *Log) Inbox(source string) gateway.Inbox {
	l.inboxes.mu.Lock()
	defer l.inboxes.mu.Unlock()
	b := l.inboxes.by[source]
	if b == nil {
		b = newInbox(l, source)
		l.inboxes.by[source] = b
	}
	return b
}

func (i *inboxes) all() []*inbox {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Collect(maps.Values(i.by))
}

func newInbox(l *Log, source string) *inbox {
	b := &inbox{l: l, source: source, stream: inboxPrefix + token(source)}
	if _, b.invalid = inboxSubject(source, 0); b.invalid == nil && len(b.stream) > server.JSMaxNameLen {
		b.invalid = errLongName
	}
	return b
}

// KeepInboxes drops the inboxes of all sources but these, for nobody is left to
// empty them. It is to be called before any inbox is used.
func (l *Log) KeepInboxes(ctx context.Context, sources []string) error {
	keep := make(map[string]bool, len(sources))
	for _, source := range sources {
		keep[inboxPrefix+token(source)] = true
	}
	err := l.try(ctx, func(s *session) error {
		names, err := s.streamNames(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, inboxPrefix) || keep[name] {
				continue
			}
			if err := l.dropInbox(ctx, s, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep inboxes: %w", err)
	}
	return nil
}

func (l *Log) dropInbox(ctx context.Context, s *session, stream string) error {
	st, err := s.stateOf(ctx, stream, "")
	if err != nil {
		return err
	}
	if st.Messages > 0 {
		source, _ := tokenText(strings.TrimPrefix(stream, inboxPrefix)) // as far as it is one
		l.log.Warn("what waited of a source that is no longer configured is dropped", "source", source, "messages", st.Messages)
	}
	return s.remove(ctx, stream)
}

// streamNames returns the names of all streams.
func (s *session) streamNames(ctx context.Context) (names []string, err error) {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	list := s.js.StreamNames(opCtx)
	for name := range list.Name() {
		names = append(names, name)
	}
	return names, s.check(ctx, "list streams", list.Err())
}
