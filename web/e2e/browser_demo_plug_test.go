package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bellhop/gateway/simulator"
)

// room is the tile of a room in the plan, as an expression; undefined without one.
func roomTile(name string) string {
	return `[...document.querySelectorAll('.room')].find((node) => node.querySelector('.room-name').textContent === ` + quote(name) + `)`
}

// free are the rooms that nobody lives in and that can be put into any state.
func (d *demo) free() []simulator.Room {
	d.t.Helper()
	now := d.now()
	taken := make(map[string]bool)
	for _, r := range now.Reservations {
		if r.State == simulator.ReservationStarted {
			taken[*r.RoomID] = true
		}
	}
	return slices.DeleteFunc(now.Rooms, func(r simulator.Room) bool {
		return taken[r.ID] || !r.Active || r.State == simulator.RoomOutOfOrder
	})
}

// otherState is one that the room is not in.
func otherState(r simulator.Room) simulator.RoomState {
	if r.State == simulator.RoomOutOfService {
		return simulator.RoomDirty
	}
	return simulator.RoomOutOfService
}

// With the plug out the page says so; once it is in again, what happened
// meanwhile is caught up and marked, and what cannot be had again is said.
func TestDemoPlug(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newBrowser(t).open(t, d.url)
	p.await(isLive + "&&" + isDrawn + "&&" + allRooms)
	p.run(`window.labels = []; const truth = document.getElementById('truth')
		new MutationObserver(() => labels.push(truth.textContent)).observe(truth, {childList: true})`)

	p.run(`for (const block of document.querySelectorAll('.block')) block.classList.add('before')
		document.getElementById('pull').focus()`)
	p.press(enterKey)
	p.await(`document.getElementById('truth').textContent === 'Hotel system down' && /for \d+ s/.test(document.getElementById('detail').textContent)`)
	p.await(`/^Back in \d+ s$/.test(document.getElementById('pull').textContent) && document.getElementById('pull').ariaDisabled === 'true'`)
	again := evaluate[float64](p, `fetch('demo/plug', {method: 'POST'}).then((answer) => answer.json()).then(({seconds}) => seconds)`)
	if again <= 0 || again >= 20 {
		t.Errorf("pulled again the plug is out for %v s, want what is left of 20 s", again)
	}

	d.steer("pause", "") // so that what the rooms are now they still are at the end
	free := d.free()
	changed, closed := free[0], free[1]
	state := otherState(changed)
	d.steer("room", fmt.Sprintf(`{"id":%q,"state":%q}`, changed.ID, state))
	d.steer("deactivate", fmt.Sprintf(`{"id":%q}`, closed.ID))
	if evaluate[bool](p, roomTile(changed.Name)+`.dataset.state === `+quote(string(state))) {
		t.Error("the page knows what it cannot know")
	}

	p.await(isLive)
	labels := evaluate[[]string](p, "window.labels")
	if at := slices.Index(labels, "Catching up"); at < 0 || slices.Contains(labels[:at], "Live") || labels[len(labels)-1] != "Live" {
		t.Errorf("the badge went %q", labels)
	}
	p.await(fmt.Sprintf(`%s.matches('.late[data-state=%q]')`, roomTile(changed.Name), state))
	p.await(`[...document.querySelectorAll('.block[data-origin="backfill"]:not(.before)')].some(({textContent}) =>
		textContent.includes(` + quote(changed.ID) + `) && textContent.includes(` + quote(string(state)) + `))`)
	p.await("!" + roomTile(closed.Name) + ` && document.querySelectorAll('.room').length === 47`)
	if note := p.text("#caught"); !strings.Contains(note, "caught up") || !strings.HasPrefix(note, fmt.Sprint(evaluate[int](p, caughtUp))) {
		t.Errorf("of what was caught up the page says %q", note)
	}
	p.await(`/prices and device commands|device commands and prices/.test(document.getElementById('gaps').textContent)`)
	p.await(`document.getElementById('pull').textContent === 'Pull the plug'`)

	p.fits("with its notices")
	p.run(`document.getElementById('seen').click()`)
	p.await(`document.getElementById('caught').hidden && !document.querySelector('.late')`)
	if complaints := p.unexpected(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}

	late := newBrowser(t).open(t, d.url)
	late.await(isLive + `&& document.querySelectorAll('.room').length === 47 && ` + allRooms)
	late.await(fmt.Sprintf(`%s.dataset.state === %q`, roomTile(changed.Name), state))
	if evaluate[bool](late, `!!document.querySelector('.late')`) {
		t.Error("to a page that missed nothing something is marked as caught up")
	}
}

// caughtUp is how many events of the stream were caught up since the plug was pulled.
const caughtUp = `document.querySelectorAll('.block[data-origin="backfill"]:not(.before)').length`

// A room that the token shows no longer goes quiet, and comes back.
func TestDemoRoomGoesQuiet(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	p := newBrowser(t).open(t, d.url)
	p.await(isLive + "&&" + isDrawn + "&&" + allRooms)
	p.run(`document.querySelector('[data-role="housekeeper"]').click()`)
	p.await(isLive + "&&" + isRole("housekeeper"))
	d.steer("pause", "")
	room := d.free()[0]
	for _, state := range []simulator.RoomState{simulator.RoomDirty, simulator.RoomOutOfService, simulator.RoomClean} {
		d.steer("room", fmt.Sprintf(`{"id":%q,"state":%q}`, room.ID, state))
		shown := string(state)
		if state == simulator.RoomOutOfService {
			shown = ""
		}
		p.await(fmt.Sprintf(`%s?.dataset.state === %q && document.querySelectorAll('.room').length === 48`, roomTile(room.Name), shown))
	}
}
