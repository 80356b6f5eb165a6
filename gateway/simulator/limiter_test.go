package simulator_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{})
		time.Sleep(7 * time.Second) // windows begin with a call, not with a clock's mark
		begun := time.Now()
		good := func(n int) (passed int) {
			for range n {
				if m.call("configuration/get", nil).Code == http.StatusOK {
					passed++
				}
			}
			return passed
		}
		if n := good(150); n != 150 {
			t.Errorf("%d of 150", n)
		}
		time.Sleep(20500 * time.Millisecond)
		if n := good(100); n != 50 {
			t.Errorf("%d of the next 100", n)
		}
		w := m.call("devices/getAll", nil)
		checkError(t, "above the limit", w, http.StatusTooManyRequests, "")
		if got := w.Header().Get("Retry-After"); got != "10" {
			t.Errorf("retry after %q", got)
		}
		time.Sleep(time.Until(begun.Add(30*time.Second - 1)))
		if n := good(1); n != 0 {
			t.Error("the window ended early")
		}
		time.Sleep(time.Nanosecond)
		if n := good(201); n != 200 {
			t.Errorf("%d in the next window", n)
		}
		if n := m.Limited(); n != 50+1+1+1 {
			t.Errorf("%d calls were limited", n)
		}
		calls := m.Calls()
		if n := len(calls); n != 150+100+1+1+201 {
			t.Errorf("%d calls", n)
		}
		want := simulator.Call{At: begun.UTC().Add(20500 * time.Millisecond), Operation: "devices/getAll", Status: 429}
		if d := cmp.Diff(want, calls[250]); d != "" {
			t.Errorf("call (-want +got):\n%s", d)
		}
		if len(m.Violations()) > 0 {
			t.Errorf("violations: %q", m.Violations())
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{Limiter: simulator.Limiter{Calls: 1, Window: 90 * time.Second}})
		time.Sleep(300 * time.Millisecond)
		begun := time.Now()
		for form, want := range map[string]string{
			"":                          "90",
			simulator.RetryAfterSeconds: "90",
			simulator.RetryAfterDate:    begun.Add(91 * time.Second).Truncate(time.Second).UTC().Format(http.TimeFormat),
			simulator.RetryAfterNone:    "",
		} {
			if err := m.SetLimiter(simulator.Limiter{Calls: 1, Window: 90 * time.Second, RetryAfter: form}); err != nil {
				t.Fatal(err)
			}
			first, second := m.call("configuration/get", nil), m.call("configuration/get", nil)
			if first.Code != 200 || second.Code != 429 || second.Header().Get("Retry-After") != want {
				t.Errorf("%q: %d, then %d with %q, want %q", form, first.Code, second.Code, second.Header().Get("Retry-After"), want)
			}
		}
		for _, bad := range []simulator.Limiter{{RetryAfter: "soon"}, {Window: -1}} {
			if m.SetLimiter(bad) == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
	})
}

func TestNoLimit(t *testing.T) {
	m := newMews(t, simulator.Options{Limiter: simulator.Limiter{Calls: -1}})
	for range 500 {
		if w := m.call("configuration/get", nil); w.Code != http.StatusOK {
			t.Fatalf("status %d", w.Code)
		}
	}
}
