package simulator_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const apiRoot = "/api/connector/v1/"

var everyState = []string{"Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested"}

// mews is a hotel that stands still, and its API without a network.
type mews struct {
	*simulator.Hotel
	t       testing.TB
	handler http.Handler
}

func newMews(t testing.TB, o simulator.Options) *mews {
	t.Helper()
	s := newSimulator(t, o)
	return &mews{s.Hotels()[0], t, s.Handler()}
}

// A members is a JSON object.
type members = map[string]any

func (m *mews) do(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://mews.test"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w
}

func withTokens(body members) string {
	all := members{"ClientToken": simulator.ClientToken, "AccessToken": simulator.AccessToken, "Client": "Tests 1.0"}
	maps.Copy(all, body)
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (m *mews) call(operation string, body members) *httptest.ResponseRecorder {
	return m.do(http.MethodPost, apiRoot+operation, withTokens(body))
}

// answer is what a good call gets.
func (m *mews) answer(operation string, body members) members {
	m.t.Helper()
	w := m.call(operation, body)
	var v members
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		m.t.Fatalf("%s %v: %d %s (%v)", operation, body, w.Code, w.Body, err)
	}
	return v
}

// rows are the first page of a good call's answer, by default of 1000.
func (m *mews) rows(operation string, body members) []members {
	m.t.Helper()
	if body["Limitation"] == nil && !strings.HasPrefix(operation, "commands/") && operation != "devices/getAll" {
		body["Limitation"] = members{"Count": 1000}
	}
	list, ok := m.answer(operation, body)[rowsOf(operation)].([]any)
	if !ok {
		m.t.Fatalf("%s %v: no rows", operation, body)
	}
	var rows []members
	for _, row := range list {
		rows = append(rows, row.(members))
	}
	return rows
}

func rowsOf(operation string) string {
	name, _, _ := strings.Cut(operation, "/")
	return strings.ToUpper(name[:1]) + name[1:]
}

func ids(rows []members) []string {
	list := []string{}
	for _, row := range rows {
		list = append(list, row["Id"].(string))
	}
	return list
}

func span(from, to time.Time) members {
	return members{"StartUtc": from.UTC().Format(time.RFC3339Nano), "EndUtc": to.UTC().Format(time.RFC3339Nano)}
}

var page = members{"Count": 1000}

// good has a right call for each operation.
func good(h *simulator.Hotel) map[string]members {
	l := h.Layout()
	midnight := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC).Format(time.RFC3339)
	return map[string]members{
		"configuration/get":              {},
		"enterprises/getAll":             {"Limitation": page},
		"services/getAll":                {"Limitation": page},
		"resources/getAll":               {"Limitation": page, "Extent": members{"Resources": true}},
		"resourceCategories/getAll":      {"Limitation": page, "ServiceIds": []string{l.Service}},
		"resourceBlocks/getAll":          {"Limitation": page},
		"reservations/getAll/2023-06-06": {"Limitation": page},
		"rates/getAll":                   {"Limitation": page, "ServiceIds": []string{l.Service}},
		"rates/getPricing":               {"RateId": l.Rates[0].ID, "FirstTimeUnitStartUtc": midnight, "LastTimeUnitStartUtc": midnight},
		"commands/getAllActive":          {},
		"commands/getAllByIds":           {"CommandIds": []string{l.Service}},
		"devices/getAll":                 {},
		"customers/getAll":               {"Limitation": page, "Extent": members{"Customers": true}, "CustomerIds": []string{l.Service}},
	}
}

func TestEveryOperationAnswers(t *testing.T) {
	m := newMews(t, simulator.Options{})
	requests := map[string]bool{}
	for operation, body := range good(m.Hotel) {
		w := m.call(operation, body)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %v %s", operation, w.Code, w.Header(), w.Body)
		}
		requests[w.Header().Get("Request-Id")] = true
	}
	if len(requests) != len(good(m.Hotel)) || requests[""] {
		t.Errorf("request ids: %v", requests)
	}
	if v := m.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
}

