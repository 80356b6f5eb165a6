//go:build linux

package main

import (
	"bytes"
	"fmt"
	"time"
)

// A phase is how far a stream has come.
type phase int8

const (
	closed phase = iota
	connecting
	waiting   // for the response's head
	streaming // its first block may be still to come
	ready
)

// A stream is one subscriber.
type stream struct {
	// Set before it is connected.
	request []byte // but for the blank line at its end
	source  [4]byte
	deaf    bool   // never reads anything after the response's head
	resume  []byte // the Last-Event-ID that it asks for, none when empty

	// next is the number of the event that has to come next, and step that from
	// one of its events to the one after.
	next, step uint32

	// Owned by the loop.
	index int
	fd    int
	phase phase
	rest  []byte // of what was read, a block that is not whole yet
	id    []byte // of the last block that was whole
	retry time.Duration
	again time.Time // when it connects again
}

// accept holds an event's number against what has to come next, and returns
// what is wrong with it.
func (s *stream) accept(number uint32) (fault string) {
	switch {
	case number == s.next:
		s.next += s.step
		return ""
	case number > s.next:
		fault = fmt.Sprintf("event %d came where %d was due", number, s.next)
		s.next = number + s.step
	default:
		fault = fmt.Sprintf("event %d came again, or late: %d was due", number, s.next)
	}
	return fault
}

// owed returns how many of its events, up to number end, are still to come.
func (s *stream) owed(end uint32) int {
	if s.deaf || s.next >= end {
		return 0
	}
	return int((end - s.next + s.step - 1) / s.step)
}

// startAt has the stream expect those of its events next that are not before
// number.
func (s *stream) startAt(number uint32) {
	first := s.next % s.step
	s.next = number - number%s.step + first
	if s.next < number {
		s.next += s.step
	}
}

// responseBody returns what follows the response's head in b, which is not there
// as long as the head is not whole.
func responseBody(b []byte) (body []byte, whole bool, err error) {
	head, body, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	switch {
	case !whole:
		return nil, false, nil
	case !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")):
		return nil, true, fmt.Errorf("refused: %.300q", b)
	case bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding")):
		return nil, true, fmt.Errorf("the body is in chunks, so no pump carries it: %.300q", head)
	}
	return body, true, nil
}
