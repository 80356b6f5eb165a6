// Package mews speaks the dialect of the Mews Connector API.
//
// A [Source] holds one WebSocket, that of one access token. Four goroutines
// share its work, all started and waited for by [Source.Run]:
//
//	reader    reads frames, decodes them and hands them over
//	appender  gives them to the log, in order, and announces broken frames
//	keeper    keeps the confirmed moment durably
//	Run       dials, pings, reports, backs off
//
// What was said while no socket was open is lost with Mews, so every opening
// begins with a gap from the last confirmed moment. That moment is the one thing
// all of them share; see progress.
package mews

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"bellhop/gateway"
)

// DefaultKeepalive is the time between two pings where [Options] names none.
const DefaultKeepalive = 20 * time.Second

// socketTypes are the types that the socket is documented to send, sorted.
var socketTypes = []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}

// Options says what a [Source] connects to. Name, Socket, ClientToken and
// AccessToken are required.
type Options struct {
	Name string // the source's configured name

	// Socket is the WebSocket address, ws or wss, to which /ws/connector is
	// added. Whether it may be plain is the caller's to decide.
	Socket      string
	ClientToken string
	AccessToken string

	// TLS is the client's configuration, for example with the RootCAs of a CA of
	// one's own; nil means the system's. Less than TLS 1.2 is never spoken.
	TLS *tls.Config
	// Dial opens the connections, those to a proxy too; nil means a
	// [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Keepalive is the time between two pings; zero means [DefaultKeepalive].
	Keepalive time.Duration
	// Types are those that a gap over all of the source's types names; nil means
	// the socket's four.
	Types []string

	Logger  *slog.Logger // nil discards
	Metrics *Metrics     // shared by all sources; nil counts for nobody
}

// Source is one Mews socket. It implements [gateway.Source].
type Source struct {
	name      string
	dialer    dialer
	keepalive time.Duration
	types     []string
	log       *slog.Logger
	metrics   *sourceMetrics

	// An upstream that sends rubbish without end must not fill the log with it.
	refusals, faults, troubles rate.Sometimes
}

// NewSource returns a source that is ready to Run. Its errors name the option
// at fault and hold no token.
func NewSource(o Options) (*Source, error) {
	if o.Name == "" {
		return nil, errors.New("name: empty")
	}
	address, err := socketAddress(o.Socket)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	for name, token := range map[string]string{"client token": o.ClientToken, "access token": o.AccessToken} {
		if err := checkToken(token); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if o.Keepalive == 0 {
		o.Keepalive = DefaultKeepalive
	}
	if o.Keepalive < 0 {
		return nil, errors.New("keepalive: negative")
	}
	if o.Types == nil {
		o.Types = socketTypes
	}
	if len(o.Types) == 0 {
		return nil, errors.New("types: none")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	seldom := func() rate.Sometimes { return rate.Sometimes{First: 10, Interval: 10 * time.Second} }
	return &Source{
		name:      o.Name,
		dialer:    newDialer(o, address),
		keepalive: o.Keepalive,
		types:     slices.Compact(slices.Sorted(slices.Values(o.Types))),
		log:       o.Logger.With("source", o.Name),
		metrics:   o.Metrics.of(o.Name),
		refusals:  seldom(),
		faults:    seldom(),
		troubles:  seldom(),
	}, nil
}

// Name returns the source's configured name.
func (s *Source) Name() string { return s.name }

// Types returns the types that a gap over the whole source names, sorted.
func (s *Source) Types() []string { return slices.Clone(s.types) }

// Addresses returns where a Mews environment, demo or production, has its
// socket and its API. Mews serves its WebSockets under a domain of their own.
func Addresses(environment string) (socket, api string, err error) {
	switch environment {
	case "demo":
		return "wss://ws.mews-demo.com", "https://api.mews-demo.com", nil
	case "production":
		return "wss://ws.mews.com", "https://api.mews.com", nil
	}
	return "", "", fmt.Errorf("environment %q is neither demo nor production", environment)
}

// socketAddress returns the address of the socket's endpoint below base. No
// error repeats base: a user's password or a token may stand in it.
func socketAddress(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", errors.New("not a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return "", errors.New("neither ws nor wss")
	case u.Hostname() == "":
		return "", errors.New("no host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("more than host and path")
	}
	return u.JoinPath("ws", "connector").String(), nil
}

// checkToken refuses what a cookie's value cannot hold (RFC 6265, section
// 4.1.1): Mews takes the tokens unquoted and unencoded.
func checkToken(token string) error {
	if token == "" {
		return errors.New("empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r)
	}) {
		return errors.New("a character that a cookie cannot hold")
	}
	return nil
}

var _ gateway.Source = (*Source)(nil)
