package simulator_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"pgregory.net/rapid"
)

func (m *mews) room(id string) members {
	m.t.Helper()
	if err := m.SetLimiter(simulator.Limiter{}); err != nil {
		m.t.Fatal(err)
	}
	return m.rows("resources/getAll", members{"ResourceIds": []string{id}, "Extent": allRooms})[0]
}

func (m *mews) set(room string, state simulator.RoomState) {
	m.t.Helper()
	if err := m.SetRoom(room, state); err != nil {
		m.t.Fatal(err)
	}
}

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{Lag: 10 * time.Second})
		room := m.Layout().Rooms[0].ID
		m.set(room, simulator.RoomClean)
		time.Sleep(20 * time.Second)
		before := m.room(room)
		m.set(room, simulator.RoomOutOfService)
		changed := time.Now().UTC().Format(time.RFC3339)
		for range 10 {
			if row := m.room(room); row["State"] != "Clean" || row["UpdatedUtc"] != before["UpdatedUtc"] {
				t.Fatalf("too early: %v at %v", row, time.Now())
			}
			time.Sleep(time.Second)
		}
		if row := m.room(room); row["State"] != "OutOfService" || row["UpdatedUtc"] != changed {
			t.Errorf("after the lag: %v", row)
		}
	})
}

// TestLateChangesAreBounded: what is due is not kept for somebody to ask.
func TestLateChangesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{Lag: 10 * time.Second})
		room := m.Layout().Rooms[0].ID
		for n := range 1000 {
			if err := m.RenameRoom(room, strconv.Itoa(n)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if late, _ := m.Held(); late > 11 {
			t.Errorf("%d changes are late", late)
		}
	})
}

func TestLagOfWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMews(t, simulator.Options{})
		body := members{"States": everyState}
		begun := len(m.rows(reservationsPath, body))
		if err := m.SetLag(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		m.Hotel.Skip(day)
		now := len(m.State().Reservations)
		if n := len(m.rows(reservationsPath, body)); n != begun || now == begun {
			t.Errorf("%d rows at once, had %d, has %d", n, begun, now)
		}
		if n := len(m.rows("commands/getAllByIds", members{"CommandIds": []string{m.State().Commands[0].ID}})); n != 0 {
			t.Errorf("%d commands at once", n)
		}
		time.Sleep(30 * time.Second)
		if n := len(m.rows(reservationsPath, body)); n != now {
			t.Errorf("%d rows of %d after the lag", n, now)
		}
		for _, d := range []time.Duration{-1, 61 * time.Second} {
			if err := m.SetLag(d); err == nil {
				t.Errorf("a lag of %v", d)
			}
		}
	})
}

// TestLagNeverGoesBack: whatever the lag is set to meanwhile, no version of a
// room is shown after a newer one, and the newest is in the end.
func TestLagNeverGoesBack(t *testing.T) {
	const rename, setLag, wait = 0, 1, 2
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(rename, wait), 1, 60).Draw(rt, "steps")
		seconds := rapid.SliceOfN(rapid.IntRange(0, 60), len(steps), len(steps)).Draw(rt, "seconds")
		synctest.Test(t, func(t *testing.T) {
			m := newMews(t, simulator.Options{Rooms: 1})
			room := m.Layout().Rooms[0].ID
			latest, seen := 101, 101 // the name it has
			next := func() {
				latest++
				if err := m.RenameRoom(room, strconv.Itoa(latest)); err != nil {
					t.Fatal(err)
				}
			}
			look := func() {
				shown, err := strconv.Atoi(m.room(room)["Name"].(string))
				if err != nil || shown < seen {
					t.Fatalf("version %d after %d (%v)", shown, seen, err)
				}
				seen = shown
			}
			for i, step := range steps {
				d := time.Duration(seconds[i]) * time.Second
				switch step {
				case rename:
					next()
				case setLag:
					if err := m.SetLag(d); err != nil {
						t.Fatal(err)
					}
				case wait:
					time.Sleep(d / 4)
				}
				look()
			}
			time.Sleep(time.Minute)
			if look(); seen != latest {
				t.Errorf("version %d is shown in the end, of %d", seen, latest)
			}
		})
	})
}
