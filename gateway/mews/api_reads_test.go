package mews

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// texts returns the strings of a decoded JSON array.
func texts(v any) (list []string) {
	items, _ := v.([]any)
	for _, item := range items {
		list = append(list, fmt.Sprint(item))
	}
	return list
}

func idsOf(rows []row) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids
}

// entities answers by ids: those that begin with "gone" are not there, those with
// a "bad" in them are refused, and more than limit are too many.
func entities(list, filter string, limit, tooMany int) func(http.ResponseWriter, apiCall) {
	return func(w http.ResponseWriter, c apiCall) {
		ids := texts(c.body[filter])
		if limitation, _ := c.body["Limitation"].(map[string]any); limitation["Count"] != float64(len(ids)) {
			status(404)(w) // a page must hold all, and none that holds more need be asked for
			return
		}
		bad := slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(id, "bad") })
		switch {
		case len(ids) > limit:
			status(tooMany)(w)
			return
		case bad:
			status(400)(w)
			return
		}
		var rows []string
		for _, id := range ids {
			if !strings.HasPrefix(id, "gone") {
				rows = append(rows, fmt.Sprintf(`{"Id":%q,"State":"Clean"}`, id))
			}
		}
		say(200, fmt.Sprintf(`{"%s":[%s],"Cursor":"x"}`, list, strings.Join(rows, ",")))(w)
	}
}

func numbered(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return ids
}

func TestByIDs(t *testing.T) {
	plenty := numbered("r", 1200)
	for _, tt := range []struct {
		name           string
		ids            []string
		limit, tooMany int
		want           []string
		calls          int // at most
		err            error
	}{
		{"none", nil, 500, 400, nil, 0, nil},
		{"one", []string{"a"}, 500, 400, []string{"a"}, 1, nil},
		{"plenty", plenty, 500, 400, plenty, 3, nil},
		{"twice and in another case", []string{"b", "a", "A", "b"}, 500, 400, []string{"a", "b"}, 1, nil},
		{"missing", []string{"a", "gone-1"}, 500, 400, []string{"a"}, 1, nil},
		{"413", plenty, 100, 413, plenty, 40, nil},
		{"408", plenty, 60, 408, plenty, 80, nil},
		{"413 for one", []string{"a"}, 0, 413, nil, 1, errRefused},
		{"408 for one", []string{"a"}, 0, 408, nil, maxAttempts, errExhausted},
		{"a bad one", append([]string{"bad"}, plenty[:499]...), 500, 400, plenty[:499], 20, errRefused},
		{"two bad ones", append([]string{"r-0100bad", "r-0300bad"}, plenty[:498]...), 500, 400, plenty[:498], 40, errRefused},
		{"a bad one alone", []string{"bad"}, 500, 400, nil, 1, errRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withAPI(t, apiOptions{}, entities("Resources", "ResourceIds", tt.limit, tt.tooMany), func(t *testing.T, a *api, s *apiServer) {
				rows, err := a.resources(t.Context(), urgent, tt.ids)
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if diff := gocmp.Diff(tt.want, idsOf(rows), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("rows, -want +got:\n%s", diff)
				}
				if got := len(s.seen()); got > tt.calls {
					t.Errorf("%d calls, want %d at most", got, tt.calls)
				}
			})
		})
	}
}

// TestByIDsAllRefused: a request that is wrong whatever the ids is not repeated for
// each of them.
func TestByIDsAllRefused(t *testing.T) {
	withAPI(t, apiOptions{}, script(status(400)), func(t *testing.T, a *api, s *apiServer) {
		rows, err := a.resources(t.Context(), urgent, numbered("r", 1200))
		if len(rows) != 0 || !errors.Is(err, errRefused) {
			t.Errorf("%d rows, error %v", len(rows), err)
		}
		if got := len(s.seen()); got > idRefusals+1 {
			t.Errorf("%d calls", got)
		}
	})
}

