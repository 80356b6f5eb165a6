// Package web is the edge: who asks, what they may hear, and how it reaches
// them. It holds the routes of the public listener, of which GET /events is what
// everything else is for, and those of the admin listener.
package web

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/cors"
	"golang.org/x/sync/errgroup"

	"bellhop/auth"
	"bellhop/gateway"
	"bellhop/web/pump"
)

// Options are what a [Server] is made of.
type Options struct {
	BasePath    string         // where a proxy serves the gateway, "/" at the top
	Proxies     []netip.Prefix // whose X-Forwarded-For, -Proto and -Host are believed
	Verifier    *auth.Verifier
	CrossSite   bool     // the session's cookie is for pages of other sites too
	QueryToken  string   // the query parameter that may bear the token, empty for none
	Origins     []string // that may ask from the browser
	Credentials bool     // whether they may send the cookie
	Stream      Stream
	Limits      Limits
	Drain       Drain
	Static      fs.FS // the pages, nil for none
	Demo        *Demo // nil but for the demo
	Admin       Admin
	Registry    *prometheus.Registry // whose metrics are served, and where the server's own go
	Logger      *slog.Logger         // nil for none
}

// Stream is how streams are carried.
type Stream struct {
	Heartbeat    time.Duration
	Retry        time.Duration
	WriteTimeout time.Duration
	MaxLag       int
	Lifetime     time.Duration
	Warn         time.Duration // before a token's exp
}

// Limits are how many streams there may be; a limit for each subject or address
// is off at 0.
type Limits struct{ Streams, PerSubject, PerAddress int }

// Drain is how the server ends its streams; see [Server.Drain].
type Drain struct{ Delay, Spread, Linger time.Duration }

// Server answers requests. Its handlers may be used at once; streams can be
// opened after [Server.Open].
type Server struct {
	basePath   string
	proxies    proxies
	verifier   *auth.Verifier
	crossSite  bool
	queryToken string
	origins    origins
	stream     Stream
	drain      Drain
	static     fs.FS
	demo       *Demo
	admin      Admin
	gatherer   *prometheus.Registry
	logger     *slog.Logger
	metrics    *metrics
	cors       *cors.Cors
	registry   *registry

	subscriptions gateway.Subscriptions

	hub      atomic.Pointer[gateway.Hub] // nil until the log is open
	pumps    atomic.Pointer[pump.Pumps]  // nil but while Run has some
	drainEnd atomic.Pointer[time.Time]   // when the streams' ending is over; nil unless draining
	logDown  atomic.Bool                 // the log cannot be written
}

// New returns a server whose log is not open yet.
func New(o Options) *Server {
	registry := o.Registry
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	s := &Server{
		basePath: "/" + strings.Trim(o.BasePath, "/"), proxies: o.Proxies, verifier: o.Verifier,
		crossSite: o.CrossSite, queryToken: o.QueryToken, origins: newOrigins(o.Origins),
		stream: o.Stream, drain: o.Drain, static: o.Static, demo: o.Demo, admin: o.Admin, gatherer: registry,
		logger: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), metrics: newMetrics(registry), registry: newRegistry(o.Limits),
	}
	s.cors = newCORS(s.origins, o.Credentials)
	return s
}

// Open lets streams be opened: hub has read the log's tail.
func (s *Server) Open(hub *gateway.Hub) { s.hub.Store(hub) }

// LogTrouble says whether the log cannot be written; it shows in /readyz.
func (s *Server) LogTrouble(trouble bool) { s.logDown.Store(trouble) }

// Run carries streams by pumps, where there are any, and ends those whose token
// stops being good or whose reader lags too far while it takes nothing. When ctx
// ends, it cuts what the pumps still carry.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if pump.Supported {
		pumps, err := pump.New(pump.Options{
			WriteTimeout: s.stream.WriteTimeout, Delivered: s.metrics.pumped, Logger: s.logger,
		})
		if err != nil {
			return err
		}
		s.pumps.Store(pumps)
		defer s.pumps.Store(nil)
		group.Go(func() error { return pumps.Run(ctx) })
	}
	group.Go(func() error { s.watch(ctx); return nil })
	return group.Wait()
}

// watch ends the streams that have to end, until ctx does.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	changed := s.verifier.Changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			changed = s.verifier.Changed()
			s.endRevoked()
		case <-tick.C:
			s.cutSlow()
		}
	}
}

func (s *Server) endRevoked() {
	for _, o := range s.registry.all() {
		if !s.verifier.Valid(o.token) {
			o.End(gateway.ByeRevoked, 0)
		}
	}
}

// cutSlow frees what streams wait for whose client takes nothing; those that
// write notice by themselves.
func (s *Server) cutSlow() {
	for _, o := range s.registry.all() {
		if o.lag() > uint64(s.stream.MaxLag) {
			o.End(gateway.ByeSlow, 0)
			o.cut()
		}
	}
}

// handler is a route's function. What it does not answer itself it returns.
type handler func(w http.ResponseWriter, r *http.Request) *problem

// Public returns the handler of the public listener.
func (s *Server) Public() http.Handler {
	mux := http.NewServeMux()
	at := func(path string, h handler) { mux.Handle(path, s.answer(h)) }
	base := strings.TrimSuffix(s.basePath, "/")
	at(base+"/events", s.serveEvents)
	at(base+"/session", noStore(s.serveSession))
	for _, later := range []string{"/bellhop.js", "/threads", "/threads/", "/webhooks", "/webhooks/"} {
		at(base+later, always(&problemLater))
	}
	at(base+"/", s.servePages)
	if s.demo != nil {
		at(base+"/demo/hotel", s.serveDemoHotel)
		at(base+"/demo/token", noStore(s.serveDemoToken))
		at(base+"/demo/plug", noStore(s.serveDemoPlug))
	}
	s.handleHealth(mux, "")
	if base != "" {
		s.handleHealth(mux, base)
		at("/", always(&problemNotFound))
	}
	return secure(s.crossOrigin(s.cleanOnly(mux)))
}

// answer writes the problem that a handler returns.
func (s *Server) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passOverBody(w, r)
		if p := h(w, r); p != nil {
			s.metrics.problems.WithLabelValues(p.code).Inc()
			p.write(w)
		}
	})
}

// always returns a handler that answers with p, whoever asks.
func always(p *problem) handler {
	return func(http.ResponseWriter, *http.Request) *problem { return p }
}

// passOverBody keeps net/http from waiting for a body that nobody wants before
// it answers, and from reading it for long behind the answer: closing at once
// could reset the connection before the client has read that.
func passOverBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.ProtoMajor > 1 {
		return
	}
	w.Header().Set("Connection", "close")
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(unwantedTimeout))
}

func noStore(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) *problem {
		w.Header().Set("Cache-Control", "no-store")
		return h(w, r)
	}
}

// secure sets what every answer bears.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// cleanOnly answers paths that are not in canonical form with 404, where the
// mux would redirect: an EventSource would follow, and lose its filter.
func (s *Server) cleanOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path + "/"
		if strings.Contains(r.URL.Path, "//") || strings.Contains(path, "/./") || strings.Contains(path, "/../") {
			s.answer(always(&problemNotFound)).ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
