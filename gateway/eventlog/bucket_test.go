package eventlog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bellhop/gateway/eventlog"
)

func TestBucket(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	b := l.Bucket("revocations")
	check := func(want map[string][]byte) {
		t.Helper()
		got, err := b.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("all values (-want +got):\n%s", diff)
		}
		for key, value := range want {
			if got, err := b.Get(t.Context(), key); err != nil || string(got) != string(value) {
				t.Errorf("%q: got %q, %v, want %q", key, got, err, value)
			}
		}
	}
	check(map[string][]byte{})
	if got, err := b.Get(t.Context(), "a"); err != nil || got != nil {
		t.Errorf("no value: got %q, %v", got, err)
	}
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Errorf("delete what is not there: %v", err)
	}
	odd := "https://hotel.example * > .\x00=ä"
	put := func(key, value string) {
		t.Helper()
		if err := b.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	put("a", "1")
	put("a", "2")
	put(odd, "3")
	put("A", "4")
	put("gone", "5")
	if err := b.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"a": []byte("2"), odd: []byte("3"), "A": []byte("4")}
	check(want)
	eventlog.Break(l, false)
	check(want)
	put("b", "6")
	want["b"] = []byte("6")
	closeLog(t, l)

	l = open(t, eventlog.Options{Dir: dir})
	b = l.Bucket("revocations")
	check(want)
	if got, err := l.Bucket("other").All(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("another bucket: got %v, %v", got, err)
	}
}
