package eventlog

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"bellhop/gateway"
)

// maxPart bounds the bytes of a message of an inbox: the largest record that
// the log holds, and its length, go into one.
const maxPart = maxPayload - maxHeader/2

var (
	errCutShort = errors.New("cut short")
)

// pack returns the records as they are stored, each behind its length, in parts
// of up to limit bytes, at least one. A record larger than that has a part to
// itself.
func pack(records []*gateway.Record, limit int) (parts [][]byte, err error) {
	part := []byte{}
	for _, r := range records {
		data, err := marshal(r)
		if err != nil {
			return nil, err
		}
		if len(part) > 0 && len(part)+binary.MaxVarintLen32+len(data) > limit {
			parts = append(parts, part)
			part = nil
		}
		part = append(binary.AppendUvarint(part, uint64(len(data))), data...)
	}
	return append(parts, part), nil
}

// unpack returns the records of one part. They keep b.
func unpack(b []byte) (records []*gateway.Record, err error) {
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errCutShort
		}
		b = b[n:]
		r, err := gateway.UnmarshalRecord(b[:size:size])
		if err != nil {
			return nil, err
		}
		records = append(records, r)
		b = b[size:]
	}
	return records, nil
}

// assembly makes entries of the messages of an inbox.
type assembly struct {
	l       *Log
	entries []*partial          // in the order of their tickets
	open    map[uint64]*partial // by ticket, those that want more messages
}

type partial struct {
	gateway.Entry
	missing int // messages
}

func newAssembly(l *Log) *assembly { return &assembly{l: l, open: make(map[uint64]*partial)} }

// add adds the inbox's next message.
func (a *assembly) add(m message) {
	if err := a.tryAdd(m); err != nil {
		a.l.passOver(1, err, "inbox", m.seq)
	}
}

func (a *assembly) tryAdd(m message) error {
	records, err := unpack(m.data)
	if err != nil {
		return err
	}
	if of := m.header.Get(entryHeader); of != "" {
		ticket, err := strconv.ParseUint(of, 10, 64)
		if err != nil {
			return err
		}
		if p := a.open[ticket]; p != nil { // else its beginning has been forgotten
			p.Records = append(p.Records, records...)
			p.missing--
		}
		return nil
	}
	base, err := subjectBase(m.header.Get(jetstream.SubjectHeader))
	if err != nil {
		return err
	}
	p := &partial{Entry: gateway.Entry{Ticket: base + m.seq, Records: records}}
	if parts := m.header.Get(partsHeader); parts != "" {
		if p.missing, err = strconv.Atoi(parts); err != nil {
			return err
		}
		p.missing--
		a.open[p.Ticket] = p
	}
	a.entries = append(a.entries, p)
	return nil
}

// complete returns the entries from a ticket on that are whole. Others were never
// put to the end, or are damaged.
func (a *assembly) complete(from uint64) []gateway.Entry {
	var entries []gateway.Entry
	for _, p := range a.entries {
		if p.Ticket < from {
			continue
		}
		if p.missing > 0 {
			a.l.log.Warn("an entry of the inbox is not whole", "ticket", p.Ticket)
			continue
		}
		entries = append(entries, p.Entry)
	}
	return entries
}
