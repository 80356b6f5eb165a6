package eventlog

import (
	"context"
	"fmt"
	"time"

	"bellhop/gateway"
)

// The buckets of what is kept for the sources.
const (
	confirmedBucket = "confirmed" // the last confirmed moment of each
	notesBucket     = "notes"     // their notes, by source, a slash, and name
)

// Confirmed implements [gateway.Keeper].
func (l *Log) Confirmed(ctx context.Context, source string) (time.Time, error) {
	b, err := l.Bucket(confirmedBucket).Get(ctx, source)
	if err != nil {
		return time.Time{}, err
	}
	if b == nil {
		return l.lastHeard(ctx, source)
	}
	return time.Parse(time.RFC3339Nano, string(b))
}

// KeepConfirmed implements [gateway.Keeper]; the zero time is not kept. What a
// power cut may cost is what was written since the last sync but one, as a sync
// takes its time.
func (l *Log) KeepConfirmed(ctx context.Context, source string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	t = t.Add(-2 * l.opts.Sync).UTC()
	return l.Bucket(confirmedBucket).Put(ctx, source, []byte(t.Format(time.RFC3339Nano)))
}

// Note implements [gateway.Keeper].
func (l *Log) Note(ctx context.Context, source, name string) ([]byte, error) {
	return l.Bucket(notesBucket).Get(ctx, noteKey(source, name))
}

// KeepNote implements [gateway.Keeper].
func (l *Log) KeepNote(ctx context.Context, source, name string, value []byte) error {
	if value == nil {
		return l.Bucket(notesBucket).Delete(ctx, noteKey(source, name))
	}
	return l.Bucket(notesBucket).Put(ctx, noteKey(source, name), value)
}

func noteKey(source, name string) string { return source + "/" + name }

// lastHeard returns when the last of the log's events was read that the source
// heard over its socket; without any, when the first of its events was; else the
// zero time: a source that has events was connected before, even if what was
// kept of it is gone. What was read from the API or has left does not tell that
// the socket was there, nor does the time of logging: events wait in the inbox.
func (l *Log) lastHeard(ctx context.Context, source string) (heard time.Time, err error) {
	subjects := "ev." + token(source) + ".>"
	err = l.try(ctx, func(s *session) error {
		st, err := s.state(ctx)
		if err != nil {
			return err
		}
		for end := st.Last + 1; end > st.First; {
			begin := max(st.First, end-min(end, pageRecords))
			live, first, err := l.heardWithin(ctx, s, subjects, begin, end)
			if err != nil {
				return err
			}
			if !live.IsZero() {
				heard = live
				return nil
			}
			if !first.IsZero() {
				heard = first
			}
			end = begin
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("last event: %w", err)
	}
	return heard, nil
}

// heardWithin returns when the last live event between two sequences was read,
// and when the first event of any kind was.
func (l *Log) heardWithin(ctx context.Context, s *session, subjects string, begin, end uint64) (live, first time.Time, err error) {
	for next := begin; next < end; {
		page, err := s.matching(ctx, logStream, subjects, next)
		if err != nil || len(page) == 0 {
			return live, first, err
		}
		for _, r := range l.decode(page) {
			if r.Seq >= end {
				break
			}
			if first.IsZero() {
				first = r.Event.Received
			}
			if r.Event.Origin == gateway.OriginLive {
				live = r.Event.Received
			}
		}
		next = page[len(page)-1].seq + 1
	}
	return live, first, nil
}
