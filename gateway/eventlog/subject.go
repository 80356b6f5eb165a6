package eventlog

import (
	"encoding/hex"
	"errors"
	"fmt"

	"bellhop/gateway"
)

// What the stream takes: events, gaps, and the place of a record that was lost.
const (
	eventSubjects = "ev.>"
	gapSubjects   = "gap.>"
	// lostSubject bears what keeps the sequence of a lost record from being
	// used again. No source has such a name.
	lostSubject = "gap._lost"
)

// Beyond these NATS closes the connection or the subject grows without bound.
const (
	maxSource  = 128     // bytes of a source's name
	maxPayload = 8 << 20 // bytes of a message, its headers included
	maxHeader  = 1 << 10 // bytes kept free in it for headers
)

var (
	errNoRecord  = errors.New("neither an event nor a gap")
	errEmptyName = errors.New("source, type or id is empty")
	errLongName  = errors.New("source, type or id is too long")
	errTooLarge  = errors.New("record is too large")
)

// subjectOf returns the subject of r, ev.<source>.<type>.<id> or gap.<source>,
// and an error for what no subject can be made of.
func subjectOf(r *gateway.Record) (string, error) {
	if r.Gap != nil {
		return join("gap", name{r.Gap.Source, maxSource, false})
	}
	if r.Event == nil {
		return "", errNoRecord
	}
	e := r.Event
	return join("ev", name{e.Source, maxSource, false}, name{e.Type, gateway.MaxType, false}, name{e.ID, gateway.MaxID, true})
}

// entitySubject returns the subject of an entity in the state's stream,
// st.<source>.<kind>.<id>.
func entitySubject(k gateway.EntityKey) (string, error) {
	return join("st", name{k.Source, maxSource, false}, name{k.Kind, gateway.MaxType, false}, name{k.ID, gateway.MaxID, true})
}

// name is what becomes one token of a subject.
type name struct {
	text string
	max  int
	fold bool // to ASCII lower case
}

func join(prefix string, names ...name) (string, error) {
	b := make([]byte, 0, 128)
	b = append(b, prefix...)
	for _, n := range names {
		switch {
		case n.text == "":
			return "", errEmptyName
		case len(n.text) > n.max:
			return "", errLongName
		}
		b = appendToken(append(b, '.'), n.text, n.fold)
	}
	return string(b), nil
}

const hexDigits = "0123456789ABCDEF"

// appendToken appends s as one token of a subject, or one key of a bucket:
// letters, digits, '-' and '_' as they are, any other byte as '=' and two
// hexadecimal digits.
func appendToken(dst []byte, s string, fold bool) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z':
			if fold {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
		case isPlain(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// tokenText undoes appendToken.
func tokenText(token string) (string, error) {
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b = append(b, token[i])
			continue
		}
		if i+3 > len(token) {
			return "", fmt.Errorf("token %q: cut short", token)
		}
		c, err := hex.DecodeString(token[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("token %q: %w", token, err)
		}
		b = append(b, c[0])
		i += 2
	}
	return string(b), nil
}
