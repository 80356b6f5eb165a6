package tail_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/web/tail"
)

// TestWaitAsAsked: when the server says when to come back, the tail comes back
// then.
func TestWaitAsAsked(t *testing.T) {
	bye := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Bellhop-Refusal", "busy")
		begin(w)
		write(w, "retry: 7000\nevent: bellhop.bye\ndata: {\"reason\":\"busy\"}\n\n")
	}
	later := func(status int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(status)
		}
	}
	retry := func(field string, end func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			write(w, field)
			end()
		}
	}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of every bubble
	tests := map[string]struct {
		answer http.HandlerFunc
		want   time.Duration
	}{
		"bye":                         {bye, 7 * time.Second},
		"503":                         {later(503, "4"), 4 * time.Second},
		"429":                         {later(429, "60"), time.Minute},
		"502 with a date":             {later(502, start.Add(9*time.Second).Format(http.TimeFormat)), 9 * time.Second},
		"503 for a week":              {later(503, "604800"), time.Hour},
		"503 with a date far off":     {later(503, start.AddDate(1, 0, 0).Format(http.TimeFormat)), time.Hour},
		"retry, then the end":         {retry("retry: 2841\ndata: 1\n\n", func() {}), 2841 * time.Millisecond},
		"retry, then a cut":           {retry("retry: 2841\ndata: 1\n\n", cut), 2841 * time.Millisecond},
		"retry in a block of its own": {retry("retry: 6000\n\n", func() {}), 6 * time.Second},
		"the last of several":         {retry("retry: 9000\ndata: 1\n\nretry: 1000\ndata: 2\n\nretry: 1e3\n\nretry: -1\n\n", cut), time.Second},
		"retry of a week":             {retry("retry: 604800000\ndata: 1\n\n", cut), time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var came []time.Time
				h := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if came = append(came, time.Now()); len(came) == 1 {
						tt.answer(w, r)
						return
					}
					http.NotFound(w, r)
				})
				collect(t, h.options(), -1)
				if len(came) != 2 || came[1].Sub(came[0]) != tt.want {
					t.Errorf("got requests at %v, want two, %v apart", came, tt.want)
				}
			})
		})
	}
}

// TestRetryLasts: a wish for all reconnections outlasts the failures between,
// and yields to what a refusal says of itself.
func TestRetryLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came []time.Time
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch came = append(came, time.Now()); len(came) {
			case 1:
				begin(w)
				write(w, "retry: 20000\ndata: 1\n\n")
			case 2:
				cut()
			case 3:
				w.Header().Set("Retry-After", "12")
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				http.NotFound(w, r)
			}
		})
		collect(t, h.options(), -1)
		want := []time.Duration{20 * time.Second, 20 * time.Second, 12 * time.Second}
		for i, d := range want {
			if got := came[i+1].Sub(came[i]); got != d {
				t.Errorf("wait %d: got %v, want %v", i, got, d)
			}
		}
	})
}

// TestBackoff: without a word from the server the waits are random, below a
// ceiling that doubles to half a minute, and begin anew after an event.
func TestBackoff(t *testing.T) {
	const failures, rounds = 8, 200
	longest := make([]time.Duration, failures+1)
	shortest := time.Hour
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		n := 0
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			now := time.Now()
			if n > 0 {
				i := (n - 1) % (failures + 1) // failures since the last event
				longest[i] = max(longest[i], now.Sub(last))
				if i == failures {
					shortest = min(shortest, now.Sub(last))
				}
			}
			last = now
			switch {
			case n == rounds*(failures+1):
				http.NotFound(w, r)
			case n%(failures+1) == 0:
				begin(w)
				write(w, "data: 1\n\n")
			case n%2 == 0:
				begin(w) // and nothing
			default:
				w.WriteHeader(http.StatusInternalServerError)
			}
			n++
		})
		collect(t, h.options(), -1)
	})
	for i, got := range longest {
		ceiling := min(time.Second<<i, 30*time.Second)
		if got >= ceiling || got < ceiling*3/4 {
			t.Errorf("after %d failures: the longest of %d waits was %v, want just under %v", i, rounds, got, ceiling)
		}
	}
	if shortest > 5*time.Second {
		t.Errorf("the shortest wait under the last ceiling was %v: no full jitter", shortest)
	}
}

func TestSilence(t *testing.T) {
	tests := map[string]struct {
		silence time.Duration
		answer  http.HandlerFunc
		want    time.Duration // from one request to the next, before the wait
	}{
		"before the headers": {0, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, time.Minute},
		"after the headers":  {0, func(w http.ResponseWriter, r *http.Request) { begin(w); <-r.Context().Done() }, time.Minute},
		"within a block": {10 * time.Second, func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			time.Sleep(9 * time.Second)
			write(w, "data: 1\n\ndata:")
			<-r.Context().Done()
		}, 19 * time.Second},
		"within a refusal": {10 * time.Second, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			flush(w)
			<-r.Context().Done()
		}, 10 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var came []time.Time
				h := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if came = append(came, time.Now()); len(came) == 1 {
						tt.answer(w, r)
						return
					}
					http.NotFound(w, r)
				})
				o := h.options()
				o.Silence = tt.silence
				collect(t, o, -1)
				if got := came[1].Sub(came[0]); got < tt.want || got >= tt.want+2*time.Second {
					t.Errorf("came back after %v, want %v and the wait", got, tt.want)
				}
			})
		})
	}
}

// TestPatience: heartbeats, even of comments, are no silence; neither is the
// callback's own time; and a negative limit is none.
func TestPatience(t *testing.T) {
	for name, silence := range map[string]time.Duration{"limit": 10 * time.Second, "no limit": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				h := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					requests++
					begin(w)
					for range 10 {
						if silence > 0 {
							time.Sleep(9 * time.Second)
							write(w, ":\n")
						}
					}
					if silence < 0 {
						time.Sleep(24 * time.Hour)
					}
					write(w, "data: 1\n\n")
					write(w, "data: 2\n\n")
					write(w, "data: 3\n\n")
				})
				o := h.options()
				o.Silence = silence
				n := 0
				err := tail.Run(t.Context(), o, func(tail.Event) error {
					time.Sleep(time.Hour)
					if n++; n == 3 {
						return errEnough
					}
					return nil
				})
				if err != errEnough || requests != 1 {
					t.Errorf("got error %v after %d requests", err, requests)
				}
			})
		})
	}
}
