package mews

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWindowsGiveEachRowOnce: whatever the rows, the length of pages and the
// requests that are too heavy, each row of the time asked for is given once.
func TestWindowsGiveEachRowOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Up to some minutes, or to half a year: there are a few rows in either.
		length := rapid.OneOf(rapid.IntRange(0, 600), rapid.IntRange(0, 180*24*3600)).Draw(rt, "length")
		s := &shelf{list: "Reservations", filter: rapid.SampledFrom([]string{"UpdatedUtc", "CollidingUtc"}).Draw(rt, "filter")}
		var want []string
		for i := range rapid.IntRange(0, 80).Draw(rt, "rows") {
			r := shelved{id: fmt.Sprintf("r-%03d", i)}
			// To the millisecond, though only seconds are shown.
			r.start = seconds(rapid.IntRange(-10, length+10).Draw(rt, "at")).Add(time.Duration(rapid.IntRange(0, 999).Draw(rt, "ms")) * time.Millisecond)
			if r.end = r.start; s.filter == "CollidingUtc" {
				r.end = r.start.Add(time.Duration(rapid.IntRange(0, length).Draw(rt, "stay")) * time.Second)
			}
			if s.rows = append(s.rows, r); !r.start.After(seconds(length)) && !r.end.Before(noon) {
				want = append(want, r.id)
			}
		}
		s.most = rapid.IntRange(3, 60).Draw(rt, "page")
		span, count := rapid.IntRange(60, max(length, 61)).Draw(rt, "span"), rapid.IntRange(minCount, 600).Draw(rt, "count")
		s.tooMuch = func(asked, rows int) bool { return asked > max(span, length/12) || rows > count }
		whims := rapid.SliceOfN(rapid.Bool(), 0, 10).Draw(rt, "whims")
		s.turn = func(n int, _ apiCall) answer {
			if n <= len(whims) && whims[n-1] {
				return status(408)
			}
			return nil
		}
		var got []string
		withAPI(t, ample, s.serve, func(t *testing.T, a *api, _ *apiServer) {
			read := a.reservationsUpdated
			if s.filter == "CollidingUtc" {
				read = a.reservationsColliding
			}
			c := &collect{t: t}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := read(ctx, catchUp, noon, seconds(length), c.take); err != nil {
				t.Error(err)
			}
			got = c.ids
		})
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Errorf("rows, -want +got:\n%s", diff)
		}
	})
}

// TestWindowSteps: how a read asks for less, and for more again.
func TestWindowSteps(t *testing.T) {
	heavy := func(numbers ...int) func(int, apiCall) answer {
		return func(n int, _ apiCall) answer {
			if slices.Contains(numbers, n) {
				return status(408)
			}
			return nil
		}
	}
	var rows []shelved
	for i := range 15 {
		rows = append(rows, shelved{fmt.Sprint("r-", i), seconds(i), seconds(i)})
	}
	for _, tt := range []struct {
		name   string
		length int
		most   int
		turn   func(int, apiCall) answer
		want   []string
	}{
		{"good", 3600, 0, nil, []string{"0 3600 500 ", "0 3600 500 r-0"}},
		{"a moment", 0, 0, nil, []string{"0 0 500 ", "0 0 500 r-0"}},
		{"long", 100 * 24 * 3600, 0, nil, []string{"0 7257600 500 ", "0 7257600 500 r-0", "7257600 8640000 500 "}},
		{"at the start", 3600, 0, heavy(1), []string{
			"0 3600 500 ", "0 1800 250 ", "0 1800 250 r-0", "1800 3600 250 "}},
		{"amid pages", 3600, 10, heavy(2, 3), []string{
			"0 3600 500 ", "0 3600 500 r-5", "0 3600 250 r-5", "0 3600 125 r-5", "0 3600 125 r-0"}},
		{"amid pages to the last", 240, 10, heavy(2, 3, 4, 5, 6, 7, 8), []string{
			"0 240 500 ", "0 240 500 r-5", "0 240 250 r-5", "0 240 125 r-5", "0 240 62 r-5", "0 240 31 r-5", "0 240 15 r-5", "0 240 10 r-5",
			"0 120 10 ", "0 120 10 r-5", "0 120 10 r-0", "120 240 10 "}},
		{"short", 60, 10, heavy(1, 2), []string{"0 60 500 ", "0 60 250 ", "0 60 125 ", "0 60 125 r-5", "0 60 125 r-0"}},
		{"growing", 3600, 15, heavy(1, 2, 3), []string{
			"0 3600 500 ", "0 1800 250 ", "0 900 125 ", "0 450 62 ", "0 450 62 r-0",
			"450 900 62 ", "900 1350 62 ", "1350 1800 62 ", "1800 2700 124 ", "2700 3600 124 "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{list: "Resources", filter: "UpdatedUtc", rows: rows, most: tt.most, turn: tt.turn}
			withAPI(t, ample, s.serve, func(t *testing.T, a *api, _ *apiServer) {
				c := &collect{t: t}
				if err := a.resourcesUpdated(t.Context(), catchUp, noon, seconds(tt.length), c.take); err != nil {
					t.Error(err)
				}
			})
			if diff := gocmp.Diff(tt.want, s.asked); diff != "" {
				t.Errorf("requests, -want +got:\n%s", diff)
			}
		})
	}
}

