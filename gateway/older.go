package gateway

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"
)

// How streams read what is no longer in memory: by pages of so many sequences,
// which begin at the same places for all, so many pages at a time.
const (
	olderPage    = 512
	olderReaders = 8
)

// What has been read stays for so long, and takes no more than this: of those who
// were cut off together, one reads for all.
const (
	olderLife  = time.Minute
	olderBytes = 32 << 20
)

// errLargePage is of a page that is too large to be kept; it is read by pieces, by
// each who wants it.
var errLargePage = errors.New("page too large")

// older is the pages of the log that were read last. Its methods may be called
// concurrently.
type older struct {
	mu    sync.Mutex
	pages map[uint64]*logPage
	bytes int // of those that have been read
}

// A logPage is the log's records with the sequences behind number*olderPage, up to
// the next one's.
type logPage struct {
	number uint64

	read    chan struct{} // closed once these are set
	records []*rendering
	err     error

	// Guarded by the owner's lock.
	bytes int // 0 until it has been read
	used  time.Time
}

// claim returns a page, and whether it is the caller's to read.
func (o *older) claim(number uint64) (p *logPage, own bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p = o.pages[number]; p == nil {
		if o.pages == nil {
			o.pages = make(map[uint64]*logPage)
		}
		p, own = &logPage{number: number, read: make(chan struct{})}, true
		o.pages[number] = p
	}
	p.used = time.Now()
	return p, own
}

// finish says what a claimed page has, or why it could not be read, which whoever
// asks later tries again. The pages that were used longest ago make room.
func (o *older) finish(p *logPage, records []*rendering, err error) {
	defer close(p.read)
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.err = err; err != nil {
		if !errors.Is(err, errLargePage) {
			delete(o.pages, p.number)
		}
		return
	}
	p.records = records
	for _, r := range records {
		p.bytes += r.rec.size()
	}
	o.bytes += p.bytes
	for o.bytes > olderBytes {
		var last *logPage
		for _, page := range o.pages {
			if page != p && page.bytes > 0 && (last == nil || page.used.Before(last.used)) {
				last = page
			}
		}
		if last == nil {
			return
		}
		o.dropLocked(last)
	}
}

func (o *older) dropLocked(p *logPage) {
	delete(o.pages, p.number)
	o.bytes -= p.bytes
	for _, r := range p.records {
		r.drop()
	}
}

// sweep drops the pages that nobody has used for long.
func (o *older) sweep(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.pages {
		select {
		case <-p.read:
			if now.Sub(p.used) >= olderLife {
				o.dropLocked(p)
			}
		default:
		}
	}
}

// readOlder returns some of the log's records behind after, and the sequence up to
// which these are all.
func (h *Hub) readOlder(ctx context.Context, after uint64) (records []*rendering, upTo uint64, err error) {
	number := after / olderPage
	if end := (number + 1) * olderPage; end <= h.head.Load() {
		p, err := h.logPage(ctx, number)
		if err == nil {
			i := sort.Search(len(p.records), func(i int) bool { return p.records[i].rec.Seq > after })
			return p.records[i:], end, nil
		}
		if !errors.Is(err, ErrTrimmed) && !errors.Is(err, errLargePage) {
			return nil, after, err
		}
	} // else, or where only its beginning has been trimmed, there may be something behind after
	floor := h.floor() // before the read, which then has all up to it
	var read []*Record
	err = h.asReader(ctx, func() (err error) {
		read, err = h.readLog(ctx, after, olderPage)
		return err
	})
	if err != nil || len(read) == 0 { // what was there has been erased
		return nil, max(after, floor), err
	}
	for _, rec := range read {
		records = append(records, newRendering(h, rec, passing))
	}
	return records, read[len(read)-1].Seq, nil
}

// logPage returns a page, which one of all who want it reads.
func (h *Hub) logPage(ctx context.Context, number uint64) (*logPage, error) {
	for {
		p, own := h.older.claim(number)
		if own {
			records, err := h.readPage(ctx, number)
			h.older.finish(p, records, err)
			return p, err
		}
		select {
		case <-p.read:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Whoever read it may have been called off.
		if !errors.Is(p.err, context.Canceled) && !errors.Is(p.err, context.DeadlineExceeded) {
			return p, p.err
		}
	}
}

func (h *Hub) readPage(ctx context.Context, number uint64) (records []*rendering, err error) {
	err = h.asReader(ctx, func() error {
		bytes := 0
		for at, end := number*olderPage, (number+1)*olderPage; at < end; {
			read, err := h.readLog(ctx, at, int(end-at))
			if err != nil || len(read) == 0 {
				return err
			}
			for _, rec := range read {
				if at = rec.Seq; at > end {
					return nil
				}
				records = append(records, newRendering(h, rec, staying))
				bytes += rec.size()
			}
			if bytes > olderBytes/8 {
				return errLargePage
			}
		}
		return nil
	})
	return records, err
}

// asReader calls f, which reads the log, as one of a few at a time.
func (h *Hub) asReader(ctx context.Context, f func() error) error {
	select {
	case h.readers <- struct{}{}:
		defer func() { <-h.readers }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hub) readLog(ctx context.Context, after uint64, limit int) ([]*Record, error) {
	h.logReads.Add(1)
	return h.log.Read(ctx, after, limit)
}
