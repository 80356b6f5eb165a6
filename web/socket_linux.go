package web

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/web/pump"
)

// connOf makes a connection of a descriptor, which is closed.
func connOf(fd int) (plainConn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	return c.(plainConn), nil
}

// A begunConn is a connection of which something has been read.
type begunConn struct {
	plainConn
	read []byte
}

// Read implements [net.Conn].
func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.read) == 0 {
		return c.plainConn.Read(b)
	}
	n := copy(b, c.read)
	c.read = c.read[n:]
	return n, nil
}

// A rawSocket is a connection of which the runtime knows nothing until somebody
// has to wait for its client, as few streams do before they are with a pump.
type rawSocket struct {
	mu       sync.Mutex
	fd       int       // -1 once conn has it, or whoever asked for it, or nobody
	conn     plainConn // nil until somebody has to wait
	deadline time.Time // for writes
}

var _ socket = (*rawSocket)(nil)

func (s *rawSocket) Write(b []byte) (int, error) {
	n, conn, err := s.send(b)
	if err != nil || n == len(b) {
		return n, err
	}
	more, err := conn.Write(b[n:])
	return n + more, err
}

// send writes what the client takes at once. Where that is not all, it returns
// what to go on with.
func (s *rawSocket) send(b []byte) (n int, conn plainConn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
		return 0, nil, os.ErrDeadlineExceeded
	}
	if s.conn == nil && s.fd >= 0 {
		if n, err = pump.Send(s.fd, b); err != nil || n == len(b) {
			return n, nil, err
		}
	}
	conn, err = s.connLocked()
	return n, conn, err
}

// connLocked has the runtime know the connection.
func (s *rawSocket) connLocked() (plainConn, error) {
	if s.conn != nil {
		return s.conn, nil
	}
	fd := s.fd
	if s.fd = -1; fd < 0 {
		return nil, net.ErrClosed
	}
	c, err := connOf(fd)
	if err != nil {
		return nil, err
	}
	s.conn = c
	return c, c.SetWriteDeadline(s.deadline)
}

func (s *rawSocket) Read(b []byte) (int, error) {
	s.mu.Lock()
	conn, err := s.connLocked()
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return conn.Read(b)
}

func (s *rawSocket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deadline = t; s.conn != nil {
		return s.conn.SetWriteDeadline(t)
	}
	return nil
}

func (s *rawSocket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.connLocked()
	if err != nil {
		return err
	}
	s.deadline = t
	return conn.SetDeadline(t)
}

func (s *rawSocket) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.connLocked()
	if err != nil {
		return err
	}
	return conn.CloseWrite()
}

// descriptor implements [socket].
func (s *rawSocket) descriptor() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return pump.Descriptor(s.conn)
	}
	fd := s.fd
	if s.fd = -1; fd < 0 {
		return -1, net.ErrClosed
	}
	return fd, nil
}

// Close closes the connection, unless it was given away.
func (s *rawSocket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn.Close()
	}
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}
