package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

func TestCookies(t *testing.T) {
	const client, access = "ClientToken=" + simulator.ClientToken, "AccessToken=" + simulator.AccessToken
	handler := newSimulator(t, simulator.Options{Hotels: 2}).Handler()
	for _, c := range []struct {
		name    string
		cookies []string
		good    bool
	}{
		{"as documented", []string{client + "; " + access}, true},
		{"other order", []string{access + "; " + client}, true},
		{"no space between", []string{client + ";" + access}, true},
		{"two headers", []string{client, access}, true},
		{"others beside", []string{"theme=a = b; " + client + "; " + access + "; last"}, true},
		{"second hotel", []string{client + "; " + access + "-2"}, true},
		{"third of two hotels", []string{client + "; " + access + "-3"}, false},
		{"none", nil, false},
		{"no access token", []string{client}, false},
		{"no client token", []string{access}, false},
		{"space before equals", []string{client + "; " + strings.Replace(access, "=", " =", 1)}, false},
		{"space after equals", []string{client + "; " + strings.Replace(access, "=", "= ", 1)}, false},
		{"spaces around the first", []string{strings.Replace(client, "=", " = ", 1) + "; " + access}, false},
		{"tab after equals", []string{client + "; " + strings.Replace(access, "=", "=\t", 1)}, false},
		{"space at the end", []string{client + " ; " + access}, false},
		{"names in lower case", []string{strings.ToLower(client[:11]) + client[11:] + "; " + access}, false},
		{"quoted", []string{client + `; AccessToken="` + simulator.AccessToken + `"`}, false},
		{"encoded", []string{client + "; " + strings.ReplaceAll(access, "-", "%2D")}, false},
		{"comma between", []string{client + ", " + access}, false},
		{"twice", []string{client + "; " + access + "; " + access}, false},
		{"empty", []string{client + "; AccessToken="}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/ws/connector", nil)
		if c.cookies != nil {
			r.Header["Cookie"] = c.cookies
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		want := http.StatusUnauthorized
		if c.good {
			want = http.StatusBadRequest // it is let in, and then is no upgrade
		}
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, want)
		}
	}
}

func FuzzCookies(f *testing.F) {
	f.Add(goodCookie)
	f.Add("ClientToken = a; AccessToken= b")
	f.Add("=;;=; ClientToken")
	handler := newSimulator(f, simulator.Options{}).Handler()
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/ws/connector", nil)
		r.Header["Cookie"] = []string{header}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		in := w.Code != http.StatusUnauthorized
		if in && (strings.Count(header, "ClientToken="+simulator.ClientToken) != 1 ||
			strings.Count(header, "AccessToken="+simulator.AccessToken) != 1) {
			t.Errorf("%q was let in", header)
		}
	})
}

func TestOnlyTheSocketsPath(t *testing.T) {
	handler := newSimulator(t, simulator.Options{}).Handler()
	for _, path := range []string{"/", "/ws", "/ws/connector/", "/WS/connector", "/control/", "/control/nothing"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Cookie", goodCookie)
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		for _, status := range []int{200, 301, 401, 403, 429, 500, 503} {
			if err := h.Refuse(simulator.Refusal{Status: status, RetryAfter: "7", Connects: 2}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, resp, err := w.dial(goodCookie)
				if err == nil || resp.StatusCode != status || resp.Header.Get("Retry-After") != "7" {
					t.Fatalf("status %d: %v, %v", status, resp, err)
				}
			}
			w.connect(t).Close() // the third is let in
		}
		h.Refuse(simulator.Refusal{Status: 503})
		for range 5 {
			if _, resp, _ := w.dial(goodCookie); resp.StatusCode != 503 {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
		h.Admit()
		w.connect(t)
		synctest.Wait()
		if s := h.State(); s.Refused != 19 || s.Connects != 8 || s.Sockets != 1 {
			t.Errorf("%d refused, %d connects, %d sockets", s.Refused, s.Connects, s.Sockets)
		}
	})
}

func TestRefusalAfterAccepting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{BadTokens: simulator.Refusal{Close: 1008, Reason: "unknown token"}})
		conn, _, err := w.dial("ClientToken=x; AccessToken=y")
		if err != nil {
			t.Fatal(err)
		}
		c := listen(t, conn)
		<-c.ended
		if e, ok := errors.AsType[*websocket.CloseError](c.err); !ok || e.Code != 1008 || e.Text != "unknown token" {
			t.Errorf("closed by %v", c.err)
		}

		w.Hotels()[0].Refuse(simulator.Refusal{Mute: true, Connects: 1})
		mute := w.connect(t)
		mute.WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(time.Second))
		time.Sleep(time.Hour)
		if mute.closeCode() != 0 || mute.gotPongs() != 0 || len(mute.got()) != 0 {
			t.Errorf("not mute: close %d, %d pongs, %q", mute.closeCode(), mute.gotPongs(), mute.got())
		}
		w.stop()
		<-mute.ended
		if mute.closeCode() != 1001 {
			t.Errorf("mute socket ended with %d", mute.closeCode())
		}
	})
}

