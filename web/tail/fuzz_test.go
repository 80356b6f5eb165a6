package tail_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"bellhop/web/tail"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// canned answers the first request with a stream of these bytes, the next with
// 204.
type canned struct {
	body           io.Reader
	opened, closed int
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Request: r}
	body := c.body
	if body == nil {
		body = strings.NewReader("")
	} else {
		resp.StatusCode = http.StatusOK
		resp.Header.Set("Content-Type", "text/event-stream")
		c.body = nil
	}
	c.opened++
	resp.Body = &cannedBody{body, c}
	return resp, nil
}

type cannedBody struct {
	io.Reader
	network *canned
}

func (b *cannedBody) Close() error {
	b.network.closed++
	return nil
}

func read(t *testing.T, body io.Reader) (events []tail.Event) {
	synctest.Test(t, func(t *testing.T) {
		o := tail.Options{URL: address, Client: &http.Client{Transport: &canned{body: body}}}
		events, _ = collect(t, o, -1)
	})
	return events
}

// FuzzStream: how the bytes arrive changes nothing, and what a cut leaves of a
// stream gives the first of its events, whole.
func FuzzStream(f *testing.F) {
	f.Add([]byte("retry: 10\nid: 1\nevent: x\ndata: {}\n\nid: 23\ndata: {}\n\n"), uint16(45))
	f.Add([]byte("id: 1\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n: d\n\n"), uint16(16))
	f.Add([]byte("\xef\xbb\xbfdata\ndata: a\n\n\n\nid\nid: \x00\ndata:b\n\r"), uint16(2))
	f.Fuzz(func(t *testing.T, wire []byte, at uint16) {
		want := read(t, bytes.NewReader(wire))
		if diff := cmp.Diff(want, read(t, iotest.OneByteReader(bytes.NewReader(wire)))); diff != "" {
			t.Errorf("byte by byte (-want +got):\n%s", diff)
		}
		part := wire[:int(at)%(len(wire)+1)]
		got := read(t, io.MultiReader(bytes.NewReader(part), iotest.ErrReader(io.ErrUnexpectedEOF)))
		if len(got) > len(want) {
			t.Fatalf("%q gave %d events, the whole %d", part, len(got), len(want))
		}
		if diff := cmp.Diff(want[:len(got)], got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("cut after %q (-want +got):\n%s", part, diff)
		}
		for _, ev := range want {
			if strings.ContainsAny(ev.Name+ev.ID, "\r\n") || bytes.ContainsRune(ev.Data, '\r') {
				t.Errorf("a line end in %q", ev)
			}
		}
	})
}