// TestTranscripts holds whole answers against golden files: a file is calls,
// one after the other, each an operation, a body and what is wanted.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/api/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { checkTranscript(t, file, archive) })
		})
	}
}

func checkTranscript(t *testing.T, file string, archive *txtar.Archive) {
	m := newMews(t, simulator.Options{Seed: 1, Rooms: 2})
	m.Skip(day)
	var got []txtar.File
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "want") {
			var body members
			if err := json.Unmarshal(f.Data, &body); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			w := m.call(f.Name, body)
			answer := fmt.Sprintf("%d %s\n%s\n", w.Code, w.Header().Get("Content-Type"), strings.ReplaceAll(w.Body.String(), `,"`, ",\n\""))
			got = append(got, f, txtar.File{Name: "want", Data: []byte(answer)})
		}
	}
	if *update {
		archive.Files = got
		writeFile(t, file, txtar.Format(archive))
	} else if d := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: got}))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPathsAreExact(t *testing.T) {
	m := newMews(t, simulator.Options{})
	for _, c := range [][2]string{
		{"POST", apiRoot + "configuration/get/"},
		{"POST", apiRoot + "Configuration/get"},
		{"POST", apiRoot + "configuration/Get"},
		{"POST", apiRoot + "configuration%2Fget"},
		{"POST", apiRoot + "/configuration/get"},
		{"POST", "//api/connector/v1/configuration/get"},
		{"POST", "/api/connector/V1/configuration/get"},
		{"POST", "/api/connector/v1/x/../configuration/get"},
		{"POST", "/configuration/get"},
		{"POST", apiRoot},
		{"POST", apiRoot + "reservations/getAll/2017-04-12"},
		{"GET", apiRoot + "configuration/get"},
		{"PUT", apiRoot + "configuration/get"},
	} {
		w := m.do(c[0], c[1], withTokens(nil))
		checkError(t, strings.Join(c[:], " "), w, http.StatusNotFound, "")
	}
	if n := len(m.Violations()); n != 13 {
		t.Errorf("%d violations", n)
	}
	if calls := m.Calls(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
}

// checkError wants an error as documented, with this in its text.
func checkError(t *testing.T, what string, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	var v struct{ Message, RequestId string }
	err := json.Unmarshal(w.Body.Bytes(), &v)
	if w.Code != status || err != nil || v.Message == "" || !strings.Contains(v.Message, text) ||
		v.RequestId == "" || v.RequestId != w.Header().Get("Request-Id") {
		t.Errorf("%s: %d %q %s (%v), want %d with %q", what, w.Code, w.Header().Get("Request-Id"), w.Body, err, status, text)
	}
}

func TestTokens(t *testing.T) {
	m := newMews(t, simulator.Options{})
	for name, c := range map[string]struct {
		body   members
		status int
	}{
		"no client token":     {members{"ClientToken": nil}, 401},
		"no access token":     {members{"AccessToken": nil}, 401},
		"another client":      {members{"ClientToken": "other"}, 401},
		"another access":      {members{"AccessToken": "other"}, 401},
		"empty access":        {members{"AccessToken": ""}, 401},
		"a token of another":  {members{"AccessToken": simulator.AccessToken + "-2"}, 401},
		"a token of a number": {members{"AccessToken": 7}, 401},
		"no client":           {members{"Client": nil}, 400},
		"empty client":        {members{"Client": ""}, 400},
		"languages":           {members{"LanguageCode": "en-GB", "CultureCode": nil}, 200},
	} {
		w := m.call("configuration/get", c.body)
		if c.status != 200 {
			checkError(t, name, w, c.status, "")
		} else if w.Code != 200 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if d := cmp.Diff([]string{"configuration/get: 400 Invalid Client.", "configuration/get: 400 Invalid Client."}, m.Violations()); d != "" {
		t.Errorf("violations (-want +got):\n%s", d)
	}
}

func TestBodiesAreStrict(t *testing.T) {
	m := newMews(t, simulator.Options{})
	tokens := strings.TrimSuffix(withTokens(nil), "}")
	for _, body := range []string{
		"", "null", "[]", `"x"`, "7", "{", tokens, tokens + ",}", tokens + "} {}", "// none\n" + tokens + "}", tokens + `,"EnterpriseId":'x'}`,
	} {
		checkError(t, body, m.do("POST", apiRoot+"configuration/get", body), http.StatusBadRequest, "Invalid JSON")
	}
	for _, body := range []string{
		tokens + `,"clientToken":"x"}`, tokens + `,"enterpriseId":null}`, tokens + `,"Enterprise":"x"}`,
	} {
		checkError(t, body, m.do("POST", apiRoot+"configuration/get", body), http.StatusBadRequest, "Unknown parameter")
	}
	long := tokens + `,"EnterpriseId":"` + strings.Repeat("x", 1<<20) + `"}`
	checkError(t, "a long one", m.do("POST", apiRoot+"configuration/get", long), http.StatusRequestEntityTooLarge, "")

	r := httptest.NewRequest("POST", apiRoot+"configuration/get", strings.NewReader(tokens+"}"))
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	checkError(t, "without a content type", w, http.StatusBadRequest, "Content-Type")
}

// replaced is a good body with some members changed, or with nil left out.
func replaced(body, changes members) members {
	changed := members{}
	maps.Copy(changed, body)
	for name, v := range changes {
		if changed[name] = v; v == nil {
			delete(changed, name)
		}
	}
	return changed
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("00000000-0000-4000-8000-%012x", i)
	}
	return list
}

var (
	longAgo     = time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	threeMonths = span(longAgo, longAgo.AddDate(0, 3, 0))
	tooLong     = span(longAgo, longAgo.AddDate(0, 3, 0).Add(time.Second))
)

func TestRefusals(t *testing.T) {
	m := newMews(t, simulator.Options{Limiter: simulator.Limiter{Calls: -1}})
	stay := m.Layout().Service
	const reservations = "reservations/getAll/2023-06-06"
	for _, c := range []struct {
		operation string
		changes   members
		want      string // of the message; "" where it is no mistake
	}{
		{reservations, members{"Limitation": nil}, "Limitation"},
		{reservations, members{"Limitation": members{}}, "Count"},
		{reservations, members{"Limitation": members{"Count": 0}}, "Count"},
		{reservations, members{"Limitation": members{"Count": 1001}}, "Count"},
		{reservations, members{"Limitation": members{"Count": "10"}}, "Count"},
		{reservations, members{"Limitation": members{"Count": 1.5}}, "Count"},
		{reservations, members{"Limitation": members{"Count": 1}}, ""},
		{reservations, members{"Limitation": members{"Count": 1, "Cursor": nil}}, ""},
		{reservations, members{"Limitation": members{"Count": 1, "Cursor": many(1)[0]}}, "Cursor"},
		{reservations, members{"Limitation": members{"Count": 1, "Cursor": "x"}}, "Cursor"},
		{reservations, members{"Limitation": members{"Count": 1, "Size": 1}}, "Size"},
		{reservations, members{"Limitation": []int{1}}, "Limitation"},
		{reservations, members{"ReservationIds": many(1000)}, ""},
		{reservations, members{"ReservationIds": many(1001)}, "more than 1000"},
		{reservations, members{"ReservationIds": []string{}}, "empty"},
		{reservations, members{"ReservationIds": []string{"x"}}, "not an identifier"},
		{reservations, members{"ReservationIds": stay}, "ReservationIds"},
		{reservations, members{"ReservationIds": []any{1}}, "ReservationIds"},
		{reservations, members{"PartnerCompanyIds": many(100)}, ""},
		{reservations, members{"PartnerCompanyIds": many(101)}, "more than 100"},
		{reservations, members{"ServiceIds": []string{stay}}, ""},
		{reservations, members{"ServiceIds": many(1)}, "ServiceIds"},
		{reservations, members{"EnterpriseIds": many(1)}, "EnterpriseIds"},
		{reservations, members{"EnterpriseIds": []string{strings.ToUpper(m.Layout().Enterprise)}}, ""},
		{reservations, members{"States": everyState}, ""},
		{reservations, members{"States": []string{"Enquired"}}, "States"},
		{reservations, members{"States": []string{"Cancelled"}}, "States"},
		{reservations, members{"UpdatedUtc": threeMonths}, ""},
		{reservations, members{"UpdatedUtc": tooLong}, "longer than 3 months"},
		{reservations, members{"CollidingUtc": tooLong}, "longer than 3 months"},
		{reservations, members{"UpdatedUtc": span(longAgo, longAgo)}, ""},
		{reservations, members{"UpdatedUtc": span(longAgo, longAgo.Add(-time.Second))}, "ends before"},
		{reservations, members{"UpdatedUtc": members{"StartUtc": "2026-01-01T00:00:00Z"}}, "EndUtc"},
		{reservations, members{"UpdatedUtc": members{"StartUtc": "2026-01-01T00:00:00+01:00", "EndUtc": "2026-01-02T00:00:00Z"}}, "StartUtc"},
		{reservations, members{"UpdatedUtc": members{"StartUtc": "2026-01-01", "EndUtc": "2026-01-02"}}, "StartUtc"},
		{reservations, members{"UpdatedUtc": members{"From": "2026-01-01T00:00:00Z"}}, "UpdatedUtc"},
		{reservations, members{"ScheduledStartUtc": threeMonths, "ScheduledEndUtc": threeMonths}, ""},
		{reservations, members{"ScheduledStartUtc": threeMonths, "ActualStartUtc": threeMonths}, "exclude"},
		{reservations, members{"ScheduledEndUtc": threeMonths, "ActualEndUtc": threeMonths}, "exclude"},
		{reservations, members{"Extent": members{"Reservations": true}}, "Extent"},
		{"reservations/getAll", nil, "discontinued"},

		{"resources/getAll", members{"Extent": nil}, "Extent"},
		{"resources/getAll", members{"Extent": members{"ResourceCategories": true}}, "ResourceCategories"},
		{"resources/getAll", members{"Limitation": nil}, "Limitation"},
		{"resources/getAll", members{"ResourceIds": many(1001)}, "more than 1000"},
		{"resources/getAll", members{"Names": slices.Repeat([]string{"101"}, 1001)}, "more than 1000"},
		{"resources/getAll", members{"UpdatedUtc": tooLong}, "longer than 3 months"},
		{"resources/getAll", members{"CreatedUtc": tooLong}, "longer than 3 months"},
		{"resources/getAll", members{"States": []string{"Dirty"}}, "States"},

		{"resourceCategories/getAll", members{"ServiceIds": nil}, "ServiceIds"},
		{"resourceCategories/getAll", members{"ActivityStates": []string{"Inactive"}}, "ActivityStates"},
		{"resourceCategories/getAll", members{"UpdatedUtc": tooLong}, "longer than 3 months"},
		{"resourceBlocks/getAll", members{"Limitation": nil}, "Limitation"},
		{"resourceBlocks/getAll", members{"ResourceBlockIds": many(1001)}, "more than 1000"},
		{"resourceBlocks/getAll", members{"CollidingUtc": tooLong}, "longer than 3 months"},
		{"rates/getAll", members{"ServiceIds": nil}, "ServiceIds"},
		{"rates/getAll", members{"Limitation": nil}, "Limitation"},
		{"rates/getAll", members{"RateIds": many(1001)}, "more than 1000"},
		{"services/getAll", members{"Limitation": nil}, "Limitation"},
		{"enterprises/getAll", members{"LinkedUtc": tooLong}, "longer than 3 months"},

		{"commands/getAllByIds", members{"CommandIds": nil}, "CommandIds"},
		{"commands/getAllByIds", members{"CommandIds": many(1001)}, "more than 1000"},
		{"commands/getAllByIds", members{"UpdatedUtc": threeMonths}, "UpdatedUtc"},
		{"commands/getAllActive", members{"Limitation": page}, "Limitation"},
		{"devices/getAll", members{"Limitation": page}, "Limitation"},
		{"configuration/get", members{"EnterpriseId": many(1)[0]}, "EnterpriseId"},

		{"customers/getAll", members{"CustomerIds": nil}, "At least one of"},
		{"customers/getAll", members{"CustomerIds": nil, "UpdatedUtc": threeMonths}, ""},
		{"customers/getAll", members{"CustomerIds": many(1001)}, "more than 1000"},
		{"customers/getAll", members{"CompanyIds": many(2)}, "more than 1"},
		{"customers/getAll", members{"Extent": nil}, "Extent"},
		{"customers/getAll", members{"ChainIds": many(1)}, "ChainIds"},
		{"customers/getAll", members{"UpdatedUtc": tooLong}, "longer than 3 months"},
	} {
		before := len(m.Violations())
		w := m.call(c.operation, replaced(good(m.Hotel)[c.operation], c.changes))
		what := fmt.Sprintf("%s %.80v", c.operation, c.changes)
		violations := m.Violations()[before:]
		switch {
		case c.want == "" && (w.Code != http.StatusOK || len(violations) > 0):
			t.Errorf("%s: %d %s, violations %q", what, w.Code, w.Body, violations)
		case c.want != "":
			status := http.StatusBadRequest
			if c.operation == "reservations/getAll" {
				status = http.StatusGone
			}
			checkError(t, what, w, status, c.want)
			if len(violations) != 1 || !strings.HasPrefix(violations[0], fmt.Sprintf("%s: %d ", c.operation, status)) {
				t.Errorf("%s: violations %q", what, violations)
			}
		}
	}
}

func TestLenient(t *testing.T) {
	m := newMews(t, simulator.Options{Dialect: simulator.Dialect{Lenient: true}})
	for operation, body := range good(m.Hotel) {
		w := m.call(operation, replaced(body, members{"Unknown": 1, "Extent": nil}))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", operation, w.Code, w.Body)
		}
	}
	if w := m.call("resources/getAll", members{}); w.Code != http.StatusBadRequest {
		t.Errorf("without a limitation: %d", w.Code)
	}
}

