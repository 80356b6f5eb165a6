package e2e_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bellhop/auth"
	"bellhop/gateway/simulator"
)

// twoIssuers are the tests' own and one that may only speak of brno.
const twoIssuers = "auth: {issuers: [" +
	"{issuer: \"" + issuerName + "\", audience: bellhop, secret: \"" + secret + "\"}," +
	"{issuer: brno-only, audience: bellhop, secret: \"" + otherSecret + "\", sources: [brno]}]}\n"

const otherSecret = "another-secret-of-the-tests-32-bytes-and-more"

// told is what the two hotels say, in this order, by a name for each event.
var told = []struct{ name, source, object string }{
	{"p-command", "prague", `{"Type":"DeviceCommand","Id":"cmd-1","State":"Pending"}`},
	{"p-stay1", "prague", `{"Type":"Reservation","Id":"stay-1","State":"Confirmed","StartUtc":"2026-03-14T13:00:00Z","EndUtc":"2026-03-16T10:00:00Z"}`},
	{"p-stay2", "prague", `{"Type":"Reservation","Id":"stay-2","State":"Started","StartUtc":"2026-04-01T13:00:00Z","EndUtc":"2026-04-03T10:00:00Z","AssignedResourceId":"Room-1"}`},
	{"b-stay1", "brno", `{"Type":"Reservation","Id":"stay-1","State":"Started","StartUtc":"2026-04-01T13:00:00Z","EndUtc":"2026-04-02T10:00:00Z","AssignedResourceId":"room-1"}`},
	{"p-room1", "prague", `{"Type":"Resource","Id":"room-1","State":"Dirty"}`},
	{"b-room1", "brno", `{"Type":"Resource","Id":"ROOM-1","State":"Dirty","Floor":1.50}`},
	{"p-stay3", "prague", `{"Type":"Reservation","Id":"stay-3","State":"Cancelled","StartUtc":"2026-02-01T13:00:00Z","AssignedResourceId":"room-2"}`},
	{"p-room2", "prague", `{"Type":"Resource","Id":"room-2","State":"Clean"}`},
	{"b-command", "brno", `{"Type":"DeviceCommand","Id":"cmd-1","State":"Processed"}`},
	{"p-price1", "prague", `{"Type":"PriceUpdate","Id":"price-1","StartUtc":"2026-07-01T22:00:00Z","EndUtc":"2026-07-05T22:00:00Z","RateId":"rate-1","ResourceCategoryId":null}`},
	{"p-price2", "prague", `{"Type":"PriceUpdate","Id":"price-2","RateId":"rate-2","ResourceCategoryId":"cat-1"}`},
	{"p-new", "prague", `{"Type":"Occupancy","Id":"new-1","State":"Dirty","Level":7}`},
}

