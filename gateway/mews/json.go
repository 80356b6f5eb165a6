package mews

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// maxDepth is how deep a frame may nest. It is that of encoding/json too.
const maxDepth = 10_000

// cursor walks a JSON text (RFC 8259) that may be broken, from its start to the
// first fault, so that what stands before the fault is not lost with what comes
// after it. It copies nothing. Like encoding/json it leaves it to the caller
// whether strings are valid UTF-8. An error says what is wrong and where, and
// quotes nothing.
type cursor struct {
	text  []byte
	at    int
	depth int
}

func (c *cursor) fault(what string) error { return fmt.Errorf("%s at byte %d", what, c.at) }

// next returns the byte at the cursor, 0 at the end.
func (c *cursor) next() byte {
	if c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

// peek returns the byte that the next token begins with, 0 at the end.
func (c *cursor) peek() byte {
	for c.at < len(c.text) {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return b
		}
	}
	return 0
}

// object walks an object and calls member behind the colon of each of its
// members, with the quoted name; member must walk the value.
func (c *cursor) object(member func(name []byte) error) error {
	return c.nested('{', '}', func() error {
		if c.peek() != '"' {
			return c.fault("no name")
		}
		name, err := c.str()
		if err != nil {
			return err
		}
		if c.peek() != ':' {
			return c.fault("no colon")
		}
		c.at++
		return member(name)
	})
}

// array walks an array and calls element before each of its elements, which
// element must walk.
func (c *cursor) array(element func() error) error { return c.nested('[', ']', element) }

func (c *cursor) nested(begin, end byte, item func() error) error {
	if c.peek() != begin {
		return c.fault("no " + string(begin))
	}
	if c.depth++; c.depth > maxDepth {
		return c.fault("nested too deep")
	}
	c.at++
	for first := true; c.peek() != end; first = false {
		if !first {
			if c.peek() != ',' {
				return c.fault("no comma")
			}
			c.at++
		}
		if err := item(); err != nil {
			return err
		}
	}
	c.at++
	c.depth--
	return nil
}

// value walks a value of any kind and returns its text.
func (c *cursor) value() ([]byte, error) {
	var err error
	begin := c.peek()
	start := c.at
	switch begin {
	case '{':
		err = c.object(func([]byte) error { return c.skip() })
	case '[':
		err = c.array(c.skip)
	case '"':
		_, err = c.str()
	case 't':
		err = c.literal("true")
	case 'f':
		err = c.literal("false")
	case 'n':
		err = c.literal("null")
	default:
		err = c.number()
	}
	if err != nil {
		return nil, err
	}
	return c.text[start:c.at], nil
}

func (c *cursor) skip() error {
	_, err := c.value()
	return err
}

func (c *cursor) literal(want string) error {
	if !bytes.HasPrefix(c.text[c.at:], []byte(want)) {
		return c.fault("no value")
	}
	c.at += len(want)
	return nil
}

// str walks a string and returns it with its quotes.
func (c *cursor) str() ([]byte, error) {
	start := c.at
	for c.at++; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return c.text[start:c.at], nil
		case b < ' ':
			return nil, c.fault("control character in a string")
		case b == '\\':
			c.at++
			if err := c.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, c.fault("string without an end")
}

// escape walks what follows a backslash, but for its last byte.
func (c *cursor) escape() error {
	switch c.next() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		if _, ok := hex4(c.text[c.at+1:]); ok {
			c.at += 4
			return nil
		}
	}
	return c.fault("bad escape")
}

func (c *cursor) number() error {
	if c.next() == '-' {
		c.at++
	}
	if c.next() == '0' {
		c.at++
	} else if !c.digits() {
		return c.fault("no value")
	}
	if c.next() == '.' {
		if c.at++; !c.digits() {
			return c.fault("bad number")
		}
	}
	if b := c.next(); b == 'e' || b == 'E' {
		c.at++
		if b := c.next(); b == '+' || b == '-' {
			c.at++
		}
		if !c.digits() {
			return c.fault("bad number")
		}
	}
	return nil
}

// digits walks decimal digits and reports whether there was one.
func (c *cursor) digits() bool {
	start := c.at
	for b := c.next(); '0' <= b && b <= '9'; b = c.next() {
		c.at++
	}
	return c.at > start
}

// hex4 reads the four hexadecimal digits that b begins with.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// named reports whether a quoted name is want.
func named(quoted []byte, want string) bool {
	name := quoted[1 : len(quoted)-1]
	return string(name) == want || bytes.IndexByte(name, '\\') >= 0 && unquote(quoted) == want
}

// unquote returns the text of a valid JSON string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // of a valid one without an error
	return s
}

// loneSurrogate reports whether a valid JSON string escapes half of a surrogate
// pair, of which unquote makes U+FFFD.
func loneSurrogate(quoted []byte) bool {
	for i := 0; i+1 < len(quoted); {
		switch {
		case quoted[i] != '\\':
			i++
		case quoted[i+1] != 'u':
			i += 2
		default:
			r, _ := hex4(quoted[i+2:])
			if i += 6; !utf16.IsSurrogate(r) {
				continue
			}
			if !bytes.HasPrefix(quoted[i:], []byte(`\u`)) {
				return true
			}
			low, _ := hex4(quoted[i+2:])
			if utf16.DecodeRune(r, low) == '\uFFFD' {
				return true
			}
			i += 6
		}
	}
	return false
}

// kind names a JSON value's type, to say a value's shape without saying it.
func kind(value []byte) string {
	if len(value) == 0 {
		return "absent"
	}
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
