package eventlog

import (
	"context"
	"errors"
	"math"
	"time"

	"bellhop/gateway"
)

// retryRead is the pause before a follower tries again what failed over a
// session that is still there.
const retryRead = 250 * time.Millisecond

// Follow implements [gateway.Log]. What was appended last is not read again; its
// records were logged when that was answered, which is a little later than Read
// has it.
func (l *Log) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
	for {
		more := l.more.wait()
		p, err := l.readOn(ctx, after)
		if err != nil {
			return err
		}
		for _, r := range p.records {
			f(r)
		}
		after = p.next
		if l.last.Load() > after {
			continue
		}
		select {
		case <-more:
		case <-l.quit:
			return gateway.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readOn reads a page, again and again until it can be read.
func (l *Log) readOn(ctx context.Context, after uint64) (page, error) {
	if after+1 >= l.first.Load() { // else some of them have been trimmed
		if found := l.recent.after(after, pageRecords); len(found) > 0 {
			return page{records: l.decode(found), next: found[len(found)-1].seq}, nil
		}
	}
	for tries := 0; ; tries++ {
		p, err := l.page(ctx, after, pageRecords)
		if err == nil || errors.Is(err, gateway.ErrClosed) {
			return p, err
		}
		if ctx.Err() == nil && tries == 0 {
			l.log.Warn("the log cannot be read, trying again", "after", after, "err", err)
		}
		t := time.NewTimer(retryRead)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return page{}, ctx.Err()
		}
	}
}

// Read implements [gateway.Log]. A page is cut at 512 records and at some MiB.
// While the log is being opened anew it waits.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	for {
		p, err := l.page(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		// Where nothing is missing nothing had been trimmed when it was read.
		if first, _ := l.Bounds(); p.holes && after+1 < first {
			return nil, gateway.ErrTrimmed
		}
		if len(p.records) > 0 || p.end {
			return p.records, nil
		}
		after = p.next // none of a whole page could be decoded
	}
}

// page is a part of the log.
type page struct {
	records []*gateway.Record
	next    uint64 // the sequence that the following page is after
	holes   bool   // sequences up to next are missing; the bounds are younger than the page
	end     bool   // nothing was behind it
}

// page reads up to limit records after the sequence after.
func (l *Log) page(ctx context.Context, after uint64, limit int) (p page, err error) {
	if after == math.MaxUint64 {
		return page{next: after, end: true}, nil
	}
	err = l.try(ctx, func(s *session) error {
		last := l.last.Load()
		found, err := s.batch(ctx, after+1, limit)
		if err != nil {
			return err
		}
		p = page{next: max(after, last), end: len(found) == 0}
		if !p.end {
			p.next = found[len(found)-1].seq
			l.reached(p.next)
		}
		missing := p.next - after - uint64(len(found))
		if p.holes = missing > 0; p.holes {
			if err := l.explain(ctx, s, after, missing); err != nil {
				return err
			}
		}
		p.records = l.decode(found)
		return nil
	})
	return p, err
}

var errDamaged = errors.New("damaged")

// explain asks why n records are missing on a page that begins after the
// sequence after. Where none of the log's records was trimmed or erased, they
// are damaged.
func (l *Log) explain(ctx context.Context, s *session, after, n uint64) error {
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	l.observe(st)
	if after+1 >= st.First && st.Deleted == 0 {
		l.passOver(n, errDamaged, "after", after)
	}
	return nil
}

// decode returns the records that messages hold.
func (l *Log) decode(found []message) []*gateway.Record {
	records := make([]*gateway.Record, 0, len(found))
	for _, m := range found {
		if m.record != nil {
			records = append(records, m.record)
			continue
		}
		r, err := gateway.UnmarshalRecord(m.data)
		if err != nil {
			l.passOver(1, err, "seq", m.seq)
			continue
		}
		r.Seq, r.Logged = m.seq, m.at
		records = append(records, r)
	}
	return records
}

func (l *Log) passOver(n uint64, err error, place string, seq uint64) {
	l.metrics.unreadable.Add(float64(n))
	l.log.Warn("records of the log cannot be read", "count", n, place, seq, "err", err)
}
