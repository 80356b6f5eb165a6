package eventlog

// flight is what the writer holds: entries in order, the first of them
// published and unanswered. Only the writer's goroutine uses it.
//
// The sequence of each entry is known beforehand, as nobody else writes and
// each message is stored only behind the sequence that it expects.
type flight struct {
	entries []entry
	sent    int    // of entries, from the first: published to the present session
	bytes   int    // of those
	last    uint64 // sequence of the last of entries, else of the stream
	at      uint64 // the present session is stored up to here
	acked   uint64 // and all sessions were up to here
	tried   uint64 // highest sequence that was ever published
}

// add puts entries behind all others.
func (f *flight) add(entries []entry) {
	for i := range entries {
		f.number(&entries[i])
	}
	f.entries = append(f.entries, entries...)
}

func (f *flight) number(e *entry) {
	if e.subject != "" {
		f.last++
	}
	e.seq = f.last
}

// settle removes and returns the entries that are stored now that the stream's
// last sequence is known to be at least seq.
func (f *flight) settle(seq uint64) []entry {
	f.at, f.acked = seq, max(f.acked, seq)
	n := 0
	for n < len(f.entries) && f.entries[n].seq <= seq {
		if n < f.sent {
			f.bytes -= len(f.entries[n].data)
		}
		n++
	}
	stored := f.entries[:n]
	f.entries = f.entries[n:]
	f.sent = max(0, f.sent-n)
	return stored
}

// resume prepares for a stream that was opened anew and ends at last, of which
// all up to readable can be read, and returns the entries that are stored there.
// A write that broke off may leave its sequence taken and nothing under it. Nothing
// counts as published any more. Where the stream lost what it had answered for, entries that take the
// lost sequences come first: nobody may get another record under a sequence
// that was seen.
func (f *flight) resume(last, readable uint64) []entry {
	stored := f.settle(min(readable, f.tried))
	entries := f.entries
	f.entries, f.sent, f.bytes = nil, 0, 0
	f.at, f.last = last, last
	for f.last < f.acked {
		f.add([]entry{{subject: lostSubject}})
	}
	f.acked = max(f.acked, last)
	f.add(entries)
	return stored
}

// waits reports whether there is something that may be published.
func (f *flight) waits() bool {
	return f.sent < len(f.entries) && f.sent < maxPending && f.bytes < maxPendingBytes
}

// next returns the entry to publish next, nil when there is none or as much as
// may be is under way.
func (f *flight) next() *entry {
	for f.waits() {
		e := &f.entries[f.sent]
		f.sent++
		if e.subject == "" {
			continue
		}
		f.bytes += len(e.data)
		f.tried = max(f.tried, e.seq)
		return e
	}
	return nil
}
