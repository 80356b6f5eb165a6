package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"bellhop/gateway"
	"bellhop/web/pump"
)

// connKey is the context key of a request's connection.
type connKey struct{}

// withConn lets a request find the connection that it came by.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// A plainConn is a connection that is a socket and nothing more.
type plainConn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// A socket is a connection without net/http.
type socket interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	// descriptor gives the connection away: a descriptor that does not block and
	// that Close leaves alone.
	descriptor() (int, error)
}

// A hijacked is a connection that net/http has let go of.
type hijacked struct{ plainConn }

func (h hijacked) descriptor() (int, error) { return pump.Descriptor(h.plainConn) }

// takeOver takes the request's connection over, where its socket can be given to
// a pump: plain HTTP/1 only, and no request with a body, which somebody would
// have to pass over. It returns nil where net/http must go on.
func takeOver(w http.ResponseWriter, r *http.Request) socket {
	if own, ok := w.(interface{ takeSocket() socket }); ok {
		return own.takeSocket()
	}
	plain, ok := r.Context().Value(connKey{}).(plainConn)
	if !ok || r.TLS != nil || r.ProtoMajor != 1 || r.ContentLength != 0 {
		return nil
	}
	// What the client may have sent behind its request is not read by anyone.
	if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
		return nil
	}
	plain.SetDeadline(time.Time{}) // the server's own may still run
	return hijacked{plain}
}

// A socketWire is the wire of a connection that was taken over; the response's
// head goes with the first block.
type socketWire struct {
	socket
	head []byte
}

func (w *socketWire) Write(b []byte) (int, error) {
	if w.head != nil {
		b = append(w.head, b...)
		w.head = nil
	}
	return w.socket.Write(b)
}

// Flush has nothing to do: nothing is held back.
func (w *socketWire) Flush() error { return nil }

// carrySocket writes what the stream missed and hands its socket to a pump,
// with which it stays.
func (s *Server) carrySocket(ctx context.Context, conn socket, h http.Header, o *openStream, pumps *pump.Pumps) {
	defer conn.Close()
	w := &socketWire{conn, responseHead(http.StatusOK, h)}
	c := s.carrier(o, w)
	stop := context.AfterFunc(ctx, func() { // the listener has closed: nobody waits for what is slow to begin
		o.End(gateway.ByeShutdown, 0)
		o.cut()
	})
	err := c.begin(ctx)
	stop()
	if err == nil {
		fd, dupErr := conn.descriptor()
		if dupErr == nil {
			o.attach(nil)
			pumps.Take(fd, o.Stream, func(reason string) { s.ended(o, reason) })
			return
		}
		s.logger.Warn("stream carried without a pump", "stream", o.id, "err", dupErr)
		err = c.follow(ctx)
	}
	reason := c.end(err)
	o.attach(nil)
	defer s.ended(o, reason)
	w.hangUp()
}

// responseHead returns the head of a response whose end is the connection's.
func responseHead(status int, h http.Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	h.Write(&b) // to memory: cannot fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// hangUp ends the connection so that the last block arrives: closing with
// something unread would reset it.
func (w *socketWire) hangUp() {
	w.SetDeadline(time.Now().Add(farewellTimeout))
	w.Write(nil) // the head, where no block came to be written
	if w.CloseWrite() == nil {
		io.Copy(io.Discard, io.LimitReader(w, 1<<20))
	}
}
