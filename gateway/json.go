package gateway

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The scanners below walk JSON that is known to be valid and compact, as an
// [Event]'s Object is; they allocate nothing. On anything else they may find
// less than is there, but stay within bounds.

// eachMember calls f with each member of the JSON object, in order: its name as
// it is written, with its quotes, and its value. It does nothing when object is
// no object.
func eachMember(object []byte, f func(name, value []byte)) {
	if len(object) == 0 || object[0] != '{' {
		return
	}
	for i := 1; i < len(object) && object[i] == '"'; {
		colon := skipValue(object, i)
		if colon >= len(object) {
			return
		}
		end := skipValue(object, colon+1)
		f(object[i:colon], object[colon+1:end])
		i = end + 1 // past the comma
	}
}

// skipValue returns the index behind the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = closingQuote(b, i)
			if depth == 0 {
				return min(i+1, len(b))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of what the value stands in
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// closingQuote returns the index of the quote that ends the string whose
// opening quote is at i.
func closingQuote(b []byte, i int) int {
	quote := i // the next one, be it escaped or not
	for i++; i < len(b); {
		if quote < i {
			n := bytes.IndexByte(b[i:], '"')
			if n < 0 {
				return len(b)
			}
			quote = i + n
		}
		escape := bytes.IndexByte(b[i:quote], '\\')
		if escape < 0 {
			return quote
		}
		i += escape + 2
	}
	return len(b)
}

// nameIs reports whether the quoted name, which may hold escapes, is want.
func nameIs(quoted []byte, want string) bool {
	if len(quoted) == len(want)+2 && string(quoted[1:len(quoted)-1]) == want {
		return true
	}
	return hasEscape(quoted) && unquote(quoted) == want
}

func hasEscape(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') >= 0 }

// unquote returns the text of a JSON string.
func unquote(quoted []byte) string {
	if !hasEscape(quoted) && len(quoted) >= 2 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}

// lowerASCII returns s with A to Z in lower case: ids of all kinds are compared
// so.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
