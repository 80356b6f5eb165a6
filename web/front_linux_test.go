package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/auth"
	"bellhop/web"
)

// TestFrontAnswersAlike asks a front and net/http the same, and wants the same
// answers but for what tells of the connection.
func TestFrontAnswersAlike(t *testing.T) {
	t.Parallel()
	h := build(t)
	eventually(t, h.Pumping)
	fronted := h.listen(t, nil)
	plain := h.serve(t, h.HTTPServer(h.Public()), func(c net.Conn) net.Conn { return c })
	token := mint(t)
	prague := func(c *auth.Claims) { c.Grants = []auth.Grant{{Sources: []string{"prague"}, Types: []string{"*"}}} }
	for name, request := range map[string]string{
		"no token":           "GET /events HTTP/1.1\nHost: localhost\n\n",
		"bad token":          "GET /events HTTP/1.1\nHost: localhost\nAuthorization: Bearer x\n\n",
		"bad query":          "GET /events?sorce=a HTTP/1.1\nHost: localhost\nAuthorization: Bearer " + token + "\n\n",
		"forbidden":          "GET /events?source=vienna HTTP/1.1\nHost: localhost\nAuthorization: Bearer " + mint(t, prague) + "\n\n",
		"not acceptable":     "GET /events HTTP/1.1\nHost: localhost\nAccept: image/png\nAuthorization: Bearer " + token + "\n\n",
		"from a listed page": "GET /events HTTP/1.1\nHost: localhost\nOrigin: https://app.listed.test\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			var got, want *http.Response
			for address, answer := range map[string]**http.Response{fronted: &got, plain: &want} {
				c := dialRaw(t, address, nil)
				c.send(t, request)
				*answer = c.answer(t)
			}
			if !got.Close || want.Close {
				t.Errorf("the front's closes: %v, the other: %v", got.Close, want.Close)
			}
			for _, r := range []*http.Response{got, want} {
				r.Header.Del("Connection")
				r.Header.Del("Date")
			}
			if diff := cmp.Diff(want.Header, got.Header); diff != "" || got.StatusCode != want.StatusCode {
				t.Errorf("got %d, net/http %d (-net/http +front):\n%s", got.StatusCode, want.StatusCode, diff)
			}
			gotBody, _ := io.ReadAll(got.Body)
			wantBody, err := io.ReadAll(io.LimitReader(want.Body, want.ContentLength))
			if string(gotBody) != string(wantBody) || err != nil {
				t.Errorf("got %q, net/http %q", gotBody, wantBody)
			}
		})
	}
}

// TestFrontPassesOn sends requests in pieces, several at once, and what is for
// others.
func TestFrontPassesOn(t *testing.T) {
	t.Parallel()
	h := build(t)
	eventually(t, h.Pumping)
	address := h.listen(t, nil)
	request := "GET /events HTTP/1.1\nHost: localhost\nAuthorization: Bearer " + mint(t) + "\n\n"

	t.Run("in pieces", func(t *testing.T) {
		c := dialRaw(t, address, nil)
		for _, piece := range strings.SplitAfter(request, " ") {
			c.send(t, piece)
			time.Sleep(2 * time.Millisecond) // each is likely to come alone; it is right if not, too
		}
		if b, err := newBlockReader(c.answer(t).Body).next(); err != nil || b.event != "bellhop.ready" {
			t.Errorf("got %q %v", b.text, err)
		}
	})
	t.Run("late", func(t *testing.T) {
		c := dialRaw(t, address, nil)
		time.Sleep(1500 * time.Millisecond) // longer than it is waited with accepting
		c.send(t, request)
		if a := c.answer(t); a.StatusCode != 200 {
			t.Errorf("got %d", a.StatusCode)
		}
	})
	t.Run("behind another", func(t *testing.T) {
		c := dialRaw(t, address, nil)
		c.send(t, "GET /healthz HTTP/1.1\nHost: localhost\n\n"+request)
		first := c.answer(t)
		io.Copy(io.Discard, first.Body)
		if b, err := newBlockReader(c.answer(t).Body).next(); err != nil || b.event != "bellhop.ready" {
			t.Errorf("got %q %v", b.text, err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		dialRaw(t, address, nil).Close()
	})
	t.Run("malformed", func(t *testing.T) {
		c := dialRaw(t, address, nil)
		c.send(t, "GET /events HTTP/1.1\nHost: a\nHost: b\n\n")
		if a := c.answer(t); a.StatusCode != 400 {
			t.Errorf("got %d", a.StatusCode)
		}
	})
}

// A client that is slow to take its snapshot must not hold up the end.
func TestFrontEndsWhileStreamsBegin(t *testing.T) {
	t.Parallel()
	h := build(t)
	eventually(t, h.Pumping)
	object := `{"State":"Dirty","Note":"` + strings.Repeat("x", 200_000) + `"}`
	for i := range 100 {
		h.say(t, event("prague", "Resource", fmt.Sprint("room-", i), object))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := h.Listen(ctx, web.Listen{Public: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	c := dialRaw(t, l.Public().String(), nil)
	c.send(t, "GET /events?snapshot=true HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+mint(t)+"\n\n")
	if _, err := c.ReadByte(); err != nil { // it has begun, and waits for the client now
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience / 2):
		t.Fatal("it does not end")
	}
	eventually(t, func() bool { return h.Streams() == 0 })
}
