package mews

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"bellhop/gateway"
)

// outcome says what became of an event.
type outcome string

const (
	accepted       outcome = "accepted"
	refusedShape   outcome = "shape"     // no object
	refusedMissing outcome = "missing"   // Type or Id missing, empty or no string
	refusedLong    outcome = "long"      // Type or Id
	refusedHalf    outcome = "surrogate" // a lone one in Type or Id
	refusedName    outcome = "name"      // a control character in Type or Id, or a reserved Type
	refusedUTF8    outcome = "utf8"      // invalid UTF-8 anywhere in it
	refusedSize    outcome = "size"      // too large: a gap
)

var outcomes = []outcome{
	accepted, refusedShape, refusedMissing, refusedLong, refusedHalf, refusedName, refusedUTF8, refusedSize,
}

// A verdict on an event says its shape, and nothing of what is in it but the
// Type of one that is accepted or too large.
type verdict struct {
	outcome outcome
	err     error  // why, where the outcome does not say it all
	typ     string // empty unless it is a good name
	bytes   int
	kinds   [3]string // the JSON types of the event, its Type and its Id
}

// frame decodes one message of the socket.
type frame struct {
	source   string
	received time.Time
	judge    func(verdict) // is told of each event, in order

	records []*gateway.Record
}

// decode returns the records of the message's good events, in order. The error
// says why the message could not be decoded whole; the records are then those of
// the events before the fault. A bad event is no fault: it is judged, and the
// next one is as good as any. The records keep nothing of text.
func (f *frame) decode(text []byte) ([]*gateway.Record, error) {
	// RFC 8259, section 8.1, lets a parser ignore a byte order mark.
	c := &cursor{text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))}
	err := c.object(func(name []byte) error {
		if !named(name, "Events") || c.peek() == 'n' {
			return c.skip()
		}
		return c.array(func() error {
			event, err := c.value()
			if err != nil {
				return err
			}
			f.event(event)
			return nil
		})
	})
	if c.peek(); err == nil && c.at < len(c.text) {
		err = c.fault("more than an object")
	}
	link(f.records)
	return f.records, err
}

// link sets More on every event but the last.
func link(records []*gateway.Record) {
	more := false
	for i := len(records) - 1; i >= 0; i-- {
		if e := records[i].Event; e != nil {
			e.More, more = more, true
		}
	}
}

// event judges one event and makes its record. The text is valid JSON.
func (f *frame) event(text []byte) {
	v := verdict{bytes: len(text), kinds: [3]string{kind(text), kind(nil), kind(nil)}}
	defer func() { f.judge(v) }()

	var typ, id []byte
	if text[0] == '{' {
		typ, id = names(text)
		v.kinds[1], v.kinds[2] = kind(typ), kind(id)
	}
	if v.outcome, v.err = checkEvent(text, typ, id); v.outcome != accepted {
		return
	}
	object := compact(text)
	v.typ = unquote(typ)
	if len(object) > gateway.MaxObject {
		v.outcome = refusedSize
		f.records = append(f.records, &gateway.Record{Gap: &gateway.Gap{
			Source: f.source, Types: []string{v.typ},
			From: f.received, To: f.received, Reason: gateway.GapSize,
		}})
		return
	}
	e := &gateway.Event{
		Source: f.source, Type: v.typ, ID: unquote(id),
		Origin: gateway.OriginLive, Received: f.received, Object: object,
	}
	e.Attributes = gateway.ReadAttributes(e.Type, e.ID, e.Object)
	f.records = append(f.records, &gateway.Record{Event: e})
}

// checkEvent judges an event but for its size.
func checkEvent(text, typ, id []byte) (outcome, error) {
	switch {
	case text[0] != '{':
		return refusedShape, nil
	case !utf8.Valid(text):
		return refusedUTF8, nil
	case kind(typ) != "string" || kind(id) != "string":
		return refusedMissing, nil
	case loneSurrogate(typ) || loneSurrogate(id):
		return refusedHalf, nil
	}
	t, i := unquote(typ), unquote(id)
	switch {
	case t == "" || i == "":
		return refusedMissing, nil
	case len(t) > gateway.MaxType || len(i) > gateway.MaxID:
		return refusedLong, nil
	}
	if err := gateway.CheckName(t, i); err != nil {
		return refusedName, err
	}
	return accepted, nil
}

// names returns the values of an event's Type and Id, by these very names; of a
// repeated member the last counts, as in JSON.parse. An absent one is nil.
func names(event []byte) (typ, id []byte) {
	c := &cursor{text: event}
	// The object is valid: that it was walked is why it is here.
	_ = c.object(func(name []byte) error {
		value, err := c.value()
		switch {
		case named(name, "Type"):
			typ = value
		case named(name, "Id"):
			id = value
		}
		return err
	})
	return typ, id
}

// compact returns a copy of valid JSON without its insignificant spaces. No number
// and no escape is changed.
func compact(text []byte) json.RawMessage {
	b := make([]byte, 0, len(text))
	begin, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // it may be a quote
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			b = append(b, text[begin:i]...)
			begin = i + 1
		}
	}
	return append(b, text[begin:]...)
}
