package web

import (
	"encoding/json"
	"net/http"
	"time"
)

// Demo is what the demo serves besides: its hotel's layout, and tokens for
// whoever asks.
type Demo struct {
	// Hotel returns what GET /demo/hotel answers, as JSON.
	Hotel func() any
	// Mint returns a token for a role, or false when there is no such role.
	Mint func(role string) (token string, expires time.Time, ok bool)
}

func (s *Server) serveDemoHotel(w http.ResponseWriter, r *http.Request) *problem {
	if p := getOnly(w, r); p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, s.demo.Hotel())
	return nil
}

// serveDemoToken gives a token to whoever is on this machine. A page elsewhere
// that rebinds its name to this address is not.
func (s *Server) serveDemoToken(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return new(problemMethod())
	}
	if !isLoopbackHost(r.Host) {
		return &problem{status: http.StatusForbidden, code: "forbidden", detail: "the demo is for this machine only"}
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readHeaderTimeout))
	var ask struct{ Role string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&ask); err != nil {
		return new(problemQuery("role", `the body must be like {"role":"frontdesk"}`))
	}
	token, expires, ok := s.demo.Mint(ask.Role)
	if !ok {
		return new(problemQuery("role", "there is no such role"))
	}
	writeJSON(w, http.StatusOK, map[string]any{"token": token, "role": ask.Role, "expires": expires})
	return nil
}
