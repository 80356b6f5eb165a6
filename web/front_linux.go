package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/web/pump"
)

// workerIdle is how long a front's worker waits for another request, so that the
// next need not have its stack grown anew.
const workerIdle = time.Second

// A front is a plain listener for net/http that keeps to itself what need not go
// there. A connection whose first request has come whole, is for a stream and has
// nothing unusual about it never gets the buffers, contexts and goroutines of
// net/http: the request is answered here, by the same handler, and its socket goes
// to a pump. Of ten thousand that come at once that is a third of the time and most
// of the memory. Any other connection is passed on with what was read of it.
type front struct {
	listener *os.File // not a [net.Listener]: that cannot be waited for without accepting
	raw      syscall.RawConn
	address  net.Addr
	handler  http.Handler
	path     string      // of streams
	open     func() bool // whether streams can be carried
	logger   *slog.Logger

	ctx     context.Context // ends with the listener
	cancel  context.CancelFunc
	visits  chan *visit // to a worker that has nothing to do
	workers sync.WaitGroup
	buffer  [8 << 10]byte // of Accept
}

// newFront makes a front of a listener, or returns the listener where that cannot
// be done. Open says whether streams can be carried.
func newFront(ln net.Listener, h http.Handler, path string, open func() bool, logger *slog.Logger) net.Listener {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return ln
	}
	fd, err := pump.Descriptor(tcp)
	if err != nil {
		logger.Warn("streams begin in net/http", "err", err)
		return ln
	}
	file := os.NewFile(uintptr(fd), "listener")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		logger.Warn("streams begin in net/http", "err", err)
		return ln
	}
	tcp.Close() // the descriptor is the front's own
	f := &front{
		listener: file, raw: raw, address: ln.Addr(), handler: h, path: path, open: open, logger: logger,
		visits: make(chan *visit),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Addr implements [net.Listener].
func (f *front) Addr() net.Addr { return f.address }

// Close implements [net.Listener]. Streams that are about to begin are ended.
func (f *front) Close() error {
	f.cancel()
	return f.listener.Close()
}

// Wait returns when all requests that the front kept have been answered, after
// Close.
func (f *front) Wait() { f.workers.Wait() }

// Accept implements [net.Listener]. It is for one goroutine.
func (f *front) Accept() (net.Conn, error) {
	for {
		fd, peer, err := f.accept()
		if err != nil {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: f.address, Err: err}
		}
		n, err := unix.Read(fd, f.buffer[:])
		if n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN) {
			unix.Close(fd)
			continue
		}
		read := f.buffer[:max(n, 0)]
		if f.open() {
			if r := plainRequest(read, f.path); r != nil {
				r.RemoteAddr = peer.String()
				f.keep(&visit{front: f, socket: &rawSocket{fd: fd}, request: r.WithContext(f.ctx)})
				continue
			}
		}
		if c, err := connOf(fd); err == nil {
			return &begunConn{c, append([]byte(nil), read...)}, nil
		}
	}
}

// accept returns the next connection's descriptor, which does not block.
func (f *front) accept() (fd int, peer netip.AddrPort, err error) {
	closed := f.raw.Read(func(listener uintptr) bool {
		var from unix.Sockaddr
		for {
			fd, from, err = unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != unix.EINTR && err != unix.ECONNABORTED {
				break
			}
		}
		switch from := from.(type) {
		case *unix.SockaddrInet4:
			peer = netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
		case *unix.SockaddrInet6:
			peer = netip.AddrPortFrom(netip.AddrFrom16(from.Addr), uint16(from.Port))
		}
		return err != unix.EAGAIN
	})
	if closed != nil {
		return -1, peer, closed
	}
	return fd, peer, os.NewSyscallError("accept4", err)
}

// keep gives a visit to a worker, and lets it go first: of many that come at once
// each is finished before the next is begun.
func (f *front) keep(v *visit) {
	select {
	case f.visits <- v:
	default:
		f.workers.Go(func() { f.work(v) })
	}
	runtime.Gosched()
}

// work answers one visit after another, until there is none for a while.
func (f *front) work(v *visit) {
	timer := time.NewTimer(workerIdle)
	defer timer.Stop()
	for {
		v.answer()
		timer.Reset(workerIdle)
		select {
		case v = <-f.visits:
		case <-timer.C:
			return
		case <-f.ctx.Done():
			return
		}
	}
}

// A visit is a request that a front kept, and the writer of its response.
type visit struct {
	front   *front
	socket  *rawSocket
	request *http.Request

	header http.Header
	status int
	body   []byte
	taken  bool
}

var _ http.ResponseWriter = (*visit)(nil)

// Header implements [http.ResponseWriter].
func (v *visit) Header() http.Header {
	if v.header == nil {
		v.header = make(http.Header)
	}
	return v.header
}

// WriteHeader implements [http.ResponseWriter].
func (v *visit) WriteHeader(status int) {
	if v.status == 0 {
		v.status = status
	}
}

// Write implements [http.ResponseWriter]. What is no stream is small.
func (v *visit) Write(b []byte) (int, error) {
	v.WriteHeader(http.StatusOK)
	v.body = append(v.body, b...)
	return len(b), nil
}

// takeSocket gives the connection away.
func (v *visit) takeSocket() socket {
	v.taken = true
	return v.socket
}

func (v *visit) answer() {
	defer func() {
		failure := recover()
		if failure == nil {
			return
		}
		v.socket.Close()
		if failure != http.ErrAbortHandler { // as net/http has it: the others go on
			v.front.logger.Error("panic while answering", "panic", failure, "stack", string(debug.Stack()))
		}
	}()
	if v.front.handler.ServeHTTP(v, v.request); v.taken {
		return
	}
	defer v.socket.Close()
	if v.status == 0 { // the pumps have just ended, and there is nothing to say
		return
	}
	v.Header().Set("Content-Length", strconv.Itoa(len(v.body)))
	w := &socketWire{v.socket, responseHead(v.status, v.Header())}
	if err := w.SetWriteDeadline(time.Now().Add(farewellTimeout)); err != nil {
		return
	}
	if _, err := w.Write(v.body); err == nil {
		w.hangUp()
	}
}
