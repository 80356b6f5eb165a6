package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

func TestSocketTellsFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Hotels: 2, Seed: 5})
		h := w.Hotel(simulator.AccessToken)
		h.Skip(day)
		first := w.connect(t)
		connected := h.State().Seq
		time.Sleep(time.Minute)
		second := w.connect(t)
		connectedAgain := h.State().Seq
		time.Sleep(time.Minute)
		w.stop() // so that nothing is on its way

		all, _ := h.EventsAfter(connected)
		if d := cmp.Diff(told(all), first.got()); d != "" {
			t.Errorf("first (-want +got):\n%s", d)
		}
		later, _ := h.EventsAfter(connectedAgain)
		if d := cmp.Diff(told(later), second.got()); d != "" || len(later) == 0 {
			t.Errorf("second (-want +got):\n%s", d)
		}
		if w.Hotels()[1].State().Connects != 0 {
			t.Error("connected to the other hotel too")
		}
	})
}

func TestEventsAsDocumented(t *testing.T) {
	h := newSimulator(t, simulator.Options{}).Hotels()[0]
	h.Skip(2 * day)
	shapes := map[string]string{
		"DeviceCommand": `{"Type":"DeviceCommand","Id":"%s","State":"%s"}`,
		"Resource":      `{"Type":"Resource","Id":"%s","State":"%s"}`,
		"Reservation":   `{"Type":"Reservation","Id":"%s","State":"%s","StartUtc":"%s","EndUtc":"%s"%s}`,
		"PriceUpdate":   `{"Type":"PriceUpdate","Id":"%s"%s,"RateId":"%s","ResourceCategoryId":%s}`,
	}
	events, _ := h.EventsAfter(0)
	for _, e := range events {
		w := decode(t, e.Body)
		args := []any{w.Id, w.State}
		switch w.Type {
		case "Reservation":
			args = append(args, w.StartUtc.Format(time.RFC3339), w.EndUtc.Format(time.RFC3339), "")
			if w.AssignedResourceId != nil {
				args[4] = fmt.Sprintf(`,"AssignedResourceId":%q`, *w.AssignedResourceId)
			}
		case "PriceUpdate":
			args = []any{w.Id, "", *w.RateId, "null"}
			if w.StartUtc != nil {
				args[1] = fmt.Sprintf(`,"StartUtc":%q,"EndUtc":%q`, w.StartUtc.Format(time.RFC3339), w.EndUtc.Format(time.RFC3339))
			}
			if w.ResourceCategoryId != nil {
				args[3] = fmt.Sprintf("%q", *w.ResourceCategoryId)
			}
		}
		if want := fmt.Sprintf(shapes[w.Type], args...); string(e.Body) != want || e.ID != w.Id || e.Type != w.Type {
			t.Errorf("event %s %s is %s, want %s", e.Type, e.ID, e.Body, want)
		}
		if !guid.MatchString(e.ID) {
			t.Errorf("id %q", e.ID)
		}
	}
}

func TestSayAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{SayAll: true})
		h := w.Hotels()[0]
		h.Pause()
		h.Skip(3 * day)
		c := w.connect(t)
		checkSaid(t, h.State(), c.got())
		if n := h.Say(); n != 1 {
			t.Errorf("said to %d sockets", n)
		}
		synctest.Wait()
		got := c.got()
		if d := cmp.Diff(got[:len(got)/2], got[len(got)/2:]); d != "" {
			t.Errorf("said otherwise:\n%s", d)
		}
		h.Skip(2 * time.Hour)
		synctest.Wait()
		if len(c.got()) == len(got) {
			t.Error("nothing after what was said")
		}
	})
}

