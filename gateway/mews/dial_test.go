package mews_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway"
	"bellhop/gateway/mews"
)

// refuse answers a dial with a status and headers.
func (u *upstream) refuse(t testing.TB, status, headers string) (*http.Request, time.Time) {
	t.Helper()
	return u.answer(t, func(w io.Writer) {
		fmt.Fprintf(w, "HTTP/1.1 %s\r\nContent-Length: 0\r\n%s\r\n", status, headers)
	})
}

func acceptKey(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestHandshakeRequest(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		r, _ := b.refuse(t, "500 Oh", "")
		if got, want := r.Header["Cookie"], "ClientToken="+clientToken+"; AccessToken="+accessToken; len(got) != 1 || got[0] != want {
			t.Errorf("Cookie is %q, want %q", got, want)
		}
		if r.Method != "GET" || r.RequestURI != "/ws/connector" || r.Host != "mews.test" {
			t.Errorf("request is %s %s of %s", r.Method, r.RequestURI, r.Host)
		}
		for _, name := range []string{"Origin", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
			if _, ok := r.Header[name]; ok {
				t.Errorf("the request has %s", name)
			}
		}
	})
}

// TestRefusedHandshakes: each answer is a failed dial with its reason, the next
// dial comes in its time, and what it brings is taken.
func TestRefusedHandshakes(t *testing.T) {
	upgraded := "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	status := func(status, headers string) func(io.Writer, *http.Request) {
		return func(w io.Writer, _ *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 %s\r\nContent-Length: 0\r\n%s\r\n", status, headers)
		}
	}
	for _, tt := range []struct {
		name        string
		answer      func(io.Writer, *http.Request)
		reason      gateway.Reason
		least, most time.Duration // of the wait until the next dial
		takes       time.Duration // the dial itself
	}{
		{"wrong key", status("101 Switching Protocols", upgraded+"Sec-WebSocket-Accept: bm8=\r\n"), "dial", 0, time.Second, 0},
		{"no key", status("101 Switching Protocols", upgraded), "dial", 0, time.Second, 0},
		{"unasked compression", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\n%sSec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n", upgraded, acceptKey(r))
		}, "dial", 0, time.Second, 0},
		{"unasked protocol", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\n%sSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat\r\n\r\n", upgraded, acceptKey(r))
		}, "dial", 0, time.Second, 0},
		{"200", status("200 OK", ""), "dial", 0, time.Second, 0},
		{"301", status("301 Moved Permanently", "Location: ws://elsewhere.test/\r\n"), "dial", 0, time.Second, 0},
		{"401", status("401 Unauthorized", ""), "rejected", 30 * time.Second, time.Minute, 0},
		{"403", status("403 Forbidden", "Retry-After: 1\r\n"), "rejected", 30 * time.Second, time.Minute, 0},
		{"429", status("429 Too Many Requests", ""), "dial", 0, time.Second, 0},
		{"429 seconds", status("429 Too Many Requests", "Retry-After: 17\r\n"), "dial", 17 * time.Second, 18 * time.Second, 0},
		{"429 zero", status("429 Too Many Requests", "Retry-After: 0\r\n"), "dial", time.Second, 2 * time.Second, 0},
		{"429 huge", status("429 Too Many Requests", "Retry-After: 99999999999999999999\r\n"), "dial", 5 * time.Minute, 301 * time.Second, 0},
		{"429 nonsense", status("429 Too Many Requests", "Retry-After: soon\r\n"), "dial", 0, time.Second, 0},
		{"429 negative", status("429 Too Many Requests", "Retry-After: -5\r\n"), "dial", 0, time.Second, 0},
		{"503 date", func(w io.Writer, r *http.Request) {
			status("503 Busy", "Retry-After: "+date(40*time.Second)+"\r\n")(w, r)
		}, "dial", 40 * time.Second, 41 * time.Second, 0},
		{"503 past date", func(w io.Writer, r *http.Request) {
			status("503 Busy", "Retry-After: "+date(-time.Hour)+"\r\n")(w, r)
		}, "dial", time.Second, 2 * time.Second, 0},
		{"503 far date", func(w io.Writer, r *http.Request) {
			status("503 Busy", "Retry-After: "+date(time.Hour)+"\r\n")(w, r)
		}, "dial", 5 * time.Minute, 301 * time.Second, 0},
		{"401 with half a body", func(w io.Writer, _ *http.Request) {
			io.WriteString(w, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n"+accessToken)
		}, "rejected", 30 * time.Second, time.Minute, 15 * time.Second},
		{"no HTTP", func(w io.Writer, _ *http.Request) { io.WriteString(w, "SSH-2.0-concierge\r\n") }, "dial", 0, time.Second, 0},
		{"echo", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "Cookie: %s\r\n\r\n", r.Header.Get("Cookie"))
		}, "dial", 0, time.Second, 0},
		{"echo in a header", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", r.Header.Get("Cookie"))
		}, "dial", 0, time.Second, 0},
		{"echo in a status", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n", r.Header.Get("Cookie"))
		}, "dial", 0, time.Second, 0},
		{"silence", func(io.Writer, *http.Request) {}, "dial", 0, time.Second, 15 * time.Second},
		{"a byte a second", func(w io.Writer, _ *http.Request) {
			for _, b := range []byte("HTTP/1.1 101 Switching Protocols\r\n") {
				if _, err := w.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, "dial", 0, time.Second, 15 * time.Second},
		{"a megabyte of headers", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\n%s%sSec-WebSocket-Accept: %s\r\n\r\n",
				strings.Repeat("X: y\r\n", 1<<20/6), upgraded, acceptKey(r))
		}, "dial", 0, time.Second, 0},
		{"a megabyte of one header", func(w io.Writer, r *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nX: %s\r\n%sSec-WebSocket-Accept: %s\r\n\r\n",
				strings.Repeat("x", 1<<20), upgraded, acceptKey(r))
		}, "dial", 0, time.Second, 0},
		{"hangs up", func(w io.Writer, _ *http.Request) { w.(io.Closer).Close() }, "dial", 0, time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := &sink{}
			run(t, to, func(t *testing.T, b *bubble) {
				c := <-b.dials
				began := time.Now()
				request, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					t.Fatal(err)
				}
				tt.answer(c, request)
				io.Copy(io.Discard, c) // until the client hangs up
				c.Close()
				if took := time.Since(began); took < tt.takes || took > tt.takes+time.Second {
					t.Errorf("hung up after %v, want %v", took, tt.takes)
				}
				settle(0)
				if got := to.now(); got.State != gateway.StateDown || got.Reason != tt.reason || !got.Confirmed.IsZero() {
					t.Errorf("%+v, want down, %s, without confirmed", got, tt.reason)
				}
				p := b.accept(t)
				wait := time.Since(began) - tt.takes
				if wait < tt.least || wait > tt.most {
					t.Errorf("dialed again after %v, want %v to %v", wait, tt.least, tt.most)
				}
				p.send(frameOf(room("a")))
				settle(0)
				if got := to.log(); len(got) != 1 {
					t.Errorf("log %q, want the one event", got)
				}
			})
		})
	}
}

