package simulator_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway/simulator"

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

// TestNothingIsMissedAtConnecting holds a handshake open between its two
// halves.
func TestNothingIsMissedAtConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		h.Pause()
		begin := func() (net.Conn, *bufio.Reader) {
			conn, err := w.dialer.NetDialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, "GET /ws/connector HTTP/1.1\r\nHost: mews.test\r\nCookie: "+goodCookie+
				"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			synctest.Wait()
			return conn, bufio.NewReader(conn)
		}
		finish := func(r *bufio.Reader) {
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%v, %v", resp, err)
			}
		}

		conn, r := begin()
		h.Send(false, []byte("hello"))
		finish(r)
		message := make([]byte, 7)
		if _, err := io.ReadFull(r, message); err != nil || string(message) != "\x81\x05hello" {
			t.Errorf("read %q, %v", message, err)
		}
		conn.Close()
		synctest.Wait()

		conn, r = begin()
		defer conn.Close()
		h.Send(false, []byte("hello"))
		if n := h.Reset(); n != 1 {
			t.Errorf("reset %d sockets", n)
		}
		finish(r)
		if rest, err := io.ReadAll(r); len(rest) != 0 || err != nil {
			t.Errorf("after the reset: %q, %v", rest, err)
		}
	})
}

// A pulled plug lets nobody in for a while, says for how long, and is in again by
// itself.
func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		h := w.Hotels()[0]
		c := w.connect(t)
		if left := h.Unplug(20 * time.Second); left != 20*time.Second {
			t.Errorf("unplugged for %v", left)
		}
		<-c.ended
		time.Sleep(5 * time.Second)
		if left := h.Unplug(time.Hour); left != 15*time.Second {
			t.Errorf("pulled twice it is out for %v", left)
		}
		_, resp, err := w.dial(goodCookie)
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("let in: %v", err)
		}
		back, err := http.ParseTime(resp.Header.Get("Retry-After"))
		if wait := time.Until(back); err != nil || wait < 15*time.Second || wait > 17*time.Second {
			t.Errorf("to be asked again in %v, %v", wait, err)
		}
		time.Sleep(15 * time.Second)
		w.connect(t)
		h.Unplug(time.Hour)
		h.Admit()
		w.connect(t)
		w.do(t, http.MethodPost, "unplug", `{"for":"1s"}`, http.StatusOK)
		if n := h.Sockets(); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}
