//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"bellhop/gateway/config"
)

// A floor is what no fan-out on this machine can go below: it reads one upstream
// socket and writes each message, encoded once, to every subscriber by one
// write(2). No token, no filter, no history, no parsing; and whoever does not
// read stops all.
type floor struct {
	mu          sync.Mutex
	subscribers []int // descriptors, in blocking mode
}

// runFloor serves until the upstream ends. Of the configuration it reads the
// listeners and the first source.
func runFloor(ctx context.Context, cfg *config.Config) error {
	public, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	source := cfg.Sources[0].Mews
	header := http.Header{"Cookie": {fmt.Sprintf("ClientToken=%s; AccessToken=%s", string(source.ClientToken), string(source.AccessToken))}}
	socket, _, err := websocket.DefaultDialer.DialContext(ctx, source.Socket+"/ws/connector", header)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	admin := http.Server{Addr: cfg.Admin, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	var f floor
	var serving sync.WaitGroup
	serving.Go(func() { admin.ListenAndServe() })
	serving.Go(func() { f.accept(public) })
	err = f.pass(socket)
	err = errors.Join(err, admin.Close(), public.Close())
	serving.Wait()
	return err
}

// accept takes in subscribers until the listener is closed.
func (f *floor) accept(public net.Listener) {
	for {
		conn, err := public.Accept()
		if err != nil {
			return
		}
		if fd, err := admit(conn.(*net.TCPConn)); err == nil {
			f.mu.Lock()
			f.subscribers = append(f.subscribers, fd)
			f.mu.Unlock()
		}
	}
}

// admit answers a request and returns a descriptor of its connection, of which
// the runtime's poller knows nothing.
func admit(conn *net.TCPConn) (fd int, err error) {
	defer conn.Close()
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: bellhop.ready\ndata: {}\n\n")); err != nil {
		return 0, err
	}
	file, err := conn.File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if fd, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return 0, err
	}
	return fd, unix.SetNonblock(fd, false)
}

// pass passes messages on until the upstream ends.
func (f *floor) pass(socket *websocket.Conn) error {
	var frame []byte
	for id := 1; ; id++ {
		_, message, err := socket.ReadMessage()
		if err != nil {
			return err
		}
		frame = fmt.Appendf(frame[:0], "id: %d\nevent: Reservation\ndata: %s\n\n", id, message)
		f.mu.Lock()
		for _, fd := range f.subscribers {
			unix.Write(fd, frame)
		}
		f.mu.Unlock()
	}
}
