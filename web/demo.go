package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"bellhop/auth"
)

// demoTokenTTL is short, so that a page left open shows how it renews.
const demoTokenTTL = 10 * time.Minute

// Demo is what the demo serves besides: what its hotel is called, room by room,
// and tokens for whoever asks.
type Demo struct {
	Issuer auth.Issuer // of the tokens; with a secret

	// The hotel, as the page wants to know it before its names come with the
	// events.
	Source    string
	Name      string
	Since     time.Time
	GuestRoom string // the id of the one room that a guest sees
	// The lists of rooms, categories and rates go out as JSON.
	Rooms, Categories, Rates any
}

// A demoRole is what somebody in the hotel may see.
type demoRole struct {
	name   string
	grants []auth.Grant
}

// roles are those that the page offers, its first one first.
func (d *Demo) roles() []demoRole {
	hotel := []string{d.Source}
	return []demoRole{
		{"frontdesk", []auth.Grant{{Sources: hotel, Types: []string{"*"}}}},
		{"housekeeper", []auth.Grant{
			{Sources: hotel, Types: []string{"Resource"}},
			{Sources: hotel, Types: []string{"Reservation"}, States: []string{"Started", "Processed"}, Redact: []string{"event.StartUtc"}},
		}},
		{"revenue", []auth.Grant{{Sources: hotel, Types: []string{"PriceUpdate", "Reservation"}}}},
		{"guest", []auth.Grant{{
			Sources: hotel, Types: []string{"Reservation", "Resource"}, Resources: []string{d.GuestRoom},
			Fields: []string{"event.State", "event.StartUtc", "event.EndUtc", "event.AssignedResourceId"},
		}}},
	}
}

// demoToken is what POST /demo/token answers.
type demoToken struct {
	Token   string    `json:"token"`
	Role    string    `json:"role"`
	Expires time.Time `json:"expires"`
}

// mint returns a token for a role, which is its subject too, or false where
// there is no such role.
func (d *Demo) mint(role string) (demoToken, bool) {
	roles := d.roles()
	i := slices.IndexFunc(roles, func(r demoRole) bool { return r.name == role })
	if i < 0 {
		return demoToken{}, false
	}
	expires := time.Now().Add(demoTokenTTL).Truncate(time.Second).UTC()
	token, err := d.Issuer.Mint(auth.Claims{Subject: role, Expires: expires, Grants: roles[i].grants})
	return demoToken{token, role, expires}, err == nil
}

func (s *Server) serveDemoHotel(w http.ResponseWriter, r *http.Request) *problem {
	if p := getOnly(w, r); p != nil {
		return p
	}
	var roles []string
	for _, role := range s.demo.roles() {
		roles = append(roles, role.name)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"source": s.demo.Source, "name": s.demo.Name, "since": s.demo.Since.UTC(),
		"rooms": s.demo.Rooms, "categories": s.demo.Categories, "rates": s.demo.Rates, "roles": roles,
	})
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
	token, ok := s.demo.mint(ask.Role)
	if !ok {
		return new(problemQuery("role", "there is no such role"))
	}
	writeJSON(w, http.StatusOK, token)
	return nil
}
