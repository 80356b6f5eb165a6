package simulator_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

func TestControlOfTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		m := &mews{h, t, w.Handler()}
		h.Pause()
		room := m.empty()

		w.post(t, "rename", fmt.Sprintf(`{"id":%q,"name":"Blue room"}`, room.ID), 0)
		w.post(t, "deactivate", fmt.Sprintf(`{"id":%q}`, room.ID), 0)
		if row := m.shown(room.ID, true)[0]; row["Name"] != "Blue room" || row["IsActive"] != false {
			t.Errorf("room %v", row)
		}
		w.post(t, "lag", `{"for":"20s"}`, 0)
		w.post(t, "reactivate", fmt.Sprintf(`{"id":%q}`, room.ID), 0)
		if n := len(m.shown(room.ID, false)); n != 0 {
			t.Errorf("%d rows before their time", n)
		}
		w.post(t, "lag", `{}`, 0)
		if n := len(m.shown(room.ID, false)); n != 1 {
			t.Errorf("%d rows of a room that is back", n)
		}
		w.post(t, "link", `{"name":"Encoder at the bar"}`, 0)
		if n := len(m.rows("devices/getAll", members{})); n != 3 {
			t.Errorf("%d devices", n)
		}
		w.post(t, "portfolio", `{"on":true}`, 0)
		if e := m.answer("configuration/get", nil)["Enterprise"].(members); e["IsPortfolio"] != true {
			t.Errorf("enterprise %v", e)
		}
		w.post(t, "portfolio", `{}`, 0)
		w.post(t, "enterprise", fmt.Sprintf(`{"id":%q}`, many(1)[0]), 0)
		if e := m.answer("configuration/get", nil)["Enterprise"].(members); e["Id"] != many(1)[0] {
			t.Errorf("enterprise %v", e)
		}
		w.post(t, "dialect", `{"lenient":true}`, 0)
		if status := m.call("configuration/get", members{"x": 1}).Code; status != 200 {
			t.Errorf("lenient: %d", status)
		}
		w.post(t, "dialect", ``, 0)
		w.post(t, "faults", `[{"kind":"slow","delay":"5s"},{"kind":"heavy","maxCount":10,"operations":["resources/getAll"],"calls":1,"probability":1}]`, 0)
		begun := time.Now()
		if status := m.call("resources/getAll", good(h)["resources/getAll"]).Code; status != 408 || time.Since(begun) != 5*time.Second {
			t.Errorf("faults: %d after %v", status, time.Since(begun))
		}
		w.post(t, "faults", ``, 0)
		w.post(t, "limiter", `{"calls":1,"window":"90s","retryAfter":"none"}`, 0)
		m.call("devices/getAll", nil)
		if resp := m.call("devices/getAll", nil); resp.Code != 429 || resp.Header().Get("Retry-After") != "" {
			t.Errorf("limiter: %d %v", resp.Code, resp.Header())
		}
		w.post(t, "limiter", ``, 0)
		m.call("devices/getAll", members{"Deviceids": 1})

		type calls struct {
			Calls   []simulator.Call
			Limited int
		}
		if d := cmp.Diff(calls{h.Calls(), 1}, get[calls](t, w, "calls")); d != "" {
			t.Errorf("calls (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{`devices/getAll: 400 Unknown parameter "Deviceids".`}, get[[]string](t, w, "violations")); d != "" {
			t.Errorf("violations (-want +got):\n%s", d)
		}
		if d := cmp.Diff(h.Facts(), get[[]simulator.Fact](t, w, "facts")); d != "" {
			t.Errorf("facts (-want +got):\n%s", d)
		}
	})
}

func TestControlOfTheAPIRefusesMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		for _, c := range [][2]string{
			{"lag", `{"for":"61s"}`}, {"enterprise", `{}`}, {"faults", `{"kind":"error"}`}, {"faults", `[{"kind":"storm"}]`},
			{"faults", `[{"kind":"error","delay":"-1s"}]`}, {"limiter", `{"retryAfter":"soon"}`}, {"dialect", `{"strict":true}`},
			{"rename", fmt.Sprintf(`{"id":%q}`, w.Hotels()[0].Layout().Rooms[0].ID)},
		} {
			w.do(t, http.MethodPost, c[0], c[1], http.StatusBadRequest)
		}
		for _, path := range []string{"deactivate", "reactivate"} {
			w.do(t, http.MethodPost, path, `{"id":"nowhere"}`, http.StatusNotFound)
		}
		if got := w.do(t, http.MethodGet, "violations", "", http.StatusOK); got != "[]" {
			t.Errorf("no violations are %s", got)
		}
	})
}
