package mews

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testClientToken = "C0FFEE11-CLIENT"
	testAccessToken = "ACCE5500-PRAGUE"
	theirText       = "said by the other side"
)

// apiCall is one request as the server saw it.
type apiCall struct {
	at     time.Time
	host   string
	op     string
	header http.Header
	body   map[string]any
}

// apiServer is Mews in a bubble: an HTTP server behind pipes.
type apiServer struct {
	handler http.Handler
	conns   chan net.Conn
	ended   chan struct{}
	busy    sync.WaitGroup // with calls

	mu    sync.Mutex
	calls []apiCall
	hosts []string // that were dialled
}

func (s *apiServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *apiServer) Close() error   { return nil }
func (s *apiServer) Addr() net.Addr { return &net.UnixAddr{} }

func (s *apiServer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	s.mu.Lock()
	s.hosts = append(s.hosts, address)
	s.mu.Unlock()
	here, there := net.Pipe()
	select {
	case s.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	s.handler.ServeHTTP(w, r)
}

// record notes a call and has it served.
func (s *apiServer) record(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, apiCall)) {
	c := apiCall{at: time.Now(), host: r.Host, op: strings.TrimPrefix(r.URL.Path, "/api/connector/v1/"), header: r.Header}
	text, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || json.Unmarshal(text, &c.body) != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	serve(w, c)
}

func (s *apiServer) seen() []apiCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// withAPI calls f in a bubble with an API whose calls are noted and served by
// serve.
func withAPI(t *testing.T, o apiOptions, serve func(http.ResponseWriter, apiCall), f func(t *testing.T, a *api, s *apiServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{}
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.record(w, r, serve) })
		s.run(t, o, func(a *api) { f(t, a, s) })
	})
}

// run calls f with an API of this server, then looks for what may not be in its
// log.
func (s *apiServer) run(t *testing.T, o apiOptions, f func(a *api)) {
	t.Helper()
	s.conns, s.ended = make(chan net.Conn), make(chan struct{})
	server := &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(s) })

	var log bytes.Buffer
	o.address, o.dial = "http://mews.test", s.dial
	o.client, o.clientToken, o.accessToken = "Bellhop 1.0", testClientToken, cmp.Or(o.accessToken, testAccessToken)
	o.logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := newAPI(o)
	if err != nil {
		t.Fatal(err)
	}
	f(a)
	a.close()
	close(s.ended)
	server.Close()
	wg.Wait()
	s.busy.Wait()
	checkSecrets(t, "log", log.String())
	checkSecrets(t, "api", fmt.Sprintf("%+v %#v", a, a))
}

func checkSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{testClientToken, testAccessToken, theirText} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the %s:\n%s", secret, where, text)
		}
	}
}

// answer is one scripted answer.
type answer func(w http.ResponseWriter)

// script answers call after call, the last answer again and again.
func script(answers ...answer) func(http.ResponseWriter, apiCall) {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ apiCall) {
		mu.Lock()
		next := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		mu.Unlock()
		next(w)
	}
}

func status(code int, headers ...string) answer {
	text := fmt.Sprintf(`{"Message":"%s %s","RequestId":"5d0f6f0a","Details":null}`, theirText, testAccessToken)
	return say(code, text, headers...)
}

// say answers with a text; headers are names and values in turn.
func say(code int, text string, headers ...string) answer {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, text)
	}
}
