package gateway

import (
	"sync"
	"time"
)

const (
	// snapshotPiece is about how much of a snapshot is written at once.
	snapshotPiece = 64 << 10
	// sharedSnapshots bounds what is kept in memory of encoded snapshots. What is
	// beyond is encoded for each stream anew.
	sharedSnapshots = 64 << 20
	// sharedLife is how long what was encoded for a subscription is kept for the
	// next stream, and sharedMost for how many subscriptions at most.
	sharedLife = 5 * time.Second
	sharedMost = 1024
	// pageOverhead is about what a kept page takes besides what is encoded.
	pageOverhead = 64
)

// snapshots are what is kept of encoded snapshots, by subscription: streams that
// ask for the same at about the same time share the work, whatever happens in
// between, since only pages that have changed are encoded again.
type snapshots struct {
	piece int // about how many bytes are written at once; set before any
	room  room

	// Guarded by the hub's lock.
	views map[feedKey]*view
}

// A view is what one subscription is shown of the pages of a shelf.
type view struct {
	hub  *Hub
	sub  *Subscription
	form Variant

	users int       // guarded by the hub's lock
	left  time.Time // when the last of them went; guarded by the hub's lock

	mu    sync.Mutex // held while a page is encoded, which its other users wait for
	shelf *shelf     // whose pages these are
	at    uint64     // the newest listing of it that was asked for
	pages []viewPage
	kept  int // bytes of them
}

// A viewPage is a page of a shelf in its wire form, in pieces that can be written
// at once. Its zero value is one that is not known.
type viewPage struct {
	version uint64
	pieces  [][]byte
	size    int
	count   int // events
}

// A snapshot is the present state at one place in the log as one subscription is
// shown it.
type snapshot struct {
	*listing
	view *view
}

// snapshot returns that of the head for the streams of a feed; release must be
// called when it is done with.
func (h *Hub) snapshot(sub *Subscription, v Variant) snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.snapshots
	key := feedKey{sub.view, v}
	shared := s.views[key]
	if shared == nil {
		if len(s.views) >= sharedMost {
			s.sweep(time.Time{})
		}
		shared = &view{hub: h, sub: sub, form: v}
		if s.views == nil {
			s.views = make(map[feedKey]*view)
		}
		s.views[key] = shared
	}
	shared.users++
	return snapshot{h.present.list(h.head.Load()), shared}
}

func (s snapshot) release() {
	h := s.view.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.view.users--
	s.view.left = time.Now()
}

// sweep forgets the views that nobody has used for a while or, where now is zero,
// that nobody uses.
func (s *snapshots) sweep(now time.Time) {
	for key, v := range s.views {
		if v.users == 0 && (now.IsZero() || now.Sub(v.left) >= sharedLife) {
			delete(s.views, key)
			s.room.take(-v.kept) // nobody else has it any more
		}
	}
}

// give writes the snapshot's events and returns how many they were.
func (s snapshot) give(write func([]byte) error) (total int, err error) {
	most := s.view.hub.snapshots.piece
	var small []byte // pieces of pages that show little, gathered
	flush := func() error {
		if len(small) == 0 {
			return nil
		}
		gathered := small
		small = nil
		return write(gathered)
	}
	for i := 0; ; i++ {
		page, ok := s.view.page(s.listing, i)
		if !ok {
			return total, flush()
		}
		for _, piece := range page.pieces {
			large := len(piece) > most/2
			if large || len(small)+len(piece) > most {
				if err := flush(); err != nil {
					return total, err
				}
			}
			if !large {
				small = append(small, piece...)
			} else if err := write(piece); err != nil {
				return total, err
			}
		}
		total += page.count
	}
}

// page returns the i'th page of the listing, false behind the last.
func (v *view) page(l *listing, i int) (viewPage, bool) {
	records, ok := l.page(i)
	if !ok {
		return viewPage{}, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shelf != l.shelf && l.at < v.at { // of a slow reader: nobody else will ask for it
		return v.encode(records), true
	}
	v.at = max(v.at, l.at)
	if v.shelf != l.shelf {
		v.hub.snapshots.room.take(-v.kept)
		v.shelf, v.pages, v.kept = l.shelf, nil, 0
	}
	var known viewPage
	if i < len(v.pages) {
		known = v.pages[i]
	}
	if known.version == l.versions[i] {
		return known, true
	}
	page := v.encode(records)
	page.version = l.versions[i]
	if known.version > page.version {
		return page, true
	}
	if more := page.size - known.size; v.hub.snapshots.room.take(more) {
		v.kept += more
		for len(v.pages) <= i {
			v.pages = append(v.pages, viewPage{})
		}
		v.pages[i] = page
	}
	return page, true
}

// encode makes a page of records.
func (v *view) encode(records func(yield func(*Record) bool)) viewPage {
	page := viewPage{size: pageOverhead}
	var piece []byte
	for rec := range records {
		e := rec.Event
		m, shown := v.sub.match(e, &e.Attributes, lowerASCII(e.ID))
		if !shown {
			continue
		}
		piece = v.hub.appendSnapshot(piece, e, m, v.form)
		page.count++
		if len(piece) >= v.hub.snapshots.piece {
			page.add(piece)
			piece = nil
		}
	}
	if len(piece) > 0 {
		page.add(piece)
	}
	return page
}

func (p *viewPage) add(piece []byte) {
	p.pieces = append(p.pieces, piece)
	p.size += cap(piece)
}

// appendSnapshot appends the block of an event of the present state. It bears no
// id: who is cut off midway starts over.
func (h *Hub) appendSnapshot(dst []byte, e *Event, m *mask, v Variant) []byte {
	said := *e
	said.Origin = OriginSnapshot
	name := said.Type
	if v.Unnamed {
		name = ""
	}
	body := appendEvent(make([]byte, 0, len(e.Object)+len(e.Entity)+256), &said, m)
	return h.encode(dst, 0, "", name, body)
}

// snapshotEnd returns the block behind a snapshot of so many events.
func (h *Hub) snapshotEnd(at uint64, count int) []byte {
	return h.encode(nil, 0, h.position(at), nameSnapshot, marshal(countData{count}))
}

// appendSnapshotLocked has a feed's streams, overtaken by trimming, begin anew
// with what is listed, behind the block that says so.
func (h *Hub) appendSnapshotLocked(f *Feed, reset []byte, list *listing) {
	say := func(data []byte) error {
		h.appendLocked(f, block{data: data}, list.at)
		return nil
	}
	say(reset)
	v := &view{hub: h, sub: f.sub, form: f.variant}
	total, _ := snapshot{list, v}.give(say) // nothing fails
	h.snapshots.room.take(-v.kept)
	say(h.snapshotEnd(list.at, total))
}