// TestWindowEdges: seconds are not cut off, and a window the wrong way round is
// not taken for an empty one.
func TestWindowEdges(t *testing.T) {
	s := &shelf{list: "Resources", filter: "UpdatedUtc"}
	withAPI(t, ample, s.serve, func(t *testing.T, a *api, _ *apiServer) {
		c := &collect{t: t}
		zone := time.FixedZone("", 3600)
		if err := a.resourcesUpdated(t.Context(), idle, noon.Add(700*time.Millisecond).In(zone), noon.Add(1200*time.Millisecond), c.take); err != nil {
			t.Error(err)
		}
		if err := a.resourcesUpdated(t.Context(), idle, noon, noon.Add(-time.Minute), c.take); err == nil {
			t.Error("a window that ends before it begins is no error")
		}
	})
	if diff := gocmp.Diff([]string{"0 2 500 "}, s.asked); diff != "" {
		t.Errorf("requests, -want +got:\n%s", diff)
	}
}

// TestWindowRequests: what every read of rows asks for.
func TestWindowRequests(t *testing.T) {
	interval := map[string]any{"StartUtc": "2026-03-14T12:00:00Z", "EndUtc": "2026-03-14T12:00:01Z"}
	limitation := map[string]any{"Count": 500.0}
	states := []any{"Inquired", "Confirmed", "Started", "Processed", "Canceled", "Optional", "Requested"}
	for _, tt := range []struct {
		op   string
		list string
		read func(a *api, ctx context.Context, f func([]row) error) error
		want map[string]any
	}{
		{"reservations/getAll/2023-06-06", "Reservations", func(a *api, ctx context.Context, f func([]row) error) error {
			return a.reservationsUpdated(ctx, idle, noon, seconds(1), f)
		}, map[string]any{"UpdatedUtc": interval, "States": states, "Limitation": limitation}},
		{"reservations/getAll/2023-06-06", "Reservations", func(a *api, ctx context.Context, f func([]row) error) error {
			return a.reservationsColliding(ctx, idle, noon, seconds(1), f)
		}, map[string]any{"CollidingUtc": interval, "States": states, "Limitation": limitation}},
		{"resources/getAll", "Resources", func(a *api, ctx context.Context, f func([]row) error) error {
			return a.resourcesUpdated(ctx, idle, noon, seconds(1), f)
		}, map[string]any{"UpdatedUtc": interval, "Extent": map[string]any{"Resources": true, "Inactive": true}, "Limitation": limitation}},
		{"resources/getAll", "Resources", func(a *api, ctx context.Context, f func([]row) error) error {
			return a.allResources(ctx, idle, f)
		}, map[string]any{"Extent": map[string]any{"Resources": true, "Inactive": false}, "Limitation": limitation}},
	} {
		withAPI(t, ample, script(say(200, `{"`+tt.list+`":[]}`)), func(t *testing.T, a *api, s *apiServer) {
			if err := tt.read(a, t.Context(), func([]row) error { t.Error("no rows are given"); return nil }); err != nil {
				t.Error(err)
			}
			c := s.seen()[0]
			for _, name := range []string{"Client", "ClientToken", "AccessToken"} {
				delete(c.body, name)
			}
			if diff := gocmp.Diff(tt.want, c.body); diff != "" || c.op != tt.op {
				t.Errorf("%s, want %s; body, -want +got:\n%s", c.op, tt.op, diff)
			}
		})
	}
}

// TestPlenty: more rows than may wait are given in parts, each row once: in order
// throughout, unless the time cannot be divided any further.
func TestPlenty(t *testing.T) {
	const n = maxRows + 4000
	for name, length := range map[string]int{"an hour": 3600, "a minute": 60} {
		s := &shelf{list: "Resources", filter: "UpdatedUtc", most: 1000}
		for i := range n {
			at := seconds(i * length / n)
			s.rows = append(s.rows, shelved{fmt.Sprintf("r-%05d", i), at, at})
		}
		withAPI(t, ample, s.serve, func(t *testing.T, a *api, _ *apiServer) {
			c := &collect{t: t}
			if err := a.resourcesUpdated(t.Context(), idle, noon, seconds(length), c.take); err != nil {
				t.Error(err)
			}
			if name == "an hour" && !slices.IsSorted(c.ids) {
				t.Error("the rows of an hour are not in order")
			}
			slices.Sort(c.ids)
			if unique := len(slices.Compact(slices.Clone(c.ids))); unique != n || len(c.ids) != n {
				t.Errorf("%s: %d rows given, %d of them once, want %d", name, len(c.ids), unique, n)
			}
			if c.most > maxRows+1000 {
				t.Errorf("%s: a part of %d rows", name, c.most)
			}
		})
	}
}

