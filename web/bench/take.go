//go:build linux

package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// take takes in what the stream has sent: b, of which the last n bytes are new.
// Only whole blocks count, as for every client.
func (l *loop) take(s *stream, b []byte, n int) error {
	if s.phase == waiting {
		body, whole, err := responseBody(b)
		if err != nil {
			return err
		}
		if !whole {
			return s.keep(b)
		}
		s.phase, b = streaming, body
		if s.deaf {
			l.opened(s)
			return l.control(s, unix.EPOLL_CTL_MOD, 0)
		}
	}
	l.bytes += n
	var stamp []byte // the last one
	for {
		k, rest, whole := cutBlock(b)
		if !whole {
			break
		}
		b = rest
		if last := l.hear(s, k); last != nil {
			stamp = last
		}
	}
	if stamp != nil {
		l.measure(stamp, time.Now())
	}
	return s.keep(b)
}

// keep keeps what was read of a block that is not whole yet.
func (s *stream) keep(b []byte) error {
	if len(b) > restSize {
		return fmt.Errorf("a block of more than %d bytes", restSize)
	}
	s.rest = append(s.rest[:0], b...)
	return nil
}

// hear takes in a block and returns the stamp of its last event, nil where it
// is none.
func (l *loop) hear(s *stream, k block) (last []byte) {
	if len(k.id) > 0 {
		s.id = append(s.id[:0], k.id...)
	}
	if k.retry > 0 {
		s.retry = k.retry
	}
	if bytes.HasPrefix(k.name, []byte("bellhop.")) {
		l.told(s, k)
		return nil
	}
	stamps(k.data, func(stamp []byte, number uint32) {
		last = stamp
		l.delivered++
		if fault := s.accept(number); fault != "" {
			l.faults++
			l.blame(fmt.Sprintf("stream %d: %s", s.index, fault))
		}
	})
	return last
}

// told takes in what the gateway says of itself.
func (l *loop) told(s *stream, k block) {
	switch string(k.name) {
	case "bellhop.ready":
		l.opened(s)
	case "bellhop.bye":
		l.byes[string(k.data)]++
	case "bellhop.reset":
		l.faults++
		l.blame(fmt.Sprintf("stream %d: reset %s", s.index, k.data))
	}
}

func (l *loop) opened(s *stream) {
	s.phase = ready
	l.opening--
	l.ready++
}

// measure keeps how late the event with this stamp came.
func (l *loop) measure(stamp []byte, now time.Time) {
	l.last = now
	if l.latency == nil {
		return
	}
	if fed, ok := stampTime(stamp); ok {
		l.latency.add(now.Sub(fed))
	}
}
