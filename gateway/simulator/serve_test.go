package simulator_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

// Served, a simulator answers until it is told to end, and ends with its listener.
func TestServe(t *testing.T) {
	serve := func() (net.Listener, context.CancelFunc, chan error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		ended := make(chan error, 1)
		s := newSimulator(t, simulator.Options{})
		go func() { ended <- s.Serve(ctx, listener) }()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + listener.Addr().String() + "/control/hotels")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return listener, stop, ended
	}
	listener, stop, ended := serve()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("told to end it says %v", err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("somebody listens still")
	}
	listener, _, ended = serve()
	listener.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("without its listener it ends with %v", err)
	}
}

func TestParseRefusal(t *testing.T) {
	for text, want := range map[string]simulator.Refusal{
		"401":   {Status: 401, Reason: "Invalid tokens."},
		"close": {Close: 1008, Reason: "Invalid tokens."},
	} {
		if got, err := simulator.ParseRefusal(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "no", "4x"} {
		if got, err := simulator.ParseRefusal(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
