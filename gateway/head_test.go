package gateway_test

import (
	"bytes"
	"reflect"
	"testing"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

// A head is written as encoding/json writes it.
func TestHeadIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		if r.Event == nil {
			return // it is left to encoding/json
		}
		b, err := gateway.MarshalRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _, _ := bytes.Cut(b, []byte("\n"))
		if want := must(gateway.HeadAsJSON(got)); string(got) != string(want) {
			t.Fatalf("head %s, want %s", got, want)
		}
	})
}

// And it is read as encoding/json reads it, whoever wrote it.
func FuzzReadHead(f *testing.F) {
	for _, head := range []string{
		`{"v":1,"source":"prague","type":"Reservation","id":"r-1","origin":"live","received":"2030-01-02T03:04:05.678Z","more":true,"attr":{"state":"Started","resource":"7","start":"2030-01-02T03:04:05.678Z","end":"2030-01-03T00:00:00+01:00"},"gone":true,"done":"2030-01-02T03:04:05Z","ticket":18446744073709551615,"before":{"state":"y"},"same":true}`,
		`{"v":1,"source":"a","type":"b","id":"c","attr":{},"before":{}}`,
		`{"v":1,"source":"","more":false,"ticket":18446744073709551616}`,
		`{"v":1,"source":"a\u003cb","type":"é","id":"c"}`,
		`{"v":1,"source":"a","received":"2030-01-02t03:04:05Z","ticket":01}`,
		`{"V":1, "source":"a","id":"x","type":"y","id":"z"}`,
		`{"v":1,"source":"a","gap":{"types":["x"],"from":"2030-01-02T03:04:05Z","to":"2030-01-02T03:04:05Z","reason":"size"}}`,
		`{"v":1,"source":"a","attr":{"state":"x","end":"2030-01-02T03:04:05Z"},}`,
		`{"v":1,"source":"a","more":}`,
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		got, err := gateway.ReadHead(head)
		want, wantErr := gateway.ReadHeadAsJSON(head)
		if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("head %q: %+v, %v\nwant %+v, %v", head, got, err, want, wantErr)
		}
	})
}