func TestReadRequests(t *testing.T) {
	states := []any{"Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested"}
	limitation := map[string]any{"Count": 1.0}
	for _, tt := range []struct {
		op   string
		read func(t *testing.T, a *api) ([]row, error)
		list string
		typ  string
		want map[string]any
	}{
		{"reservations/getAll/2023-06-06", func(t *testing.T, a *api) ([]row, error) { return a.reservations(t.Context(), urgent, []string{"x"}) },
			"Reservations", "Reservation", map[string]any{"ReservationIds": []any{"x"}, "States": states, "Limitation": limitation}},
		{"resources/getAll", func(t *testing.T, a *api) ([]row, error) { return a.resources(t.Context(), urgent, []string{"x"}) },
			"Resources", "Resource", map[string]any{"ResourceIds": []any{"x"}, "Extent": map[string]any{"Resources": true, "Inactive": true}, "Limitation": limitation}},
		{"commands/getAllByIds", func(t *testing.T, a *api) ([]row, error) { return a.commands(t.Context(), urgent, []string{"x"}) },
			"Commands", "DeviceCommand", map[string]any{"CommandIds": []any{"x"}, "Limitation": limitation}},
		{"commands/getAllActive", func(t *testing.T, a *api) ([]row, error) { return a.activeCommands(t.Context(), catchUp) },
			"Commands", "DeviceCommand", map[string]any{}},
	} {
		serve := script(say(200, `{"`+tt.list+`":[{"Id":"x","State":"New"},{"State":"Lost"},null],"Cursor":"x"}`))
		withAPI(t, apiOptions{}, serve, func(t *testing.T, a *api, s *apiServer) {
			rows, err := tt.read(t, a)
			if err != nil || len(rows) != 1 || rows[0].typ != tt.typ || rows[0].id != "x" || rows[0].state != "New" {
				t.Errorf("%s: %+v, %v", tt.op, rows, err)
			}
			c := s.seen()[0]
			for _, name := range []string{"Client", "ClientToken", "AccessToken"} {
				delete(c.body, name)
			}
			if diff := gocmp.Diff(tt.want, c.body); diff != "" || c.op != tt.op || len(s.seen()) != 1 {
				t.Errorf("%s, want %s; body, -want +got:\n%s", c.op, tt.op, diff)
			}
		})
	}
}

// TestByIDsAnyBatch: whatever ids are bad, gone or too many at a time, every other
// one is had, unless so many are bad that the read gives up.
func TestByIDsAnyBatch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		prefix := rapid.SampledFrom([]string{"r", "r", "r", "r", "gone", "r", "r", "gone"})
		var ids, want []string
		for i := range rapid.IntRange(0, 150).Draw(rt, "ids") {
			id := fmt.Sprintf("%s-%d", prefix.Draw(rt, "kind"), i)
			if ids = append(ids, id); id[0] == 'r' {
				want = append(want, id)
			}
		}
		bad := rapid.IntRange(0, 1).Draw(rt, "bad")
		ids = append(ids, numbered("bad", bad)...)
		limit := rapid.IntRange(5, 200).Draw(rt, "limit")
		tooMany := rapid.SampledFrom([]int{408, 413}).Draw(rt, "too many")
		slices.Sort(want)
		var got []string
		var err error
		withAPI(t, apiOptions{budget: Budget{Requests: 1000, Per: time.Second}}, entities("Commands", "CommandIds", limit, tooMany), func(t *testing.T, a *api, s *apiServer) {
			var rows []row
			rows, err = a.commands(t.Context(), urgent, ids)
			got = idsOf(rows)
		})
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Errorf("rows, -want +got:\n%s", diff)
		}
		if (bad > 0) != errors.Is(err, errRefused) || bad == 0 && err != nil {
			rt.Errorf("%d bad ids, error %v", bad, err)
		}
	})
}

// An id is another one though Unicode folds one of its letters to an ASCII letter.
func TestIDsAreComparedWithoutASCIICase(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"Ab-1", "aB-1", true}, {"k", "\u212a", false}, {"\u00c4", "\u00e4", false}} {
		if got := sameID(c.a, c.b); got != c.want || (compareFolded(c.a, c.b) == 0) != c.want {
			t.Errorf("%q and %q: same is %t, want %t", c.a, c.b, got, c.want)
		}
	}
}
