package eventlog

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bellhop/gateway"
)

func TestSubject(t *testing.T) {
	event := func(source, typ, id string) *gateway.Record {
		return &gateway.Record{Event: &gateway.Event{Source: source, Type: typ, ID: id}}
	}
	for _, c := range []struct {
		record *gateway.Record
		want   string
	}{
		{event("prague", "Reservation", "BFEE2c44-98f9"), "ev.prague.Reservation.bfee2c44-98f9"},
		{event("chat", "airy.message", "a b"), "ev.chat.airy=2Emessage.a=20b"},
		{event("chat", "airy.unread-count", "Ä_*>="), "ev.chat.airy=2Eunread-count.=C3=84_=2A=3E=3D"},
		{&gateway.Record{Gap: &gateway.Gap{Source: "prague"}}, "gap.prague"},
	} {
		if got, err := subjectOf(c.record); err != nil || got != c.want {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
	}
}

func TestToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		token := string(appendToken(nil, text, false))
		if strings.ContainsFunc(token, func(r rune) bool { return r > 0x7f || !isPlain(byte(r)) && r != '=' }) {
			t.Errorf("%q became %q", text, token)
		}
		if got, err := tokenText(token); err != nil || got != text {
			t.Errorf("%q became %q and that %q, %v", text, token, got, err)
		}
	})
	for _, bad := range []string{"=", "=2", "a=", "=G0", "= 1"} {
		if got, err := tokenText(bad); err == nil {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
}
