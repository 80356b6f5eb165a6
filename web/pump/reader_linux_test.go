package pump_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"bellhop/web/pump"
)

// eventually waits until ok, and fails the test where that does not happen.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			tb.Fatal("waited in vain: ", what)
		}
	}
}

// A wire is a client's end of a connection.
type wire interface {
	net.Conn
	CloseWrite() error
}

// A network makes connections: the descriptor is for the pump.
type network func(tb testing.TB) (fd int, theirs wire)

// unixPair connects by a pair of sockets that hold little.
func unixPair(tb testing.TB) (int, wire) {
	tb.Helper()
	own, theirs := pair(tb, small)
	f := os.NewFile(uintptr(theirs), "client")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		tb.Fatal(err)
	}
	return own, c.(wire)
}

// loopback connects by TCP, with a write buffer of its own where that is not 0. Its
// listener is to be closed when it is done with.
func loopback(tb testing.TB, buffer int) (n network, closeListener func()) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return func(tb testing.TB) (int, wire) {
		tb.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		theirs := c.(wire)
		own, err := l.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		defer own.Close()
		if buffer > 0 {
			if err := own.(*net.TCPConn).SetWriteBuffer(buffer); err != nil {
				tb.Fatal(err)
			}
		}
		fd, err := pump.Descriptor(own.(*net.TCPConn))
		if err != nil {
			tb.Fatal(err)
		}
		return fd, theirs
	}, func() { l.Close() }
}

// A manner is how a client behaves.
type manner int

const (
	steady    manner = iota // reads
	chatting                // reads, and says something now and then
	sleepy                  // reads nothing for a while
	stalled                 // reads nothing until the pump has ended
	leaving                 // closes in the middle
	resetting               // does so with a reset
	halfway                 // says in the middle that it has no more to say, and reads on
	flooding                // sends without end, and reads
	manners
)

// takesAll reports whether the client gets everything, be it late.
func (m manner) takesAll() bool { return m <= sleepy }

// A reader is a client that reads in a goroutine of its own.
type reader struct {
	wire
	manner manner
	after  int // bytes, after which it does what it does

	mu   sync.Mutex
	got  []byte
	wake chan struct{} // closed to wake it
	over chan struct{} // closed when it has ended
}

func startReader(w wire, m manner, after int) *reader {
	r := &reader{wire: w, manner: m, after: after, wake: make(chan struct{}), over: make(chan struct{})}
	go func() {
		defer close(r.over)
		defer w.Close()
		r.run()
	}()
	return r
}

func (r *reader) run() {
	switch r.manner {
	case chatting:
		r.Write([]byte("hello?"))
	case flooding:
		flood := make(chan struct{})
		defer func() { <-flood }()
		go func() {
			defer close(flood)
			noise := make([]byte, 64<<10)
			for {
				if _, err := r.Write(noise); err != nil {
					return
				}
			}
		}()
	}
	if !r.read(r.after) {
		return
	}
	switch r.manner {
	case chatting:
		r.Write([]byte("hello again"))
	case sleepy, stalled:
		<-r.wake
	case leaving:
		return
	case resetting:
		if c, ok := r.wire.(*net.TCPConn); ok {
			c.SetLinger(0)
		}
		return
	case halfway:
		r.CloseWrite()
	}
	r.read(-1)
}

// read reads n bytes, or all where n is negative, and reports whether they came.
func (r *reader) read(n int) bool {
	buf := make([]byte, 32<<10)
	for n != 0 {
		b := buf
		if n > 0 {
			b = buf[:min(n, len(buf))]
		}
		k, err := r.Read(b)
		r.mu.Lock()
		r.got = append(r.got, b[:k]...)
		r.mu.Unlock()
		if n > 0 {
			n -= k
		}
		if err != nil {
			return errors.Is(err, io.EOF) && n == 0
		}
	}
	return true
}

// text returns what has come.
func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.got)
}

func (r *reader) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}