func TestCloseCodes(t *testing.T) {
	for _, tt := range []struct {
		code   int
		lived  time.Duration
		reason gateway.Reason
		least  time.Duration
		most   time.Duration
	}{
		{1000, 0, "closed", 0, time.Second},
		{1001, 0, "closed", 0, time.Second},
		{1006, 0, "closed", 0, time.Second},
		{1008, 0, "rejected", 30 * time.Second, time.Minute},
		{1008, 5 * time.Second, "rejected", 30 * time.Second, time.Minute},
		{1008, time.Hour, "closed", 0, time.Second},
		{1011, 0, "closed", 0, time.Second},
		{1012, 0, "closed", 0, time.Second},
		{1013, 0, "closed", 0, time.Second},
		{3000, 0, "closed", 0, time.Second},
	} {
		t.Run(fmt.Sprint(tt.code, " after ", tt.lived), func(t *testing.T) {
			to := &sink{}
			run(t, to, func(t *testing.T, b *bubble) {
				p := b.accept(t)
				settle(tt.lived)
				p.close(tt.code)
				closed := time.Now()
				settle(0)
				if got := to.now(); got.State != gateway.StateDown || got.Reason != tt.reason {
					t.Errorf("%+v, want down, %s", got, tt.reason)
				}
				b.accept(t)
				if wait := time.Since(closed); wait < tt.least || wait > tt.most {
					t.Errorf("dialed again after %v, want %v to %v", wait, tt.least, tt.most)
				}
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		last := time.Now()
		var waits []time.Duration
		for i := range 40 {
			c := <-b.dials
			wait, window := time.Since(last), min(time.Second<<min(max(i-1, 0), 10), time.Minute)
			if i > 0 && wait > window {
				t.Errorf("wait %d is %v, want at most %v", i, wait, window)
			}
			waits = append(waits, wait)
			last = time.Now()
			c.Close()
		}
		// 33 waits, uniform in a minute: that all are in one half is not chance.
		var early, late bool
		for _, wait := range waits[7:] {
			early = early || wait < 30*time.Second
			late = late || wait > 30*time.Second
		}
		if !early || !late {
			t.Errorf("waits are not spread over the minute: %v", waits)
		}

		p := b.accept(t)
		settle(29 * time.Second)
		p.close(1006) // not stable: the window stays where it was
		p = b.accept(t)
		settle(31 * time.Second)
		p.close(1006)
		last = time.Now()
		b.accept(t)
		if wait := time.Since(last); wait > time.Second {
			t.Errorf("after a stable connection the wait is %v, want at most a second", wait)
		}
	})
}

func TestStopWhileDialing(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		c := <-b.dials
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		b.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("Run took %v to end", took)
		}
	})
}

