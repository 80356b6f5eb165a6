//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLoopComesBack has a connection end within an event: what was whole counts,
// and the stream goes on behind it.
func TestLoopComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := newHotel(5)
	event := func(n uint32) string {
		return fmt.Sprintf("id: e.%d\ndata: %s\n\n", n, h.appendEvent(nil, time.Now(), n))
	}
	const first = "retry: 20\nid: e.start\nevent: bellhop.ready\ndata: {}\n\n"
	served := make(chan error, 1)
	go func() {
		half := event(2)
		served <- errors.Join(
			answer(listener, "", head+first+event(0)+event(1)+half[:len(half)-1]),
			answer(listener, "e.1", head+first+event(2)+event(3)),
		)
	}()

	address := listener.Addr().(*net.TCPAddr)
	l, err := newLoop(unix.SockaddrInet4{Port: address.Port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.reconnect = true
	l.open([]*stream{{request: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), source: [4]byte{127, 0, 0, 9}, step: 1}})
	if err := l.run(t.Context(), func() bool { return l.delivered == 4 }); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if l.faults != 0 || l.returns < 1 || l.lost != 0 {
		t.Errorf("%d faults (%s), %d returns, %d lost", l.faults, l.fault, l.returns, l.lost)
	}
}

// answer answers the next request, which must ask to go on after an id.
func answer(listener net.Listener, after, text string) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	if got := request.Header.Get("Last-Event-ID"); got != after {
		return fmt.Errorf("Last-Event-ID %q, want %q", got, after)
	}
	_, err = conn.Write([]byte(text))
	return err
}

func TestCores(t *testing.T) {
	c, shared, err := findCores()
	if err != nil {
		t.Fatal(err)
	}
	if c.server.Count() != 1 || c.generator.Count() != 1 || (c.server == c.generator) != shared {
		t.Errorf("cores %+v, shared %v", c, shared)
	}
	child := exec.Command("sleep", "600")
	if err := c.begin(child.Start); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	var its unix.CPUSet
	if err := unix.SchedGetaffinity(child.Process.Pid, &its); err != nil || its != c.server {
		t.Errorf("a server runs on %v, want %v (%v)", its, c.server, err)
	}
	if u, err := usageOf(child.Process.Pid); err != nil || u.cpu <= 0 || u.rss <= 0 || u.peak < u.rss {
		t.Errorf("its usage is %+v (%v)", u, err)
	}
}
