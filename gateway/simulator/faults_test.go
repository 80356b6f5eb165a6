package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
)

func (m *mews) fail(faults ...simulator.Fault) {
	m.t.Helper()
	if err := m.SetFaults(faults); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mews) statuses(n int, operation string) []int {
	var list []int
	for range n {
		list = append(list, m.call(operation, nil).Code)
	}
	return list
}

func TestFaults(t *testing.T) {
	m := newMews(t, simulator.Options{})
	for kind, c := range map[simulator.FaultKind]struct {
		status int
		text   string
	}{
		simulator.FaultError:        {500, "Something went wrong"},
		simulator.FaultTimeout:      {408, ""},
		simulator.FaultTooLarge:     {413, ""},
		simulator.FaultConflict:     {403, "Conflicting operation is being performed at this time. Please try again in a few seconds."},
		simulator.FaultLimited:      {429, ""},
		simulator.FaultUnauthorized: {401, ""},
	} {
		m.fail(simulator.Fault{Kind: kind})
		checkError(t, string(kind), m.call("configuration/get", nil), c.status, c.text)
		m.fail()
		if w := m.call("configuration/get", nil); w.Code != 200 {
			t.Errorf("%s is over, but %d", kind, w.Code)
		}
	}
	m.fail(simulator.Fault{Kind: simulator.FaultGateway})
	if d := cmp.Diff([]int{502, 503, 502}, m.statuses(3, "configuration/get")); d != "" {
		t.Errorf("gateway (-want +got):\n%s", d)
	}
	w := m.call("configuration/get", nil)
	if w.Header().Get("Content-Type") != "text/html" || !strings.HasPrefix(w.Body.String(), "<html>") {
		t.Errorf("gateway: %v %s", w.Header(), w.Body)
	}
	if len(m.Violations()) != 0 || m.Limited() != 1 {
		t.Errorf("violations %q, limited %d", m.Violations(), m.Limited())
	}
}

