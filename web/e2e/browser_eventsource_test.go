package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/google/go-cmp/cmp"
)

// A watch is a page with nothing but an EventSource, which keeps a record of its
// own: no code of ours mends anything.
type watch struct{ *tab }

// watch signs the page in and opens its EventSource.
func (p *tab) watch(gateway, token, query string) watch {
	p.t.Helper()
	p.run(`
		const gateway = ` + quote(gateway) + `, credentials = 'include'
		const answer = await fetch(gateway + '/session', {method: 'POST', credentials, headers: {Authorization: 'Bearer ' + ` + quote(token) + `}})
		if (answer.status !== 204) throw new Error('session: ' + answer.status)
		const source = new EventSource(gateway + '/events?as=message' + ` + quote(query) + `, {withCredentials: true})
		const record = window.record = {events: [], readies: 0, errors: 0, byes: [], worst: 0}
		const look = () => { record.worst = Math.max(record.worst, source.readyState) }
		source.onerror = () => { record.errors++; look() }
		setInterval(look, 10)
		source.onmessage = ({lastEventId, data}) => record.events.push({id: lastEventId, entity: JSON.parse(data).id})
		source.addEventListener('bellhop.ready', () => record.readies++)
		source.addEventListener('bellhop.bye', ({data}) => record.byes.push(JSON.parse(data).reason))`)
	return watch{p}
}

// A watchRecord is what a watch has noted.
type watchRecord struct {
	Events          []struct{ ID, Entity string }
	Readies, Errors int
	Byes            []string
	Worst           int // the highest readyState that was seen
}

func (w watch) record() watchRecord {
	w.t.Helper()
	return evaluate[watchRecord](w.tab, "window.record")
}

// entities are those of the events, in the order in which they came.
func (r watchRecord) entities() (list []string) {
	for _, e := range r.Events {
		list = append(list, e.Entity)
	}
	return list
}

const eventSourceClosed = 2

// watches are several pages that hear the same.
type watches []watch

// await waits until ok holds for each page.
func (ws watches) await(what string, ok func(watchRecord) bool) {
	for _, w := range ws {
		w.t.Helper()
		eventually(w.t, what, func() bool { return ok(w.record()) })
	}
}

// errors are the pages' counts of errors, one after another.
func (ws watches) errors() int {
	n := 0
	for _, w := range ws {
		n += w.record().Errors
	}
	return n
}

// A native EventSource lives through whatever passes, in a page of the gateway's
// own origin and of a listed one: it never gives up, and hears everything once.
func TestEventSourceLives(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	elsewhere := blankPage(t)
	hotels := newHotels(t, 1)
	config := func(further ...string) []string {
		return append([]string{hotels.sources(), issuer, `cors: {origins: ["` + elsewhere.URL + `"], credentials: true}`}, further...)
	}
	g := newGateway(t, config("stream: {retry: 100ms}")...)
	g.start()
	token := mint(t, "page", auth.Grant{Sources: []string{"*"}, Types: []string{"*"}})
	pages := watches{
		b.open(t, g.url+"/healthz").watch(g.url, token, ""),
		b.open(t, elsewhere.URL).watch(g.url, token, ""),
	}
	pages.await("a stream", func(r watchRecord) bool { return r.Readies == 1 })
	story := story{t: t, hotel: hotels.at(0), pages: pages}
	story.tell(5)
	story.heard("at first")

	g.kill()
	before := pages.errors()
	pages.await("closed ports", func(r watchRecord) bool { return pages.errors() >= before+6 })
	g.configure(config("stream: {retry: 100ms}", "drain: {delay: 200ms, spread: 200ms, linger: 2s}")...)
	g.start()
	story.tell(5)
	story.heard("after kill -9")

	g.signal(syscall.SIGTERM)
	pages.await("a refusal while draining", func(r watchRecord) bool {
		return slices.Contains(r.Byes, "shutdown") && slices.Contains(r.Byes, "draining")
	})
	g.wait()
	g.configure(config("stream: {retry: 50ms, lifetime: 250ms}")...)
	g.start()
	story.tell(5)
	story.heard("after a drain")

	readies := pages[0].record().Readies
	eventually(t, "five streams, one after another", func() bool {
		story.tell(3)
		time.Sleep(20 * time.Millisecond) // so that they end between any two events
		return pages[0].record().Readies >= readies+5
	})
	story.heard("over streams of short life")
	pages.await("the end of life", func(r watchRecord) bool { return slices.Contains(r.Byes, "lifetime") })

	g.stop()
	g.configure(config("stream: {retry: 1s}", "limits: {streams: 2}")...)
	g.start()
	others := g.takeAllPlaces(t, "page", 2)
	story.tell(5)
	for _, p := range pages {
		before := len(p.record().Byes)
		eventually(t, "a refusal for want of room", func() bool {
			byes := p.record().Byes
			return len(byes) > before && byes[len(byes)-1] == "busy"
		})
	}
	for _, other := range others {
		other.drop()
	}
	story.heard("after the gateway was full")
}

