package gateway

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// recordHead is the first line of a record as it is stored. An event's object
// and entity follow on lines of their own, so that reading a record back never
// walks them.
type recordHead struct {
	Version  int        `json:"v"`
	Source   string     `json:"source"`
	Type     string     `json:"type,omitempty"`
	ID       string     `json:"id,omitempty"`
	Origin   Origin     `json:"origin,omitempty"`
	Received time.Time  `json:"received,omitzero"`
	More     bool       `json:"more,omitempty"`
	Attr     Attributes `json:"attr,omitzero"`
	Gone     bool       `json:"gone,omitempty"`
	Done     time.Time  `json:"done,omitzero"`
	Ticket   uint64     `json:"ticket,omitempty"`
	// Before is absent when it is the same as Attr, which Same says.
	Before *Attributes `json:"before,omitempty"`
	Same   bool        `json:"same,omitempty"`
	Gap    *gapHead    `json:"gap,omitempty"`
}

type gapHead struct {
	Types  []string  `json:"types"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason GapReason `json:"reason"`
}

const recordVersion = 1

// headStart is how every head begins that headWriter writes.
const headStart = `{"v":1,"source":`

// appendHead appends the head of an event, just as encoding/json writes it. It is
// exact when a reader gets back the very texts and times that h has.
func appendHead(dst []byte, h *recordHead) (b []byte, exact bool, err error) {
	w := headWriter{b: append(dst, headStart...)}
	w.value(h.Source)
	w.text("type", h.Type)
	w.text("id", h.ID)
	w.text("origin", string(h.Origin))
	w.time("received", h.Received)
	w.truth("more", h.More)
	if h.Attr != (Attributes{}) {
		w.attributes("attr", &h.Attr)
	}
	w.truth("gone", h.Gone)
	w.time("done", h.Done)
	if h.Ticket != 0 {
		w.name("ticket")
		w.b = strconv.AppendUint(w.b, h.Ticket, 10)
	}
	if h.Before != nil {
		w.attributes("before", h.Before)
	}
	w.truth("same", h.Same)
	return append(w.b, '}'), !w.changed, w.err
}

// headWriter appends the members of a JSON object, but for those without a value.
type headWriter struct {
	b       []byte
	changed bool  // a text had to be quoted, or a time is not of UTC
	err     error // the first one
}

func (w *headWriter) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *headWriter) value(s string) {
	for i := range len(s) {
		if !isPlain(s[i]) {
			quoted, _ := json.Marshal(s) // of a string without an error
			w.b, w.changed = append(w.b, quoted...), true
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *headWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.value(s)
	}
}

func (w *headWriter) truth(name string, v bool) {
	if v {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *headWriter) time(name string, t time.Time) {
	w.changed = w.changed || t.Location() != time.UTC
	if t.IsZero() {
		return
	}
	w.name(name)
	b, err := t.AppendText(append(w.b, '"'))
	if err != nil {
		w.err = err
		return
	}
	w.b = append(b, '"')
}

func (w *headWriter) attributes(name string, a *Attributes) {
	w.name(name)
	w.b = append(w.b, '{')
	w.text("state", a.State)
	w.text("resource", a.Resource)
	w.text("rate", a.Rate)
	w.text("category", a.Category)
	w.text("thread", a.Thread)
	w.text("conversation", a.Conversation)
	w.text("channel", a.Channel)
	w.time("start", a.Start)
	w.time("end", a.End)
	w.b = append(w.b, '}')
}

// isPlain reports the bytes that stand for themselves in a JSON string, as
// encoding/json writes and reads it.
func isPlain(c byte) bool {
	return ' ' <= c && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// readHead reads a head. What is not in the form that appendHead gives the head of
// most events, it leaves to encoding/json.
func readHead(line []byte) (h recordHead, err error) {
	r := headReader{rest: line}
	if h = r.head(); r.strange || len(r.rest) > 0 {
		h = recordHead{}
		err = json.Unmarshal(line, &h)
	}
	return h, err
}

// headReader reads the members that headWriter writes, in the same order.
type headReader struct {
	rest    []byte
	first   bool // the next member is its object's first
	strange bool // it is not in that form
}

func (r *headReader) head() (h recordHead) {
	r.must(headStart)
	h.Version = recordVersion
	h.Source = r.value()
	h.Type = r.text("type")
	h.ID = r.text("id")
	h.Origin = Origin(r.text("origin"))
	h.Received = r.time("received")
	h.More = r.truth("more")
	if r.name("attr") {
		h.Attr = r.attributes()
	}
	h.Gone = r.truth("gone")
	h.Done = r.time("done")
	if r.name("ticket") {
		h.Ticket = r.number()
	}
	if r.name("before") {
		before := r.attributes()
		h.Before = &before
	}
	h.Same = r.truth("same")
	r.must("}")
	return h
}

// has walks text, where that is what comes next.
func (r *headReader) has(text string) bool {
	if len(r.rest) < len(text) || string(r.rest[:len(text)]) != text {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

func (r *headReader) must(text string) {
	if !r.has(text) {
		r.strange = true
	}
}

// name walks a member's name, where it is the next one's.
func (r *headReader) name(name string) bool {
	quote := 1
	if r.first {
		quote = 0
	}
	begin, end := quote+1, quote+1+len(name)
	switch {
	case len(r.rest) < end+2 || string(r.rest[begin:end]) != name:
		return false
	case quote == 1 && r.rest[0] != ',', r.rest[quote] != '"', r.rest[end] != '"', r.rest[end+1] != ':':
		return false
	}
	r.rest, r.first = r.rest[end+2:], false
	return true
}

// quoted walks a string and returns what is between its quotes.
func (r *headReader) quoted() []byte {
	r.must(`"`)
	for i, c := range r.rest {
		if c == '"' {
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text
		}
		if !isPlain(c) {
			break
		}
	}
	r.strange = true
	return nil
}

func (r *headReader) value() string { return string(r.quoted()) }

func (r *headReader) text(name string) string {
	if !r.name(name) {
		return ""
	}
	return r.value()
}

func (r *headReader) truth(name string) bool {
	if !r.name(name) {
		return false
	}
	r.must("true")
	return true
}

func (r *headReader) time(name string) (t time.Time) {
	if r.name(name) && t.UnmarshalText(r.quoted()) != nil {
		r.strange = true
	}
	return t
}

func (r *headReader) number() uint64 {
	n := bytes.IndexAny(r.rest, ",}")
	if n <= 0 || r.rest[0] < '1' || r.rest[0] > '9' {
		r.strange = true
		return 0
	}
	v, err := strconv.ParseUint(string(r.rest[:n]), 10, 64)
	r.strange = r.strange || err != nil
	r.rest = r.rest[n:]
	return v
}

func (r *headReader) attributes() (a Attributes) {
	r.must("{")
	r.first = true
	a.State = r.text("state")
	a.Resource = r.text("resource")
	a.Rate = r.text("rate")
	a.Category = r.text("category")
	a.Thread = r.text("thread")
	a.Conversation = r.text("conversation")
	a.Channel = r.text("channel")
	a.Start = r.time("start")
	a.End = r.time("end")
	r.must("}")
	r.first = false
	return a
}
