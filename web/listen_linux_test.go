package web_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/web"
)

// A client that vanishes must be noticed whether or not there is something to
// write: the options of the listening socket are those of each connection.
func TestConnectionOptions(t *testing.T) {
	t.Parallel()
	ln, err := web.OpenListener(t.Context(), "127.0.0.1:0", 7*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("G")); err != nil { // before that it is not accepted, for a while
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		name          string
		level, option int
		want          int
	}{
		{"TCP_USER_TIMEOUT, milliseconds", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 7000},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"TCP_NOTSENT_LOWAT, bytes", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 128 << 10},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE, seconds", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL, seconds", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		var got int
		var optionErr error
		if err := raw.Control(func(fd uintptr) { got, optionErr = unix.GetsockoptInt(int(fd), o.level, o.option) }); err != nil {
			t.Fatal(err)
		}
		if optionErr != nil || got != o.want {
			t.Errorf("%s is %d, want %d (%v)", o.name, got, o.want, optionErr)
		}
	}
}