// views are who asks for what, and what they must get of it.
var views = []struct {
	who, query string
	want       string            // names of told
	masked     map[string]string // what they see of an event, where not all
	gaps       string            // what a gap over all types of both sources tells them
}{
	{who: "manager", want: "p-command p-stay1 p-stay2 b-stay1 p-room1 b-room1 p-stay3 p-room2 b-command p-price1 p-price2 p-new",
		gaps: "brno[DeviceCommand PriceUpdate Reservation Resource] prague[DeviceCommand PriceUpdate Reservation Resource]"},
	{who: "manager", query: "source=brno", want: "b-stay1 b-room1 b-command",
		gaps: "brno[DeviceCommand PriceUpdate Reservation Resource]"},
	{who: "manager", query: "source=brno,nowhere&type=Resource", want: "b-room1", gaps: "brno[Resource]"},
	{who: "manager", query: "type=Resource,DeviceCommand", want: "p-command p-room1 b-room1 p-room2 b-command",
		gaps: "brno[DeviceCommand Resource] prague[DeviceCommand Resource]"},
	{who: "manager", query: "type=Resource&type=PriceUpdate&source=prague", want: "p-room1 p-room2 p-price1 p-price2",
		gaps: "prague[PriceUpdate Resource]"},
	{who: "manager", query: "type=resource", want: ""},
	{who: "manager", query: "state=Dirty", want: "p-room1 b-room1 p-new",
		gaps: "brno[DeviceCommand Reservation Resource] prague[DeviceCommand Reservation Resource]"},
	{who: "manager", query: "state=Canceled&type=Reservation", want: "p-stay3", gaps: "brno[Reservation] prague[Reservation]"},
	{who: "manager", query: "resource=rOOm-1", want: "p-stay2 b-stay1 p-room1 b-room1",
		gaps: "brno[Reservation Resource] prague[Reservation Resource]"},
	{who: "manager", query: "rate=rate-1", want: "p-price1", gaps: "brno[PriceUpdate] prague[PriceUpdate]"},
	{who: "manager", query: "category=cat-1", want: "p-price1 p-price2", gaps: "brno[PriceUpdate] prague[PriceUpdate]"},
	{who: "manager", query: "category=cat-2&rate=rate-2", want: "", gaps: "brno[PriceUpdate] prague[PriceUpdate]"},
	{who: "manager", query: "from=2026-03-16T10:00:00Z&to=2026-03-31T00:00:00Z", want: "p-stay1 p-stay3 p-price2",
		gaps: "brno[PriceUpdate Reservation] prague[PriceUpdate Reservation]"},
	{who: "manager", query: "to=2026-02-01T13:00:00Z&type=Reservation", want: "p-stay3", gaps: "brno[Reservation] prague[Reservation]"},
	{who: "manager", query: "id=STAY-1,room-2", want: "p-stay1 b-stay1 p-room2",
		gaps: "brno[DeviceCommand PriceUpdate Reservation Resource] prague[DeviceCommand PriceUpdate Reservation Resource]"},
	{who: "manager", query: "as=message&source=brno&state=Dirty", want: "b-room1", gaps: "brno[DeviceCommand Reservation Resource]"},

	{who: "housekeeper", want: "p-stay2 p-room1 p-room2", masked: housekeeper, gaps: "prague[Reservation Resource]"},
	{who: "housekeeper", query: "state=Started", want: "p-stay2", masked: housekeeper, gaps: "prague[Reservation Resource]"},
	{who: "housekeeper", query: "resource=room-1&state=Dirty,Started", want: "p-stay2 p-room1", masked: housekeeper, gaps: "prague[Reservation Resource]"},
	{who: "housekeeper", query: "to=2027-01-01T00:00:00Z", want: ""}, // begins are hidden from them
	{who: "housekeeper", query: "source=prague&type=Resource", want: "p-room1 p-room2", gaps: "prague[Resource]"},

	{who: "guest", want: "b-stay1 b-room1 p-price1 p-price2", masked: guest, gaps: "brno[Reservation Resource] prague[PriceUpdate]"},
	{who: "guest", query: "type=PriceUpdate", want: "p-price1 p-price2", gaps: "prague[PriceUpdate]"},
	{who: "guest", query: "source=brno&state=Dirty", want: "b-room1", masked: guest, gaps: "brno[Reservation Resource]"},

	{who: "branch", want: "b-stay1 b-room1 b-command", gaps: "brno[DeviceCommand PriceUpdate Reservation Resource]"},
	{who: "branch", query: "state=Started,Processed", want: "b-stay1 b-command", gaps: "brno[DeviceCommand Reservation Resource]"},
}

var (
	housekeeper = map[string]string{
		"p-stay2": `{"Type":"Reservation","Id":"stay-2","State":"Started","EndUtc":"2026-04-03T10:00:00Z","AssignedResourceId":"Room-1"}`,
	}
	guest = map[string]string{
		"b-stay1": `{"Type":"Reservation","Id":"stay-1","State":"Started"}`,
		"b-room1": `{"Type":"Resource","Id":"ROOM-1","State":"Dirty"}`,
	}
)

