// Package mews speaks the dialect of the Mews Connector API.
//
// A [Source] holds one WebSocket, that of one access token, and reads from the
// API what the socket does not say. Its goroutines are all started and waited for
// by [Source.Run]:
//
//	reader  reads frames, decodes them and hands them over
//	desk    decides each event's way, and is told all that the API says
//	keeper  keeps the confirmed moment durably, and clears the inbox
//	Run     asks for the enterprise, dials, pings, reports, backs off
//
// and, as long as each call takes, those that the desk has call the API: one for
// each type of entity that events wait for, one for what was missed, and one for
// what has time.
//
// What was said while no socket was open is lost with Mews, so every opening but
// the first begins with making up for it since the last confirmed moment, or with
// saying that it is lost. That moment is the one thing all of them share; see
// progress.
package mews

import (
	"cmp"
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

// What [Options] mean that name no duration.
const (
	DefaultKeepalive  = 20 * time.Second
	DefaultSettle     = time.Minute
	DefaultReread     = time.Hour
	DefaultEnrichWait = 2 * time.Second
	DefaultKeep       = 24 * time.Hour
	DefaultHorizon    = 400 * 24 * time.Hour
)

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

	// API is the address of the Connector API, https or http. Empty means that
	// there is none: nothing is verified, read or enriched then.
	API string
	// Client is this program's name and version, as Mews is told it.
	Client string
	// Enterprise is the id of the only enterprise that the token may be of; empty
	// means that which it was of first.
	Enterprise string
	// Budget is how many calls of the API may be made; zero means [DefaultBudget].
	Budget Budget

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

	// Backfill has what was missed read from the API, and the present state where
	// it was never loaded. Without it whatever is missed is announced as lost.
	Backfill bool
	// Settle is how long the API may take to show what the socket said; zero means
	// [DefaultSettle].
	Settle time.Duration
	// Reread is how often, while live, what was updated since is read again; zero
	// means [DefaultReread].
	Reread time.Duration
	// Keep is how long an entity is of interest after it is done, and Horizon how
	// far ahead reservations are loaded; zero means the defaults.
	Keep, Horizon time.Duration

	// Enrich are the types whose events carry members of their entity: those that
	// EntityFields lists by type. An event waits for them for EnrichWait at most;
	// zero means [DefaultEnrichWait].
	Enrich       []string
	EntityFields map[string][]string
	EnrichWait   time.Duration

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

	api      *api // nil when there is none
	clock    serverClock
	pin      string
	backfill bool
	settle   time.Duration
	reread   time.Duration
	keep     time.Duration
	horizon  time.Duration
	loads    chan struct{} // one token: the present state is to be loaded

	fields     map[string][]string // of the entities of enriched types
	enrichWait time.Duration

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
	if err := o.fill(); err != nil {
		return nil, err
	}
	seldom := func() rate.Sometimes { return rate.Sometimes{First: 10, Interval: 10 * time.Second} }
	s := &Source{
		name:       o.Name,
		dialer:     newDialer(o, address),
		keepalive:  o.Keepalive,
		types:      slices.Compact(slices.Sorted(slices.Values(o.Types))),
		log:        o.Logger.With("source", o.Name),
		metrics:    o.Metrics.of(o.Name),
		pin:        o.Enterprise,
		backfill:   o.Backfill,
		settle:     o.Settle,
		reread:     o.Reread,
		keep:       o.Keep,
		horizon:    o.Horizon,
		loads:      make(chan struct{}, 1),
		fields:     make(map[string][]string),
		enrichWait: o.EnrichWait,
		refusals:   seldom(),
		faults:     seldom(),
		troubles:   seldom(),
	}
	for _, typ := range o.Enrich {
		if slices.Contains(rowTypes, typ) && len(o.EntityFields[typ]) > 0 {
			s.fields[typ] = slices.Clone(o.EntityFields[typ])
		}
	}
	if o.API == "" {
		return s, nil
	}
	s.api, err = newAPI(apiOptions{
		address: o.API, clientToken: o.ClientToken, accessToken: o.AccessToken, client: o.Client,
		tls: o.TLS, dial: o.Dial, budget: o.Budget, logger: s.log, metrics: s.metrics.api,
	})
	return s, err
}

// fill replaces what is not set by its default, and refuses what makes no sense.
func (o *Options) fill() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		empty time.Duration
	}{
		{"keepalive", &o.Keepalive, DefaultKeepalive},
		{"settle", &o.Settle, DefaultSettle},
		{"reread", &o.Reread, DefaultReread},
		{"enrich wait", &o.EnrichWait, DefaultEnrichWait},
		{"keep", &o.Keep, DefaultKeep},
		{"horizon", &o.Horizon, DefaultHorizon},
	} {
		if *d.value < 0 {
			return fmt.Errorf("%s: negative", d.name)
		}
		*d.value = cmp.Or(*d.value, d.empty)
	}
	if o.API == "" && (o.Backfill || len(o.Enrich) > 0) {
		return errors.New("api: needed to backfill and to enrich")
	}
	if o.Types == nil {
		o.Types = socketTypes
	}
	if len(o.Types) == 0 {
		return errors.New("types: none")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	return nil
}

// Load demands that the present state be read from the API, as at the first start.
// It does not wait for it, nor does it start anything while the source does not
// run. Without an API it does nothing.
func (s *Source) Load() {
	if s.api == nil {
		return
	}
	select {
	case s.loads <- struct{}{}:
	default:
	}
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

// socketAddress returns the address of the socket's endpoint below base.
func socketAddress(base string) (string, error) {
	u, err := baseAddress(base, "ws", "wss")
	if err != nil {
		return "", err
	}
	return u.JoinPath("ws", "connector").String(), nil
}

// apiAddress returns the address below which the API's operations are.
func apiAddress(base string) (string, error) {
	u, err := baseAddress(base, "http", "https")
	if err != nil {
		return "", err
	}
	return u.JoinPath("api", "connector", "v1").String() + "/", nil
}

// baseAddress reads an address of one of two schemes. No error repeats it: a
// user's password or a token may stand in it.
func baseAddress(base, plain, secure string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != plain && u.Scheme != secure:
		return nil, fmt.Errorf("neither %s nor %s", plain, secure)
	case u.Hostname() == "":
		return nil, errors.New("no host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("more than host and path")
	}
	return u, nil
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
