package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"bellhop/auth"
)

// maxCookie is how large a token may be in a cookie; browsers drop cookies over
// 4096 bytes, name and attributes included, without a word.
const maxCookie = 3800

// revokeTimeout is how long a revocation may take to be kept.
const revokeTimeout = 5 * time.Second

// serveSession is the cookie session, for pages whose EventSource cannot bear a
// header: POST sets the cookie, GET tells what it is, DELETE ends it.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) *problem {
	v := s.proxies.visitor(r)
	switch r.Method {
	case http.MethodPost:
		return s.beginSession(w, r, v)
	case http.MethodGet, http.MethodHead:
		return s.showSession(w, r, v)
	case http.MethodDelete:
		return s.endSession(w, r, v)
	}
	w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
	return new(problemMethod())
}

// beginSession goes by the Authorization header alone, which no foreign page can
// forge; so it needs no Origin.
func (s *Server) beginSession(w http.ResponseWriter, r *http.Request, v visitor) *problem {
	found := bearerTokens(r.Header)
	if len(found) == 0 {
		return &problemTokenMissing
	}
	if len(found) > 1 {
		return new(problemInvalidToken("there is more than one token"))
	}
	t, p := s.verify(found[0])
	if p != nil {
		return p
	}
	if !v.https && !(isLoopbackHost(v.host) && originIsLoopback(r.Header)) {
		return &problemHTTPSNeeded
	}
	if len(found[0]) > maxCookie {
		return &problemTokenTooLarge
	}
	s.clearOther(w, r, v)
	http.SetCookie(w, s.cookie(v, found[0], max(1, int(time.Until(t.Expires).Seconds()))))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// originIsLoopback reports whether the page, if it said where it is from, is of
// this machine: a proxy that hides its TLS must not turn Secure off.
func originIsLoopback(h http.Header) bool {
	for _, given := range h["Origin"] {
		u, err := url.Parse(given)
		if err != nil || !isLoopbackHost(u.Host) {
			return false
		}
	}
	return true
}

// cookie returns the session's cookie with the attributes that fit how the
// browser sees this server. A maxAge below zero clears it.
func (s *Server) cookie(v visitor, value string, maxAge int) *http.Cookie {
	c := &http.Cookie{Name: plainCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if !v.https {
		return c
	}
	c.Name, c.Secure = secureCookie, true
	if s.crossSite {
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	return c
}

// clearOther clears the cookie of the other name where it came along.
func (s *Server) clearOther(w http.ResponseWriter, r *http.Request, v visitor) {
	other := v
	other.https = !v.https
	c := s.cookie(other, "", -1)
	if _, err := r.Cookie(c.Name); err == nil {
		http.SetCookie(w, c)
	}
}

func (s *Server) showSession(w http.ResponseWriter, r *http.Request, v visitor) *problem {
	t, p := s.authenticate(r, v)
	if p != nil {
		return p
	}
	grants := t.Grants
	if grants == nil {
		grants = []auth.Grant{}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(struct {
		Subject string       `json:"sub"`
		Expires time.Time    `json:"expires"`
		Grants  []auth.Grant `json:"grants"`
	}{t.Subject, t.Expires, grants})
	return nil
}

// endSession clears the cookie, and revokes the token itself: whoever copied it
// has nothing any more.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, v visitor) *problem {
	t, p := s.authenticate(r, v)
	switch {
	case p == &problemTokenMissing:
	case p != nil && p.status == http.StatusUnauthorized: // no good, so that it is gone at least
		http.SetCookie(w, s.cookie(v, "", -1))
		s.clearOther(w, r, v)
		return p
	case p != nil:
		return p
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), revokeTimeout) // a page that closes does not wait
		defer cancel()
		if err := s.verifier.Revoke(ctx, t); err != nil {
			s.logger.Error("revocation holds until a restart only", "err", err)
			return new(problemBusy("the revocation could not be kept"))
		}
		s.logger.Info("token revoked by its bearer", "iss", t.Issuer, "sub", t.Subject)
	}
	http.SetCookie(w, s.cookie(v, "", -1))
	s.clearOther(w, r, v)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