// tokenOf returns the token of one of those who ask, for a subject of its own.
func tokenOf(t *testing.T, who string, n int) string {
	claims := auth.Claims{Issuer: issuerName, Audience: "bellhop", Subject: fmt.Sprintf("%s-%d", who, n), Expires: time.Now().Add(time.Hour)}
	key := secret
	switch who {
	case "manager":
		claims.Grants = []auth.Grant{{Sources: []string{"*"}, Types: []string{"*"}}}
	case "housekeeper":
		claims.Grants = []auth.Grant{{
			Sources: []string{"prague"}, Types: []string{"Resource", "Reservation"},
			States: []string{"Dirty", "Clean", "Started"}, Redact: []string{"event.StartUtc"},
		}}
	case "guest":
		claims.Grants = []auth.Grant{
			{Sources: []string{"brno"}, Types: []string{"*"}, Resources: []string{"room-1"}, Fields: []string{"event.State"}},
			{Sources: []string{"prague"}, Types: []string{"PriceUpdate"}},
		}
	case "branch":
		key, claims.Issuer = otherSecret, "brno-only"
		claims.Grants = []auth.Grant{{Sources: []string{"*"}, Types: []string{"*"}}}
	}
	token, err := auth.Mint([]byte(key), claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestViews holds every view against what grant and query allow: heard live,
// heard with a break in the middle, and read again after a restart.
func TestViews(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources(), twoIssuers, "stream: {heartbeat: 100ms}")
	witness := g.listen(t, tokenOf(t, "manager", 1000), "")
	begin := witness.lastID()

	live, broken := make([]*listener, len(views)), make([]*listener, len(views))
	for i, v := range views {
		token := tokenOf(t, v.who, i)
		live[i] = g.listen(t, token, v.query)
		broken[i] = g.listen(t, token, v.query)
	}
	for i, e := range told {
		hotels.at(slices.Index(hotelNames, e.source)).tell(e.object)
		witness.match(e.name, func(b block) bool { return !b.control() })
		if i == len(told)/2 {
			for _, s := range broken {
				s.drop()
			}
		}
	}
	for i := range views {
		checkView(t, i, "live", live[i], witness.lastID())
		if ready := broken[i].connect(); !strings.Contains(ready.data, `"resumed":true`) {
			t.Errorf("%s?%s: not resumed: %s", views[i].who, views[i].query, ready.data)
		}
		checkView(t, i, "resumed", broken[i], witness.lastID())
	}

	g.kill()
	g.start()
	witness.connect()
	witness.await("bellhop.gap")
	witness.await("bellhop.gap")
	for i, v := range views {
		again := g.newListener(t, tokenOf(t, v.who, i), v.query)
		again.resumeAt(begin)
		again.connect()
		checkView(t, i, "after a restart", again, witness.lastID())
		if diff := gocmp.Diff(v.gaps, gapsOf(t, again)); diff != "" {
			t.Errorf("%s?%s: gaps (-want +got):\n%s", v.who, v.query, diff)
		}
	}
}

// checkView holds what a listener got, up to the position, against a view.
func checkView(t *testing.T, i int, when string, l *listener, position string) {
	t.Helper()
	l.awaitPosition(position)
	v := views[i]
	var got []string
	for _, b := range l.all() {
		if b.control() {
			continue
		}
		e := b.event(t)
		at := slices.IndexFunc(told, func(s struct{ name, source, object string }) bool {
			return s.source == e.Source && member(t, s.object, "Type") == e.Type && member(t, s.object, "Id") == e.ID
		})
		if at < 0 {
			t.Fatalf("%s?%s, %s: an event that nobody sent: %v", v.who, v.query, when, b)
		}
		name := told[at].name
		got = append(got, name)
		if want := cmp.Or(v.masked[name], told[at].object); string(e.Event) != want {
			t.Errorf("%s?%s, %s: %s is shown as %s, want %s", v.who, v.query, when, name, e.Event, want)
		}
		if unnamed := strings.Contains(v.query, "as=message"); unnamed != (b.name == "") || !unnamed && b.name != e.Type {
			t.Errorf("%s?%s, %s: %s has the event name %q", v.who, v.query, when, name, b.name)
		}
	}
	if diff := gocmp.Diff(v.want, strings.Join(got, " ")); diff != "" {
		t.Errorf("%s?%s, %s (-want +got):\n%s", v.who, v.query, when, diff)
	}
}

// A gap is the data of bellhop.gap.
type gap struct {
	Source   string
	Types    []string
	From, To time.Time
	Reason   string
}

func gapsOf(t *testing.T, l *listener) string {
	var gaps []string
	for _, b := range l.all() {
		if b.name != "bellhop.gap" {
			continue
		}
		var g gap
		b.decode(t, &g)
		gaps = append(gaps, fmt.Sprintf("%s%v", g.Source, g.Types))
	}
	slices.Sort(gaps)
	return strings.Join(gaps, " ")
}

// TestRefusals asks what nobody gets, and reads how that is said.
func TestRefusals(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources(), twoIssuers)
	manager, housekeeper, guest, branch := tokenOf(t, "manager", 0), tokenOf(t, "housekeeper", 0), tokenOf(t, "guest", 0), tokenOf(t, "branch", 0)
	expired := mintUntil(t, "late", time.Now().Add(-time.Hour), auth.Grant{Sources: []string{"*"}, Types: []string{"*"}})
	forged, err := auth.Mint([]byte(otherSecret), auth.Claims{
		Issuer: issuerName, Audience: "bellhop", Subject: "x", Expires: time.Now().Add(time.Hour),
		Grants: []auth.Grant{{Sources: []string{"*"}, Types: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	stateOnly := mint(t, "x", auth.Grant{Sources: []string{"*"}, Types: []string{"*"}, Fields: []string{"event.State"}})
	elsewhere := mint(t, "x", auth.Grant{Sources: []string{"vienna"}, Types: []string{"*"}})
	foreign, err := auth.Mint([]byte(otherSecret), auth.Claims{
		Issuer: "brno-only", Audience: "bellhop", Subject: "x", Expires: time.Now().Add(time.Hour),
		Grants: []auth.Grant{{Sources: []string{"prague"}, Types: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token, query string
		status             int
		code, parameter    string
	}{
		{"no token", "", "", 401, "token_missing", ""},
		{"no token, bad query", "", "nonsense=1", 401, "token_missing", ""},
		{"not a token", "abc", "", 401, "invalid_token", ""},
		{"expired", expired, "", 401, "invalid_token", ""},
		{"forged", forged, "", 401, "invalid_token", ""},
		{"long token", strings.Repeat("x", 9000), "", 401, "invalid_token", ""},
		{"token in the query", "", "access_token=" + manager, 401, "token_missing", ""},

		{"unknown parameter", manager, "tpye=Resource", 400, "invalid_query", "tpye"},
		{"unknown before forbidden", housekeeper, "type=PriceUpdate&x=1", 400, "invalid_query", "x"},
		{"empty value", manager, "type=", 400, "invalid_query", "type"},
		{"empty among values", manager, "type=Resource,", 400, "invalid_query", "type"},
		{"malformed", manager, "state=%zz", 400, "invalid_query", "state"},
		{"from after to", manager, "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", 400, "invalid_query", "from"},
		{"no time", manager, "since=yesterday", 400, "invalid_query", "since"},
		{"two sinces", manager, "since=2026-03-02T00:00:00Z&since=2026-03-02T00:00:00Z", 400, "invalid_query", "since"},
		{"snapshot", manager, "snapshot=yes", 400, "invalid_query", "snapshot"},
		{"as", manager, "as=text", 400, "invalid_query", "as"},
		{"201 values", manager, "id=" + strings.Repeat("a,", 200) + "a", 400, "invalid_query", "id"},
		{"snapshot and since", manager, "snapshot=true&since=2026-03-02T00:00:00Z", 400, "invalid_query", "since"},

		{"source not granted", housekeeper, "source=brno", 403, "forbidden", "source"},
		{"one of the sources", housekeeper, "source=prague,brno", 403, "forbidden", "source"},
		{"type not granted", housekeeper, "type=PriceUpdate", 403, "forbidden", "type"},
		{"state not granted", housekeeper, "state=Inspected", 403, "forbidden", "state"},
		{"resource not granted", guest, "resource=room-2&source=brno", 403, "forbidden", "resource"},
		{"no single grant", guest, "source=brno&type=PriceUpdate&resource=room-9", 403, "forbidden", "resource"},
		{"above the ceiling", branch, "source=prague", 403, "forbidden", "source"},
		{"all above the ceiling", foreign, "", 403, "forbidden", ""},
		{"hidden member", stateOnly, "rate=r", 403, "forbidden", "rate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := g.newListener(t, c.token, c.query)
			l.header.Set("Accept", "text/event-stream")
			l.dial(0)
			checkProblem(t, l, c.status, c.code, c.parameter)
			for _, secret := range []string{c.token, secret, otherSecret, simulator.ClientToken, simulator.AccessToken, "prague", "brno"} {
				if secret != "" && strings.Contains(l.body, secret) {
					t.Errorf("the body has %q: %s", secret, l.body)
				}
			}
			challenge := l.answer.Get("WWW-Authenticate")
			if c.status == 401 != strings.HasPrefix(challenge, "Bearer") || c.code == "invalid_token" != strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	t.Run("unknown source is no error", func(t *testing.T) {
		s := g.newListener(t, elsewhere, "")
		ready := s.connect()
		if !strings.Contains(ready.data, `"sources":[{"source":"vienna","state":"unknown"}]`) {
			t.Errorf("ready: %s", ready.data)
		}
	})
}

// checkProblem holds a listener's last answer against a problem.
func checkProblem(t *testing.T, l *listener, status int, code, parameter string) {
	t.Helper()
	if l.status != status {
		t.Fatalf("status %d, want %d: %s", l.status, status, l)
	}
	if got := l.answer.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: %s", got)
	}
	var p struct {
		Type, Code, Parameter string
		Status                int
	}
	if err := json.Unmarshal([]byte(l.body), &p); err != nil {
		t.Fatalf("%v: %s", err, l.body)
	}
	if p.Status != status || p.Code != code || p.Type == "" || p.Parameter != parameter {
		t.Errorf("problem %+v, want status %d, code %s, parameter %q", p, status, code, parameter)
	}
}

// TestOrderOfChecks asks for what is wrong in several ways at once.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	long := "?x=" + strings.Repeat("a", 9<<10)
	for _, c := range []struct {
		name, method, query, accept string
		status                      int
	}{
		{"method first", http.MethodPost, long, "text/html", 405},
		{"then Accept", http.MethodGet, long, "text/html", 406},
		{"then the query's length", http.MethodGet, long, "text/*", 414},
		{"then the token", http.MethodGet, "?x=1", "text/html, */*", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequest(c.method, g.url+"/events"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", c.accept)
			response, err := plain.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("status %d, want %d: %s", response.StatusCode, c.status, body)
			}
			if allow := response.Header.Get("Allow"); c.status == 405 && allow != "GET, HEAD" {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}