var null = regexp.MustCompile(`:null`)

func TestOmitNulls(t *testing.T) {
	m := newMews(t, simulator.Options{})
	for operation, body := range good(m.Hotel) {
		m.SetDialect(simulator.Dialect{})
		with := m.call(operation, body).Body.String()
		m.SetDialect(simulator.Dialect{OmitNulls: true})
		without := m.call(operation, body).Body.String()
		if null.MatchString(without) || len(without) > len(with) {
			t.Errorf("%s: %.300s", operation, without)
		}
		if operation == "reservations/getAll/2023-06-06" && !null.MatchString(with) {
			t.Errorf("%s has no nulls", operation)
		}
	}
}

func FuzzCall(f *testing.F) {
	m := newMews(f, simulator.Options{Rooms: 4, Limiter: simulator.Limiter{Calls: -1}})
	for operation, body := range good(m.Hotel) {
		f.Add(operation, withTokens(body))
	}
	f.Add("rates/getPricing", withTokens(members{"RateId": m.Layout().Rates[1].ID, "FirstTimeUnitStartUtc": "0001-01-01T00:00:00Z", "LastTimeUnitStartUtc": "9999-01-01T00:00:00Z"}))
	f.Add("customers/getAll", `{"Limitation":{"Count":1e999}}`)
	f.Fuzz(func(t *testing.T, operation, body string) {
		r := httptest.NewRequest("POST", apiRoot, strings.NewReader(body))
		r.URL.Path += operation
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		m.handler.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) || w.Header().Get("Request-Id") == "" || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
