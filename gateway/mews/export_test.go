package mews

import (
	"fmt"
	"time"

	"bellhop/gateway"
)

// DecodeFrame decodes one message as a session does. Each verdict but that on an
// accepted event is one line of refused.
func DecodeFrame(source string, text []byte, received time.Time) (records []*gateway.Record, refused []string, fault error) {
	f := &frame{source: source, received: received, judge: func(v verdict) {
		if v.outcome != accepted {
			refused = append(refused, fmt.Sprintf("%s %v", v.outcome, v.kinds))
		}
	}}
	records, fault = f.decode(text)
	return records, refused, fault
}

// Walk walks a JSON text with the frame decoder's cursor.
func Walk(text []byte) error {
	c := &cursor{text: text}
	if err := c.skip(); err != nil {
		return err
	}
	if c.peek(); c.at < len(text) {
		return c.fault("more than a value")
	}
	return nil
}

// LoneSurrogate is loneSurrogate.
func LoneSurrogate(quoted []byte) bool { return loneSurrogate(quoted) }

// Compact is compact.
func Compact(text []byte) []byte { return compact(text) }