// A story is what an upstream tells, one event after another, and who is to hear
// all of it.
type story struct {
	t     *testing.T
	hotel hotel
	pages watches
	told  []string // the entities, in order
}

func (s *story) tell(n int) {
	s.t.Helper()
	for range n {
		s.told = append(s.told, fmt.Sprintf("room-%d", len(s.told)))
		s.hotel.tell(resource(s.told[len(s.told)-1], "Dirty"))
	}
}

// heard waits until the pages have heard what was told, and holds them to it: all
// of it, in order, once, by an EventSource that never gave up.
func (s *story) heard(step string) {
	s.t.Helper()
	s.pages.await("all events "+step, func(r watchRecord) bool { return len(r.Events) >= len(s.told) })
	for i, p := range s.pages {
		r := p.record()
		if diff := cmp.Diff(s.told, r.entities()); diff != "" {
			s.t.Fatalf("page %d, %s (-told +heard):\n%s", i, step, diff)
		}
		if r.Worst == eventSourceClosed {
			s.t.Fatalf("page %d, %s: the EventSource gave up", i, step)
		}
	}
}

// takeAllPlaces closes the subject's streams and has others take all n places of
// the gateway before they are back.
func (g *gateway) takeAllPlaces(t testing.TB, subject string, n int) []*listener {
	t.Helper()
	token := mint(t, "squatter", auth.Grant{Sources: []string{"*"}, Types: []string{"*"}})
	var squatters []*listener
	for range n {
		squatters = append(squatters, g.newListener(t, token, ""))
	}
	eventually(t, "all places taken", func() bool {
		g.closeStreams(subject)
		for _, s := range squatters {
			s.dial(0)
		}
		return !slices.ContainsFunc(g.streams(), func(s streamStatus) bool { return s.Sub == subject }) && len(g.streams()) == n
	})
	return squatters
}

// closeStreams closes a subject's streams, as an operator does.
func (g *gateway) closeStreams(subject string) {
	g.t.Helper()
	request, err := http.NewRequest(http.MethodDelete, g.admin+"/streams?sub="+subject, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := g.client().Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		g.t.Fatalf("DELETE /streams: status %d", answer.StatusCode)
	}
}

// What coming back does not help ends an EventSource: then the page learns, by
// GET /session, that it needs another token.
func TestEventSourceEnds(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	hotels := newHotels(t, 2)
	g := startGateway(t, hotels.sources(), "stream: {retry: 100ms}",
		strings.Replace(issuer, "auth: {", "auth: {leeway: 0s, ", 1))
	grant := auth.Grant{Sources: []string{"prague"}, Types: []string{"Resource"}}

	t.Run("expired", func(t *testing.T) {
		w := b.open(t, g.url+"/healthz").watch(g.url, mintUntil(t, "page", time.Now().Add(4*time.Second), grant), "")
		eventually(t, "the end", func() bool { return w.record().Worst == eventSourceClosed })
		r := w.record()
		if diff := cmp.Diff([]string{"expired"}, r.Byes); diff != "" || r.Readies != 1 {
			t.Errorf("%d readies; byes (-want +got):\n%s", r.Readies, diff)
		}
		if status := evaluate[int](w.tab, `fetch('/session').then(({status}) => status)`); status != http.StatusUnauthorized {
			t.Errorf("GET /session: %d, want 401", status)
		}
	})
	t.Run("forbidden", func(t *testing.T) {
		w := b.open(t, g.url+"/healthz").watch(g.url, mint(t, "page", grant), "&source=brno")
		eventually(t, "the end", func() bool { return w.record().Worst == eventSourceClosed })
		if r := w.record(); r.Readies != 0 || r.Errors != 1 {
			t.Errorf("%d readies and %d errors, want none and one", r.Readies, r.Errors)
		}
	})
}
