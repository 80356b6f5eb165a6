package tail_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"bellhop/web/tail"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const total = 5 // events in the log of the scripted gateway

// A script says how each connection in turn ends; the one after the last is
// served in full.
type script []step

type step struct {
	kind string // one of kinds
	at   int    // bytes served before, modulo what there is to serve
	each int    // bytes a write
}

var kinds = []string{"end", "cut", "bye", "unavailable", "too many", "bad gateway", "refused", "silence"}

// gateway resumes exactly: it serves the events after the one asked for.
type gateway struct {
	script script
	host   *host
	asked  []string // ids that are none of the log's
}

func (g *gateway) wire(after int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "retry: 1500\nid: %d\nevent: bellhop.ready\ndata: {\"position\":\"%[1]d\"}\n\n", 1000+after)
	for n := after + 1; n <= total; n++ {
		fmt.Fprintf(&b, "id: %d\nevent: Resource\ndata: {\"n\":%d}\n\n", 1000+n, n)
	}
	return b.String()
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	last := r.Header.Get("Last-Event-ID")
	after, err := strconv.Atoi(last)
	if after -= 1000; last == "" {
		after, err = 0, nil
	}
	if err != nil || after < 0 || after > total {
		g.asked = append(g.asked, last)
	}
	body := g.wire(after)
	if len(g.script) == 0 {
		begin(w)
		write(w, body)
		<-r.Context().Done()
		return
	}
	s := g.script[0]
	g.script = g.script[1:]
	g.step(w, r, s, body)
}

func (g *gateway) step(w http.ResponseWriter, r *http.Request, s step, body string) {
	status := map[string]int{"unavailable": 503, "too many": 429, "bad gateway": 502}[s.kind]
	if status != 0 {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "later", status)
		return
	}
	begin(w)
	if s.kind == "bye" {
		write(w, "retry: 3000\nevent: bellhop.bye\ndata: {\"reason\":\"busy\"}\n\n")
		return
	}
	for part := range slices.Chunk([]byte(body[:s.at%(len(body)+1)]), s.each) {
		write(w, string(part))
	}
	switch s.kind {
	case "cut":
		cut()
	case "refused":
		g.host.refuse.Store(3)
		cut()
	case "silence":
		<-r.Context().Done()
	}
}

// run tails the gateway through the script and returns the log's events.
func run(t *testing.T, s script) (got []string, asked []string) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{script: s}
		g.host = serve(t, g.serve)
		err := tail.Run(t.Context(), g.host.options(), func(ev tail.Event) error {
			if ev.Name == "Resource" {
				got = append(got, ev.ID+" "+string(ev.Data))
			}
			if ev.Name == "Resource" && ev.ID == strconv.Itoa(1000+total) {
				return errEnough
			}
			return nil
		})
		if err != errEnough {
			t.Errorf("got error %v", err)
		}
		asked = g.asked
	})
	return got, asked
}

func everyEvent() (want []string) {
	for n := 1; n <= total; n++ {
		want = append(want, fmt.Sprintf(`%d {"n":%d}`, 1000+n, n))
	}
	return want
}

// TestEveryCut cuts the stream after each of its bytes.
func TestEveryCut(t *testing.T) {
	whole := len((&gateway{}).wire(0))
	for _, kind := range []string{"end", "cut"} {
		for at := range whole + 1 {
			got, asked := run(t, script{{kind, at, whole}})
			if diff := cmp.Diff(everyEvent(), got); diff != "" || asked != nil {
				t.Fatalf("%s after byte %d, asked for %q: events (-want +got):\n%s", kind, at, asked, diff)
			}
		}
	}
}

// TestResume: whatever happens to its connections, a tail has every event once,
// in order, and asks for no id that it was not given whole.
func TestResume(t *testing.T) {
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			at:   rapid.IntRange(0, 400).Draw(t, "at"),
			each: rapid.IntRange(1, 100).Draw(t, "each"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SliceOfN(one, 0, 8).Draw(rt, "script")
		got, asked := run(t, slices.Clone(s))
		if diff := cmp.Diff(everyEvent(), got); diff != "" || asked != nil {
			rt.Fatalf("asked for %q, events (-want +got):\n%s", asked, diff)
		}
	})
}
