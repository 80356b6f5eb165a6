package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // hotels live in a zone, wherever the program runs

	"github.com/gorilla/websocket"
)

// The tokens that a simulator takes unless told otherwise. AccessToken opens
// the first hotel; the second's is the same with "-2" behind, and so on.
const (
	ClientToken = "simulated-client-token"
	AccessToken = "simulated-access-token"
)

// shutdownWait is how long sockets have to say goodbye when Run ends.
const shutdownWait = 3 * time.Second

// readHeaderTimeout bounds how long a request's head may take to come.
const readHeaderTimeout = 10 * time.Second

// Options say what to simulate. The zero value is one hotel of 48 rooms in
// which something happens every second or two.
type Options struct {
	Seed     uint64
	Start    time.Time // of the hotels' clock; by default 7 in the morning of this day
	Speed    float64   // minutes of the hotels' time a second; by default 4, a day in six minutes
	Rooms    int       // of each hotel, 1 to 5000; by default 48, on four floors
	Hotels   int       // 1 to 1000; by default 1
	TimeZone string    // of the hotels, an IANA name; by default Europe/Prague

	ClientToken string  // by default [ClientToken]
	BadTokens   Refusal // of sockets with wrong tokens; by default status 401

	SayAll bool          // tell each new socket everything first, as [Hotel.Say] does
	Quirks Quirks        // of frames
	Manner Manner        // towards sockets
	Ping   time.Duration // between pings of the server's own; 0 means none

	Portfolio bool          // tokens are for several enterprises; see [Hotel.SetPortfolio]
	Limiter   Limiter       // of the API's calls; by default 200 in 30 s
	Lag       time.Duration // of what the API shows; see [Hotel.SetLag]
	Faults    Faults        // of the API
	Dialect   Dialect       // of the API

	Journal int          // events that each hotel remembers at least; by default 20000
	Kept    int          // reservations that are over that each hotel keeps, and a quarter as many commands and ended blocks; by default 2000
	Logger  *slog.Logger // nil discards
}

// Simulator is the simulated upstream: one or several hotels.
type Simulator struct {
	opts     Options
	hotels   []*Hotel
	byToken  map[string]*Hotel
	methods  map[string]method
	requests atomic.Uint64  // to the API
	open     sync.WaitGroup // sockets
	done     chan struct{}  // closed when Run ends

	// Guarded by mu.
	mu      sync.Mutex
	closed  bool
	sockets map[*socket]struct{}
}

// New makes the hotels. It starts nothing.
func New(opts Options) (*Simulator, error) {
	opts = opts.withDefaults()
	zone, err := time.LoadLocation(opts.TimeZone)
	if err = errors.Join(err, opts.validate()); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if opts.Start.IsZero() {
		y, m, d := time.Now().In(zone).Date()
		opts.Start = time.Date(y, m, d, 7, 0, 0, 0, zone)
	}
	s := &Simulator{
		opts: opts, byToken: make(map[string]*Hotel), methods: methods(),
		done: make(chan struct{}), sockets: make(map[*socket]struct{}),
	}
	for n := range opts.Hotels {
		h := newHotel(n, opts, zone)
		s.hotels = append(s.hotels, h)
		s.byToken[h.token] = h
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	orDefault(&o.Speed, 4)
	orDefault(&o.Rooms, 48)
	orDefault(&o.Hotels, 1)
	orDefault(&o.TimeZone, "Europe/Prague")
	orDefault(&o.ClientToken, ClientToken)
	orDefault(&o.BadTokens, Refusal{Status: http.StatusUnauthorized, Reason: "Invalid tokens."})
	orDefault(&o.Journal, 20_000)
	orDefault(&o.Kept, 2000)
	o.Limiter = o.Limiter.withDefaults()
	orDefault(&o.Logger, slog.New(slog.DiscardHandler))
	return o
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (o Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Speed > 0 && o.Speed <= 1e6, "speed %v is not above 0 and up to 1000000", o.Speed)
	check(o.Rooms >= 1 && o.Rooms <= 5000, "rooms %d is not between 1 and 5000", o.Rooms)
	check(o.Hotels >= 1 && o.Hotels <= 1000, "hotels %d is not between 1 and 1000", o.Hotels)
	check(o.Journal >= 1, "journal %d is not above 0", o.Journal)
	check(o.Kept >= 1, "kept %d is not above 0", o.Kept)
	check(o.Ping >= 0 && o.Manner.Delay >= 0, "ping and delay may not be negative")
	errs = append(errs, validLag(o.Lag), o.Limiter.validate(), o.Faults.validate(methods()))
	return errors.Join(append(errs, o.Quirks.validate(), o.BadTokens.validate())...)
}

func accessToken(number int) string {
	if number == 0 {
		return AccessToken
	}
	return AccessToken + "-" + strconv.Itoa(number+1)
}

// Hotels are all the hotels, in the order of their tokens.
func (s *Simulator) Hotels() []*Hotel { return slices.Clone(s.hotels) }

// Hotel is the one that the access token opens, or nil.
func (s *Simulator) Hotel(accessToken string) *Hotel { return s.byToken[accessToken] }

// Handler serves the WebSocket, the Connector API and the control API. It
// works without [Simulator.Run] too; the hotels' time stands still then.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws/connector", s.serveSocket)
	mux.Handle("/control/", http.NewCrossOriginProtection().Handler(s.control()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A mux would mend paths that Mews does not know.
		if strings.HasPrefix(r.URL.Path, "/ws/connector") || strings.HasPrefix(r.URL.Path, "/control/") {
			mux.ServeHTTP(w, r)
		} else {
			s.serveAPI(w, r)
		}
	})
}

// Serve runs the simulator and serves its handler at l, until ctx ends or one of
// the two fails. It closes l.
func (s *Simulator) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- server.Serve(l)
	}()
	err := s.Run(ctx) // its end closes the sockets
	err = errors.Join(err, server.Close())
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// Run lets the hotels' time pass until ctx ends; then it closes all sockets
// with code 1001, and those that still come, waits for them, and returns
// nil. Calls of the API that a fault holds back end then too. It is called at
// most once. Sockets of a simulator that does not run end by [Hotel.Drop].
func (s *Simulator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, h := range s.hotels {
		wg.Go(func() { h.run(ctx) })
	}
	wg.Wait()
	s.close()
	return nil
}

// serve serves a socket to its end.
func (s *Simulator) serve(sock *socket, conn *websocket.Conn) error {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.open.Add(1)
		s.sockets[sock] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		sock.bye(websocket.CloseGoingAway, "")
		return sock.serve(conn)
	}
	defer func() {
		s.mu.Lock()
		delete(s.sockets, sock)
		s.mu.Unlock()
		s.open.Done()
	}()
	return sock.serve(conn)
}

func (s *Simulator) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	s.eachSocket(func(sock *socket) { sock.bye(websocket.CloseGoingAway, "") })
	cut := time.AfterFunc(shutdownWait, func() { s.eachSocket((*socket).reset) })
	defer cut.Stop()
	s.open.Wait()
}

func (s *Simulator) eachSocket(do func(*socket)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sock := range s.sockets {
		do(sock)
	}
}
