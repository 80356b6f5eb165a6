package web

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"bellhop/auth"
	"bellhop/gateway"
)

// HTTPServer returns a server for h with the limits of the public listener.
func (s *Server) HTTPServer(h http.Handler) *http.Server { return newHTTPServer(h, nil, s.logger) }

// Streams returns how many streams are open.
func (s *Server) Streams() int { return s.registry.len() }

// Watch is Run without pumps, whose system calls no bubble of synctest can wait
// for.
func (s *Server) Watch(ctx context.Context) error {
	s.watch(ctx)
	return nil
}

// LockRegistry keeps streams from being opened until unlock is called.
func (s *Server) LockRegistry() (unlock func()) {
	s.registry.mu.Lock()
	return s.registry.mu.Unlock
}

// CutSlow does at once what Run does every second.
func (s *Server) CutSlow() { s.cutSlow() }

// ParsedQuery is what ParseQuery reads.
type ParsedQuery struct {
	Filter   gateway.Query
	Snapshot bool
	Since    time.Time
	Unnamed  bool
	Resume   string
}

// ParseQuery returns what a query says, or the parameter at fault.
func ParseQuery(raw, ignore string) (q ParsedQuery, parameter string, ok bool) {
	parsed, p := parseQuery(raw, ignore)
	if p != nil {
		return ParsedQuery{}, p.parameter, false
	}
	return ParsedQuery{parsed.filter, parsed.snapshot, parsed.since, parsed.unnamed, parsed.resume}, "", true
}

// Visitor returns who sent r, by the proxies that are believed.
func Visitor(r *http.Request, believed []netip.Prefix) (address netip.Addr, https bool, host, origin string) {
	v := proxies(believed).visitor(r)
	return v.address, v.https, v.host, v.origin()
}

// LimitKey is what a limit for each address counts by.
var LimitKey = limitKey

// Lists reports whether origin is one of those listed.
func Lists(listed []string, origin string) bool { return newOrigins(listed).lists(origin) }

// IsLoopbackHost reports whether a Host is this machine's own.
var IsLoopbackHost = isLoopbackHost

// Registry is the server's table of open streams.
type Registry struct {
	registry *registry
	hub      *gateway.Hub
}

// NewRegistry returns an empty one. The streams in it are never carried.
func NewRegistry(l Limits, hub *gateway.Hub) Registry { return Registry{newRegistry(l), hub} }

// Registry returns the server's own.
func (s *Server) Registry(hub *gateway.Hub) Registry { return Registry{s.registry, hub} }

// Entry is a stream in a registry.
type Entry struct{ *openStream }

// Add puts a stream in, or returns the code of the refusal.
func (r Registry) Add(issuer, subject string, address netip.Addr) (e Entry, code string) {
	o := &openStream{
		Stream:  r.hub.Open(gateway.StreamOptions{}),
		token:   &auth.Token{Issuer: issuer, Subject: subject},
		address: address,
	}
	if p := r.registry.add(o); p != nil {
		return Entry{}, p.code
	}
	return Entry{o}, ""
}

// Remove takes a stream out.
func (r Registry) Remove(e Entry) { r.registry.remove(e.openStream) }

// Counts returns how many streams, subjects and addresses the registry knows.
func (r Registry) Counts() (streams, subjects, addresses int) {
	return len(r.registry.streams), len(r.registry.subjects), len(r.registry.addresses)
}

// OpenListener opens a listener as the server's own.
var OpenListener = listen

// PlainRequest is what a front takes for a request for a stream.
var PlainRequest = plainRequest
