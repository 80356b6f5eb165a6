package mews

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const harbour = `{"NowUtc":"2026-03-14T08:15:30Z","Enterprise":{"Id":"e-1","Name":"Harbour","TimeZoneIdentifier":"Europe/Lisbon","IsPortfolio":false,"More":[1]}}`

func TestAPIRequest(t *testing.T) {
	withAPI(t, apiOptions{}, script(say(200, harbour)), func(t *testing.T, a *api, s *apiServer) {
		got, err := a.configuration(t.Context(), interactive)
		if err != nil {
			t.Fatal(err)
		}
		want := configuration{
			now:        time.Date(2026, 3, 14, 8, 15, 30, 0, time.UTC),
			enterprise: enterprise{id: "e-1", name: "Harbour", timeZone: "Europe/Lisbon"},
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		c := s.seen()[0]
		if c.host != "mews.test" || c.op != "configuration/get" || c.header.Get("Content-Type") != "application/json" || c.header.Get("Cookie") != "" {
			t.Errorf("request %+v", c)
		}
		body := map[string]any{"Client": "Bellhop 1.0", "ClientToken": testClientToken, "AccessToken": testAccessToken}
		if diff := gocmp.Diff(body, c.body); diff != "" {
			t.Errorf("body, -want +got:\n%s", diff)
		}
	})
}

func TestAPIFaults(t *testing.T) {
	good := say(200, harbour)
	page := say(502, "<html>"+theirText+"</html>", "Content-Type", "text/html")
	date := func(d time.Duration) answer {
		return func(w http.ResponseWriter) {
			status(429, "Retry-After", time.Now().Add(d).UTC().Format(http.TimeFormat))(w)
		}
	}
	half := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, harbour)
	}
	reset := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	bomb := gzipped(t, maxAnswer>>20+1)
	conflicting := say(403, `{"Message":"Conflicting operation is being performed at this time. Please try again in a few seconds."}`)
	for _, tt := range []struct {
		name        string
		answers     []answer
		calls       int
		want        error // nil is success
		least, most time.Duration
	}{
		{"good", []answer{good}, 1, nil, 0, 0},
		{"mark", []answer{say(200, "\xef\xbb\xbf"+harbour)}, 1, nil, 0, 0},
		{"page", []answer{page, good}, 2, nil, 0, time.Second},
		{"500", []answer{status(500), status(503), good}, 3, nil, 0, 3 * time.Second},
		{"503 with a wait", []answer{status(503, "Retry-After", "20"), good}, 2, nil, 20 * time.Second, 20 * time.Second},
		{"524 for ever", []answer{status(524)}, maxAttempts, errExhausted, 0, 31 * time.Second},
		{"cut JSON", []answer{say(200, harbour[:40]), good}, 2, nil, 0, time.Second},
		{"more than JSON", []answer{say(200, harbour+"x"), good}, 2, nil, 0, time.Second},
		{"a page with 200", []answer{say(200, "<html>"), good}, 2, nil, 0, time.Second},
		{"nothing", []answer{say(200, ""), good}, 2, nil, 0, time.Second},
		{"204", []answer{say(204, ""), good}, 2, nil, 0, time.Second},
		{"another object", []answer{say(200, `{"ok":true}`), good}, 2, nil, 0, time.Second},
		{"no enterprise", []answer{say(200, `{"Enterprise":{"Id":null}}`)}, maxAttempts, errExhausted, 0, 31 * time.Second},
		{"cut body", []answer{half, good}, 2, nil, 0, time.Second},
		{"reset", []answer{reset, good}, 2, nil, 0, time.Second},
		{"reset for ever", []answer{reset}, maxAttempts, errExhausted, 0, 31 * time.Second},
		{"silence", []answer{func(http.ResponseWriter) { time.Sleep(2 * apiTimeout) }, good}, 2, nil, apiTimeout, apiTimeout + time.Second},
		{"a byte a second", []answer{func(w http.ResponseWriter) {
			for i := range 300 {
				if _, err := fmt.Fprint(w, i%10); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		}, good}, 2, nil, apiTimeout, apiTimeout + time.Second},
		{"too long", []answer{say(200, bomb, "Content-Encoding", "gzip")}, 1, errRefused, 0, 0},
		{"redirect", []answer{status(307, "Location", "http://elsewhere.test/"), good}, 2, nil, 0, time.Second},
		{"redirect here", []answer{status(302, "Location", "/api/connector/v1/other"), good}, 2, nil, 0, time.Second},
		{"400", []answer{status(400), good}, 1, errRefused, 0, 0},
		{"401", []answer{status(401), good}, 1, errUnauthorized, 0, 0},
		{"403", []answer{status(403), good}, 1, errRefused, 0, 0},
		{"conflict", []answer{conflicting, conflicting, good}, 3, nil, 0, 3 * time.Second},
		{"404", []answer{status(404), good}, 1, errRefused, 0, 0},
		{"409", []answer{status(409), good}, 2, nil, 0, time.Second},
		{"410", []answer{status(410), good}, 1, errRefused, 0, 0},
		{"413", []answer{status(413), good}, 1, errRefused, 0, 0},
		{"408", []answer{status(408), good}, 2, nil, 0, time.Second},
		{"429 seconds", []answer{status(429, "Retry-After", "17"), good}, 2, nil, 17 * time.Second, 18 * time.Second},
		{"429 zero", []answer{status(429, "Retry-After", "0"), good}, 2, nil, 0, time.Second},
		{"429 date", []answer{date(40 * time.Second), good}, 2, nil, 39 * time.Second, 41 * time.Second},
		{"429 past date", []answer{date(-time.Hour), good}, 2, nil, 0, time.Second},
		{"429 far date", []answer{date(time.Hour), good}, 2, nil, maxRetryAfter, maxRetryAfter + time.Second},
		{"429 huge", []answer{status(429, "Retry-After", "99999999999999999999"), good}, 2, nil, maxRetryAfter, maxRetryAfter + time.Second},
		{"429 nonsense", []answer{status(429, "Retry-After", "soon"), good}, 2, nil, 0, time.Second},
		{"429 absent", []answer{status(429), status(429), status(429), good}, 4, nil, 0, 7 * time.Second},
		{"429 often", append(repeat(status(429, "Retry-After", "10"), 20), good), 21, nil, 200 * time.Second, 220 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withAPI(t, apiOptions{}, script(tt.answers...), func(t *testing.T, a *api, s *apiServer) {
				began := time.Now()
				_, err := a.configuration(t.Context(), interactive)
				if took := time.Since(began); took < tt.least || took > tt.most {
					t.Errorf("took %v, want %v to %v", took, tt.least, tt.most)
				}
				if !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				if err != nil {
					checkSecrets(t, "error", err.Error())
				}
				if got := len(s.seen()); got != tt.calls {
					t.Errorf("%d calls, want %d", got, tt.calls)
				}
				for _, host := range s.hosts {
					if host != "mews.test:80" {
						t.Errorf("dialled %s", host)
					}
				}
			})
		})
	}
}

