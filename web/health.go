package web

import (
	"encoding/json"
	"net/http"
	"slices"

	"bellhop/gateway"
)

// handleHealth registers the routes that balancers and probes ask, below
// prefix.
func (s *Server) handleHealth(mux *http.ServeMux, prefix string) {
	mux.Handle(prefix+"/healthz", s.answer(s.serveAlive))
	mux.Handle(prefix+"/readyz", s.answer(s.serveReady))
}

func (s *Server) serveAlive(w http.ResponseWriter, r *http.Request) *problem {
	if p := getOnly(w, r); p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) *problem {
	if p := getOnly(w, r); p != nil {
		return p
	}
	status, body := s.readiness()
	writeJSON(w, status, body)
	return nil
}

type readiness struct {
	Status   string   `json:"status"`
	Degraded []string `json:"degraded,omitempty"`
}

// readiness is unready only where another gateway would do better. An upstream
// or a log in trouble is the same for all of them: were they unready, every
// balancer would answer 503, which ends an EventSource for good.
func (s *Server) readiness() (int, readiness) {
	if _, draining := s.draining(); draining {
		return http.StatusServiceUnavailable, readiness{Status: "draining"}
	}
	hub := s.hub.Load()
	if hub == nil {
		return http.StatusServiceUnavailable, readiness{Status: "starting"}
	}
	var degraded []string
	if s.logDown.Load() {
		degraded = append(degraded, "log")
	}
	if slices.ContainsFunc(hub.Statuses(), func(st gateway.Status) bool {
		return st.State != gateway.StateLive && st.State != gateway.StateCatchingUp && st.Reason != gateway.ReasonLog
	}) {
		degraded = append(degraded, "upstream")
	}
	if degraded != nil {
		return http.StatusOK, readiness{"degraded", degraded}
	}
	return http.StatusOK, readiness{Status: "ready"}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
