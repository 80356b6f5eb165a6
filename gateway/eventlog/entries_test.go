package eventlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"bellhop/gateway"
)

func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []*gateway.Record
		for n := range rapid.IntRange(0, 6).Draw(t, "records") {
			object := fmt.Appendf(nil, `{"X":"%s"}`, bytes.Repeat([]byte("x"), rapid.IntRange(0, 100).Draw(t, "size")))
			want = append(want, &gateway.Record{Event: &gateway.Event{Source: "prague", Type: "Resource", ID: fmt.Sprint(n), Object: object}})
		}
		limit := rapid.IntRange(1, 500).Draw(t, "limit")
		parts, err := pack(want, limit)
		if err != nil || len(parts) == 0 {
			t.Fatal(len(parts), err)
		}
		var got []*gateway.Record
		for _, part := range parts {
			records, err := unpack(part)
			if err != nil {
				t.Fatal(err)
			}
			if len(part) > limit && len(records) > 1 {
				t.Errorf("%d records in a part of %d bytes, over %d", len(records), len(part), limit)
			}
			got = append(got, records...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	parts, err := pack([]*gateway.Record{
		{Event: &gateway.Event{Source: "prague", Type: "Resource", ID: "a", Object: []byte(`{}`)}},
		{Gap: &gateway.Gap{Source: "prague", Types: []string{"Resource"}, Reason: gateway.GapSize}},
	}, maxPart)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parts[0])
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := unpack(b)
		if err != nil {
			return
		}
		for _, r := range records {
			if r.Event == nil && r.Gap == nil {
				t.Error("neither an event nor a gap")
			}
		}
	})
}

// TestAssembly gives the messages of entries that were not put to the end, that
// were forgotten in part or are damaged: none of them makes an entry.
func TestAssembly(t *testing.T) {
	record := func(id string) *gateway.Record {
		return &gateway.Record{Event: &gateway.Event{Source: "prague", Type: "Resource", ID: id, Object: []byte(`{}`)}}
	}
	a := newAssembly(&Log{log: slog.New(slog.DiscardHandler), metrics: newMetrics(&Log{intake: newIntake()})})
	add := func(seq uint64, id string, header ...string) {
		parts, err := pack([]*gateway.Record{record(id)}, maxPart)
		if err != nil {
			t.Fatal(err)
		}
		m := message{seq: seq, header: nats.Header{jetstream.SubjectHeader: {"in.prague.1000"}}, data: parts[0]}
		for i := 0; i < len(header); i += 2 {
			m.header.Set(header[i], header[i+1])
		}
		a.add(m)
	}
	add(1, "forgotten 2", entryHeader, "999")
	add(2, "broken off", partsHeader, "3")
	add(3, "whole 1", partsHeader, "2")
	add(4, "broken off 2", entryHeader, "1002")
	add(5, "single")
	add(6, "whole 2", entryHeader, "1003")
	a.add(message{seq: 7, header: nats.Header{jetstream.SubjectHeader: {"in.prague.1000"}}, data: []byte("\x05{}")})
	a.add(message{seq: 8, header: nats.Header{jetstream.SubjectHeader: {"in.prague"}}})
	want := []gateway.Entry{
		{Ticket: 1003, Records: []*gateway.Record{record("whole 1"), record("whole 2")}},
		{Ticket: 1005, Records: []*gateway.Record{record("single")}},
	}
	if diff := cmp.Diff(want, a.complete(0)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
