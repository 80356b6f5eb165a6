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
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
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

// A usageError is a fault of the command line itself.
type usageError struct{ error }

// run runs a command, which is given the program and, if it asks for it, the
// configuration.
func (p *program) run(args []string) int {
	exited := -1
	cli := new(commands)
	parser, err := kong.New(cli, kong.Name("bellhop"), kong.Description("Live hotel data into browsers."),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(code int) { exited = code }), kong.Bind(p),
		kong.BindToProvider(func() (*config.Config, error) { return config.Load(cli.Config, p.getenv) }))
	if err != nil {
		panic(err) // the struct above is wrong
	}
	command, err := parser.Parse(args)
	switch {
	case exited >= 0: // --help was asked for
		return exited
	case err != nil:
		err = usageError{err}
	default:
		err = command.Run()
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(p.stderr, "bellhop:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

type serveCommand struct{}

func (serveCommand) Run(p *program, cfg *config.Config) error { return p.serve(cfg, nil) }

// serve runs the gateway until it is told to end.
func (p *program) serve(cfg *config.Config, demo *demo) error {
	s, err := p.build(cfg, demo)
	if err != nil {
		return err
	}
	if demo != nil {
		fmt.Fprintf(p.stdout, "http://%s/\nto cut the hotel's socket: curl -X POST http://%s/control/drop\n", s.listeners.Public(), demo.simulator)
	}
	return s.run()
}

// A service is the gateway: its parts, and how they run together.
type service struct {
	*program
	cfg      *config.Config
	logger   *slog.Logger
	registry *prometheus.Registry

	revocations *auth.BucketStore
	verifier    *auth.Verifier
	sources     []gateway.Source
	server      *web.Server
	listeners   *web.Listeners

	hub    atomic.Pointer[gateway.Hub] // nil until the log is open
	opened chan struct{}               // one token: the log was opened, at the start or after trouble
}

// build makes the parts that need no log, and listens.
func (p *program) build(cfg *config.Config, demo *demo) (*service, error) {
	s := &service{
		program: p, cfg: cfg, logger: cfg.Log.Logger(p.stderr), registry: prometheus.NewRegistry(),
		revocations: auth.NewBucketStore(), opened: make(chan struct{}, 1),
	}
	s.opened <- struct{}{}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, warning := range cfg.Warnings() {
		s.logger.Warn(warning)
	}
	var err error
	if s.verifier, err = auth.New(s.authOptions()); err != nil {
		return nil, err
	}
	if s.sources, err = s.newSources(); err != nil {
		return nil, err
	}
	s.server = web.New(s.webOptions(demo))
	listen := web.Listen{Public: cfg.Listen, Admin: cfg.Admin, Metrics: cfg.MetricsListen, AnyPort: demo != nil}
	if listen.TLS, err = cfg.ServerTLS(); err != nil {
		return nil, err
	}
	s.listeners, err = s.server.Listen(p.drain, listen)
	return s, err
}

// run begins the parts, the edge first, and ends them in the same order: nobody
// is left who asks when the sources stop, and nothing comes when the log closes.
func (s *service) run() error {
	parts := newParts()
	defer context.AfterFunc(s.kill, s.listeners.Close)()
	parts.begin(s.listeners.Run) // not ready, and busy, until the log is open
	parts.begin(s.server.Run)
	parts.begin(web.GiveBack)
	log, err := s.openLog()
	if err != nil {
		return errors.Join(err, parts.end())
	}
	if err := log.KeepInboxes(s.drain, s.sourceNames()); err != nil {
		s.logger.Warn("what waits for sources that are no longer configured cannot be dropped", "err", err)
	}
	s.revocations.Open(log.Bucket("revocations"))
	parts.begin(s.verifier.Run)
	gw := &gateway.Gateway{Log: log, Keeper: log, Inbox: log.Inbox, Hub: s.newHub(log), Sources: s.sources, Keep: s.cfg.Snapshot.Keep}
	s.hub.Store(gw.Hub)
	parts.begin(gw.Run)
	parts.begin(func(ctx context.Context) error { return s.sayLost(ctx, log, gw) })
	parts.begin(s.openStreams)

	select {
	case <-s.drain.Done():
		s.server.Drain(s.kill)
	case <-parts.failed.Done():
	}
	err = parts.end()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err = errors.Join(err, log.Close(ctx))
	s.logger.Info("stopped")
	return err
}

func (s *service) sourceNames() (names []string) {
	for _, source := range s.sources {
		names = append(names, source.Name())
	}
	return names
}

// parts run side by side, each until it is ended. What fails ends all.
type parts struct {
	group  *errgroup.Group
	failed context.Context
	ends   []func()
}

func newParts() *parts {
	group, failed := errgroup.WithContext(context.Background())
	return &parts{group: group, failed: failed}
}

func (p *parts) begin(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(p.failed)
	done := make(chan struct{})
	p.group.Go(func() error { defer close(done); return run(ctx) })
	p.ends = append(p.ends, func() { cancel(); <-done })
}

// end ends the parts one after the other, the first one first, and returns what
// failed.
func (p *parts) end() error {
	for _, end := range p.ends {
		end()
	}
	return p.group.Wait()
}

// openLog opens the log. On a full disk it tries until there is room: ending
// would only have a supervisor begin the same again, with nobody answering.
func (s *service) openLog() (*eventlog.Log, error) {
	for {
		log, err := eventlog.Open(s.drain, eventlog.Options{
			Dir: cmp.Or(s.cfg.Data, "data"), MaxAge: s.cfg.History.Age, MaxBytes: int64(s.cfg.History.Size), Sync: s.cfg.History.Sync,
			Logger: s.logger, Registerer: s.registry, OnHealth: s.logHealth,
		})
		if !errors.Is(err, eventlog.ErrFull) {
			s.server.LogTrouble(false)
			return log, err
		}
		s.server.LogTrouble(true)
		s.logger.Error("the log cannot be opened, trying again", "err", err, "retry", fullDiskRetry)
		select {
		case <-time.After(fullDiskRetry):
		case <-s.drain.Done():
			return nil, err
		}
	}
}

// logHealth hears of the log's troubles, and with nil of their end.
func (s *service) logHealth(err error) {
	s.server.LogTrouble(err != nil)
	if hub := s.hub.Load(); hub != nil {
		hub.LogTrouble(err != nil)
	}
	select {
	case s.opened <- struct{}{}:
	default:
	}
}

// sayLost announces, once, each tail that an opening of the log found lost.
func (s *service) sayLost(ctx context.Context, log *eventlog.Log, gw *gateway.Gateway) error {
	select {
	case <-gw.Hub.Loaded(): // which looks for what the log has lost, too
	case <-ctx.Done():
		return nil
	}
	var said eventlog.Opening
	for {
		select {
		case <-s.opened:
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

// openStreams lets streams be opened once everything kept is known.
func (s *service) openStreams(ctx context.Context) error {
	hub := s.hub.Load()
	for _, known := range []<-chan struct{}{hub.Loaded(), s.verifier.Ready()} {
		select {
		case <-known:
		case <-s.drain.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	s.server.Open(hub)
	return nil
}

func (s *service) newHub(log *eventlog.Log) *gateway.Hub {
	return gateway.NewHub(gateway.HubOptions{
		Log: log, State: log, Encode: encode, Sources: s.sourceNames(), Logger: s.logger, Registerer: s.registry,
	})
}

// encode is the streams' encoder, for a hub that knows nothing of the wire.
func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	return sse.Append(dst, sse.Block{Retry: retry, ID: id, Event: name, Data: data})
}

// newSources makes the sources that this version can run.
func (s *service) newSources() ([]gateway.Source, error) {
	var out []gateway.Source
	metrics := mews.NewMetrics(s.registry)
	for _, c := range s.cfg.Sources {
		if c.Mews == nil {
			continue
		}
		o, err := mewsOptions(s.cfg, c)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		o.Metrics, o.Logger = metrics, s.logger
		source, err := mews.NewSource(o)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		out = append(out, source)
	}
	return out, nil
}

// load has a source load its present state anew, where it can.
func (s *service) load(name string) bool {
	for _, source := range s.sources {
		if loader, can := source.(interface{ Load() }); can && source.Name() == name {
			loader.Load()
			return true
		}
	}
	return false
}

func mewsOptions(cfg *config.Config, s config.Source) (o mews.Options, err error) {
	m := s.Mews
	if m == nil {
		return o, errLater
	}
	o = mews.Options{
		Name: s.Name, Socket: m.Socket, API: m.API, Keepalive: m.Keepalive, Types: mews.Types(m.Webhook != nil),
		ClientToken: string(m.ClientToken), AccessToken: string(m.AccessToken), Client: m.Client, Enterprise: m.Enterprise,
		Budget:   mews.Budget(m.APIBudget),
		Backfill: m.Backfill, Enrich: m.Enrich, EntityFields: m.EntityFields,
		// To the source none is the default; here it is as short as can be.
		Settle: max(m.BackfillSettle, 1), EnrichWait: max(m.EnrichWait, 1),
		Keep: max(cfg.Snapshot.Keep, 1), Horizon: max(cfg.Snapshot.Horizon, 1),
	}
	if m.Environment != "" {
		if o.Socket, o.API, err = mews.Addresses(m.Environment); err != nil {
			return o, err
		}
	}
	o.TLS, err = m.ClientTLS()
	return o, err
}

func (s *service) authOptions() auth.Options {
	return auth.Options{
		Issuers: issuers(s.cfg), Leeway: s.cfg.Auth.Leeway, Store: s.revocations, Logger: s.logger, Registerer: s.registry,
	}
}

func issuers(cfg *config.Config) (out []auth.Issuer) {
	for _, i := range cfg.Auth.Issuers {
		out = append(out, auth.Issuer{
			Name: i.Issuer, Audience: i.Audience, Sources: i.Sources,
			Secret: []byte(i.Secret), PublicKeyPEM: []byte(i.PublicKeyFile.Contents), JWKSURL: i.JWKSURL,
		})
	}
	return out
}

func (s *service) webOptions(demo *demo) web.Options {
	cfg := s.cfg
	o := web.Options{
		BasePath: cfg.BasePath, Proxies: cfg.Proxies, Verifier: s.verifier,
		CrossSite: cfg.Auth.Cookie.CrossSite, QueryToken: cfg.Auth.Query,
		Origins: cfg.CORS.Origins, Credentials: cfg.CORS.Credentials,
		Stream: web.Stream{
			Heartbeat: cfg.Stream.Heartbeat, Retry: cfg.Stream.Retry, WriteTimeout: cfg.Stream.WriteTimeout,
			MaxLag: cfg.Stream.MaxLag, Lifetime: cfg.Stream.Lifetime, Warn: cfg.Auth.Warn,
		},
		Limits:   web.Limits(cfg.Limits),
		Drain:    web.Drain(cfg.Drain),
		Admin:    web.Admin{Address: cfg.Admin, Token: string(cfg.AdminToken), Load: s.load},
		Registry: s.registry, Logger: s.logger,
	}
	if cfg.Static.Enabled {
		o.Static = static.Files
	}
	if demo != nil {
		o.Demo = &demo.Demo
	}
	return o
}

type demoCommand struct {
	Seed  uint64  `default:"1" help:"Another hotel for each seed."`
	Speed float64 `default:"4" help:"Minutes of the hotel's day in a second."`
}

// A demo is what the demo adds to the gateway.
type demo struct {
	web.Demo
	simulator net.Addr
}

func (c demoCommand) Run(p *program) error {
	hotels, listener, err := openSimulator("127.0.0.1:0", simulator.Options{
		Seed: c.Seed, Speed: c.Speed, Rooms: 48, Hotels: 1,
		Faults: simulator.Faults{{Kind: simulator.FaultSlow, Delay: demoDistance}},
	})
	if err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "bellhop-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	hotel := hotels.Hotels()[0]
	hotel.Skip(3 * time.Hour) // into the morning, when the rooms are in every state
	text := fmt.Appendf(nil, demoConfig, data, listener.Addr(), hotel.AccessToken(), rand.Text()+rand.Text())
	cfg, err := config.Parse("demo", text, func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}

	upstream, stop := context.WithCancel(context.Background())
	var simulating errgroup.Group
	simulating.Go(func() error { return hotels.Serve(upstream, listener) })
	shown := newDemo(cfg, hotel)
	shown.Speed = c.Speed * 60
	err = p.serve(cfg, &demo{shown, listener.Addr()})
	stop()
	return errors.Join(err, simulating.Wait())
}

// demoDistance is what the hotel's API takes to answer, about as that of one far
// away does: otherwise nobody would see how the gateway catches up.
const demoDistance = 150 * time.Millisecond

// demoConfig differs from the defaults only where a demo must: it ends at once,
// and what falls silent is noticed while somebody looks.
const demoConfig = `
data: %q
admin: 127.0.0.1:0
sources:
  - name: hotel
    mews:
      {socket: "ws://%[2]s", api: "http://%[2]s", client_token: ` + simulator.ClientToken + `, access_token: %[3]q, keepalive: 5s,
       enrich: [Resource, Reservation],
       entity_fields: {Resource: [Name, State], Reservation: [Number, State, RequestedResourceCategoryId, ScheduledStartUtc, ScheduledEndUtc]}}
auth: {issuers: [{issuer: bellhop-demo, audience: bellhop, secret: %[4]q}]}
static: {enabled: true}
stream: {heartbeat: 5s}
drain: {delay: 0s, spread: 0s, linger: 0s}
log: {level: warn}
`

// A demoRoom is where a room is; what it is called comes with its events.
type demoRoom struct {
	ID       string `json:"id"`
	Floor    int    `json:"floor"`
	Category string `json:"category"`
}

func newDemo(cfg *config.Config, hotel *simulator.Hotel) web.Demo {
	layout := hotel.Layout()
	rooms := make([]demoRoom, len(layout.Rooms))
	for i, r := range layout.Rooms {
		rooms[i] = demoRoom{r.ID, r.Floor, r.Category}
	}
	return web.Demo{
		Issuer: issuers(cfg)[0], Source: cfg.Sources[0].Name, Name: layout.Hotel,
		GuestRoom: layout.Rooms[0].ID, Rooms: rooms, Categories: layout.Categories, Rates: layout.Rates,
		Clock:  func() time.Time { return hotel.State().HotelTime },
		Unplug: func() time.Duration { return hotel.Unplug(unplugged) },
	}
}

// unplugged is for how long the demo's plug stays out.
const unplugged = 20 * time.Second

type checkCommand struct {
	Connect bool `help:"Also try each upstream: its socket, its enterprise, and what would be read."`
}

func (c checkCommand) Run(p *program, cfg *config.Config) error {
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(p.stderr, "bellhop: warning:", warning)
	}
	fmt.Fprintf(p.stdout, "configuration: ok, %d sources, %d issuers\n", len(cfg.Sources), len(cfg.Auth.Issuers))
	if !c.Connect {
		return nil
	}
	var failed error
	for _, source := range cfg.Sources {
		found, err := p.probe(cfg, source)
		if err != nil {
			found, failed = err.Error(), errors.New("not every upstream can be reached")
		}
		fmt.Fprintf(p.stdout, "source %s: %s\n", source.Name, found)
	}
	return failed
}

// probe tries a source's upstream and says what it found.
func (p *program) probe(cfg *config.Config, source config.Source) (string, error) {
	o, err := mewsOptions(cfg, source)
	if err != nil {
		return "", err
	}
	found, err := mews.Probe(p.drain, o)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("ok, enterprise %s (%s); to be read: %v; %v of the next %d days; %v", found.EnterpriseID, found.Enterprise,
		countOf("rooms", found.Resources), countOf("reservations", found.Reservations), mews.ProbedDays, countOf("commands", found.Commands))
	return said, nil
}

// countOf says how many entities were found, or why they cannot be read.
func countOf(what string, c mews.Count) string {
	if c.Err != nil {
		return fmt.Sprintf("%s may NOT be read (%v)", what, c.Err)
	}
	return fmt.Sprintf("%v %s", c, what)
}

type tokenCommand struct {
	Source  []string      `required:"" help:"What the token's grant shows; * is all."`
	Type    []string      `default:"*" help:"The types of events it shows."`
	TTL     time.Duration `default:"1h" help:"How long it is good."`
	Subject string        `name:"sub" default:"bellhop-token" help:"Whom it speaks of."`
	Issuer  string        `help:"Which of the configured issuers with a secret; the first by default."`
}

func (c tokenCommand) Run(p *program, cfg *config.Config) error {
	if c.TTL <= 0 {
		return usageError{errors.New("--ttl: want more than nothing")}
	}
	list := issuers(cfg)
	i := slices.IndexFunc(list, func(i auth.Issuer) bool {
		return len(i.Secret) > 0 && (c.Issuer == "" || c.Issuer == i.Name)
	})
	if i < 0 {
		return errors.New("no issuer with a secret is configured under this name; only they can mint")
	}
	token, err := list[i].Mint(auth.Claims{
		Subject: c.Subject, Expires: time.Now().Add(c.TTL), Grants: []auth.Grant{{Sources: c.Source, Types: c.Type}},
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

func (c tailCommand) Run(p *program) error {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usageError{errors.New("url: want an absolute http or https address")} // not repeated: it may hold a token
	}
	logger := slog.New(slog.NewTextHandler(p.stderr, nil))
	return tail.Run(p.drain, tail.Options{URL: c.URL, Token: c.Token, LastEventID: c.LastEventID, Logger: logger}, func(e tail.Event) error {
		_, err := p.stdout.Write(sse.Append(nil, sse.Block{ID: e.ID, Event: e.Name, Data: e.Data}))
		return err
	})
}

type simulateCommand struct {
	Listen    string        `default:"127.0.0.1:7070" help:"Where the simulated Mews listens."`
	Seed      uint64        `default:"1" help:"Another hotel for each seed."`
	Speed     float64       `default:"4" help:"Minutes of the hotels' day in a second."`
	Rooms     int           `default:"48" help:"Rooms of each hotel."`
	Hotels    int           `default:"1" help:"How many hotels; the second's access token ends in -2, and so on."`
	TimeZone  string        `default:"Europe/Prague" help:"Where the hotels are, by its IANA name."`
	SayAll    bool          `help:"Tell each new socket the present state of all rooms and reservations."`
	Quirks    string        `help:"How often frames are odd, from 0 to 1, like duplicates=0.1,nulls=0.5."`
	Ping      time.Duration `help:"The time between the simulator's own pings; none without it."`
	BadTokens string        `default:"401" help:"What wrong tokens get: an HTTP status, or close."`
}

func (c simulateCommand) Run(p *program) error {
	quirks, err := simulator.ParseQuirks(c.Quirks)
	if err != nil {
		return usageError{fmt.Errorf("--quirks: %w", err)}
	}
	refusal, err := simulator.ParseRefusal(c.BadTokens)
	if err != nil {
		return usageError{fmt.Errorf("--bad-tokens: %w", err)}
	}
	hotels, listener, err := openSimulator(c.Listen, simulator.Options{
		Seed: c.Seed, Speed: c.Speed, Rooms: c.Rooms, Hotels: c.Hotels, TimeZone: c.TimeZone,
		SayAll: c.SayAll, Quirks: quirks, Ping: c.Ping, BadTokens: refusal,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "ws://%s\n", listener.Addr())
	for _, h := range hotels.Hotels() {
		fmt.Fprintf(p.stdout, "%s: client token %s, access token %s\n", h.Name(), simulator.ClientToken, h.AccessToken())
	}
	return hotels.Serve(p.drain, listener)
}

// openSimulator makes the simulator that flags ask for, and listens for it. A 0
// among them must not become the default that it is in the options.
func openSimulator(address string, o simulator.Options) (*simulator.Simulator, net.Listener, error) {
	if o.Speed == 0 || o.Rooms == 0 || o.Hotels == 0 {
		return nil, nil, usageError{errors.New("simulator: speed, rooms and hotels must be above 0")}
	}
	hotels, err := simulator.New(o)
	if err != nil {
		return nil, nil, usageError{err}
	}
	listener, err := net.Listen("tcp", address)
	return hotels, listener, err
}

// errLater is said of what the command line and the configuration know already.
var errLater = errors.New("not in this version")

type laterCommand struct{}

func (laterCommand) Run() error { return errLater }

type versionCommand struct{}

func (versionCommand) Run(p *program) error {
	version := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	fmt.Fprintln(p.stdout, "bellhop", version, runtime.Version())
	return nil
}
