package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bellhop/gateway"
)

const (
	inboxSubjects = "inbox.*.*" // source and base, see tickets

	// maxInbox bounds the bytes of an inbox.
	maxInbox = 256 << 20
	// repeatWindow is how long the stream knows a message again that is stored
	// once more, its first answer having been lost.
	repeatWindow = 5 * time.Minute

	partsHeader = "Bellhop-Parts" // on the first message of an entry that has several
	entryHeader = "Bellhop-Entry" // on the others, the entry's ticket

	deleteAPI = "$JS.API.STREAM.MSG.DELETE."
)

// inbox is the inbox of one source: entries of one message each or, where that
// is too small, of several, the first of which has the ticket.
type inbox struct {
	l         *Log
	source    string
	stream    string
	invalid   error // why no stream can have the source's name
	tickets   tickets
	forgotten forgotten
}

// Put implements [gateway.Inbox]. Whatever is wrong but a lack of room, it tries
// until ctx ends, and the entry is there once. Of an entry that it fails to put
// nothing may be left, or all.
func (b *inbox) Put(ctx context.Context, records []*gateway.Record) (ticket uint64, err error) {
	parts, err := pack(records, maxPart)
	if err == nil {
		ticket, err = b.putParts(ctx, parts)
	}
	if err != nil {
		return 0, fmt.Errorf("inbox: %w", err)
	}
	return ticket, nil
}

func (b *inbox) putParts(ctx context.Context, parts [][]byte) (ticket uint64, err error) {
	if b.invalid != nil {
		return 0, b.invalid
	}
	id := rand.Text()
	var stored []uint64 // sequences
	for i, part := range parts {
		m := &nats.Msg{Header: nats.Header{jetstream.MsgIDHeader: {id + strconv.Itoa(i)}}, Data: part}
		switch {
		case i > 0:
			m.Header.Set(entryHeader, strconv.FormatUint(ticket, 10))
		case len(parts) > 1:
			m.Header.Set(partsHeader, strconv.Itoa(len(parts)))
		}
		t, seq, err := b.store(ctx, m)
		if errors.Is(err, gateway.ErrInboxFull) { // what is there already would take the room that the next try needs
			return 0, errors.Join(err, b.erase(ctx, stored))
		}
		if err != nil {
			return 0, err
		}
		if i == 0 {
			ticket = t
		}
		stored = append(stored, seq)
	}
	return ticket, nil
}

// store stores a message and returns its ticket and sequence. Where it remains
// open whether the message is stored, it is stored again under the same id, until
// that is clear.
func (b *inbox) store(ctx context.Context, m *nats.Msg) (ticket, seq uint64, err error) {
	for pause := firstBackoff; ; pause = min(2*pause, maxBackoff) {
		err = b.l.try(ctx, func(s *session) (err error) {
			if err = b.ready(ctx, s); err == nil {
				ticket, seq, err = b.storeOver(ctx, s, m)
			}
			return err
		})
		switch {
		case isFull(err):
			return 0, 0, gateway.ErrInboxFull
		case err == nil, ctx.Err() != nil, errors.Is(err, gateway.ErrClosed):
			return ticket, seq, err
		}
		b.l.log.Warn("the inbox cannot be written, trying again", "source", b.source, "err", err)
		if err := sleep(ctx, pause); err != nil {
			return 0, 0, err
		}
	}
}

func (b *inbox) storeOver(ctx context.Context, s *session, m *nats.Msg) (ticket, seq uint64, err error) {
	base := b.tickets.present()
	if m.Subject, err = inboxSubject(b.source, base); err != nil {
		return 0, 0, err
	}
	if seq, err = s.store(ctx, m); err != nil {
		return 0, 0, err
	}
	b.tickets.gave(base + seq)
	return base + seq, seq, nil
}

// erase removes messages by their sequences.
func (b *inbox) erase(ctx context.Context, seqs []uint64) error {
	return b.over(ctx, func(s *session) error {
		for _, seq := range seqs {
			body := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, seq)
			if _, err := s.store(ctx, &nats.Msg{Subject: deleteAPI + b.stream, Data: body}); err != nil {
				return err
			}
		}
		return nil
	})
}

// isFull reports whether err is the stream's answer that it has no room.
func isFull(err error) bool {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answer.Description == server.ErrMaxBytes.Error()
}

// Entries implements [gateway.Inbox]. What cannot be read is passed over.
func (b *inbox) Entries(ctx context.Context) ([]gateway.Entry, error) {
	found := newAssembly(b.l)
	for next := uint64(1); ; {
		var page []message
		err := b.over(ctx, func(s *session) (err error) {
			page, err = s.matching(ctx, b.stream, inboxSubjects, next)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("entries: %w", err)
		}
		if len(page) == 0 {
			return found.complete(b.forgotten.asked.Load()), nil
		}
		for _, m := range page {
			found.add(m)
		}
		next = page[len(page)-1].seq + 1
	}
}

// over calls f with a session that has the inbox's stream. Where nothing was ever
// put into the inbox there is none: of many sources few have anything that waits,
// and each stream costs files.
func (b *inbox) over(ctx context.Context, f func(*session) error) error {
	if b.invalid != nil {
		return b.invalid
	}
	return b.l.try(ctx, func(s *session) error {
		if _, err := os.Stat(s.folder(b.stream)); errors.Is(err, fs.ErrNotExist) && !s.known(b.stream) {
			return nil
		}
		if err := b.ready(ctx, s); err != nil {
			return err
		}
		return f(s)
	})
}

// ready sees to it that the stream is there and that its tickets are known.
func (b *inbox) ready(ctx context.Context, s *session) error {
	if b.tickets.knows(s) {
		return nil
	}
	if err := b.ensure(ctx, s); err != nil {
		return err
	}
	st, err := s.stateOf(ctx, b.stream, inboxSubjects)
	if err != nil {
		return err
	}
	var bases []uint64
	for subject := range st.Subjects {
		base, err := subjectBase(subject)
		if err != nil {
			return err
		}
		bases = append(bases, base)
	}
	b.tickets.learn(s, st.Last, bases, b.l.table.Load().Number)
	return nil
}

func (b *inbox) ensure(ctx context.Context, s *session) error {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return s.check(ctx, "inbox", s.ensure(opCtx, jetstream.StreamConfig{
		Name:       b.stream,
		Subjects:   []string{"inbox." + token(b.source) + ".*"},
		MaxBytes:   maxInbox,
		Discard:    jetstream.DiscardNew,
		Duplicates: repeatWindow,
	}))
}