func TestStopWithAPeerThatDoesNotRead(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		p := b.upgrade(t) // the pipe has no buffer: not even the ping goes through
		defer p.socket.Close()
		settle(0)
		began := time.Now()
		b.stop()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Run took %v to end, want a second for the ping and one for the reader at most", took)
		}
	})
}

// realServer is a WebSocket server on TLS that greets with one event.
func realServer(t *testing.T, config *tls.Config) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer socket.Close()
		socket.WriteMessage(websocket.TextMessage, []byte(frameOf(room("a"))))
		for err == nil {
			_, _, err = socket.ReadMessage()
		}
	}))
	server.TLS = config
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}

// runReal runs a source until until holds of the sink, or for ten seconds, and
// returns what it logged.
func runReal(t *testing.T, o mews.Options, to *sink, until func() bool) string {
	t.Helper()
	var log bytes.Buffer
	o.Name, o.ClientToken, o.AccessToken = "prague", clientToken, accessToken
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := mews.NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil && !until() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := s.Run(ctx, to); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !until() {
		t.Errorf("ten seconds were not enough; states %q", to.states())
	}
	return log.String()
}

func socketOf(server *httptest.Server) string {
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestTLS(t *testing.T) {
	server, roots := realServer(t, nil)
	t.Run("own CA", func(t *testing.T) {
		to := &sink{}
		runReal(t, mews.Options{Socket: socketOf(server), TLS: &tls.Config{RootCAs: roots}}, to,
			func() bool { return len(to.taken()) == 1 })
	})
	t.Run("unknown CA", func(t *testing.T) {
		to := &sink{}
		var dials atomic.Int32
		log := runReal(t, mews.Options{Socket: socketOf(server), Dial: counted(&dials)}, to, func() bool { return dials.Load() > 1 })
		if len(to.taken()) != 0 {
			t.Error("events from a server nobody vouches for")
		}
		if !strings.Contains(log, "x509: certificate signed by unknown authority") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	})
	t.Run("TLS 1.1", func(t *testing.T) {
		old, roots := realServer(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		to := &sink{}
		var dials atomic.Int32
		log := runReal(t, mews.Options{
			Socket: socketOf(old), TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}, Dial: counted(&dials),
		}, to, func() bool { return dials.Load() > 1 })
		if len(to.taken()) != 0 {
			t.Error("events over TLS 1.1")
		}
		if !strings.Contains(log, "protocol version") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	})
}

func counted(n *atomic.Int32) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// A proxy from the environment is used, and its refusals are survived: with and
// without the phrase that the library takes for granted.
func TestProxy(t *testing.T) {
	server, roots := realServer(t, nil)
	for _, refusal := range []string{"", "HTTP/1.1 407\r\n\r\n", "HTTP/1.1 407 Who are you\r\n\r\n"} {
		t.Run(refusal, func(t *testing.T) {
			var dials atomic.Int32
			to := &sink{}
			dial := func(ctx context.Context, _, address string) (net.Conn, error) {
				if address != proxyAddress {
					return nil, fmt.Errorf("dialed %s, not the proxy", address)
				}
				here, there := net.Pipe()
				answer := refusal
				if dials.Add(1) > 1 {
					answer = ""
				}
				go proxy(there, server.Listener.Addr().String(), answer)
				return here, nil
			}
			log := runReal(t, mews.Options{
				Socket: "wss://example.com", TLS: &tls.Config{RootCAs: roots}, Dial: dial,
			}, to, func() bool { return len(to.taken()) == 1 })
			if strings.Contains(log, "knock") {
				t.Errorf("the proxy's password is in the log:\n%s", log)
			}
		})
	}
}

// proxy serves one CONNECT: it leads to address, or is answered by the refusal.
func proxy(c net.Conn, address, refusal string) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil || r.Method != http.MethodConnect || r.Host != "example.com:443" || r.Header.Get("Cookie") != "" {
		return
	}
	if refusal != "" {
		io.WriteString(c, refusal)
		return
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.Close()
		io.Copy(c, out)
	}()
	io.Copy(out, c)
	out.Close()
	<-done
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer elsewhere.Close()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, elsewhere.URL, http.StatusMovedPermanently)
	}))
	defer server.Close()
	runReal(t, mews.Options{Socket: socketOf(server)}, &sink{}, func() bool { return asked.Load() > 1 })
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}
