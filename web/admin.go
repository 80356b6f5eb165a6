package web

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bellhop/gateway"
)

// Admin is how the admin listener is guarded.
type Admin struct {
	Address string // it listens on; its host is one that requests may name
	Token   string // every request must bear it; empty for none, on loopback
	// Load has a source read the present state from its upstream anew, beside all
	// else. It reports whether there is such a source that can. It may be nil.
	Load func(source string) bool
}

// AdminHandler returns the handler of the admin listener.
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	at := func(path string, h handler) { mux.Handle(path, s.answer(noStore(h))) }
	at("/sources", s.serveSources)
	at("/sources/{source}/load", s.serveLoad)
	at("/streams", s.serveStreams)
	for _, later := range []string{"/revocations", "/erasures", "/explain", "/{$}"} {
		at(later, always(&problemLater))
	}
	at("/", always(&problemNotFound))
	mux.Handle("/debug/pprof/", http.HandlerFunc(pprof.Index))
	mux.Handle("/debug/pprof/cmdline", http.NotFoundHandler()) // it could hold a secret
	mux.Handle("/debug/pprof/profile", http.HandlerFunc(pprof.Profile))
	mux.Handle("/debug/pprof/symbol", http.HandlerFunc(pprof.Symbol))
	mux.Handle("/debug/pprof/trace", http.HandlerFunc(pprof.Trace))
	s.handleMetrics(mux)
	return secure(s.guard(mux))
}

// MetricsHandler returns the handler of the listener for metrics and probes
// alone.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	s.handleMetrics(mux)
	mux.Handle("/", s.answer(always(&problemNotFound)))
	return secure(mux)
}

func (s *Server) handleMetrics(mux *http.ServeMux) {
	mux.Handle("/metrics", promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{}))
	s.handleHealth(mux, "")
}

func (s *Server) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := s.keptOut(r); p != nil {
			s.answer(always(p)).ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// keptOut keeps out what a browser could be made to send, requests under a
// foreign name (DNS rebinding) and from foreign pages, and whoever lacks the
// token.
func (s *Server) keptOut(r *http.Request) *problem {
	if !isLoopbackHost(r.Host) && !s.isAdminHost(r.Host) {
		return &problem{status: http.StatusForbidden, code: "forbidden", detail: "the Host is neither a loopback name nor the configured one"}
	}
	own := visitor{https: r.TLS != nil, host: r.Host}.origin()
	for _, origin := range r.Header["Origin"] {
		if own == "" || normalOrigin(origin) != own {
			return &problem{status: http.StatusForbidden, code: "forbidden", detail: "requests of foreign pages are not answered here"}
		}
	}
	if s.admin.Token == "" {
		return nil
	}
	switch found := bearerTokens(r.Header); {
	case len(found) == 0:
		return &problemTokenMissing
	case len(found) > 1 || !sameSecret(found[0], s.admin.Token):
		return new(problemInvalidToken("it is not this listener's"))
	}
	return nil
}

func (s *Server) isAdminHost(host string) bool {
	name, _, err := net.SplitHostPort(s.admin.Address)
	if asked, _, e := net.SplitHostPort(host); e == nil {
		host = asked
	}
	return err == nil && name != "" && strings.EqualFold(name, strings.Trim(host, "[]"))
}

// sameSecret compares in constant time, whatever the lengths.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (s *Server) serveSources(w http.ResponseWriter, r *http.Request) *problem {
	if p := getOnly(w, r); p != nil {
		return p
	}
	hub := s.hub.Load()
	if hub == nil {
		return new(problemStarting())
	}
	writeJSON(w, http.StatusOK, map[string][]gateway.Status{"sources": hub.Statuses()})
	return nil
}

// serveLoad has a source load its present state anew; how far that has come is in
// /sources.
func (s *Server) serveLoad(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return new(problemMethod())
	}
	if s.admin.Load == nil || !s.admin.Load(r.PathValue("source")) {
		return &problemNotFound
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func getOnly(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", "GET, HEAD")
	return new(problemMethod())
}

// serveStreams lists the open streams, and closes those of a subject.
func (s *Server) serveStreams(w http.ResponseWriter, r *http.Request) *problem {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		writeJSON(w, http.StatusOK, map[string][]streamData{"streams": s.streamList()})
		return nil
	case http.MethodDelete:
		return s.closeStreams(w, r)
	}
	w.Header().Set("Allow", "GET, HEAD, DELETE")
	return new(problemMethod())
}

type streamData struct {
	Stream  string     `json:"stream"`
	Issuer  string     `json:"iss"`
	Subject string     `json:"sub"`
	Address netip.Addr `json:"address"`
	Since   time.Time  `json:"since"`
	Query   string     `json:"query"`
	Lag     uint64     `json:"lag"`
}

func (s *Server) streamList() []streamData {
	out := []streamData{}
	for _, o := range s.registry.all() {
		out = append(out, streamData{
			o.id, o.token.Issuer, o.token.Subject, o.address, o.since.UTC().Truncate(time.Millisecond), o.query, o.lag(),
		})
	}
	slices.SortFunc(out, func(a, b streamData) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Stream, b.Stream))
	})
	return out
}

func (s *Server) closeStreams(w http.ResponseWriter, r *http.Request) *problem {
	query := r.URL.Query()
	name, issuer := query.Get("sub"), query.Get("iss")
	if name == "" {
		return new(problemQuery("sub", "it names the subject whose streams are to be closed"))
	}
	var theirs []*openStream
	for _, o := range s.registry.all() {
		if o.token.Subject == name && (issuer == "" || o.token.Issuer == issuer) {
			theirs = append(theirs, o)
		}
	}
	if issuer == "" && slices.ContainsFunc(theirs, func(o *openStream) bool { return o.token.Issuer != theirs[0].token.Issuer }) {
		return new(problemQuery("iss", "several issuers know this subject; name one"))
	}
	for _, o := range theirs {
		o.End(gateway.ByeClosed, 0)
	}
	s.logger.Info("streams closed by an operator", "sub", name, "iss", issuer, "streams", len(theirs))
	writeJSON(w, http.StatusOK, map[string]int{"closed": len(theirs)})
	return nil
}
