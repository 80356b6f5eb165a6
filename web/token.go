package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bellhop/auth"
)

// The session's cookie: the first over HTTPS, the second over plain HTTP to a
// loopback host only.
const (
	secureCookie = "__Host-bellhop"
	plainCookie  = "bellhop"
)

// authenticate finds the token of a request and verifies it. The first place
// that has one is looked at: the bearer token, the cookie, the query.
func (s *Server) authenticate(r *http.Request, v visitor) (*auth.Token, *problem) {
	found, cookie := bearerTokens(r.Header), false
	if len(found) == 0 {
		found, cookie = s.cookieTokens(r, v), true
	}
	if len(found) == 0 && s.queryToken != "" {
		found, cookie = queryTokens(r.URL.RawQuery, s.queryToken), false
	}
	switch {
	case len(found) == 0:
		return nil, &problemTokenMissing
	case cookie && !s.cookieCounts(r, v):
		return nil, &problemCookieRefused
	case len(found) > 1:
		return nil, new(problemInvalidToken("there is more than one token"))
	}
	return s.verify(found[0])
}

func (s *Server) verify(raw string) (*auth.Token, *problem) {
	t, err := s.verifier.Verify(raw)
	if invalid, ok := errors.AsType[*auth.InvalidError](err); ok {
		return nil, new(problemInvalidToken(invalid.Description()))
	}
	if err != nil {
		return nil, new(problemBusy("the token cannot be judged now"))
	}
	return t, nil
}

// bearerTokens returns the tokens of all Authorization headers of the scheme
// Bearer (RFC 6750, 2.1).
func bearerTokens(h http.Header) []string {
	var found []string
	for _, value := range h.Values("Authorization") {
		if scheme, rest, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			found = append(found, strings.Trim(rest, " "))
		}
	}
	return found
}

// cookieTokens returns the tokens of the session's cookies. The one without the
// __Host- prefix, which any host of the same site could have planted, is read
// over plain HTTP to a loopback host only.
func (s *Server) cookieTokens(r *http.Request, v visitor) []string {
	var found []string
	for _, c := range r.Cookies() {
		if c.Name == secureCookie || c.Name == plainCookie && v.plainLoopback() {
			found = append(found, c.Value)
		}
	}
	return found
}

func queryTokens(raw, name string) []string {
	var found []string
	for piece := range strings.SplitSeq(raw, "&") {
		rawName, rawValue, _ := strings.Cut(piece, "=")
		if n, err := url.QueryUnescape(rawName); err != nil || n != name {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			value = "" // not a token, and not none either
		}
		found = append(found, value)
	}
	return found
}

// plainLoopback reports a plain HTTP request to this very machine.
func (v visitor) plainLoopback() bool { return !v.https && isLoopbackHost(v.host) }

// cookieCounts reports whether the page that a request comes from may use the
// session's cookie, which the browser adds whoever asks.
func (s *Server) cookieCounts(r *http.Request, v visitor) bool {
	if mode := r.Header.Values("Sec-Fetch-Mode"); slices.Contains(mode, "navigate") || slices.Contains(mode, "no-cors") {
		return false
	}
	if given, ok := r.Header["Origin"]; ok {
		return len(given) == 1 && s.knowsOrigin(given[0], v)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			return slices.Equal(r.Header["Sec-Fetch-Site"], []string{"same-origin"})
		}
	}
	return true
}

// knowsOrigin reports whether origin is this server's own or a listed one.
func (s *Server) knowsOrigin(origin string, v visitor) bool {
	o := normalOrigin(origin)
	return o != "" && (o == v.origin() || s.origins.lists(origin))
}
