// Bellhop brings live hotel data into browsers: it holds the upstreams' tokens,
// consumes their sockets, and rebroadcasts what each browser may hear as
// Server-Sent Events.
//
// This file is the command line and the whole wiring: read the configuration,
// build the parts, run them, end them in order.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"bellhop/auth"
	"bellhop/gateway"
	"bellhop/gateway/config"
	"bellhop/gateway/eventlog"
	"bellhop/gateway/mews"
	"bellhop/gateway/simulator"
	"bellhop/static"
	"bellhop/web"
	"bellhop/web/sse"
	"bellhop/web/tail"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// fullDiskRetry is the wait before a log that found no room is opened again.
const fullDiskRetry = 2 * time.Second

// closeTimeout bounds each step of the end that is not the drain's.
const closeTimeout = 10 * time.Second

// A program is the process's surroundings, so that nothing below reads globals.
type program struct {
	drain          context.Context // ends at the first signal: finish what is under way
	kill           context.Context // ends at the second: now
	getenv         func(string) (string, bool)
	stdout, stderr io.Writer
}

func main() {
	drain, startDrain := context.WithCancel(context.Background())
	kill, startKill := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP) // asks others to read their configuration anew; here it must not be the end
	go func() {
		<-signals
		startDrain()
		<-signals
		startKill()
	}()
	p := &program{drain, kill, os.LookupEnv, os.Stdout, os.Stderr}
	os.Exit(p.run(os.Args[1:]))
}

