//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	handshakes = 512       // under way at a time: fewer than a listener's backlog
	readSize   = 256 << 10 // of one read
	restSize   = 64 << 10  // the longest block
	turnTime   = 5         // ms until a turn ends in which nothing happens
)

// A loop is many streams on one epoll instance. It has no goroutine: they are
// served while [loop.run] runs, and all of it is its caller's.
type loop struct {
	epoll   int
	server  unix.SockaddrInet4
	streams []*stream
	queue   []*stream // to be connected
	opening int       // streams that are connecting
	events  [1024]unix.EpollEvent
	buf     []byte

	reconnect bool       // streams that end come back after their retry
	away      []*stream  // those that will
	latency   *histogram // nil while it is of no interest

	ready     int // streams that were given their first block
	delivered int // events
	bytes     int
	last      time.Time      // when the last event came
	byes      map[string]int // the reasons for which streams were ended
	returns   int            // streams that ended, to come back
	lost      int            // streams that ended for good
	faults    int            // events that came out of order
	fault     string         // the first thing that went wrong
}

func newLoop(server unix.SockaddrInet4) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &loop{epoll: epoll, server: server, buf: make([]byte, restSize+readSize), byes: make(map[string]int)}, nil
}

// close closes all streams and the loop.
func (l *loop) close() {
	l.cut()
	unix.Close(l.epoll)
}

// open has the streams connected, in this order, as the loop runs.
func (l *loop) open(streams []*stream) {
	for _, s := range streams {
		s.index = len(l.streams)
		l.streams = append(l.streams, s)
	}
	l.queue = append(l.queue, streams...)
}

// cut closes all connections at once.
func (l *loop) cut() {
	for _, s := range l.streams {
		l.hangUp(s)
	}
	l.queue, l.away = nil, nil
}

// reopen has all streams connected anew.
func (l *loop) reopen() { l.queue = append(l.queue, l.streams...) }

// run serves the streams until done reports true, for which it is asked after
// each turn, or ctx ends.
func (l *loop) run(ctx context.Context, done func() bool) error {
	for !done() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := l.connectQueued(); err != nil {
			return err
		}
		n, err := unix.EpollWait(l.epoll, l.events[:], turnTime)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		for _, e := range l.events[:max(n, 0)] {
			l.serve(l.streams[e.Fd], e.Events)
		}
	}
	return nil
}

func (l *loop) connectQueued() error {
	l.comeBack(time.Now())
	for len(l.queue) > 0 && l.opening < handshakes {
		s := l.queue[0]
		l.queue = l.queue[1:]
		if err := l.connect(s); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	return nil
}

func (l *loop) comeBack(now time.Time) {
	kept := l.away[:0]
	for _, s := range l.away {
		if now.Before(s.again) {
			kept = append(kept, s)
			continue
		}
		s.resume = append(s.resume[:0], s.id...)
		l.queue = append(l.queue, s)
	}
	l.away = kept
}

func (l *loop) connect(s *stream) (err error) {
	s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.phase = connecting
	l.opening++
	// The port is chosen by the connection, not by its address alone.
	if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{Addr: s.source}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Connect(s.fd, &l.server); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	return l.control(s, unix.EPOLL_CTL_ADD, unix.EPOLLOUT)
}

func (l *loop) control(s *stream, op int, events uint32) error {
	err := unix.EpollCtl(l.epoll, op, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.index)})
	return os.NewSyscallError("epoll_ctl", err)
}

// serve does what the stream's socket is ready for.
func (l *loop) serve(s *stream, events uint32) {
	if s.phase == connecting {
		if err := l.ask(s); err != nil {
			l.end(s, err)
		}
		return
	}
	if s.deaf && s.phase == ready { // it hears nothing but the connection's end
		l.hangUp(s)
		return
	}
	n, err := unix.Read(s.fd, l.buf[copy(l.buf, s.rest):])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		l.end(s, os.NewSyscallError("read", err))
	case n == 0:
		l.end(s, nil)
	default:
		if err := l.take(s, l.buf[:len(s.rest)+n], n); err != nil {
			l.end(s, err)
		}
	}
}

// ask sends the request over the connection that is there now.
func (l *loop) ask(s *stream) error {
	request := l.buf[:copy(l.buf, s.request)]
	if len(s.resume) > 0 {
		request = fmt.Appendf(request, "Last-Event-ID: %s\r\n", s.resume)
	}
	if _, err := unix.Write(s.fd, append(request, "\r\n"...)); err != nil {
		return os.NewSyscallError("write", err)
	}
	s.phase = waiting
	return l.control(s, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
}

// end closes a stream whose connection ended, with err where that was no end.
func (l *loop) end(s *stream, err error) {
	if l.hangUp(s); !l.reconnect {
		l.lost++
		l.blame(fmt.Sprintf("stream %d ended: %v", s.index, err))
		return
	}
	l.returns++
	s.again = time.Now().Add(s.retry)
	l.away = append(l.away, s)
}

func (l *loop) hangUp(s *stream) {
	switch s.phase {
	case closed:
		return
	case ready:
		l.ready--
	default:
		l.opening--
	}
	unix.Close(s.fd) // which takes it out of the epoll instance, too
	s.phase, s.rest = closed, s.rest[:0]
}

// blame keeps the first thing that went wrong.
func (l *loop) blame(what string) {
	if l.fault == "" {
		l.fault = what
	}
}