// gzipped returns megabytes of blanks, compressed.
func gzipped(t *testing.T, megabytes int) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return strings.Repeat(b.String(), megabytes)
}

func repeat(a answer, n int) (answers []answer) {
	for range n {
		answers = append(answers, a)
	}
	return answers
}

func TestAPIErrors(t *testing.T) {
	hidden := func(code int, id string) answer { return say(code, theirText, "Request-Id", id) }
	for want, a := range map[string]answer{
		"configuration/get: status 400 (request 5d0f6f0a)":               status(400),
		"configuration/get: status 400 (request 0HM-7:1)":                status(400, "Request-Id", "0HM-7:1"),
		"configuration/get: status 401":                                  hidden(401, testAccessToken),
		"configuration/get: status 403":                                  hidden(403, theirText),
		"configuration/get: status 404":                                  hidden(404, strings.Repeat("a", 65)),
		"gave up: configuration/get: status 500":                         hidden(500, ""),
		"gave up: configuration/get: no enterprise":                      say(200, `{}`),
		"gave up: configuration/get: no JSON object: no { at byte 0":     say(200, theirText),
		"gave up: configuration/get: no JSON object: no colon at byte 4": say(200, `{"a"}`),
		"gave up: configuration/get: no usable answer":                   func(w http.ResponseWriter) { hijack(w, "SSH-2.0-"+testAccessToken+"\r\n") },
		"gave up: configuration/get: EOF":                                func(w http.ResponseWriter) { hijack(w, "") },
		"configuration/get: answer too long":                             func(w http.ResponseWriter) { w.Header().Set("Content-Length", "99999999999") },
	} {
		withAPI(t, apiOptions{}, script(a), func(t *testing.T, a *api, _ *apiServer) {
			_, err := a.configuration(t.Context(), interactive)
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func hijack(w http.ResponseWriter, text string) {
	c, _, _ := w.(http.Hijacker).Hijack()
	io.WriteString(c, text)
	c.Close()
}

// TestAPIContext: a call ends with its context wherever it waits, and says so.
func TestAPIContext(t *testing.T) {
	for name, a := range map[string]answer{
		"answer":  func(http.ResponseWriter) { time.Sleep(time.Hour) },
		"body":    func(w http.ResponseWriter) { io.WriteString(w, "{"); w.(http.Flusher).Flush(); time.Sleep(time.Hour) },
		"limit":   status(429, "Retry-After", "60"),
		"backoff": status(503, "Retry-After", "60"),
	} {
		withAPI(t, apiOptions{}, script(a), func(t *testing.T, a *api, s *apiServer) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			_, err := a.configuration(ctx, urgent)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errExhausted) || time.Since(began) != 2*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			if len(s.seen()) != 1 {
				t.Errorf("%s: %d calls", name, len(s.seen()))
			}
		})
	}
}

// TestAPILimitStopsAll: once one call is refused for the limit no other is sent
// until the time is over, be it new, or a read of many rows whose turn it now is.
func TestAPILimitStopsAll(t *testing.T) {
	var calls atomic.Int32
	serve := func(w http.ResponseWriter, c apiCall) {
		if calls.Add(1) == 1 {
			time.Sleep(500 * time.Millisecond)
			status(429, "Retry-After", "30")(w)
			return
		}
		say(200, strings.Replace(harbour, "{", `{"Resources":[],`, 1))(w)
	}
	withAPI(t, apiOptions{}, serve, func(t *testing.T, a *api, s *apiServer) {
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if err := a.allResources(t.Context(), idle, nil); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				time.Sleep(time.Duration(i+1) * 5 * time.Second)
				if _, err := a.configuration(t.Context(), class(i%int(classCount))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := a.budget.brake.refusals; got != 0 {
			t.Errorf("%d refusals in a row after calls that were served", got)
		}
		seen := s.seen()
		for _, c := range seen[1:] {
			if after := c.at.Sub(seen[0].at); after < 30*time.Second || after > 32*time.Second {
				t.Errorf("%s %v after the refusal", c.op, after)
			}
		}
		if len(seen) != 11 {
			t.Errorf("%d calls, want 11", len(seen))
		}
	})
}

func TestAPIMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newAPIMetrics(registry).of("prague")
	count := func() (series int) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			series += len(f.GetMetric())
		}
		return series
	}
	before := count()
	answers := []answer{status(429, "Retry-After", "1"), status(500), say(200, `{"Commands":[{"Id":"c-1"},{"Id":7}]}`)}
	withAPI(t, apiOptions{metrics: m}, script(answers...), func(t *testing.T, a *api, _ *apiServer) {
		if _, err := a.activeCommands(t.Context(), catchUp); err != nil {
			t.Error(err)
		}
		if err := a.call(t.Context(), request{op: "minibar/empty"}, func([]byte) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	families, _ := registry.Gather()
	var got []string
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			value := sample.GetCounter().GetValue() + float64(sample.GetHistogram().GetSampleCount())
			if value == 0 {
				continue
			}
			words := []string{strings.TrimPrefix(f.GetName(), "bellhop_source_api_")}
			for _, l := range sample.GetLabel() {
				words = append(words, l.GetValue())
			}
			got = append(got, strings.Join(append(words, fmt.Sprint(value)), " "))
		}
	}
	want := []string{
		"calls_total commands/getAllActive fault prague 1",
		"calls_total commands/getAllActive ok prague 1",
		"calls_total commands/getAllActive throttled prague 1",
		"calls_total other ok prague 1",
		"rows_total accepted prague DeviceCommand 1",
		"rows_total missing prague DeviceCommand 1",
		"wait_seconds catch-up prague 3",
		"wait_seconds interactive prague 1",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("samples, -want +got:\n%s", diff)
	}
	if after := count(); after != before {
		t.Errorf("%d series have become %d", before, after)
	}
}
