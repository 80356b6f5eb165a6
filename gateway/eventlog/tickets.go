package eventlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tickets gives the entries of inboxes their tickets. Sequences of the stream
// alone would not do: after a power cut that took its tail, or a loss of the
// whole stream, they come again, and the log may have events under the ticket
// that the lost entry had. So a ticket is the sequence and a base, which each
// process takes from the clock anew and which is part of the subject,
// in.<source>.<base>. The clock counts microseconds: no entries come as fast.
type tickets struct {
	mu    sync.Mutex
	base  uint64              // of this process, 0 until it is taken
	last  uint64              // the stream's last sequence then
	older map[string][]uint64 // by the source's token: the bases of what earlier processes left
}

// learn takes the base and finds out what others there are, once.
func (t *tickets) learn(ctx context.Context, s *session) error {
	if t.present() > 0 {
		return nil
	}
	st, err := s.stateOf(ctx, inboxStream, inboxSubjects)
	if err != nil {
		return err
	}
	older := make(map[string][]uint64)
	base := uint64(time.Now().UnixMicro()) - st.Last
	for subject := range st.Subjects {
		source, b, err := splitInboxSubject(subject)
		if err != nil {
			return err
		}
		older[source] = append(older[source], b)
		base = max(base, b+1) // the clock may have been set back
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == 0 {
		t.base, t.last, t.older = base, st.Last, older
	}
	return nil
}

// present returns the base of what this process stores, 0 if that is not known
// yet.
func (t *tickets) present() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.base
}

// bases returns the bases of what there may be of a source.
func (t *tickets) bases(source string) []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(slices.Clone(t.older[token(source)]), t.base)
}

// forgot says that a source has no tickets below before any more that have this
// base.
func (t *tickets) forgot(source string, base, before uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if base == t.base || before <= base+t.last {
		return
	}
	tok := token(source)
	t.older[tok] = slices.DeleteFunc(t.older[tok], func(b uint64) bool { return b == base })
}

func token(source string) string { return string(appendToken(nil, source, false)) }

func inboxSubject(source string, base uint64) (string, error) {
	return join("in", name{source, maxSource, false}, name{strconv.FormatUint(base, 10), maxSource, false})
}

// splitInboxSubject returns the source's token and the base of what inboxSubject
// returned.
func splitInboxSubject(subject string) (source string, base uint64, err error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 {
		return "", 0, fmt.Errorf("inbox subject of %d tokens", len(parts))
	}
	base, err = strconv.ParseUint(parts[2], 10, 64)
	return parts[1], base, err
}
