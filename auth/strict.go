package auth

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// An object is a JSON object read strictly: its members by their exact names,
// none of them twice at any depth. Its values are object, []any, string,
// json.Number, bool or nil. Decoding into a struct would be neither: there
// encoding/json ignores case and lets the last of repeated members win.
type object map[string]any

// parseObject reads data, which must be one JSON object in valid UTF-8.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errMalformed // encoding/json would replace what is invalid
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readValue(dec)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errMalformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errMalformed
	}
	return o, nil
}

func readValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, errMalformed
	}
	switch token {
	case json.Delim('{'):
		return readObject(dec)
	case json.Delim('['):
		return readArray(dec)
	}
	return token, nil
}

func readObject(dec *json.Decoder) (any, error) {
	o := object{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errMalformed
		}
		if _, repeated := o[name]; repeated {
			return nil, errRepeated
		}
		if o[name], err = readValue(dec); err != nil {
			return nil, err
		}
	}
	return o, readEnd(dec)
}

func readArray(dec *json.Decoder) (any, error) {
	a := []any{}
	for dec.More() {
		v, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, readEnd(dec)
}

// readEnd takes the closing brace or bracket; the decoder knows which is due.
func readEnd(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errMalformed
	}
	return nil
}

// required returns the text of a member that must be there and not be empty.
func (o object) required(name string) (string, error) {
	s, err := o.optional(name)
	if err == nil && s == "" {
		err = errMissing
	}
	return s, err
}

// optional returns the text of a member, or "" where there is none.
func (o object) optional(name string) (string, error) {
	v, there := o[name]
	s, ok := v.(string)
	if there && !ok {
		return "", errType
	}
	return s, nil
}

// latest is the last time that is told apart. Later ones become it, so that a
// time with leeway added still has a four-digit year, as RFC 3339 demands.
var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// time returns a NumericDate (RFC 7519 section 2), or nil where there is none.
func (o object) time(name string) (*jwt.NumericDate, error) {
	v, there := o[name]
	if !there {
		return nil, nil
	}
	number, ok := v.(json.Number)
	if !ok {
		return nil, errTime
	}
	f, err := number.Float64()
	if err != nil || math.Abs(f) >= 1<<53 {
		return nil, errTime
	}
	whole, part := math.Modf(f)
	t := time.Unix(int64(whole), int64(part*1e9)).UTC()
	if t.After(latest) {
		t = latest
	}
	return &jwt.NumericDate{Time: t}, nil
}

// texts returns v as a list of one or more texts, none of them empty.
func texts(v any) ([]string, bool) {
	array, ok := v.([]any)
	if !ok || len(array) == 0 {
		return nil, false
	}
	list := make([]string, len(array))
	for i, e := range array {
		s, ok := e.(string)
		if !ok || s == "" {
			return nil, false
		}
		list[i] = s
	}
	return list, true
}
