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

// Demo is what the demo serves besides: where its hotel's rooms are, tokens for
// whoever asks, and a plug to pull.
type Demo struct {
	Issuer auth.Issuer // of the tokens; with a secret

	// What the page cannot know from events.
	Source    string
	Name      string
	GuestRoom string // the id of the one room that a guest sees
	// The lists of rooms, categories and rates go out as JSON.
	Rooms, Categories, Rates any
	// Clock is the hotel's, which goes Speed times as fast as ours.
	Clock func() time.Time
	Speed float64

	// Unplug cuts the hotel's socket for a while, and returns how long that is
	// from now on. While it is cut, nothing comes on top. Safe for concurrent use.
	Unplug func() time.Duration
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
			{Sources: hotel, Types: []string{"Resource"}, States: []string{"Dirty", "Clean", "Inspected"}},
			{
				Sources: hotel, Types: []string{"Reservation"}, States: []string{"Started", "Processed"},
				Redact: []string{"event.StartUtc", "entity.ScheduledStartUtc"},
			},
		}},
		{"revenue", []auth.Grant{{Sources: hotel, Types: []string{"PriceUpdate", "Reservation"}}}},
		{"guest", []auth.Grant{{
			Sources: hotel, Types: []string{"Reservation", "Resource"}, Resources: []string{d.GuestRoom},
			Fields: []string{
				"event.State", "event.StartUtc", "event.EndUtc", "event.AssignedResourceId", "entity.Name", "entity.Number",
			},
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
		"source": s.demo.Source, "name": s.demo.Name,
		"rooms": s.demo.Rooms, "categories": s.demo.Categories, "rates": s.demo.Rates,
		"clock": map[string]any{"now": s.demo.Clock().UTC(), "speed": s.demo.Speed}, "roles": roles,
	})
	return nil
}

// serveDemoToken gives a token to whoever is on this machine.
func (s *Server) serveDemoToken(w http.ResponseWriter, r *http.Request) *problem {
	if p := demoPost(w, r); p != nil {
		return p
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

// serveDemoPlug pulls the plug, and says for how many seconds it is out.
func (s *Server) serveDemoPlug(w http.ResponseWriter, r *http.Request) *problem {
	if p := demoPost(w, r); p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, map[string]float64{"seconds": s.demo.Unplug().Seconds()})
	return nil
}

// demoPost refuses all but a POST from this machine, and from no page of
// elsewhere: neither one that sends it across origins nor one that rebinds its
// name to this address.
func demoPost(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return new(problemMethod())
	}
	if !isLoopbackHost(r.Host) || http.NewCrossOriginProtection().Check(r) != nil {
		return &problem{status: http.StatusForbidden, code: "forbidden", detail: "the demo is for this machine and its own pages only"}
	}
	return nil
}
