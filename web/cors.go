package web

import (
	"net/http"

	"github.com/rs/cors"
)

// newCORS returns the rule for pages of other origins. Which they are is decided
// by our own list alone: the library takes an empty one for "all", and a pattern
// for more than it says.
func newCORS(o origins, credentials bool) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginFunc:  o.lists,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
		AllowedHeaders:   []string{"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID"},
		ExposedHeaders:   []string{"Retry-After", "WWW-Authenticate"},
		AllowCredentials: credentials,
		MaxAge:           600,
	})
}

// oneOrigin makes of several Origin headers one that nobody lists, since the
// library would answer each of them.
func (s *Server) oneOrigin(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Origin"]) > 1 {
			r.Header["Origin"] = []string{"null"}
		}
		h.ServeHTTP(w, r)
	})
}