// checkSaid holds frames against everything that there is to say.
func checkSaid(t *testing.T, s simulator.State, frames []string) {
	t.Helper()
	var want, got []string
	for _, r := range s.Rooms {
		want = append(want, r.ID+" "+string(r.State))
	}
	for _, r := range s.Reservations {
		want = append(want, r.ID+" "+string(r.State))
	}
	for _, f := range frames {
		events := rawEvents(t, []string{f})
		if len(events) > 50 {
			t.Errorf("a frame of %d events", len(events))
		}
		for _, e := range events {
			w := decode(t, []byte(e))
			got = append(got, w.Id+" "+w.State)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("said (-want +got):\n%s", d)
	}
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		a, b := w.connect(t), w.connect(t)
		big := bytes.Repeat([]byte("x"), 5<<20)
		h.Send(false, []byte("{\"Events\":[\xff"))
		h.Send(true, []byte{0, 1, 2})
		if n := h.Send(false, big); n != 2 {
			t.Errorf("sent to %d sockets", n)
		}
		big[0] = 'y' // the caller's own again
		synctest.Wait()
		for _, c := range []*client{a, b} {
			if d := cmp.Diff([]string{"{\"Events\":[\xff", "\x00\x01\x02", strings.Repeat("x", 5<<20)}, c.got()); d != "" {
				t.Errorf("(-want +got):\n%.500s", d)
			}
			if m := c.received(); m[0].kind != websocket.TextMessage || m[1].kind != websocket.BinaryMessage {
				t.Errorf("kinds %d, %d", m[0].kind, m[1].kind)
			}
		}
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Ping: 10 * time.Second})
		h := w.Hotels()[0]
		h.Pause()
		conn, _, err := w.dial(goodCookie)
		if err != nil {
			t.Fatal(err)
		}
		var pinged atomic.Int32
		conn.SetPingHandler(func(string) error { pinged.Add(1); return nil })
		c := listen(t, conn)
		ping := func() {
			c.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Second))
			synctest.Wait()
		}
		ping()
		if n := c.gotPongs(); n != 1 {
			t.Errorf("%d pongs", n)
		}
		h.SetManner(simulator.Manner{NoPongs: true})
		ping()
		h.Send(false, []byte("still here"))
		synctest.Wait()
		if c.gotPongs() != 1 || len(c.got()) != 1 {
			t.Errorf("%d pongs, messages %q", c.gotPongs(), c.got())
		}
		time.Sleep(35 * time.Second)
		if n := pinged.Load(); n != 3 {
			t.Errorf("pinged %d times in 35s", n)
		}
	})
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Manner: simulator.Manner{Delay: 300 * time.Millisecond}})
		h := w.Hotels()[0]
		h.Pause()
		c := w.connect(t)
		begun := time.Now()
		for range 3 {
			h.Send(false, []byte("late"))
		}
		time.Sleep(time.Second)
		for i, m := range c.received() {
			if got, want := m.at.Sub(begun), time.Duration(i+1)*300*time.Millisecond; got != want {
				t.Errorf("message %d after %v, want %v", i, got, want)
			}
		}
		if n := len(c.received()); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		stalled := w.connect(t)
		if n := h.Stall(30 * time.Second); n != 1 {
			t.Errorf("stalled %d sockets", n)
		}
		well := w.connect(t)
		begun := time.Now()
		h.Send(false, []byte("one"))
		stalled.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		h.Send(false, []byte("two"))
		time.Sleep(29 * time.Second)
		if len(well.got()) != 2 || len(stalled.got()) != 0 || stalled.gotPongs() != 0 {
			t.Errorf("after 29s: well %q, stalled %q, %d pongs", well.got(), stalled.got(), stalled.gotPongs())
		}
		time.Sleep(2 * time.Second)
		if d := cmp.Diff([]string{"one", "two"}, stalled.got()); d != "" || stalled.gotPongs() != 1 {
			t.Errorf("after 31s: %d pongs, messages:\n%s", stalled.gotPongs(), d)
		}
		if at := stalled.received()[0].at.Sub(begun); at != 30*time.Second {
			t.Errorf("spoke again after %v", at)
		}

		h.Stall(0)
		h.Send(false, []byte("three"))
		time.Sleep(time.Hour)
		if len(stalled.got()) != 2 {
			t.Errorf("stalled for good, but %q", stalled.got())
		}
		h.Unstall()
		synctest.Wait()
		if len(stalled.got()) != 3 {
			t.Errorf("unstalled, but %q", stalled.got())
		}
	})
}

func TestStalledSocketIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		c := w.connect(t)
		h.Stall(0)
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		time.Sleep(time.Second)
		if c.closeCode() != 1006 || h.Sockets() != 0 {
			t.Errorf("a silent socket answered with %d; %d are left", c.closeCode(), h.Sockets())
		}
	})
}

func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		for _, c := range []struct {
			code   uint16
			reason string
			want   int
		}{
			{1000, "", 1000}, {1001, "moved", 1001}, {1008, "tokens", 1008}, {1012, "", 1012}, {1013, "", 1013},
			{4001, strings.Repeat("r", 200), 4001}, {0, "", websocket.CloseNoStatusReceived},
		} {
			stalled, well := w.connect(t), w.connect(t)
			h.Stall(time.Hour)
			h.Send(false, []byte("last words"))
			if n := h.Drop(c.code, c.reason); n != 2 {
				t.Errorf("dropped %d sockets", n)
			}
			h.Send(false, []byte("too late"))
			for _, s := range []*client{stalled, well} {
				<-s.ended
				if s.closeCode() != c.want || cmp.Diff([]string{"last words"}, s.got()) != "" {
					t.Errorf("code %d: ended with %v after %q", c.code, s.err, s.got())
				}
			}
			synctest.Wait()
			if h.Sockets() != 0 {
				t.Errorf("%d sockets are left", h.Sockets())
			}
		}
	})
}

func TestDropOfADeafClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		conn, _, err := w.dial(goodCookie)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetCloseHandler(func(int, string) error { return nil }) // never answers
		c := listen(t, conn)
		synctest.Wait()
		w.Hotels()[0].Drop(1012, "")
		<-c.ended
		time.Sleep(2 * time.Second)
		if n := w.Hotels()[0].Sockets(); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		conn, _, err := w.dial(goodCookie)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // never reads
		c := w.connect(t)
		time.Sleep(5 * time.Second)
		begun := time.Now()
		w.stop()
		<-c.ended
		if c.closeCode() != 1001 {
			t.Errorf("ended with %d", c.closeCode())
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("took %v, want what the deaf one is given", took)
		}
		if n := w.Hotels()[0].Sockets(); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

func TestConnectAfterTheEnd(t *testing.T) {
	s := newSimulator(t, simulator.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	c := dialServer(t, server)
	<-c.ended
	if c.closeCode() != 1001 {
		t.Errorf("ended with %v", c.err)
	}
}

func dialServer(t *testing.T, server *httptest.Server) *client {
	t.Helper()
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/ws/connector"
	conn, _, err := websocket.DefaultDialer.Dial(url, http.Header{"Cookie": {goodCookie}})
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, conn)
}

func TestResetOverTCP(t *testing.T) {
	s := newSimulator(t, simulator.Options{})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	c := dialServer(t, server)
	if n := s.Hotels()[0].Reset(); n != 1 {
		t.Errorf("reset %d sockets", n)
	}
	<-c.ended
	if !errors.Is(c.err, syscall.ECONNRESET) {
		t.Errorf("ended with %v", c.err)
	}
}

func TestUnreadSocketIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		c := w.connect(t)
		h.Stall(0)
		big := make([]byte, 30<<20)
		for range 5 {
			h.Send(false, big)
		}
		<-c.ended
		synctest.Wait()
		if h.Sockets() != 0 {
			t.Error("it is still there")
		}
	})
}
