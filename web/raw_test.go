package web_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bellhop/web"
	"bellhop/web/pump"
)

// patience is how long anything that must happen may take.
const patience = 20 * time.Second

// A rawClient speaks HTTP/1.1 by hand.
type rawClient struct {
	net.Conn
	*bufio.Reader
}

func dialRaw(t *testing.T, address string, config *tls.Config) *rawClient {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &rawClient{c, bufio.NewReader(c)}
}

func (c *rawClient) Read(b []byte) (int, error) { return c.Reader.Read(b) }

// send sends a request as it is written, with LF for CR LF.
func (c *rawClient) send(t *testing.T, request string) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
}

// answer reads a response, without its body.
func (c *rawClient) answer(t *testing.T) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantClosed reads to the end, which must come soon.
func (c *rawClient) wantClosed(t *testing.T) {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c.Reader); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// TestBodies announces bodies that nobody wants and never sends them.
func TestBodies(t *testing.T) {
	server, client := certificate()
	h := build(t)
	plain, overTLS := h.listen(t, nil), h.listen(t, server.Clone())
	token := mint(t)
	var answered []*rawClient
	for _, announced := range []string{"Content-Length: 5", "Content-Length: 99999999", "Transfer-Encoding: chunked", "Content-Length: 5\nExpect: 100-continue", "Content-Length: 5\nConnection: close"} {
		for request, want := range map[string]int{
			"GET /events?type=Resource": 200, "HEAD /events": 200, "GET /events?sorce=a": 400, "POST /events": 405, "PUT /events": 405,
			"POST /session": 204, "GET /session": 200, "GET /nothing": 404, "GET //": 404, "GET /healthz": 200, "POST /healthz": 405, "GET /threads": 501,
		} {
			for address, config := range map[string]*tls.Config{plain: nil, overTLS: client} {
				c := dialRaw(t, address, config)
				c.send(t, fmt.Sprintf("%s HTTP/1.1\nHost: localhost\nAuthorization: Bearer %s\n%s\n\n", request, token, announced))
				a := c.answer(t)
				if a.StatusCode != want || !a.Close {
					t.Errorf("%s with %q: got %d, close %v, want %d", request, announced, a.StatusCode, a.Close, want)
				}
				if request == "GET /events?type=Resource" {
					if b, err := newBlockReader(a.Body).next(); err != nil || b.event != "bellhop.ready" {
						t.Errorf("%s with %q: got %q %v", request, announced, b.text, err)
					}
				}
				answered = append(answered, c)
			}
		}
	}
	h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
	for _, c := range answered {
		c.wantClosed(t)
	}
}

// TestBodyThatComes sends a large body that nobody wants. The answer must not be
// lost to a reset.
func TestBodyThatComes(t *testing.T) {
	h := build(t)
	c := dialRaw(t, h.listen(t, nil), nil)
	c.send(t, "POST /events HTTP/1.1\nHost: localhost\nContent-Length: 200000\n\n")
	for range 20 {
		if _, err := c.Write(make([]byte, 10000)); err != nil {
			t.Fatal(err)
		}
	}
	if a := c.answer(t); a.StatusCode != 405 {
		t.Errorf("got %d", a.StatusCode)
	}
	c.wantClosed(t)
}

// TestKeepAlive holds that without a body a connection serves on.
func TestKeepAlive(t *testing.T) {
	h := build(t)
	c := dialRaw(t, h.listen(t, nil), nil)
	for range 3 {
		for path, want := range map[string]int{"/events": 401, "/session": 401, "/healthz": 200, "/nothing": 404, "//": 404} {
			c.send(t, "GET "+path+" HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n")
			a := c.answer(t)
			if a.StatusCode != want || a.Close {
				t.Fatalf("%s: got %d, close %v", path, a.StatusCode, a.Close)
			}
			io.Copy(io.Discard, a.Body)
		}
	}
}

