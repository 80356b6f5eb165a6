package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// A leaving is how a guest leaves.
type leaving int

const (
	leaveClosing leaving = iota
	leaveResetting
	leaveHalf // says that it has no more to ask, and reads on
	leavings
)

// A manner is how a guest treats its connection. Counts are of the bytes that the
// socket gave, so that they mostly fall into the middle of a block.
type manner struct {
	buffer  int           // of the socket's receiving side; 0 for the system's own
	piece   int           // so much is read at once
	pause   time.Duration // before some of the reads
	stallAt int           // where it stops reading for as long as stall
	stall   time.Duration
	leaveAt int
	leave   leaving
	within  time.Duration // the connection is given up after
}

// endless is how many bytes nobody gets.
const endless = 1 << 40

// steady is the manner of those who take everything as fast as it comes. What is
// large does not fit into their socket at once.
func steady() manner {
	return manner{buffer: 128 << 10, piece: 64 << 10, stallAt: endless, leaveAt: endless, within: patience}
}

// fickle draws a manner.
func fickle(random *rand.Rand) manner {
	m := manner{
		buffer:  of(random, 0, 0, 2304, 2304, 16<<10),
		piece:   of(random, 1+random.IntN(7), 1+random.IntN(300), 4096, 64<<10, 64<<10),
		pause:   of(random, 0, 0, 0, 50*time.Microsecond, 2*time.Millisecond),
		stallAt: of(random, endless, 0, random.IntN(2000), random.IntN(300_000)),
		stall:   of(random, 30*time.Millisecond, 300*time.Millisecond, 1200*time.Millisecond),
		leaveAt: of(random, endless, endless, random.IntN(1500), random.IntN(20_000), random.IntN(1<<20)),
		leave:   leaving(random.IntN(int(leavings))),
		within:  of(random, 20*time.Millisecond, 200*time.Millisecond, time.Second, 3*time.Second),
	}
	if m.piece < 8 {
		m.pause = 0 // it is slow enough
	}
	return m
}

// errLeft is what reading ends with for a guest that has left.
var errLeft = errors.New("left")

// A whim is a guest's socket, which it reads in its manner. One goroutine reads.
type whim struct {
	*net.TCPConn
	manner
	random *rand.Rand
	end    time.Time
	taken  int
	left   atomic.Bool // the guest ended, or half ended, the connection
}

func dialWhim(address string, m manner, random *rand.Rand) (*whim, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	w := &whim{TCPConn: conn.(*net.TCPConn), manner: m, random: random, end: time.Now().Add(m.within)}
	if m.buffer > 0 {
		err = w.SetReadBuffer(m.buffer)
	}
	return w, errors.Join(err, w.SetDeadline(w.end))
}

func (w *whim) Read(b []byte) (int, error) {
	if w.taken >= w.stallAt {
		w.stallAt = endless
		time.Sleep(min(w.stall, time.Until(w.end)))
	}
	if w.taken >= w.leaveAt {
		if err := w.goAway(); err != nil {
			return 0, err
		}
	}
	if w.pause > 0 && oneIn(w.random, 4) {
		time.Sleep(w.pause)
	}
	n, err := w.TCPConn.Read(b[:min(len(b), w.piece, w.leaveAt-w.taken)])
	w.taken += n
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.left.Store(true)
	}
	return n, err
}

func (w *whim) goAway() error {
	w.left.Store(true)
	w.leaveAt = endless
	switch w.leave {
	case leaveHalf:
		return w.CloseWrite()
	case leaveResetting:
		return errors.Join(w.SetLinger(0), w.Close(), errLeft)
	}
	return errors.Join(w.Close(), errLeft)
}

// An entrance is a way into the house for those who bring a socket.
type entrance struct {
	name    string
	address string
	config  *tls.Config // nil without TLS
	http2   bool
}

// ask sends a request by the socket. The response is done with when its body and
// the socket are closed.
func (d entrance) ask(r *http.Request, w *whim) (*http.Response, error) {
	if d.http2 {
		transport := &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return w, nil },
			TLSClientConfig:   d.config.Clone(),
			Protocols:         new(http.Protocols),
			DisableKeepAlives: true,
		}
		transport.Protocols.SetHTTP2(true)
		return transport.RoundTrip(r)
	}
	var conn io.ReadWriter = w
	if d.config != nil {
		conn = tls.Client(w, d.config)
	}
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(conn), r)
}