func TestRefusalIsChecked(t *testing.T) {
	h := newSimulator(t, simulator.Options{}).Hotels()[0]
	for _, r := range []simulator.Refusal{
		{}, {Status: 401, Mute: true}, {Status: 401, Close: 1008}, {Status: 101}, {Status: 600}, {Status: 401, Connects: -1},
	} {
		if err := h.Refuse(r); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

func TestSocketTellsFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Hotels: 2, Seed: 5})
		h := w.Hotel(simulator.AccessToken)
		h.Skip(day)
		first := w.connect(t)
		synctest.Wait()
		connected := h.State().Seq
		time.Sleep(time.Minute)
		second := w.connect(t)
		synctest.Wait()
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
		synctest.Wait()
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
	said := strings.Join(frames, "\n")
	for _, r := range s.Rooms {
		if want := fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":%q}`, r.ID, r.State); strings.Count(said, want) != 1 {
			t.Errorf("room %s: %s was not said once", r.Name, want)
		}
	}
	for _, r := range s.Reservations {
		if want := fmt.Sprintf(`{"Type":"Reservation","Id":%q,"State":%q,"StartUtc"`, r.ID, r.State); strings.Count(said, want) != 1 {
			t.Errorf("reservation %s: %s was not said once", r.Number, want)
		}
	}
	if got, want := strings.Count(said, `"Type"`), len(s.Rooms)+len(s.Reservations); got != want {
		t.Errorf("%d events, want %d", got, want)
	}
	for _, f := range frames {
		if n := strings.Count(f, `"Type"`); n > 50 {
			t.Errorf("a frame of %d events", n)
		}
	}
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		a, b := w.connect(t), w.connect(t)
		synctest.Wait()
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
			if c.messages[0].kind != websocket.TextMessage || c.messages[1].kind != websocket.BinaryMessage {
				t.Errorf("kinds %d, %d", c.messages[0].kind, c.messages[1].kind)
			}
		}
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{Ping: 10 * time.Second})
		h := w.Hotels()[0]
		h.Pause()
		c := w.connect(t)
		var pinged int
		var mu sync.Mutex
		c.SetPingHandler(func(string) error { mu.Lock(); pinged++; mu.Unlock(); return nil })
		ping := func() {
			c.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Second))
			synctest.Wait()
		}
		ping()
		if c.gotPongs() != 1 || c.pongs[0] != "p" {
			t.Errorf("pongs %q", c.pongs)
		}
		h.SetManner(simulator.Manner{NoPongs: true})
		ping()
		h.Send(false, []byte("still here"))
		synctest.Wait()
		if c.gotPongs() != 1 || len(c.got()) != 1 {
			t.Errorf("%d pongs, messages %q", c.gotPongs(), c.got())
		}
		time.Sleep(35 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if pinged != 3 {
			t.Errorf("pinged %d times in 35s", pinged)
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
		for i, m := range c.messages {
			if got, want := m.at.Sub(begun), time.Duration(i+1)*300*time.Millisecond; got != want {
				t.Errorf("message %d after %v, want %v", i, got, want)
			}
		}
		if len(c.messages) != 3 {
			t.Errorf("%d messages", len(c.messages))
		}
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		stalled := w.connect(t)
		synctest.Wait()
		if n := h.Stall(30 * time.Second); n != 1 {
			t.Errorf("stalled %d sockets", n)
		}
		well := w.connect(t)
		synctest.Wait()
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
		if at := stalled.messages[0].at.Sub(begun); at != 30*time.Second {
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
		synctest.Wait()
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
			synctest.Wait()
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
		c := listen(t, conn)
		conn.SetCloseHandler(func(int, string) error { return nil }) // never answers
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
		time.Sleep(time.Minute)
		begun := time.Now()
		w.stop()
		<-c.ended
		if c.closeCode() != 1001 {
			t.Errorf("ended with %d", c.closeCode())
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("took %v", took)
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
	for s.Hotels()[0].Reset() == 0 { // connected a moment after the handshake
		time.Sleep(time.Millisecond)
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
		synctest.Wait()
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