// TestWhatNetHTTPRefuses holds the limits that come before all else.
func TestWhatNetHTTPRefuses(t *testing.T) {
	h := build(t)
	address := h.listen(t, nil)
	for name, tt := range map[string]struct {
		request string
		want    int
	}{
		"30 KiB of headers":  {"GET /events HTTP/1.1\nHost: localhost\nX: " + strings.Repeat("x", 30<<10) + "\n\n", 401},
		"33 KiB of headers":  {"GET /events HTTP/1.1\nHost: localhost\nX: " + strings.Repeat("x", 33<<10) + "\n\n", 431},
		"30 KiB of target":   {"GET /events?" + strings.Repeat("x", 30<<10) + " HTTP/1.1\nHost: localhost\n\n", 414},
		"33 KiB of target":   {"GET /events?" + strings.Repeat("x", 33<<10) + " HTTP/1.1\nHost: localhost\n\n", 431},
		"no host":            {"GET /events HTTP/1.1\n\n", 400},
		"malformed":          {"GET events HTTP/1.1\nHost: localhost\n\n", 400},
		"unknown expect":     {"GET /events HTTP/1.1\nHost: localhost\nExpect: cake\n\n", 417},
		"unknown coding":     {"GET /events HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip\n\n", 501},
		"an asterisk":        {"OPTIONS * HTTP/1.1\nHost: localhost\n\n", 200},
		"an absolute target": {"GET http://localhost/events HTTP/1.1\nHost: localhost\n\n", 401},
		"CONNECT":            {"CONNECT localhost:80 HTTP/1.1\nHost: localhost:80\n\n", 404},
	} {
		c := dialRaw(t, address, nil)
		c.send(t, tt.request)
		if a := c.answer(t); a.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", name, a.StatusCode, tt.want)
		}
	}
}

// TestHeadByHand reads the head that is written without net/http as it stands on
// the wire.
func TestHeadByHand(t *testing.T) {
	h := build(t)
	eventually(t, func() bool { return h.Pumping() == pump.Supported })
	c := dialRaw(t, h.listen(t, nil), nil)
	c.send(t, "GET /events HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+mint(t)+"\n\n")
	head, body := "", false
	for !body {
		line, err := c.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		body = line == "\r\n"
		head += line
	}
	if pump.Supported && (!strings.Contains(head, "\r\nConnection: close\r\n") || strings.Contains(head, "Transfer-Encoding")) {
		t.Errorf("got %q", head)
	}
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.Contains(head, "\r\nDate: ") {
		t.Errorf("got %q", head)
	}
}

// TestHTTP10 opens a stream as an old proxy does: it ends with the connection.
func TestHTTP10(t *testing.T) {
	h := build(t)
	c := dialRaw(t, h.listen(t, nil), nil)
	c.send(t, "GET /events HTTP/1.0\nHost: localhost\nAuthorization: Bearer "+mint(t)+"\n\n")
	a := c.answer(t)
	if len(a.TransferEncoding) > 0 {
		t.Errorf("Transfer-Encoding: %v", a.TransferEncoding)
	}
	wantStreamHeaders(t, a.Header)
	r := newBlockReader(a.Body)
	if b, err := r.next(); err != nil || b.event != "bellhop.ready" {
		t.Fatalf("got %q %v", b.text, err)
	}
	h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
	if b, err := r.next(); err != nil || b.event != "bellhop.bye" {
		t.Fatalf("got %q %v", b.text, err)
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the bye: %v", err)
	}
}

// TestUnixSocket listens where a proxy on the same machine connects, replaces
// what a killed process left, but not what is in use.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bellhop.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()

	h := build(t)
	l, err := h.Listen(t.Context(), web.Listen{Public: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	during(t, l.Run)
	if _, err := h.Listen(t.Context(), web.Listen{Public: "unix:" + path}); err == nil {
		t.Error("two listen at one socket")
	}
	c := dialRaw(t, path, nil)
	c.send(t, "GET /events HTTP/1.1\nHost: hotel.test\nX-Forwarded-Proto: https\nX-Forwarded-For: 203.0.113.9\nCookie: __Host-bellhop="+mint(t)+"\nOrigin: https://hotel.test\n\n")
	a := c.answer(t)
	if b, err := newBlockReader(a.Body).next(); err != nil || b.event != "bellhop.ready" {
		t.Fatalf("got %d %q %v", a.StatusCode, b.text, err)
	}
	if got := h.streams(t); len(got) != 1 || got[0].Address != "203.0.113.9" {
		t.Errorf("streams: %+v", got)
	}
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Listen(t.Context(), web.Listen{Public: "unix:" + file}); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// TestListen opens all listeners, and those of a second server whose ports are
// taken.
func TestListen(t *testing.T) {
	h := build(t)
	public := h.listen(t, nil)
	if _, err := h.Listen(t.Context(), web.Listen{Public: public}); err == nil {
		t.Error("two listen at one port")
	}
	if _, err := h.Listen(t.Context(), web.Listen{Public: "127.0.0.1:0", Admin: public}); err == nil {
		t.Error("the admin listener's failure passes unnoticed")
	}
	l, err := h.Listen(t.Context(), web.Listen{Public: public, AnyPort: true, Admin: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	during(t, l.Run)
	if other := l.Public().String(); other == public || !strings.HasPrefix(other, "127.0.0.1:") {
		t.Errorf("listens at %s", other)
	}
}
