package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bellhop/web"
	"bellhop/web/pump"
)

// A path is a way in which blocks reach a client.
type path struct {
	name  string
	open  func(t *testing.T, h *house) door
	taken bool                      // the connection is taken over from net/http
	told  func(*http.Response) bool // by what a response shows that it came this way
}

// closes tells the response of a connection that was taken over.
func closes(r *http.Response) bool { return r.Close && len(r.TransferEncoding) == 0 }

func paths() []path {
	return []path{
		{name: "pump", taken: true, told: closes, open: func(t *testing.T, h *house) door {
			return dial(t, h.listen(t, nil), "tcp")
		}},
		{name: "pump, by way of net/http", taken: true, told: closes, open: func(t *testing.T, h *house) door {
			return dial(t, h.serve(t, h.HTTPServer(h.Public()), func(c net.Conn) net.Conn { return c }), "tcp")
		}},
		{name: "pump on a unix socket", taken: true, told: closes, open: func(t *testing.T, h *house) door {
			file := filepath.Join(t.TempDir(), "bellhop.sock")
			l, err := h.Listen(t.Context(), web.Listen{Public: "unix:" + file})
			if err != nil {
				t.Fatal(err)
			}
			during(t, l.Run)
			return dial(t, file, "unix")
		}},
		{name: "without a pump", taken: true, told: closes, open: func(t *testing.T, h *house) door {
			return dial(t, h.serve(t, h.HTTPServer(h.Public()), unshare), "tcp")
		}},
		{name: "HTTP/1.1", told: func(r *http.Response) bool { return !r.Close && len(r.TransferEncoding) == 1 },
			open: func(t *testing.T, h *house) door {
				s := h.HTTPServer(h.Public())
				s.ConnContext = nil
				return dial(t, h.serve(t, s, func(c net.Conn) net.Conn { return c }), "tcp")
			}},
		{name: "HTTP/2", told: func(r *http.Response) bool { return r.ProtoMajor == 2 }, open: func(t *testing.T, h *house) door {
			server, client := certificate()
			transport := &http.Transport{TLSClientConfig: client.Clone(), Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP2(true)
			t.Cleanup(transport.CloseIdleConnections)
			return door{"https://" + h.listen(t, server.Clone()), &http.Client{Transport: transport}}
		}},
	}
}

// dial returns the door to a listener.
func dial(t *testing.T, address, network string) door {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return door{"http://localhost", &http.Client{Transport: transport}}
}

// unshared is a connection whose socket cannot be had, as when a process has no
// descriptors left.
type unshared struct{ *net.TCPConn }

func unshare(c net.Conn) net.Conn { return unshared{c.(*net.TCPConn)} }

func (unshared) SyscallConn() (syscall.RawConn, error) { return nil, errors.New("no descriptors left") }

// A changing listener changes the connections that it accepts.
type changing struct {
	net.Listener
	change func(net.Conn) net.Conn
}

func (l changing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.change(c), nil
}

// serve runs a server, whose connections are changed, and returns its address.
func (h *house) serve(t *testing.T, s *http.Server, change func(net.Conn) net.Conn) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(changing{l, change}) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// A site is a house with a door to a path.
type site struct {
	path
	*house
	door
}

// stream opens a stream, whose response is held against the path that it should
// have come by.
func (s site) stream(t *testing.T, token string, headers ...string) *listener {
	t.Helper()
	l := s.events(t, "", append(headers, bearer(token))...)
	if l.response.StatusCode != 200 || !s.told(l.response) {
		t.Fatalf("got %v", l.response)
	}
	wantStreamHeaders(t, l.response.Header)
	return l
}

// onPaths runs f for each path.
func onPaths(t *testing.T, f func(t *testing.T, s site), changes ...func(*plan)) {
	for _, p := range paths() {
		if p.taken && !pump.Supported {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, append(changes, func(p *plan) { p.Logger = slog.New(slog.DiscardHandler) })...)
			t.Cleanup(func() { // some would notice only by the next heartbeat that their client has gone
				h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
				eventually(t, func() bool { return h.Streams() == 0 })
			})
			eventually(t, func() bool { return h.Pumping() == pump.Supported })
			f(t, site{p, h, p.open(t, h)})
		})
	}
}

// rest reads to the end.
func (l *listener) rest(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for {
		b, err := l.next()
		if errors.Is(err, io.EOF) && b.text == "" {
			return text.String()
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", text.Len(), err)
		}
		text.WriteString(b.text)
	}
}

// got reads a block, which must be there.
func (l *listener) got(t *testing.T) block {
	t.Helper()
	b, err := l.next()
	if err != nil {
		t.Fatalf("%.200q: %v", b.text, err)
	}
	return b
}

// texts reads so many blocks.
func (l *listener) texts(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for range n {
		b.WriteString(l.got(t).text)
	}
	return b.String()
}