// commands is the command line.
type commands struct {
	Config string `help:"The configuration file." placeholder:"FILE"`

	Serve    serveCommand    `cmd:"" default:"1" help:"Run the gateway. This is what happens without a command, too."`
	Demo     demoCommand     `cmd:"" help:"Run a simulated hotel, the gateway and its pages, on this machine alone."`
	Check    checkCommand    `cmd:"" help:"Check the configuration."`
	Token    tokenCommand    `cmd:"" help:"Mint a token from the configured secret."`
	Tail     tailCommand     `cmd:"" help:"Print a stream; reconnects and resumes."`
	Erase    laterCommand    `cmd:"" help:"Erase an entity from the log (not in this version)."`
	Explain  laterCommand    `cmd:"" help:"Explain where an entity's events went (not in this version)."`
	Simulate simulateCommand `cmd:"" help:"Run the simulated Mews alone, for tests of front ends and integrations."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

func (p *program) run(args []string) int {
	exited := -1
	cli := new(commands)
	parser, err := kong.New(cli, kong.Name("bellhop"), kong.Description("Live hotel data into browsers."),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(code int) { exited = code }))
	if err != nil {
		panic(err) // the struct above is wrong
	}
	command, err := parser.Parse(args)
	switch {
	case exited >= 0: // --help was asked for
		return exited
	case err != nil:
		fmt.Fprintln(p.stderr, "bellhop:", err)
		return exitUsage
	}
	if err := command.Run(p, cli); err != nil {
		fmt.Fprintln(p.stderr, "bellhop:", err)
		return exitFailed
	}
	return exitOK
}

type serveCommand struct{}

func (serveCommand) Run(p *program, c *commands) error {
	cfg, err := config.Load(c.Config, p.getenv)
	if err != nil {
		return err
	}
	return p.serve(cfg, nil)
}

// serve runs the gateway until it is told to end. It is the one long function:
// the order of beginning and ending is best read in one piece.
func (p *program) serve(cfg *config.Config, demo *demo) error {
	logger := newLogger(p.stderr, cfg.Log)
	for _, warning := range cfg.Warnings() {
		logger.Warn(warning)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	revocations := newRevocationStore()
	verifier, err := auth.New(authOptions(cfg, revocations, registry, logger))
	if err != nil {
		return err
	}
	sources, err := newSources(cfg, registry, logger)
	if err != nil {
		return err
	}
	server := web.New(webOptions(cfg, verifier, demo, registry, logger))
	listen, err := listenOptions(cfg, demo)
	if err != nil {
		return err
	}
	listeners, err := server.Listen(p.drain, listen)
	if err != nil {
		return err
	}
	if demo != nil {
		fmt.Fprintf(p.stdout, "http://%s/\nto cut the hotel's socket: curl -X POST http://%s/control/drop\n", listeners.Public(), demo.simulator)
	}

	// What fails ends everything; otherwise each part is ended below, in order.
	parts, failed := errgroup.WithContext(context.Background())
	begin := func(run func(context.Context) error) (end func()) {
		ctx, cancel := context.WithCancel(failed)
		done := make(chan struct{})
		parts.Go(func() error { defer close(done); return run(ctx) })
		return func() { cancel(); <-done }
	}
	defer context.AfterFunc(p.kill, listeners.Close)()
	endListening := begin(listeners.Run) // not ready, and busy, until the log is open
	endWatching := begin(server.Run)
	var hub atomic.Pointer[gateway.Hub]
	opened := make(chan struct{}, 1) // one token: the log was opened, at the start or after trouble
	opened <- struct{}{}
	log, err := openLog(p.drain, server, logger, eventlog.Options{
		Dir: cmp.Or(cfg.Data, "data"), MaxAge: cfg.History.Age, MaxBytes: int64(cfg.History.Size), Sync: cfg.History.Sync,
		Logger: logger, Registerer: registry,
		OnHealth: func(err error) {
			server.LogTrouble(err != nil)
			if h := hub.Load(); h != nil {
				h.LogTrouble(err != nil)
			}
			select {
			case opened <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		endListening()
		endWatching()
		return errors.Join(err, parts.Wait())
	}
	revocations.open(log)
	endVerifying := begin(verifier.Run)
	hub.Store(gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode, Sources: sourceNames(cfg), Logger: logger, Registerer: registry}))
	gw := &gateway.Gateway{Log: log, Keeper: log, Hub: hub.Load(), Sources: sources}
	endGateway := begin(gw.Run)
	endSaying := begin(func(ctx context.Context) error { return sayLost(ctx, log, gw, opened) })

	parts.Go(func() error {
		for _, ready := range []<-chan struct{}{gw.Hub.Loaded(), revocations.known} {
			select {
			case <-ready:
			case <-p.drain.Done():
				return nil
			case <-failed.Done():
				return nil
			}
		}
		server.Open(gw.Hub)
		return nil
	})
	select {
	case <-p.drain.Done():
		server.Drain(p.kill)
	case <-failed.Done():
	}
	endListening()
	endWatching()
	endSaying()
	endGateway()
	endVerifying()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err = errors.Join(parts.Wait(), log.Close(ctx))
	logger.Info("stopped")
	return err
}

// openLog opens the log. On a full disk it tries until there is room: ending
// would only have a supervisor begin the same again, with nobody answering.
func openLog(ctx context.Context, server *web.Server, logger *slog.Logger, o eventlog.Options) (*eventlog.Log, error) {
	for {
		log, err := eventlog.Open(ctx, o)
		if !errors.Is(err, eventlog.ErrFull) {
			server.LogTrouble(false)
			return log, err
		}
		server.LogTrouble(true)
		logger.Error("the log cannot be opened, trying again", "err", err, "retry", fullDiskRetry)
		select {
		case <-time.After(fullDiskRetry):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// sayLost announces, once, each tail that an opening of the log found lost.
func sayLost(ctx context.Context, log *eventlog.Log, gw *gateway.Gateway, opened <-chan struct{}) error {
	var said eventlog.Opening
	for {
		select {
		case <-opened:
		case <-ctx.Done():
			return nil
		}
		found := log.Opened()
		if !found.LostTail || found == said {
			continue
		}
		if err := gw.SayLost(ctx, found.LostFrom); err != nil && ctx.Err() == nil {
			return fmt.Errorf("announce the lost tail: %w", err)
		}
		said = found
	}
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// encode is the streams' encoder, for a hub that knows nothing of the wire.
func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	return sse.Append(dst, sse.Block{Retry: retry, ID: id, Event: name, Data: data})
}

// listenOptions says where the gateway listens; the demo takes what is free.
func listenOptions(cfg *config.Config, d *demo) (web.Listen, error) {
	o := web.Listen{Public: cfg.Listen, Admin: cfg.Admin, Metrics: cfg.MetricsListen, AnyPort: d != nil}
	if cfg.TLS != nil {
		pair, err := tls.X509KeyPair([]byte(cfg.TLS.Cert.Contents), []byte(cfg.TLS.Key.Contents))
		if err != nil {
			return o, fmt.Errorf("tls: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

// sourceNames are those of the sources that this version can run.
func sourceNames(cfg *config.Config) []string {
	var out []string
	for _, s := range cfg.Sources {
		if s.Mews != nil {
			out = append(out, s.Name)
		}
	}
	return out
}

// newSources makes the sources that this version can run.
func newSources(cfg *config.Config, r prometheus.Registerer, logger *slog.Logger) ([]gateway.Source, error) {
	var out []gateway.Source
	metrics := mews.NewMetrics(r)
	for _, s := range cfg.Sources {
		if s.Mews == nil {
			continue
		}
		o, err := mewsOptions(s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		o.Metrics, o.Logger = metrics, logger
		source, err := mews.NewSource(o)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		out = append(out, source)
	}
	return out, nil
}

func mewsOptions(s config.Source) (mews.Options, error) {
	m := s.Mews
	o := mews.Options{
		Name: s.Name, Socket: m.Socket, Keepalive: m.Keepalive, Types: mews.Types(m.Webhook != nil),
		ClientToken: string(m.ClientToken), AccessToken: string(m.AccessToken),
	}
	if m.Environment != "" {
		var err error
		if o.Socket, _, err = mews.Addresses(m.Environment); err != nil {
			return o, err
		}
	}
	if m.CAFile.Path != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return o, fmt.Errorf("system certificates: %w", err)
		}
		roots.AppendCertsFromPEM([]byte(m.CAFile.Contents)) // the configuration's check has parsed it
		o.TLS = &tls.Config{RootCAs: roots}
	}
	return o, nil
}

func authOptions(cfg *config.Config, store auth.RevocationStore, r prometheus.Registerer, logger *slog.Logger) auth.Options {
	o := auth.Options{Leeway: cfg.Auth.Leeway, Store: store, Logger: logger, Registerer: r}
	for _, i := range cfg.Auth.Issuers {
		o.Issuers = append(o.Issuers, auth.Issuer{
			Name: i.Issuer, Audience: i.Audience, Sources: i.Sources,
			Secret: []byte(i.Secret), PublicKeyPEM: []byte(i.PublicKeyFile.Contents), JWKSURL: i.JWKSURL,
		})
	}
	return o
}

func webOptions(cfg *config.Config, v *auth.Verifier, d *demo, r *prometheus.Registry, logger *slog.Logger) web.Options {
	o := web.Options{
		BasePath: cfg.BasePath, Proxies: cfg.Proxies, Verifier: v,
		CrossSite: cfg.Auth.Cookie.CrossSite, QueryToken: cfg.Auth.Query,
		Origins: cfg.CORS.Origins, Credentials: cfg.CORS.Credentials,
		Stream: web.Stream{
			Heartbeat: cfg.Stream.Heartbeat, Retry: cfg.Stream.Retry, WriteTimeout: cfg.Stream.WriteTimeout,
			MaxLag: cfg.Stream.MaxLag, Lifetime: cfg.Stream.Lifetime, Warn: cfg.Auth.Warn,
		},
		Limits:   web.Limits(cfg.Limits),
		Drain:    web.Drain(cfg.Drain),
		Admin:    web.Admin{Address: cfg.Admin, Token: string(cfg.AdminToken)},
		Registry: r, Logger: logger,
	}
	if cfg.Static.Enabled {
		o.Static = static.Files
	}
	if d != nil {
		o.Demo = &web.Demo{Hotel: d.hotel, Mint: d.mint}
	}
	return o
}

// revocationStore keeps revoked tokens beside the log. The verifier needs it
// before the log is open, and waits.
type revocationStore struct {
	log    *eventlog.Log // set before opened is closed
	opened chan struct{}
	known  chan struct{} // closed when the verifier knows what is kept: until then it judges no token
	tell   sync.Once     // closes known
}

func newRevocationStore() *revocationStore {
	return &revocationStore{opened: make(chan struct{}), known: make(chan struct{})}
}

func (s *revocationStore) open(log *eventlog.Log) {
	s.log = log
	close(s.opened)
}

// Save implements [auth.RevocationStore].
func (s *revocationStore) Save(ctx context.Context, r auth.Revocation) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.log.Bucket("revocations").Put(ctx, r.Token, value)
}

// Watch implements [auth.RevocationStore]. Nobody but this process writes to an
// embedded log, so there is nothing to hear of later.
func (s *revocationStore) Watch(ctx context.Context, found func([]auth.Revocation)) error {
	select {
	case <-s.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	bucket := s.log.Bucket("revocations")
	values, err := bucket.All(ctx)
	if err != nil {
		return err
	}
	kept, over := []auth.Revocation{}, []string{}
	for key, value := range values {
		var r auth.Revocation
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("revocation %s: %w", key, err)
		}
		if r.Until.After(time.Now()) {
			kept = append(kept, r)
		} else {
			over = append(over, key)
		}
	}
	found(kept)
	s.tell.Do(func() { close(s.known) })
	for _, key := range over { // last: no token may wait for what a full disk refuses
		if err := bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// The demo: a simulated hotel, the gateway, and its pages.

type demoCommand struct {
	Seed  uint64  `default:"1" help:"Another hotel for each seed."`
	Speed float64 `default:"4" help:"Minutes of the hotel's day in a second."`
}

// A demo is what the demo adds to the gateway.
type demo struct {
	simulated *simulator.Hotel
	simulator net.Addr // where it listens
	began     time.Time
	secret    []byte
}

const (
	demoIssuer   = "bellhop-demo"
	demoTokenTTL = 10 * time.Minute // short, so that a page left open shows how it renews
)

func (c demoCommand) Run(p *program, _ *commands) error {
	hotel, err := simulator.New(simulator.Options{Seed: c.Seed, Speed: c.Speed, SayAll: true})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "bellhop-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	d := &demo{simulated: hotel.Hotels()[0], simulator: listener.Addr(), began: time.Now(), secret: make([]byte, 32)}
	rand.Read(d.secret)
	d.simulated.Skip(3 * time.Hour) // into the morning, when the rooms are in every state
	cfg, err := config.Parse("demo", fmt.Appendf(nil, demoConfig, data, listener.Addr(), d.simulated.AccessToken(),
		demoIssuer, hex.EncodeToString(d.secret)), func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}
	d.secret = []byte(cfg.Auth.Issuers[0].Secret)

	upstream, stop := context.WithCancel(context.Background())
	var simulating errgroup.Group
	server := &http.Server{Handler: hotel.Handler(), ReadHeaderTimeout: closeTimeout}
	simulating.Go(func() error { return hotel.Run(upstream) })
	simulating.Go(func() error { server.Serve(listener); return nil })
	err = p.serve(cfg, d)
	stop()
	server.Close()
	return errors.Join(err, simulating.Wait())
}

// demoConfig differs from the defaults only where a demo must: it ends at once,
// and what falls silent is noticed while somebody looks.
const demoConfig = `
data: %q
admin: 127.0.0.1:0
sources:
  - name: hotel
    mews: {socket: "ws://%[2]s", api: "http://%[2]s", client_token: ` + simulator.ClientToken + `, access_token: %[3]q, keepalive: 5s}
auth: {issuers: [{issuer: %[4]q, audience: bellhop, secret: %[5]q}]}
static: {enabled: true}
stream: {heartbeat: 5s}
drain: {delay: 0s, spread: 0s, linger: 0s}
log: {level: warn}
`

// hotel is what the page wants to know of the rooms before their names come with
// the events.
func (d *demo) hotel() any {
	layout := d.simulated.Layout()
	return map[string]any{
		"source": "hotel", "name": layout.Hotel, "since": d.began.UTC().Format(time.RFC3339Nano),
		"rooms": layout.Rooms, "categories": layout.Categories, "rates": layout.Rates,
		"roles": []string{"frontdesk", "housekeeper", "revenue", "guest"},
	}
}

// mint returns a token for a role; the role is its subject, too.
func (d *demo) mint(role string) (string, time.Time, bool) {
	hotel := []string{"hotel"}
	var grants []auth.Grant
	switch role {
	case "frontdesk":
		grants = []auth.Grant{{Sources: hotel, Types: []string{"*"}}}
	case "housekeeper":
		grants = []auth.Grant{
			{Sources: hotel, Types: []string{"Resource"}},
			{Sources: hotel, Types: []string{"Reservation"}, States: []string{"Started", "Processed"}, Redact: []string{"event.StartUtc"}},
		}
	case "revenue":
		grants = []auth.Grant{{Sources: hotel, Types: []string{"PriceUpdate", "Reservation"}}}
	case "guest":
		room := d.simulated.Layout().Rooms[0].ID
		grants = []auth.Grant{{
			Sources: hotel, Types: []string{"Reservation", "Resource"}, Resources: []string{room},
			Fields: []string{"event.State", "event.StartUtc", "event.EndUtc", "event.AssignedResourceId"},
		}}
	default:
		return "", time.Time{}, false
	}
	expires := time.Now().Add(demoTokenTTL).Truncate(time.Second)
	token, err := auth.Mint(d.secret, auth.Claims{
		Issuer: demoIssuer, Audience: "bellhop", Subject: role, Expires: expires, Grants: grants,
	})
	return token, expires.UTC(), err == nil
}

type checkCommand struct {
	Connect bool `help:"Also try each upstream's socket."`
}

func (c checkCommand) Run(p *program, cli *commands) error {
	cfg, err := config.Load(cli.Config, p.getenv)
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(p.stderr, "bellhop: warning:", warning)
	}
	fmt.Fprintf(p.stdout, "configuration: ok, %d sources, %d issuers\n", len(cfg.Sources), len(cfg.Auth.Issuers))
	if !c.Connect {
		return nil
	}
	var failed error
	for _, s := range cfg.Sources {
		err := p.connect(s)
		if err != nil {
			failed = errors.New("not every upstream can be reached")
			fmt.Fprintf(p.stdout, "source %s: %v\n", s.Name, err)
			continue
		}
		fmt.Fprintf(p.stdout, "source %s: ok\n", s.Name)
	}
	return failed
}

func (p *program) connect(s config.Source) error {
	if s.Mews == nil {
		return errors.New("not in this version")
	}
	o, err := mewsOptions(s)
	if err != nil {
		return err
	}
	return mews.Probe(p.drain, o)
}

type tokenCommand struct {
	Source  []string      `required:"" help:"What the token's grant shows; * is all."`
	Type    []string      `default:"*" help:"The types of events it shows."`
	TTL     time.Duration `default:"1h" help:"How long it is good."`
	Subject string        `name:"sub" default:"bellhop-token" help:"Whom it speaks of."`
	Issuer  string        `help:"Which of the configured issuers with a secret; the first by default."`
}

func (c tokenCommand) Run(p *program, cli *commands) error {
	cfg, err := config.Load(cli.Config, p.getenv)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(cfg.Auth.Issuers, func(i config.Issuer) bool {
		return i.Secret != "" && (c.Issuer == "" || c.Issuer == i.Issuer)
	})
	if i < 0 {
		return errors.New("no issuer with a secret is configured under this name; only they can mint")
	}
	issuer := cfg.Auth.Issuers[i]
	if c.TTL <= 0 {
		return errors.New("--ttl: want more than nothing")
	}
	for _, source := range c.Source {
		if issuer.Sources != nil && source != "*" && !slices.Contains(issuer.Sources, source) {
			return fmt.Errorf("--source %s: the issuer may give %v only", source, issuer.Sources)
		}
	}
	token, err := auth.Mint([]byte(issuer.Secret), auth.Claims{
		Issuer: issuer.Issuer, Audience: issuer.Audience, Subject: c.Subject, Expires: time.Now().Add(c.TTL),
		Grants: []auth.Grant{{Sources: c.Source, Types: c.Type}},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, token)
	return nil
}

type tailCommand struct {
	URL         string `arg:"" help:"The stream, like http://127.0.0.1:8080/events?type=Resource"`
	Token       string `env:"BELLHOP_TOKEN" help:"The bearer token."`
	LastEventID string `help:"The position to go on from."`
}

func (c tailCommand) Run(p *program, _ *commands) error {
	logger := newLogger(p.stderr, config.Log{Level: slog.LevelInfo})
	return tail.Run(p.drain, tail.Options{URL: c.URL, Token: c.Token, LastEventID: c.LastEventID, Logger: logger}, func(e tail.Event) error {
		_, err := p.stdout.Write(sse.Append(nil, sse.Block{ID: e.ID, Event: e.Name, Data: e.Data}))
		return err
	})
}

type simulateCommand struct {
	Listen string  `default:"127.0.0.1:7070" help:"Where the simulated Mews listens."`
	Seed   uint64  `default:"1" help:"Another hotel for each seed."`
	Speed  float64 `default:"4" help:"Minutes of the hotels' day in a second."`
	Rooms  int     `default:"48" help:"Rooms of each hotel."`
	Hotels int     `default:"1" help:"How many hotels; the second's access token ends in -2, and so on."`
	SayAll bool    `help:"Tell each new socket the present state of all rooms and reservations."`
}

func (c simulateCommand) Run(p *program, _ *commands) error {
	hotels, err := simulator.New(simulator.Options{Seed: c.Seed, Speed: c.Speed, Rooms: c.Rooms, Hotels: c.Hotels, SayAll: c.SayAll})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "ws://%s\n", listener.Addr())
	for _, h := range hotels.Hotels() {
		fmt.Fprintf(p.stdout, "%s: client token %s, access token %s\n", h.Name(), simulator.ClientToken, h.AccessToken())
	}
	server := &http.Server{Handler: hotels.Handler(), ReadHeaderTimeout: closeTimeout}
	group, ctx := errgroup.WithContext(p.drain)
	group.Go(func() error { return hotels.Run(ctx) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	<-ctx.Done()
	server.Close()
	return group.Wait()
}

type laterCommand struct{}

func (laterCommand) Run(*program, *commands) error { return errors.New("not in this version") }

type versionCommand struct{}

func (versionCommand) Run(p *program, _ *commands) error {
	version := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	fmt.Fprintln(p.stdout, "bellhop", version, runtime.Version())
	return nil
}
