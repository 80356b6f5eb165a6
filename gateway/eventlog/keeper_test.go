package eventlog_test

import (
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	const sync = 3 * time.Second
	l := open(t, eventlog.Options{Dir: dir, Sync: sync})
	if got, err := l.Confirmed(t.Context(), "prague"); err != nil || !got.IsZero() {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
	at := time.Date(2026, 11, 21, 8, 0, 0, 123456789, time.FixedZone("", 3600))
	for _, source := range []string{"prague", "chat"} {
		if err := l.KeepConfirmed(t.Context(), source, at.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.KeepConfirmed(t.Context(), "prague", at); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir})
	got, err := l.Confirmed(t.Context(), "prague")
	if err != nil || got.After(at.Add(-sync)) || got.Before(at.Add(-time.Minute)) {
		t.Errorf("got %v, %v, want what is %v before %v", got, err, sync, at)
	}
}

// TestConfirmedWithoutKeeping asks where what was kept is gone: a source that
// has events was connected before. The last of them that it heard tells when.
func TestConfirmedWithoutKeeping(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	heard := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	say := func(source string, origin gateway.Origin, received time.Time) *gateway.Record {
		r := event(1)
		r.Event.Source, r.Event.Origin, r.Event.Received = source, origin, received
		return r
	}
	var records []*gateway.Record
	for _, source := range []string{"prague", "brno"} {
		records = append(records, say(source, gateway.OriginLive, heard.Add(-time.Hour)), say(source, gateway.OriginLive, heard))
	}
	records = append(records, say("read", gateway.OriginBackfill, heard), say("read", gateway.OriginBackfill, heard.Add(time.Hour)))
	for n := range 1500 { // entities leave for hours after
		r := say("prague", gateway.OriginBackfill, heard.Add(time.Duration(n)*time.Second))
		r.Event.Gone, r.Event.Object = true, nil
		records = append(records, r)
	}
	store(t, l, records...)
	for source, want := range map[string]time.Time{"prague": heard, "brno": heard, "read": heard, "prague-2": {}} {
		if got, err := l.Confirmed(t.Context(), source); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", source, got, err, want)
		}
	}
}

func TestNotes(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	check := func(source, name, want string) {
		t.Helper()
		got, err := l.Note(t.Context(), source, name)
		if err != nil || string(got) != want || (got == nil) != (want == "" && name != "empty") {
			t.Errorf("%s of %s: got %q, %v, want %q", name, source, got, err, want)
		}
	}
	keep := func(source, name string, value []byte) {
		t.Helper()
		if err := l.KeepNote(t.Context(), source, name, value); err != nil {
			t.Fatal(err)
		}
	}
	check("prague", "loaded", "")
	keep("prague", "loaded", nil)
	keep("prague", "loaded", []byte("1"))
	keep("prague", "cursor", []byte("2"))
	keep("brno", "loaded", []byte("3"))
	keep("brno", "empty", []byte{})
	check("prague", "loaded", "1")
	keep("prague", "loaded", nil)
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir})
	check("prague", "loaded", "")
	check("prague", "cursor", "2")
	check("brno", "loaded", "3")
	check("brno", "empty", "")
}
