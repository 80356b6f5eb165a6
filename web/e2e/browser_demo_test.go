package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"bellhop/gateway/simulator"
)

// A demo is a process of the demo, reached by a door that outlives it.
type demo struct {
	t       testing.TB
	door    *door
	url     string // of the page
	control string // of the simulated hotel
	log     *journal

	cmd *exec.Cmd
}

func startDemo(t testing.TB) *demo {
	t.Helper()
	d := &demo{t: t, door: newDoor(t, ""), log: new(journal)}
	d.url = "http://" + d.door.address + "/"
	t.Cleanup(func() {
		d.kill()
		text := d.log.String()
		if strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
			t.Error("the demo says DATA RACE or panic")
		}
		if t.Failed() {
			t.Logf("stderr of the demo:\n%s", text)
		}
	})
	d.start()
	return d
}

// start starts the process and reads the two addresses that it prints.
func (d *demo) start() {
	d.t.Helper()
	d.cmd = program(d.t.TempDir(), nil, "demo")
	d.cmd.Stderr = d.log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	page, err1 := lines.ReadString('\n')
	steer, err2 := lines.ReadString('\n')
	if err1 != nil || err2 != nil {
		d.t.Fatalf("the demo's first lines: %q %q", page, steer)
	}
	_, steer, _ = strings.Cut(steer, "http://")
	d.control = "http://" + strings.TrimSuffix(strings.TrimSpace(steer), "drop")
	d.door.lead(strings.Trim(strings.TrimPrefix(page, "http://"), "/\n"))
}

func (d *demo) kill() {
	if d.cmd.Process != nil {
		d.cmd.Process.Kill()
		d.cmd.Wait()
	}
}

// steer does something to the simulated hotel.
func (d *demo) steer(operation, body string) {
	d.t.Helper()
	answer, err := plain.Post(d.control+operation, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		d.t.Fatalf("%s %s: status %d", operation, body, answer.StatusCode)
	}
}

// now returns what is true of the simulated hotel.
func (d *demo) now() (state simulator.State) {
	d.t.Helper()
	answer, err := plain.Get(d.control + "state")
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil {
		d.t.Fatal(err)
	}
	return state
}

// What a page of the demo may show, as expressions.
const (
	isLive    = `document.documentElement.dataset.tone === 'live'`
	isDrawn   = `document.querySelectorAll('.room').length === 48`
	allRooms  = `!document.querySelector('.room[data-state=""]')`
	roomsSeen = `document.querySelectorAll('.room:not([data-state=""])').length`
	tokens    = `performance.getEntriesByType('resource').filter(({name}) => name.endsWith('/demo/token')).length`
	firstRoom = `fetch('demo/hotel').then((answer) => answer.json()).then(({rooms}) => rooms[0].id)`
	events    = `Number.parseInt(document.getElementById('counts').textContent.replaceAll(/\D/g, ''))`
)

func isRole(role string) string {
	return `document.querySelector('[data-role="` + role + `"]')?.ariaPressed === 'true'`
}

const (
	tabKey   = "\t"
	enterKey = "\r"
	spaceKey = " "
)

// unexpected returns the complaints that nobody expects of a page at its first visit, when
// there is no session yet.
func (p *tab) unexpected() []string {
	return slices.DeleteFunc(p.console(), func(c string) bool {
		return strings.Contains(c, "status of 401") && strings.HasSuffix(c, "/session")
	})
}

// The first visit: the hotel is there, with all that it is made of.
func TestDemoPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	began := time.Now()
	d := startDemo(t)
	p := b.open(t, d.url)
	p.await(isLive)
	p.await(isDrawn + "&&" + allRooms)
	t.Logf("live %v after the process began", time.Since(began).Round(time.Millisecond))
	if name := p.text("h1"); name != "Hotel Meridian" {
		t.Errorf("the hotel is called %q", name)
	}
	p.await(`document.querySelector('#arrivals tr') && document.querySelector('#departures tr') && document.querySelector('#prices li')`)
	categories := []string{"Classic", "Superior", "Deluxe", "Suite", "no room yet"}
	for _, kind := range evaluate[[]string](p, `[...document.querySelectorAll('.kind')].map((node) => node.textContent)`) {
		if !slices.Contains(categories, kind) {
			t.Errorf("a board says %q where the room's category stands", kind)
		}
	}
	var names []string
	for _, room := range d.now().Rooms {
		names = append(names, room.Name)
	}
	shown := evaluate[[]string](p, `[...document.querySelectorAll('.room-name')].map((node) => node.textContent)`)
	if diff := cmp.Diff(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(shown))); diff != "" {
		t.Errorf("names of rooms (-want +got):\n%s", diff)
	}
	p.await(`[...document.querySelectorAll('td.number')].every((node) => /^\d+$/.test(node.textContent))`)
	if lines := evaluate[int](p, `document.querySelectorAll('.code code > span').length`); lines != 3 {
		t.Errorf("the three lines are %d", lines)
	}
	p.await(`document.querySelectorAll('.block').length > 100`)
	if complaints := p.unexpected(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
}

