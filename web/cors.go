package web

import (
	"net/http"

	"github.com/rs/cors"
)

// exposed are the headers of an answer that pages of listed origins may read. The
// library would spell them its own way.
const exposed = "Retry-After, WWW-Authenticate"

// newCORS returns the rule for pages of other origins. Which they are is decided
// by our own list alone: the library takes an empty one for "all", and a pattern
// for more than it says.
func newCORS(o origins, credentials bool) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginFunc:  o.lists,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
		AllowedHeaders:   []string{"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID"},
		AllowCredentials: credentials,
		MaxAge:           600,
	})
}

// crossOrigin answers preflights, and lets pages of listed origins read what h
// answers. Of several Origin headers it makes one that nobody lists, since the
// library would answer each of them.
func (s *Server) crossOrigin(h http.Handler) http.Handler {
	h = s.cors.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Origin"]) > 1 {
			r.Header["Origin"] = []string{"null"}
		}
		w.Header().Set("Access-Control-Expose-Headers", exposed)
		h.ServeHTTP(w, r)
	})
}
