package sse_test

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// message is what the parser dispatches.
type message struct {
	Type, Data, LastEventID string
}

// stream is what a reader knows after having parsed some bytes.
type stream struct {
	Messages    []message
	LastEventID string // also when no message followed
	Retry       string // digits of the last good retry field
	Oddities    []string
}

// parse reads an event stream by the letter of WHATWG HTML 9.2.6. Beyond the
// standard it notes, as oddities, whatever it had to forgive: what a good
// encoder never writes.
func parse(b []byte) stream {
	p := &parser{}
	p.eventStream(decode(b))
	return p.stream
}

type parser struct {
	stream
	data, eventType, lastEventID string
}

// decode is "UTF-8 decode": it drops one byte order mark and replaces what is
// no UTF-8.
func decode(b []byte) string {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func (p *parser) odd(what string) { p.Oddities = append(p.Oddities, what) }

func (p *parser) eventStream(s string) {
	for s != "" {
		i := strings.IndexAny(s, "\r\n")
		if i < 0 {
			p.odd("line without end")
			return
		}
		line, rest := s[:i], s[i+1:]
		if s[i] == '\r' {
			p.odd("CR")
			rest = strings.TrimPrefix(rest, "\n")
		}
		p.line(line)
		s = rest
	}
	if p.data != "" || p.eventType != "" {
		p.odd("block without end")
	}
}

func (p *parser) line(line string) {
	switch {
	case line == "":
		p.dispatch()
	case line[0] == ':':
		p.odd("comment")
	default:
		name, value, found := strings.Cut(line, ":")
		if !found {
			p.odd("field without colon")
		}
		p.field(name, strings.TrimPrefix(value, " "))
	}
}

func (p *parser) field(name, value string) {
	if strings.ContainsRune(value, 0) {
		p.odd("NUL")
	}
	switch name {
	case "event":
		p.eventType = value
	case "data":
		if p.data != "" {
			p.odd("second line of data")
		}
		p.data += value + "\n"
	case "id":
		if value == "" {
			p.odd("empty id")
		}
		if !strings.ContainsRune(value, 0) {
			p.lastEventID = value
		}
	case "retry":
		if value == "" || strings.Trim(value, "0123456789") != "" {
			p.odd("retry that is no number")
			return
		}
		p.Retry = value
	default:
		p.odd("unknown field")
	}
}

func (p *parser) dispatch() {
	p.LastEventID = p.lastEventID
	if p.data == "" {
		p.odd("block without data")
		p.eventType = ""
		return
	}
	m := message{Type: "message", Data: strings.TrimSuffix(p.data, "\n"), LastEventID: p.LastEventID}
	if p.eventType != "" {
		m.Type = p.eventType
	}
	p.Messages = append(p.Messages, m)
	p.data, p.eventType = "", ""
}

// wellFormed reports what is wrong with b as bytes on the wire, beyond what the
// grammar forbids: nothing in a stream may puzzle a lenient reader either.
func wellFormed(b []byte) string {
	switch {
	case !utf8.Valid(b):
		return "invalid UTF-8"
	case bytes.ContainsAny(b, "\r\x00\v\f\x1c\x1d\x1e\u0085\u2028\u2029\ufeff"):
		return "a character that may end a line"
	case !bytes.HasSuffix(b, []byte("\n\n")):
		return "no blank line at the end"
	case bytes.HasPrefix(b, []byte("\n")), bytes.Contains(b, []byte("\n\n\n")):
		return "an empty block"
	}
	return ""
}
