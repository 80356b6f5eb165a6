package mews

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway"
)

const (
	handshakeTimeout = 15 * time.Second
	maxHandshake     = 128 << 10 // bytes of an answer, its certificates included
	maxFrame         = 16 << 20  // bytes of a message
)

// dialer opens the socket of one source.
type dialer struct {
	address string
	netDial func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config
	idle    time.Duration // the read deadline

	// header is a function so that no formatting of a Source shows the tokens.
	header func() http.Header
}

func newDialer(o Options, address string) dialer {
	cookie := "ClientToken=" + o.ClientToken + "; AccessToken=" + o.AccessToken
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = nil
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return dialer{
		address: address,
		netDial: o.Dial,
		tls:     config,
		idle:    o.Keepalive * 5 / 2,
		header:  func() http.Header { return http.Header{"Cookie": {cookie}} },
	}
}

// dial opens the socket, or says why it could not. The failure holds nothing
// that the upstream said but its status: an answer may repeat the tokens.
func (d *dialer) dial(ctx context.Context) (*websocket.Conn, *failure) {
	c := &conn{room: maxHandshake, idle: d.idle}
	release := func() bool { return true }
	ws := websocket.Dialer{
		Proxy:            proxyFromEnvironment,
		TLSClientConfig:  d.tls,
		HandshakeTimeout: handshakeTimeout,
		NetDialContext: func(dialing context.Context, network, address string) (net.Conn, error) {
			var err error
			if c.Conn, err = d.netDial(dialing, network, address); err != nil {
				return nil, err
			}
			// The library heeds the context only until the connection stands.
			release = context.AfterFunc(ctx, func() { c.Close() })
			return c, nil
		},
	}
	socket, f := d.handshake(ctx, &ws)
	if !release() && f == nil {
		socket.Close()
		f = &failure{reason: gateway.ReasonDial, err: ctx.Err()}
	}
	if f != nil {
		return nil, f
	}
	c.open = true
	socket.SetReadLimit(maxFrame)
	return socket, nil
}

// handshake dials and judges the answer.
func (d *dialer) handshake(ctx context.Context, ws *websocket.Dialer) (_ *websocket.Conn, f *failure) {
	step := "connect"
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:           func(httptrace.GotConnInfo) { step = "upgrade" },
		TLSHandshakeStart: func() { step = "tls" },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				step = "upgrade"
			}
		},
	})
	defer func() {
		// The library reads past the status of a proxy that gives no phrase to
		// its number.
		if recover() != nil {
			f = &failure{reason: gateway.ReasonDial, err: errors.New("connect: proxy refused")}
		}
	}()
	socket, answer, err := ws.DialContext(ctx, d.address, d.header())
	switch {
	case err != nil && answer != nil:
		return nil, refused(answer)
	case err != nil && step == "upgrade":
		return nil, &failure{reason: gateway.ReasonDial, err: fmt.Errorf("upgrade: %w", answerError(err))}
	case err != nil:
		return nil, &failure{reason: gateway.ReasonDial, err: fmt.Errorf("%s: %w", step, err)}
	case answer.Header.Get("Sec-Websocket-Extensions") != "" || socket.Subprotocol() != "":
		// RFC 6455, section 4.1. The library would inflate without a limit.
		socket.Close()
		return nil, &failure{reason: gateway.ReasonDial, err: errors.New("upgrade: an extension nobody asked for")}
	}
	return socket, nil
}

// refused is the failure that an HTTP answer other than a good 101 means. A
// redirect is one too: the tokens go to the configured host alone.
func refused(answer *http.Response) *failure {
	f := &failure{reason: gateway.ReasonDial, err: fmt.Errorf("upgrade: status %d", answer.StatusCode)}
	switch answer.StatusCode {
	case http.StatusSwitchingProtocols:
		f.err = errors.New("upgrade: not a WebSocket answer")
	case http.StatusUnauthorized, http.StatusForbidden:
		f.reason = gateway.ReasonRejected
	default:
		f.after = retryAfter(answer.Header, time.Now())
	}
	return f
}

var (
	errHandshakeSize   = errors.New("answer too long")
	errMalformedAnswer = errors.New("malformed answer")
)

// answerError keeps errors of the network and hides those of the parser, which
// quote what was read.
func answerError(err error) error {
	if _, ok := errors.AsType[net.Error](err); ok {
		return err
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, errHandshakeSize} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errMalformedAnswer
}

// proxyFromEnvironment is [http.ProxyFromEnvironment] without the proxy's
// address, and the password in it, in the error.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("proxy address in the environment is malformed")
	}
	return proxy, nil
}

// conn is the connection below the socket. Until it is open it bounds what the
// other side may answer in all; then it gives every read the idle time from when
// it begins, so that anything read renews the deadline and time spent elsewhere,
// waiting for the log, does not count.
type conn struct {
	net.Conn
	room int
	idle time.Duration
	open bool // set between the handshake and the first read
}

func (c *conn) Read(p []byte) (int, error) {
	if c.open {
		if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
		return c.Conn.Read(p)
	}
	if c.room <= 0 {
		return 0, errHandshakeSize
	}
	n, err := c.Conn.Read(p[:min(len(p), c.room)])
	c.room -= n
	return n, err
}
