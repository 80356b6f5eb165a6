package auth

import (
	"encoding/base64"
	"strings"
)

// A compact is a token taken apart (RFC 7515 section 7.1). Only its form is
// known to be good.
type compact struct {
	header    string // as it is encoded
	input     string // what was signed: header and payload, as they are encoded
	payload   []byte
	signature []byte
}

// split takes a token apart. Of the texts that could stand for the same bytes it
// accepts one.
func split(raw string) (compact, error) {
	if strings.ContainsAny(raw, "\r\n") {
		return compact{}, errMalformed // base64 passes over them, strict or not
	}
	header, rest, _ := strings.Cut(raw, ".")
	payload, signature, found := strings.Cut(rest, ".")
	if !found {
		return compact{}, errMalformed
	}
	c := compact{header: header, input: raw[:len(header)+1+len(payload)]}
	var err error
	if c.signature, err = decode(signature); err != nil { // also where there is another dot
		return compact{}, err
	}
	if c.payload, err = decode(payload); err != nil {
		return compact{}, err
	}
	return c, nil
}

// base64URL has no padding, and no spare bits but zero.
var base64URL = base64.RawURLEncoding.Strict()

func decode(segment string) ([]byte, error) {
	data, err := base64URL.DecodeString(segment)
	if err != nil {
		return nil, errMalformed
	}
	return data, nil
}
