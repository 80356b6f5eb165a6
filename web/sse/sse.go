// Package sse writes blocks of a text/event-stream (WHATWG HTML, 9.2).
//
// A block is the lines retry, id and event, each optional, one line of data,
// and a blank line; line ends are LF. Whatever it is given, the encoder writes
// exactly that, as valid UTF-8: no input ends a field or a block, begins
// another, or forges an id. What cannot be carried is replaced, and the doc
// comments say by what; nothing is refused, so there is no error to handle.
//
// The functions append to the caller's slice and do not allocate when it has
// room. They keep no state and may be called from any goroutine.
package sse

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Block is one block of a stream.
type Block struct {
	Retry time.Duration // see [AppendHead]
	ID    string        // see [AppendHead]
	Event string        // see [AppendBody]
	Data  []byte        // see [AppendBody]
}

// Append appends a whole block to dst: its head, then its body.
func Append(dst []byte, b Block) []byte {
	dst = AppendHead(dst, b.Retry, b.ID)
	return AppendBody(dst, b.Event, b.Data)
}

// AppendHead appends the part of a block that is a stream's own: the lines
// retry and id. It may come out empty. A head is followed by exactly one body,
// which can be encoded once and shared by any number of heads.
//
// Retry is the time after which the client shall reconnect, in whole
// milliseconds; below one millisecond there is no such line.
//
// An id is visible ASCII (0x21 to 0x7E), which is what comes back unchanged in
// a Last-Event-ID header. Any other id, the empty one too, is left out: the
// client then keeps the id it has and resumes from there, where it may see an
// event again but misses none. An empty id line would make it forget its place.
func AppendHead(dst []byte, retry time.Duration, id string) []byte {
	if ms := retry.Milliseconds(); ms > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, ms, 10)
		dst = append(dst, '\n')
	}
	if validID(id) {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	return dst
}

// AppendBody appends the rest of a block: the lines event and data and the
// blank line that ends it.
//
// Without an event there is no such line, and a browser fires onmessage. In an
// event that is not clean UTF-8 each offending character becomes U+FFFD: the
// block still arrives, under a name that is nobody else's.
//
// Data is JSON, in UTF-8. It is written so that it is one line and parses to
// the same value: raw control characters, which JSON allows between tokens
// only, become spaces; the characters within strings that some readers take for
// line ends or byte order marks become \u escapes. Bytes that are not UTF-8
// become U+FFFD, as every decoder would make them. Where there is no data it is
// {}, since clients disagree about a block without.
func AppendBody(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(dst, "event: "...)
		dst = appendName(dst, event)
		dst = append(dst, '\n')
	}
	if len(data) == 0 {
		return append(dst, "data: {}\n\n"...)
	}
	dst = append(dst, "data: "...)
	dst = appendJSON(dst, data)
	return append(dst, "\n\n"...)
}

func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return id != ""
}

func appendName(dst []byte, name string) []byte {
	for _, r := range name {
		if hazardous(r) {
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// appendJSON copies the runs between the characters that need care.
func appendJSON(dst, data []byte) []byte {
	run := 0
	for i := 0; i < len(data); {
		if c := data[i]; ' ' <= c && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		invalid := r == utf8.RuneError && size == 1
		if invalid || hazardous(r) {
			dst = append(dst, data[run:i]...)
			dst = appendReplacement(dst, r)
			run = i + size
		}
		i += size
	}
	return append(dst, data[run:]...)
}

func appendReplacement(dst []byte, r rune) []byte {
	switch {
	case r == utf8.RuneError:
		return utf8.AppendRune(dst, r)
	case r < ' ':
		return append(dst, ' ')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
	}
}

// hazardous reports whether r could end a line or be dropped in some reader. The
// standard knows CR, LF, NUL in an id and the byte order mark; readers that
// split by Unicode's line boundaries know the rest (VT, FF, FS to RS, NEL, LS,
// PS). All of the control characters are taken, which is simpler and no loss.
func hazardous(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}
