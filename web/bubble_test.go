package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// pipes is a listener whose connections are pipes in memory, which bubbles of
// synctest can wait for.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// A bubble is a house in a bubble of synctest, whose clock stands still until
// everybody waits, and its public listener.
type bubble struct {
	*house
	pipes *pipes
}

// inBubble runs f in a bubble with a house.
func inBubble(t *testing.T, f func(t *testing.T, b bubble), changes ...func(*plan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, append(changes, func(p *plan) { p.bubble = true })...)
		b := bubble{h, &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}}
		server := h.HTTPServer(h.Public())
		served := make(chan error)
		go func() { served <- server.Serve(b.pipes) }()
		t.Cleanup(func() {
			server.Close()
			<-served
			synctest.Wait()
		})
		f(t, b)
	})
}

// request sends a GET and returns the connection, of which nothing is read.
func (b bubble) request(t *testing.T, target string, headers ...string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	b.pipes.conns <- server
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", target, strings.Join(headers, "\r\n"))
	if _, err := io.WriteString(client, text); err != nil {
		t.Fatal(err)
	}
	return client
}

// get sends a GET and reads the answer's head.
func (b bubble) get(t *testing.T, target string, headers ...string) *http.Response {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(b.request(t, target, headers...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// events opens a stream and reads its first block; it has reached the log's end.
func (b bubble) events(t *testing.T, query string, headers ...string) *listener {
	t.Helper()
	answer := b.get(t, "/events?"+query, headers...)
	l := &listener{blockReader: newBlockReader(answer.Body), response: answer}
	l.want(t, "bellhop.ready")
	synctest.Wait()
	return l
}
