package eventlog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ticketBits is how many bits of a ticket count within an opening of the log.
const ticketBits = 30

// tickets gives the entries of an inbox their tickets. Sequences of the stream
// alone would not do: after a power cut that took its tail, or a loss of the
// whole stream, they come again, and the log may have events under the ticket
// that the lost entry had. So a ticket is the sequence and a base, which comes
// of the opening's number and is part of the subject, inbox.<source>.<base>.
type tickets struct {
	mu      sync.Mutex
	session *session // the last one whose stream has been looked at
	base    uint64   // of what is stored now
	first   uint64   // the first ticket with this base
	given   uint64   // no ticket above it has been given
	older   []uint64 // the bases of what may be left besides
}

// knows reports whether the stream of a session has been looked at.
func (t *tickets) knows(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session == s
}

// learn takes what a session's stream says of itself and which bases are in use
// there. The first time, and where the stream has lost its tail, it takes a base
// that has all further tickets above those given before, and above
// number<<ticketBits.
func (t *tickets) learn(s *session, last uint64, bases []uint64, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == s {
		return
	}
	t.session = s
	if t.base > 0 && t.given <= t.base+last {
		t.given = t.base + last
		return
	}
	t.given = max(t.given, number<<ticketBits)
	for _, base := range bases {
		t.given = max(t.given, base+last)
	}
	t.base, t.first, t.older = t.given-last, t.given+1, bases
}

// present returns the base of what is stored now.
func (t *tickets) present() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.base
}

// gave says that a ticket has been given.
func (t *tickets) gave(ticket uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = max(t.given, ticket)
}

// next returns the least ticket that has not been given.
func (t *tickets) next() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.given + 1
}

// bases returns the bases of what there may be.
func (t *tickets) bases() []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(slices.Clone(t.older), t.base)
}

// dropped says that there are no tickets below before any more.
func (t *tickets) dropped(before uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before >= t.first {
		t.older = nil
	}
}

func token(source string) string { return string(appendToken(nil, source, false)) }

func inboxSubject(source string, base uint64) (string, error) {
	return join("inbox", name{source, maxSource, false}, name{strconv.FormatUint(base, 10), maxSource, false})
}

// subjectBase returns the base in what inboxSubject returned.
func subjectBase(subject string) (uint64, error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 {
		return 0, fmt.Errorf("inbox subject of %d tokens", len(parts))
	}
	return strconv.ParseUint(parts[2], 10, 64)
}