func TestFaultsOfSomeCalls(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.fail(
		simulator.Fault{Kind: simulator.FaultError, Operations: []string{"devices/getAll"}, Calls: 2},
		simulator.Fault{Kind: simulator.FaultUnauthorized, Operations: []string{"devices/getAll", "customers/getAll"}},
	)
	if d := cmp.Diff([]int{500, 500, 401, 401}, m.statuses(4, "devices/getAll")); d != "" {
		t.Errorf("devices (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{200, 200}, m.statuses(2, "configuration/get")); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
	for _, bad := range []simulator.Fault{
		{}, {Kind: "storm"}, {Kind: simulator.FaultError, Operations: []string{"devices/getall"}},
		{Kind: simulator.FaultError, Probability: 1.1}, {Kind: simulator.FaultError, Calls: -1},
		{Kind: simulator.FaultSlow}, {Kind: simulator.FaultHeavy},
	} {
		if m.SetFaults(simulator.Faults{bad}) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestFaultsAreRepeatable(t *testing.T) {
	o := simulator.Options{Seed: 5, Faults: simulator.Faults{
		{Kind: simulator.FaultError, Probability: 0.3}, {Kind: simulator.FaultTimeout, Probability: 0.3},
	}}
	first := newMews(t, o).statuses(200, "configuration/get")
	if d := cmp.Diff(first, newMews(t, o).statuses(200, "configuration/get")); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
	count := map[int]int{}
	for _, status := range first {
		count[status]++
	}
	if count[500] < 40 || count[500] > 80 || count[408] < 25 || count[408] > 60 {
		t.Errorf("%v", count)
	}
	o.Faults[1].Probability = 0
	o.Faults[1].Operations = []string{"devices/getAll"}
	for i, status := range newMews(t, o).statuses(200, "configuration/get") {
		if (status == 500) != (first[i] == 500) {
			t.Fatalf("call %d: one fault depends on another", i)
		}
	}
}

func TestHeavyCalls(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.Hotel.Skip(day)
	status := func(window time.Duration, count int) int {
		now := time.Now()
		body := members{"States": everyState, "UpdatedUtc": span(now.Add(time.Second-window), now.Add(time.Second)), "Limitation": members{"Count": count}}
		return m.call(reservationsPath, body).Code
	}
	m.fail(simulator.Fault{Kind: simulator.FaultHeavy, MaxCount: 100})
	if a, b := status(time.Hour, 101), status(time.Hour, 100); a != 408 || b != 200 {
		t.Errorf("by count: %d, %d", a, b)
	}
	const window = 20 * time.Second
	rows := len(m.rows(reservationsPath, members{"States": everyState, "UpdatedUtc": span(time.Now().Add(time.Second-window), time.Now().Add(time.Second)), "Limitation": members{"Count": 100}}))
	if rows < 10 {
		t.Fatalf("%d rows", rows)
	}
	m.fail(simulator.Fault{Kind: simulator.FaultHeavy, MaxWork: float64(rows-1) * window.Seconds()})
	if whole, half, less := status(window, 1000), status(window/2, 1000), status(window, rows-1); whole != 408 || half != 200 || less != 200 {
		t.Errorf("by work: %d, half the window %d, a row less %d", whole, half, less)
	}
}

func TestTooLarge(t *testing.T) {
	m := newMews(t, simulator.Options{})
	m.fail(simulator.Fault{Kind: simulator.FaultTooLarge, MaxBytes: 10_000})
	for n, want := range map[int]int{100: 200, 400: 413} {
		if w := m.call(reservationsPath, members{"ReservationIds": many(n), "Limitation": page}); w.Code != want {
			t.Errorf("%d ids: %d, want %d", n, w.Code, want)
		}
	}
}

// ask is a call over a connection.
func (w *world) ask(ctx context.Context, operation string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mews.test"+apiRoot+operation, strings.NewReader(withTokens(nil)))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestBrokenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		set := func(faults ...simulator.Fault) {
			if err := h.SetFaults(faults); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		set(simulator.Fault{Kind: simulator.FaultSlow, Delay: 3 * time.Second}, simulator.Fault{Kind: simulator.FaultError, Delay: time.Second})
		if status, _, err := w.ask(t.Context(), "devices/getAll"); status != 500 || err != nil || time.Since(begun) != 4*time.Second {
			t.Errorf("slow: %d, %v after %v", status, err, time.Since(begun))
		}
		set(simulator.Fault{Kind: simulator.FaultCut})
		if status, _, err := w.ask(t.Context(), "devices/getAll"); !errors.Is(err, io.EOF) {
			t.Errorf("cut: %d, %v", status, err)
		}
		set(simulator.Fault{Kind: simulator.FaultCutShort})
		if status, body, err := w.ask(t.Context(), "devices/getAll"); status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(body, `{"Devices":`) {
			t.Errorf("cut short: %d %s, %v", status, body, err)
		}
		set(simulator.Fault{Kind: simulator.FaultHang})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if status, _, err := w.ask(ctx, "devices/getAll"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging: %d, %v", status, err)
		}
		var statuses []int
		for _, c := range h.Calls() {
			statuses = append(statuses, c.Status)
		}
		if d := cmp.Diff([]int{500, 0, 200, 0}, statuses); d != "" {
			t.Errorf("statuses (-want +got):\n%s", d)
		}
		held := make(chan error, 1)
		go func() {
			_, _, err := w.ask(context.Background(), "devices/getAll")
			held <- err
		}()
		synctest.Wait()
		w.stop()
		if err := <-held; err == nil {
			t.Error("a call outlived the simulator")
		}
	})
}

// TestHangEndsWithRun: who only shuts down, as a server does, waits for no
// call that hangs.
func TestHangEndsWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulator(t, simulator.Options{Faults: simulator.Faults{{Kind: simulator.FaultHang}}})
		m := &mews{s.Hotels()[0], t, s.Handler()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			m.call("devices/getAll", nil)
		}()
		time.Sleep(time.Hour)
		if len(ended) > 0 {
			t.Error("answered")
		}
		cancel()
		s.Run(ctx)
		if why := <-ended; why != http.ErrAbortHandler {
			t.Errorf("ended by %v", why)
		}
	})
}

func TestDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		c := w.connect(t)
		if err := h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if status, _, _ := w.ask(t.Context(), "devices/getAll"); status != 401 || c.closeCode() != 0 {
			t.Errorf("no access: %d, closed with %d", status, c.closeCode())
		}
		if err := h.SetFaults(simulator.Faults{{Kind: simulator.FaultUnauthorized, Sockets: true}}); err != nil {
			t.Fatal(err)
		}
		<-c.ended
		if _, resp, err := w.dial(goodCookie); c.closeCode() != 1008 || err == nil || resp.StatusCode != 401 {
			t.Errorf("closed with %d, then %v", c.closeCode(), err)
		}
		if err := h.SetFaults(nil); err != nil {
			t.Fatal(err)
		}
		w.connect(t)
		if status, _, err := w.ask(t.Context(), "devices/getAll"); status != 200 {
			t.Errorf("enabled again: %d, %v", status, err)
		}
	})
}

func TestCallsAreBounded(t *testing.T) {
	m := newMews(t, simulator.Options{Rooms: 1, Limiter: simulator.Limiter{Calls: 1, Window: 9 * time.Hour}})
	for range 1100 {
		m.do(http.MethodPost, "/nowhere", "")
	}
	if n := len(m.Violations()); n != 1000 {
		t.Errorf("%d violations", n)
	}
	if slices.ContainsFunc(m.Violations(), func(v string) bool { return v != "/nowhere: 404 No such operation." }) {
		t.Errorf("violation %q", m.Violations()[0])
	}
}
