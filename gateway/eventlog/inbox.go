package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bellhop/gateway"
)

const (
	inboxStream   = "INBOX"
	inboxSubjects = "in.*.*" // source and base, see tickets

	// maxInbox bounds the bytes of all inboxes together.
	maxInbox = 1 << 30
	// repeatWindow is how long the stream knows a message again that is stored
	// once more, after a reopening has swallowed the answer.
	repeatWindow = time.Minute
	// fullPause is the pause before a full inbox is tried again.
	fullPause = 100 * time.Millisecond

	partsHeader = "Bellhop-Parts" // on the first message of an entry that has several
	entryHeader = "Bellhop-Entry" // on the others, the entry's ticket
)

// inbox is the inbox of one source: entries of one message each or, where that
// is too small, of several, the first of which has the ticket.
type inbox struct {
	l      *Log
	source string
}

// Inbox returns the inbox of a source. All inboxes together hold 1 GiB: while
// they are full Put waits.
func (l *Log) Inbox(source string) gateway.Inbox { return &inbox{l, source} }

// Put implements [gateway.Inbox]. It waits while the inbox is full or the log
// is being opened anew, until ctx ends. Of an entry that it fails to put nothing
// may be left, or all.
func (b *inbox) Put(ctx context.Context, records []*gateway.Record) (ticket uint64, err error) {
	parts, err := pack(records, maxPart)
	if err != nil {
		return 0, fmt.Errorf("inbox: %w", err)
	}
	id := rand.Text()
	for i, part := range parts {
		m := &nats.Msg{Header: nats.Header{jetstream.MsgIDHeader: {id + strconv.Itoa(i)}}, Data: part}
		switch {
		case i > 0:
			m.Header.Set(entryHeader, strconv.FormatUint(ticket, 10))
		case len(parts) > 1:
			m.Header.Set(partsHeader, strconv.Itoa(len(parts)))
		}
		t, err := b.store(ctx, m)
		if err != nil {
			return 0, fmt.Errorf("inbox: %w", err)
		}
		if i == 0 {
			ticket = t
		}
	}
	return ticket, nil
}

// store stores a message, waiting for room, and returns its ticket.
func (b *inbox) store(ctx context.Context, m *nats.Msg) (ticket uint64, err error) {
	pause := time.NewTicker(fullPause)
	defer pause.Stop()
	for {
		err = b.over(ctx, func(s *session) (err error) {
			ticket, err = b.storeOver(ctx, s, m)
			return err
		})
		if !isFull(err) {
			return ticket, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("full: %w", ctx.Err())
		}
	}
}

func (b *inbox) storeOver(ctx context.Context, s *session, m *nats.Msg) (ticket uint64, err error) {
	base := b.l.tickets.present()
	if m.Subject, err = inboxSubject(b.source, base); err != nil {
		return 0, err
	}
	seq, err := s.store(ctx, m)
	return base + seq, err
}

// isFull reports whether err is the stream's answer that it has no room.
func isFull(err error) bool {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answer.Description == server.ErrMaxBytes.Error()
}

func (s *session) ensureInbox(ctx context.Context) error {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return s.check(ctx, "inbox", s.ensure(opCtx, jetstream.StreamConfig{
		Name:       inboxStream,
		Subjects:   []string{inboxSubjects},
		MaxBytes:   maxInbox,
		Discard:    jetstream.DiscardNew,
		Duplicates: repeatWindow,
	}))
}

// Forget implements [gateway.Inbox].
func (b *inbox) Forget(ctx context.Context, before uint64) error {
	err := b.over(ctx, func(s *session) error {
		for _, base := range b.l.tickets.bases(b.source) {
			if before <= base+1 {
				continue
			}
			subject, err := inboxSubject(b.source, base)
			if err != nil {
				return err
			}
			if err := s.purge(ctx, inboxStream, subject, before-base); err != nil {
				return err
			}
			b.l.tickets.forgot(b.source, base, before)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// Entries implements [gateway.Inbox]. What cannot be read is passed over.
func (b *inbox) Entries(ctx context.Context) ([]gateway.Entry, error) {
	subjects := "in." + token(b.source) + ".*"
	found := newAssembly(b.l)
	for next := uint64(1); ; {
		var page []message
		err := b.over(ctx, func(s *session) (err error) {
			page, err = s.matching(ctx, inboxStream, subjects, next)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("entries: %w", err)
		}
		if len(page) == 0 {
			return found.complete(), nil
		}
		for _, m := range page {
			found.add(m)
		}
		next = page[len(page)-1].seq + 1
	}
}

// over calls f with a session that has the inboxes' stream.
func (b *inbox) over(ctx context.Context, f func(*session) error) error {
	return b.l.try(ctx, func(s *session) error {
		if err := s.ensureInbox(ctx); err != nil {
			return err
		}
		if err := b.l.tickets.learn(ctx, s); err != nil {
			return err
		}
		return f(s)
	})
}