// Each role, chosen by the keyboard alone, shows what its token shows and no
// more, at any width.
func TestDemoRoles(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	p := b.open(t, d.url)
	p.await(isLive + "&&" + isDrawn)
	p.press(tabKey, enterKey) // the skip link
	p.await(`document.activeElement.id === 'board'`)
	p.run(`document.getElementById('pull').focus()`)
	guestRoom := evaluate[string](p, firstRoom)
	for _, role := range []struct {
		name    string
		shows   []string
		rooms   func(simulator.Room) bool
		summary string
		hides   string // no block may have it
	}{
		{
			"frontdesk", []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}, func(simulator.Room) bool { return true },
			"This token shows everything.", "nothing is hidden",
		},
		{
			"housekeeper", []string{"Reservation", "Resource"}, housekeeping,
			"This token shows some rooms and some reservations; no prices or device commands.", "StartUtc",
		},
		{
			"revenue", []string{"PriceUpdate", "Reservation"}, func(simulator.Room) bool { return false },
			"This token shows reservations and prices; no rooms or device commands.", `"Resource"`,
		},
		{
			"guest", []string{"Reservation", "Resource"}, func(r simulator.Room) bool { return r.ID == guestRoom },
			"This token shows some rooms and some reservations; no prices or device commands.", "PriceUpdate",
		},
	} {
		p.press(tabKey)
		if focus := evaluate[string](p, `document.activeElement.dataset.role ?? document.activeElement.tagName`); focus != role.name {
			t.Fatalf("the focus is on %s, want the role %s", focus, role.name)
		}
		p.press(enterKey)
		p.await(isRole(role.name) + "&&" + isLive + `&& document.querySelector('.block[data-kind="event"]')`)
		eventually(t, "the rooms that the token shows", func() bool {
			n := 0
			for _, room := range d.now().Rooms {
				if role.rooms(room) {
					n++
				}
			}
			return evaluate[int](p, roomsSeen) == n
		})
		if summary := p.text("#summary"); summary != role.summary {
			t.Errorf("%s: %s", role.name, summary)
		}
		shown := evaluate[[]string](p, `[...new Set([...document.querySelectorAll('[data-needs]')].filter((node) => !node.hidden).map((node) => node.dataset.needs))].sort()`)
		if diff := cmp.Diff(role.shows, shown); diff != "" {
			t.Errorf("%s: panels (-want +got):\n%s", role.name, diff)
		}
		if stream := evaluate[string](p, `document.getElementById('raw').textContent`); strings.Contains(stream, role.hides) {
			t.Errorf("%s: the stream has %s", role.name, role.hides)
		}
		p.fits(role.name)
	}
	if name, want := p.text(`.room:not([data-state=""]) .room-name`), d.now().Rooms[0].Name; name != want {
		t.Errorf("the guest's room is called %q, want %q", name, want)
	}
	if complaints := p.unexpected(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
}

// housekeeping tells which rooms the housekeeper sees.
func housekeeping(r simulator.Room) bool {
	return r.State == simulator.RoomDirty || r.State == simulator.RoomClean || r.State == simulator.RoomInspected
}

// fits checks that nobody has to scroll sideways.
func (p *tab) fits(what string) {
	p.t.Helper()
	for _, width := range []int64{320, 390, 700, 1024, 1440} {
		p.resize(width, 900)
		if over := evaluate[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			p.t.Errorf("%s: %d pixels to scroll sideways at a width of %d", what, over, width)
		}
	}
}

// resize makes the page's viewport so large.
func (p *tab) resize(width, height int64) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	}); err != nil {
		p.t.Fatal(err)
	}
}

// What takes the focus shows it, pausing holds the picture but not the stream,
// and who wants no motion gets none.
func TestDemoPageIsUsable(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	p := b.open(t, d.url)
	p.await(isLive + "&&" + isDrawn + "&&" + allRooms)

	var stops []string
	for range 20 {
		p.press(tabKey)
		stop := evaluate[string](p, `(({id, className, dataset, tagName}) => dataset.role || id || className || tagName)(document.activeElement)`)
		if stop == "BODY" || len(stops) > 0 && stop == stops[0] {
			break
		}
		stops = append(stops, stop)
		if ring := evaluate[string](p, `(({outlineStyle, outlineWidth}) => outlineStyle + ' ' + outlineWidth)(getComputedStyle(document.activeElement))`); ring != "solid 2px" {
			t.Errorf("the focus on %s shows as %q", stop, ring)
		}
	}
	if diff := cmp.Diff([]string{"skip", "pull", "frontdesk", "housekeeper", "revenue", "guest", "A", "pause", "raw"}, stops); diff != "" {
		t.Errorf("stops of the focus (-want +got):\n%s", diff)
	}

	p.run(`document.getElementById('pause').focus()`)
	p.press(spaceKey)
	p.await(`document.getElementById('pause').ariaPressed === 'true'`)
	newest := `document.querySelector('.block').textContent`
	before, heard := evaluate[string](p, newest), evaluate[string](p, `document.getElementById('counts').textContent`)
	d.steer("say", "")
	p.await(`document.getElementById('counts').textContent !== ` + quote(heard) + ` && / held back/.test(document.getElementById('counts').textContent)`)
	if after := evaluate[string](p, newest); after != before {
		t.Errorf("while paused the stream's picture has changed")
	}
	p.press(spaceKey)
	p.await(newest + ` !== ` + quote(before))

	moves := `document.getAnimations().length`
	p.await(moves + " > 0") // the lamp breathes
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	}); err != nil {
		t.Fatal(err)
	}
	p.await(moves + " === 0")
	p.run(`window.moved = 0; (function look() { window.moved = Math.max(window.moved, ` + moves + `); requestAnimationFrame(look) })()`)
	room := evaluate[string](p, firstRoom)
	for _, state := range []string{"Dirty", "Clean", "Inspected"} {
		d.steer("room", `{"id":"`+room+`","state":"`+state+`"}`)
		p.await(`document.querySelector('.floor:last-child .room').dataset.state === ` + quote(state))
	}
	if moved := evaluate[int](p, "window.moved"); moved > 0 {
		t.Errorf("%d animations for somebody who wants none", moved)
	}
}

