package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"bellhop/web"
)

// TestPassingTrouble asks as an EventSource does, which would give up at any
// status but 200, and as others do.
func TestPassingTrouble(t *testing.T) {
	for name, tt := range map[string]struct {
		refusal string
		wait    time.Duration // about
	}{
		"unjudged token": {"busy", 5 * time.Second}, "address has many": {"busy", 5 * time.Second}, "full": {"busy", 5 * time.Second},
		"log not open": {"busy", time.Second}, "draining": {"draining", 18 * time.Second},
	} {
		for _, accept := range []string{"text/event-stream", "text/html, Text/Event-Stream;q=0.2", "*/*", "text/*", "text/event-stream;q=0, */*"} {
			t.Run(name+" "+accept, func(t *testing.T) {
				f := faults()[name]
				c := get("/events", "Accept: "+accept)
				h := build(t, func(p *plan) { f.make(p, c, nil) })
				if f.before != nil {
					f.before(t, h)
				}
				a := c.with(bearer(mint(t))).to(t, h)
				if accept[0] == '*' || accept == "text/*" || accept[len(accept)-1] == '*' {
					a.wantProblem(t, f.status, f.code)
					wantSeconds(t, a.Header.Get("Retry-After"), tt.wait)
					return
				}
				a.wantStatus(t, http.StatusOK)
				wantStreamHeaders(t, a.Header)
				if got := a.Header.Get("Bellhop-Refusal"); got != tt.refusal {
					t.Errorf("Bellhop-Refusal: %q, want %q", got, tt.refusal)
				}
				wantOneBlock(t, a.body, tt.refusal, tt.wait)
				if head := c.by("HEAD").to(t, h); tt.refusal == "draining" && head.Header.Get("Bellhop-Refusal") != tt.refusal {
					t.Errorf("HEAD: got %v", head.Header)
				}
			})
		}
	}
}

func wantOneBlock(t *testing.T, body, refusal string, wait time.Duration) {
	t.Helper()
	m := regexp.MustCompile(`^retry: ([0-9]+)\nevent: bellhop\.bye\ndata: (.*)\n\n$`).FindStringSubmatch(body)
	if m == nil || m[2] != fmt.Sprintf(`{"reason":%q}`, refusal) {
		t.Fatalf("got %q, want a single bye of %s", body, refusal)
	}
	ms, _ := strconv.Atoi(m[1])
	if d := time.Duration(ms) * time.Millisecond; d < wait*3/4-time.Second/2 || d > wait*5/4 {
		t.Errorf("a retry of %v, want about %v", d, wait)
	}
}

func wantSeconds(t *testing.T, s string, wait time.Duration) {
	t.Helper()
	if n, err := strconv.Atoi(s); err != nil || n < 1 || time.Duration(n)*time.Second > wait*5/4+time.Second {
		t.Errorf("Retry-After %q, want about %v", s, wait)
	}
}

// TestFinalTrouble holds that what coming back would not mend keeps its status,
// whatever is accepted.
func TestFinalTrouble(t *testing.T) {
	h := build(t)
	for query, status := range map[string]int{"": 401, "sorce=a": 400, "type=Resource": 403} {
		c := get("/events?"+query, "Accept: text/event-stream")
		if status == 401 {
			c.with(bearer("none"))
		} else {
			c.with(bearer(mint(t, granting(`{"sources":["prague"],"types":["Reservation"]}`))))
		}
		if a := c.to(t, h); a.StatusCode != status || a.Header.Get("Bellhop-Refusal") != "" {
			t.Errorf("%q: got %d %v, want %d", query, a.StatusCode, a.Header, status)
		}
	}
}

// TestRetryDiffers holds that clients refused together do not come back
// together.
func TestRetryDiffers(t *testing.T) {
	h := build(t, func(p *plan) { p.closed = true })
	seen := make(map[string]bool)
	for range 20 {
		seen[get("/events", bearer(mint(t)), "Accept: text/event-stream").to(t, h).body] = true
	}
	if len(seen) < 15 {
		t.Errorf("20 refusals with %d different waits", len(seen))
	}
}

// TestFullGateway follows limits.per_subject and limits.streams together: the
// oldest stream of a subject goes only where that has as many as it may.
func TestFullGateway(t *testing.T) {
	h := build(t, func(p *plan) { p.Limits = web.Limits{Streams: 3, PerSubject: 2} })
	open := func(subject string) *held { return h.hold(t, get("/events", bearer(mint(t, subjectOf(subject))))) }
	first, second, other := open("a"), open("a"), open("b")
	get("/events", bearer(mint(t, subjectOf("b")))).to(t, h).wantProblem(t, 503, "busy") // below its limit
	get("/events", bearer(mint(t, subjectOf("c")))).to(t, h).wantProblem(t, 503, "busy")
	third := open("a")
	eventually(t, first.ended)
	if got := lastBlock(first.text()); got != "retry: 60000\nevent: bellhop.bye\ndata: {\"reason\":\"busy\"}\n\n" {
		t.Errorf("the oldest ended with %q", got)
	}
	if second.ended() || other.ended() || third.ended() || h.Streams() != 3 {
		t.Errorf("ended: %v %v %v; %d streams", second.ended(), other.ended(), third.ended(), h.Streams())
	}
}

// granting gives a token these grants, as JSON.
func granting(grants ...string) func(*claims) {
	return func(c *claims) {
		c.Grants = nil
		for _, text := range grants {
			var g grant
			if err := json.Unmarshal([]byte(text), &g); err != nil {
				panic(err)
			}
			c.Grants = append(c.Grants, g)
		}
	}
}
