package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"bellhop/auth"
	"bellhop/gateway"
)

// serveEvents answers GET /events. The checks stand in the order that the
// contract gives them; the first that fails answers.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) *problem {
	o, p := s.admit(w, r)
	if p == nil && r.Method != http.MethodHead {
		p = s.registry.add(o)
	}
	if p != nil {
		if p.passing() && names(r.Header.Values("Accept"), "text/event-stream") {
			s.metrics.refusals.WithLabelValues(p.refusal()).Inc()
			p.writeStream(w)
			return nil
		}
		return p
	}
	streamHeaders(w.Header())
	if r.Method == http.MethodHead {
		return nil
	}
	if !s.verifier.Valid(o.token) { // revoked before the stream stood where it would have been found
		o.End(gateway.ByeRevoked, 0)
	}
	s.carry(w, r, o)
	return nil
}

// admit makes the stream that a request asks for, or says why not.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*openStream, *problem) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return nil, new(problemMethod())
	}
	if accept := r.Header.Values("Accept"); len(accept) > 0 && !names(accept, "*/*", "text/*", "text/event-stream") {
		return nil, &problemNotAcceptable
	}
	if len(r.URL.RawQuery) > maxQuery {
		return nil, &problemQueryTooLong
	}
	v := s.proxies.visitor(r)
	t, p := s.authenticate(r, v)
	if p != nil {
		return nil, p
	}
	q, p := parseQuery(r.URL.RawQuery, s.queryToken)
	if p != nil {
		return nil, p
	}
	sub, err := s.subscription(t, &q)
	if err != nil {
		return nil, forbidden(err)
	}
	hub, p := s.available()
	if p != nil {
		return nil, p
	}
	id := newStreamID()
	stream := hub.Open(gateway.StreamOptions{
		ID: id, Subscription: sub, Variant: gateway.Variant{Unnamed: q.unnamed, Snapshot: q.snapshot},
		Resume: firstNonEmpty(r.Header.Values("Last-Event-ID"), []string{q.resume}), Since: q.since,
		Timing: s.timing(t),
	})
	return &openStream{
		Stream: stream, id: id, token: t, address: v.address, since: time.Now(), query: sub.Query(),
	}, nil
}

// subscription returns what the token lets the query ask for, shared by all who
// ask alike.
func (s *Server) subscription(t *auth.Token, q *streamQuery) (*gateway.Subscription, error) {
	id := t.GrantsID()
	return s.subscriptions.Get(gateway.SubscriptionKey{Grants: string(id[:]), Query: q.text}, func() (*gateway.Subscription, error) {
		return gateway.NewSubscription(gatewayGrants(t.Grants), q.filter)
	})
}

// available returns the hub, unless no stream can be opened now.
func (s *Server) available() (*gateway.Hub, *problem) {
	if retry, draining := s.draining(); draining {
		return nil, new(problemDraining(retry))
	}
	if hub := s.hub.Load(); hub != nil {
		return hub, nil
	}
	return nil, new(problemStarting())
}

func (s *Server) timing(t *auth.Token) gateway.Timing {
	return gateway.Timing{
		Heartbeat: s.stream.Heartbeat, Retry: s.stream.Retry, Lifetime: s.stream.Lifetime,
		Expires: t.Expires, Leeway: t.End().Sub(t.Expires), Warn: s.stream.Warn,
	}
}

func forbidden(err error) *problem {
	p := problemForbidden
	if f, ok := errors.AsType[*gateway.Forbidden](err); ok {
		p.parameter, p.detail = f.Parameter, f.Error()
	}
	return &p
}

func gatewayGrants(grants []auth.Grant) []gateway.Grant {
	out := make([]gateway.Grant, len(grants))
	for i, g := range grants {
		out[i] = gateway.Grant(g)
	}
	return out
}

func newStreamID() string {
	var b [6]byte
	rand.Read(b[:])
	return "s-" + hex.EncodeToString(b[:])
}

// names reports whether one of the media ranges of an Accept header is one of
// the given, with a weight above zero.
func names(accept []string, ranges ...string) bool {
	for element := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, parameters, _ := strings.Cut(element, ";")
		for _, want := range ranges {
			if strings.EqualFold(strings.TrimSpace(media), want) && !weightZero(parameters) {
				return true
			}
		}
	}
	return false
}

func weightZero(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") && strings.Trim(value, "0.") == "" && strings.HasPrefix(value, "0") {
			return true
		}
	}
	return false
}

func streamHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the stream to its end
}