// The badge never says live over something that is not: the hotel's system gone
// or silent, or the gateway itself.
func TestDemoBadgeTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, trouble := range []struct {
		name       string
		begin, end func(*demo)
		labels     []string // of the badge, one after another
	}{
		{"dropped", func(d *demo) {
			d.steer("refuse", `{"status":503}`)
			d.steer("drop", "")
		}, admit, []string{"Hotel system down"}},
		{"stalled", func(d *demo) {
			d.steer("refuse", `{"status":503}`)
			d.steer("stall", "")
		}, admit, []string{"Stale", "Hotel system down"}},
		{"gateway stopped", func(d *demo) { d.signal(syscall.SIGSTOP) }, func(d *demo) { d.signal(syscall.SIGCONT) }, []string{"No heartbeat"}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			p := newBrowser(t).open(t, d.url)
			p.await(isLive)
			p.run(`window.tones = []; new MutationObserver(() => tones.push(document.documentElement.dataset.tone))
				.observe(document.documentElement, {attributeFilter: ['data-tone']})`)
			trouble.begin(d)
			for _, label := range trouble.labels {
				p.await(`document.getElementById('truth').textContent === ` + quote(label))
			}
			if title := evaluate[string](p, "document.title"); !strings.HasPrefix(title, trouble.labels[len(trouble.labels)-1]+" · ") {
				t.Errorf("the title %q does not say so", title)
			}
			time.Sleep(2 * time.Second) // in which something may try to come back, and say live
			tones := evaluate[[]string](p, "window.tones")
			noticed := slices.IndexFunc(tones, func(tone string) bool { return tone != "live" })
			if noticed < 0 || slices.Contains(tones[noticed:], "live") {
				t.Errorf("the badge went %q", tones)
			}
			trouble.end(d)
			p.await(isLive)
		})
	}
}

func admit(d *demo) { d.steer("admit", "") }

func (d *demo) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// Two tabs share the browser's session: when it ends, is another role's, or is
// signed with a secret that is no more, each goes on by itself.
func TestDemoSession(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	d := startDemo(t)
	one := b.open(t, d.url)
	one.await(isLive + "&&" + isDrawn + "&&" + allRooms)
	other := b.open(t, d.url)
	other.await(isLive + "&&" + isRole("frontdesk"))
	if n := evaluate[int](other, tokens); n != 0 {
		t.Errorf("the second tab asked for %d tokens of its own", n)
	}

	heard := evaluate[int](one, events)
	if status := evaluate[int](other, `fetch('session', {method: 'DELETE'}).then(({status}) => status)`); status != http.StatusNoContent {
		t.Fatalf("DELETE /session: %d", status)
	}
	eventually(t, "a new token", func() bool { return evaluate[int](one, tokens)+evaluate[int](other, tokens) >= 2 })
	for _, p := range []*tab{one, other} {
		p.await(isLive + "&&" + isRole("frontdesk"))
	}
	one.await(fmt.Sprintf("%s > %d && %s", events, heard, allRooms)) // nothing was dropped

	other.run(`document.querySelector('[data-role="guest"]').click()`)
	other.await(isLive + "&&" + isRole("guest") + "&&" + roomsSeen + "=== 1")
	if !evaluate[bool](one, isRole("frontdesk")) {
		t.Errorf("the first tab's stream has its own token, so it was to go on")
	}
	d.door.cut()
	for _, p := range []*tab{one, other} {
		p.await(isLive + "&&" + isRole("guest") + "&&" + roomsSeen + "=== 1")
	}

	d.kill()
	one.await("!(" + isLive + ")")
	d.start()
	for _, p := range []*tab{one, other} {
		p.await(isLive + "&&" + isRole("guest") + "&&" + roomsSeen + "=== 1")
	}
}
