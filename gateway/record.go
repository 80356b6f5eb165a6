package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// headRoom is more bytes than most heads have.
const headRoom = 512

// MarshalRecord returns the bytes that a log stores for r; Seq and Logged are
// the log's own and not among them.
func MarshalRecord(r *Record) ([]byte, error) {
	b, _, err := marshalRecord(r)
	return b, err
}

// EncodeRecord is [MarshalRecord] for a log that is about to hand the record out,
// too: same is what [UnmarshalRecord] would make of b, at little cost, or nil where
// that has to be asked. It keeps b and the texts of r.
func EncodeRecord(r *Record) (b []byte, same *Record, err error) {
	b, exact, err := marshalRecord(r)
	if err != nil || !exact {
		return b, nil, err
	}
	read := new(struct {
		Record
		event Event
	})
	e := &read.event
	*e, read.Event = *r.Event, e
	objectEnd := len(b)
	if n := len(e.Entity); n > 0 {
		e.Entity = b[len(b)-n:]
		objectEnd -= n + 1
	} else {
		e.Entity = nil
	}
	e.Object = b[objectEnd-len(e.Object) : objectEnd : objectEnd]
	if e.Before != nil && *e.Before == e.Attributes {
		e.Before = &e.Attributes
	}
	return b, &read.Record, nil
}

// marshalRecord says besides whether the record is an event of which a reader gets
// back all as it is.
func marshalRecord(r *Record) (b []byte, exact bool, err error) {
	if g := r.Gap; g != nil {
		b, err = json.Marshal(recordHead{Version: recordVersion, Source: g.Source, Gap: &gapHead{g.Types, g.From, g.To, g.Reason}})
		return b, false, err
	}
	e := r.Event
	h := recordHead{
		Version: recordVersion, Source: e.Source, Type: e.Type, ID: e.ID, Origin: e.Origin,
		Received: e.Received, More: e.More, Attr: e.Attributes,
		Gone: e.Gone, Done: e.Done, Ticket: e.Ticket, Before: e.Before,
	}
	if e.Before != nil && *e.Before == e.Attributes {
		h.Before, h.Same = nil, true
	}
	b, exact, err = appendHead(make([]byte, 0, headRoom+len(e.Object)+len(e.Entity)), &h)
	if err != nil {
		return nil, false, err
	}
	b = append(append(b, '\n'), e.Object...)
	if len(e.Entity) > 0 {
		b = append(append(b, '\n'), e.Entity...)
	}
	return b, exact && (len(e.Object) > 0 || e.Gone), nil
}

// UnmarshalRecord reads what [MarshalRecord] wrote. The record keeps b.
func UnmarshalRecord(b []byte) (*Record, error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	h, err := readHead(line)
	if err != nil {
		return nil, fmt.Errorf("record head: %w", err)
	}
	if h.Version != recordVersion {
		return nil, fmt.Errorf("record version %d, not %d", h.Version, recordVersion)
	}
	if g := h.Gap; g != nil {
		return &Record{Gap: &Gap{Source: h.Source, Types: g.Types, From: g.From, To: g.To, Reason: g.Reason}}, nil
	}
	e := &Event{
		Source: h.Source, Type: h.Type, ID: h.ID, Origin: h.Origin,
		Received: h.Received, More: h.More, Attributes: h.Attr,
		Gone: h.Gone, Done: h.Done, Ticket: h.Ticket, Before: h.Before,
	}
	if h.Same {
		e.Before = &e.Attributes
	}
	object, entity, _ := bytes.Cut(rest, []byte("\n"))
	if len(object) == 0 && !e.Gone {
		return nil, errors.New("record without an object")
	}
	e.Object = object
	if len(entity) > 0 {
		e.Entity = entity
	}
	return &Record{Event: e}, nil
}

// CheckName reports why an event with this type and id must be refused, or nil.
// They become an SSE event's name and part of its data: nothing in them may
// fire a page's own handlers or be cut by a reader. A lone surrogate shows as
// U+FFFD here only if the caller decoded it so; it is the caller's to refuse.
func CheckName(typ, id string) error {
	if err := checkText(typ, MaxType); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	if err := checkText(id, MaxID); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	lower := strings.ToLower(typ)
	if lower == "open" || lower == "error" || lower == "message" || strings.HasPrefix(lower, "bellhop.") {
		return errReserved
	}
	return nil
}

var (
	errEmpty    = errors.New("empty")
	errTooLong  = errors.New("too long")
	errControl  = errors.New("control character")
	errUTF8     = errors.New("invalid UTF-8")
	errReserved = errors.New("type: reserved name")
)

func checkText(s string, limit int) error {
	switch {
	case s == "":
		return errEmpty
	case len(s) > limit:
		return errTooLong
	case !utf8.ValidString(s):
		return errUTF8
	case strings.ContainsFunc(s, isControl):
		return errControl
	}
	return nil
}

// isControl reports the characters that some reader takes for a line's end, or
// drops.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r == 0xfeff
}
