package auth

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// unmarshal reads data into v strictly (RFC 7493): it is one JSON value in valid
// UTF-8, members go by their exact names, and none is there twice at any depth.
// encoding/json ignores case, lets the last of repeated members win, and
// replaces what is invalid.
func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*InvalidError](err); ok {
		return e
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errRepeated
	}
	return errMalformed
}

// A text is a member that must be a string where it is there.
type text string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err == nil {
		*t, err = textOf(v)
	}
	return err
}

func textOf(v jsontext.Value) (text, error) {
	if v.Kind() != '"' {
		return "", errType
	}
	var room [64]byte // for most
	s, err := jsontext.AppendUnquote(room[:0], v)
	return text(s), err
}

// texts returns v as a list of one or more texts, none of them empty.
func texts(v jsontext.Value) ([]string, error) {
	var list []string
	if json.Unmarshal(v, &list) != nil || len(list) == 0 || slices.Contains(list, "") { // null is read as empty
		return nil, errType
	}
	return list, nil
}

// seconds is a NumericDate (RFC 7519 section 2). As a lower bound, 0 is none.
type seconds float64

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *seconds) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if v.Kind() != '0' || err != nil || math.Abs(f) >= 1<<53 {
		return errTime
	}
	*s = seconds(f)
	return nil
}

// latest is the last time that is told apart. Later ones become it, so that a
// time with leeway added still has a four-digit year, as RFC 3339 demands.
var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (s seconds) time() time.Time {
	whole, part := math.Modf(float64(s))
	t := time.Unix(int64(whole), int64(part*1e9)).UTC()
	if t.After(latest) {
		return latest
	}
	return t
}

// bound returns s as a lower bound.
func (s seconds) bound() *jwt.NumericDate {
	if s == 0 {
		return nil
	}
	return &jwt.NumericDate{Time: s.time()}
}