// TestMovingRows: what changes while it is paged through comes in its newest
// version, and again only when it changed after it was given.
func TestMovingRows(t *testing.T) {
	at := func(n int) string { return seconds(n).Format(time.RFC3339) }
	page := func(cursor string, rows ...string) answer {
		return say(200, fmt.Sprintf(`{"Resources":[%s],"Cursor":%s}`, strings.Join(rows, ","), cursor))
	}
	room := func(id string, updated int, state string) string {
		return fmt.Sprintf(`{"Id":%q,"UpdatedUtc":%q,"State":%q}`, id, at(updated), state)
	}
	answers := []answer{
		page(`"b"`, room("a", 50, "Clean"), room("b", 40, "Clean")),
		page(`"c"`, room("a", 30, "Dirty"), room("b", 45, "Dirty"), room("c", 20, "Clean")),
		page(`null`),
		// The second window: late news, a change within the same second, late news
		// and a later change.
		page(`"d"`, room("a", 48, "Dirty"), room("b", 45, "Inspected"), room("c", 10, "Dirty"), room("c", 60, "Dirty"), room("d", 55, "Clean")),
		page(`null`),
	}
	withAPI(t, ample, script(append([]answer{status(408)}, answers...)...), func(t *testing.T, a *api, _ *apiServer) {
		var got []string
		err := a.resourcesUpdated(t.Context(), catchUp, noon, seconds(120), func(rows []row) error {
			for _, r := range rows {
				got = append(got, fmt.Sprint(r.id, " ", r.updated.Sub(noon).Seconds(), " ", r.state))
			}
			return nil
		})
		want := []string{"c 20 Clean", "b 45 Dirty", "a 50 Clean", "b 45 Inspected", "d 55 Clean", "c 60 Dirty"}
		if diff := gocmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v; rows, -want +got:\n%s", err, diff)
		}
	})
}

func TestWindowFaults(t *testing.T) {
	circle := say(200, `{"Resources":[{"Id":"a"}],"Cursor":"a"}`)
	taken := errors.New("enough")
	for _, tt := range []struct {
		name   string
		answer answer
		want   error
		calls  int // at most
	}{
		{"pages in a circle", circle, errExhausted, 2},
		{"always too heavy", status(408), errExhausted, 13 + maxAttempts},
		{"refused", status(403), errRefused, 1},
		{"unauthorized", status(401), errUnauthorized, 1},
		{"too large at its smallest", status(413), errRefused, 14},
		{"the taker's own", say(200, `{"Resources":[{"Id":"a"}]}`), taken, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withAPI(t, ample, script(tt.answer), func(t *testing.T, a *api, s *apiServer) {
				err := a.resourcesUpdated(t.Context(), catchUp, noon, seconds(3600), func([]row) error { return taken })
				if !errors.Is(err, tt.want) || len(s.seen()) > tt.calls {
					t.Errorf("error %v after %d calls, want %v after %d", err, len(s.seen()), tt.want, tt.calls)
				}
			})
		})
	}
}

// TestOneHeavyRead: reads of many rows are under way one at a time, and hold up
// nothing else.
func TestOneHeavyRead(t *testing.T) {
	var heavy, most atomic.Int32
	serve := func(w http.ResponseWriter, c apiCall) {
		if c.op == configurationOp {
			say(200, harbour)(w)
			return
		}
		most.Store(max(most.Load(), heavy.Add(1)))
		time.Sleep(time.Second)
		heavy.Add(-1)
		say(200, `{"Resources":[]}`)(w)
	}
	withAPI(t, ample, serve, func(t *testing.T, a *api, _ *apiServer) {
		done := make(chan error)
		for range 5 {
			go func() { done <- a.allResources(t.Context(), idle, nil) }()
		}
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		if _, err := a.configuration(t.Context(), idle); err != nil || time.Since(began) != 0 {
			t.Errorf("a light call took %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := a.allResources(ctx, idle, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the others ended with %v", err)
		}
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != 1 {
			t.Errorf("%d reads of many rows at a time", most.Load())
		}
	})
}
