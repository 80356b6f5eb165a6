package tail_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/web/tail"

	"github.com/google/go-cmp/cmp"
)

func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []http.Header
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Header.Clone())
			begin(w)
			write(w, "data: 1\n\nid: 8\ndata: 2\n\n")
		})
		o := h.options()
		o.Token = token
		o.LastEventID = "7"
		o.Header = http.Header{"x-list": {"a", "b"}, "Last-Event-Id": {"99"}, "Authorization": {"Basic x"}}
		events, _ := collect(t, o, 4)
		if diff := cmp.Diff([]tail.Event{{ID: "7", Data: []byte("1")}, {ID: "8", Data: []byte("2")}}, events[:2]); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		for i, id := range []string{"7", "8"} {
			for name, want := range map[string]string{"Accept": "text/event-stream", "Authorization": "Bearer " + token, "X-List": "a, b", "Last-Event-Id": id} {
				if diff := cmp.Diff([]string{want}, got[i].Values(name)); diff != "" {
					t.Errorf("request %d, %s (-want +got):\n%s", i, name, diff)
				}
			}
		}
	})
}

// TestNoIDAtFirst: an empty Last-Event-ID is not sent.
func TestNoIDAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if values := r.Header.Values("Last-Event-ID"); values != nil {
				t.Errorf("got Last-Event-ID %q, want none", values)
			}
			begin(w)
			write(w, "data: 1\n\n")
		})
		if _, err := collect(t, h.options(), 2); err != errEnough {
			t.Error(err)
		}
	})
}

// TestCallbackFails: its error is Run's own, and it is not called again though
// more has been read.
func TestCallbackFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			write(w, strings.Repeat("data: 1\n\n", 100))
		})
		calls := 0
		err := tail.Run(t.Context(), h.options(), func(tail.Event) error {
			calls++
			return errEnough
		})
		if err != errEnough || calls != 1 {
			t.Errorf("got error %v after %d calls", err, calls)
		}
	})
}

// TestContextEnds in each state that a tail can be in. The bubble fails when a
// goroutine is left.
func TestContextEnds(t *testing.T) {
	wait := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := map[string]struct {
		answer  http.HandlerFunc
		refused bool
	}{
		"before the headers": {wait, false},
		"in the stream":      {func(w http.ResponseWriter, r *http.Request) { begin(w); write(w, "data: 1\n\ndata"); wait(w, r) }, false},
		"in a wait": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(503)
		}, false},
		"in a refusal": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(403)
			flush(w)
			wait(w, r)
		}, false},
		"while refused": {wait, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, tt.answer)
				if tt.refused {
					h.refuse.Store(1 << 30)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				start := time.Now()
				err := tail.Run(ctx, h.options(), func(tail.Event) error { return nil })
				if d := time.Since(start); err != nil || d != 30*time.Second {
					t.Errorf("got error %v after %v, want nil after 30s", err, d)
				}
			})
		})
	}
}

// TestContextEndsInCallback: the callback's way to say so is no failure.
func TestContextEndsInCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			write(w, "data: 1\n\ndata: 2\n\n")
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		err := tail.Run(ctx, h.options(), func(tail.Event) error {
			calls++
			cancel()
			return ctx.Err()
		})
		if err != nil || calls != 1 {
			t.Errorf("got error %v after %d calls, want nil after one", err, calls)
		}
	})
}

// TestRealSockets has all of it on real connections with the tail's own client:
// a large event, a restart on the same address, an end by context. TestMain
// looks for goroutines left.
func TestRealSockets(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	var handler http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		if r.Header.Get("Last-Event-ID") == "" {
			write(w, "id: 1\ndata: "+string(large)+"\n\n")
			write(w, "id: 2\ndata: half of it")
		} else {
			write(w, "id: 2\ndata: whole\n\n")
		}
		<-r.Context().Done()
	}
	srv := httptest.NewServer(handler)
	address := srv.Listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []tail.Event
	err := tail.Run(ctx, tail.Options{URL: srv.URL}, func(ev tail.Event) error {
		if got = append(got, ev); len(got) == 2 {
			cancel()
			return nil
		}
		srv.CloseClientConnections()
		srv.Close()
		srv = restart(t, address, handler)
		return nil
	})
	srv.Close()
	if err != nil {
		t.Error(err)
	}
	if len(got) != 2 || got[0].ID != "1" || !bytes.Equal(got[0].Data, large) || got[1].ID != "2" || string(got[1].Data) != "whole" {
		t.Errorf("got %d events: %.200q", len(got), got)
	}
}

func restart(t *testing.T, address string, handler http.Handler) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(handler)
	srv.Listener.Close()
	srv.Listener = listener
	srv.Start()
	return srv
}

// TestNothingLeftOpen: a tail with a client of its own closes what it kept open
// for the next request, without the server's help.
func TestNothingLeftOpen(t *testing.T) {
	closed := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden) // and no body: such a connection is kept
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	srv.Start()
	defer srv.Close()
	collect(t, tail.Options{URL: srv.URL}, 1)
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}

// TestBodiesClosed, which the client beneath leaves out for a refusal.
func TestBodiesClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &canned{body: strings.NewReader("data: 1\n\n")}
		got, _ := collect(t, tail.Options{URL: address, Client: &http.Client{Transport: network}}, -1)
		if len(got) != 1 || network.opened != 2 || network.closed != 2 {
			t.Errorf("got %d events, %d bodies opened, %d closed", len(got), network.opened, network.closed)
		}
	})
}

// TestTooLarge: asking again would bring the same block again.
func TestTooLarge(t *testing.T) {
	const limit = 16 << 20
	tests := map[string]struct {
		wire  string
		event int // its size
		want  string
	}{
		"as large as can be":         {"data:" + strings.Repeat("x", limit-7) + "\n\n", limit - 7, "enough"},
		"a byte more":                {"data:" + strings.Repeat("x", limit-6) + "\n\n", 0, "a block is over 16 MiB"},
		"comments count for nothing": {strings.Repeat(": "+strings.Repeat("x", limit/2)+"\n", 3) + "data:1\n\n", 1, "enough"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			network := &canned{body: strings.NewReader(tt.wire)}
			got, err := collect(t, tail.Options{URL: address, Client: &http.Client{Transport: network}}, 1)
			if err == nil || err.Error() != tt.want || network.opened != 1 {
				t.Errorf("got error %v after %d requests, want %q after one", err, network.opened, tt.want)
			}
			if tt.event > 0 && (len(got) != 1 || len(got[0].Data) != tt.event) || tt.event == 0 && got != nil {
				t.Errorf("got %d events, want one of %d bytes", len(got), tt.event)
			}
		})
	}
}
