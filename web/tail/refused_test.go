package tail_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"bellhop/web/tail"
)

const (
	token    = "eyJ-a-token-nobody-may-see"
	urlToken = "eyJ-one-in-the-url-neither"
)

func TestRefused(t *testing.T) {
	const problem = "application/problem+json"
	tests := map[string]struct {
		status       int
		contentType  string
		body         string
		code, detail string
		text         string
	}{
		"bad query":        {400, problem, `{"code":"invalid_query","detail":"unknown parameter \"stat\""}`, "invalid_query", `unknown parameter "stat"`, `refused: 400 Bad Request: invalid_query: unknown parameter "stat"`},
		"token refused":    {401, problem + "; charset=utf-8", `{"type":"x","code":"invalid_token","detail":"expired"}`, "invalid_token", "expired", "refused: 401 Unauthorized: invalid_token: expired"},
		"forbidden":        {403, problem, `{"code":"forbidden"}`, "forbidden", "", "refused: 403 Forbidden: forbidden"},
		"a page":           {404, "text/html", `<h1>nothing here</h1>`, "", "", "refused: 404 Not Found"},
		"gone":             {410, "", ``, "", "", "refused: 410 Gone"},
		"no content":       {204, "", ``, "", "", "refused: 204 No Content"},
		"not implemented":  {501, problem, `{"code":"not_in_this_version"}`, "not_in_this_version", "", "refused: 501 Not Implemented: not_in_this_version"},
		"not a stream":     {200, "text/html", `<h1>log in</h1>`, "", "the content type is not text/event-stream", "refused: 200 OK: the content type is not text/event-stream"},
		"almost a stream":  {200, "text/event-stream-x", "data: 1\n\n", "", "the content type is not text/event-stream", "refused: 200 OK: the content type is not text/event-stream"},
		"echo of a token":  {401, problem, `{"code":"` + token + `","detail":"bad ` + token + `!"}`, "***", "bad ***!", "refused: 401 Unauthorized: ***: bad ***!"},
		"terminal control": {403, problem, `{"detail":"a\u001b[2Jb\r\nc\u202ed"}`, "", "a [2Jb  c d", "refused: 403 Forbidden: a [2Jb  c d"},
		"broken problem":   {403, problem, `{"code":`, "", "", "refused: 403 Forbidden"},
		"long detail":      {403, problem, `{"detail":"` + strings.Repeat("ž", 5000) + `"}`, "", strings.Repeat("ž", 300) + "…", "refused: 403 Forbidden: " + strings.Repeat("ž", 300) + "…"},
		"unknown status":   {499, "", ``, "", "", "refused: 499"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				h := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					requests++
					w.Header().Set("Content-Type", tt.contentType)
					w.WriteHeader(tt.status)
					io.WriteString(w, tt.body)
				})
				o := h.options()
				o.Token = token
				got, err := collect(t, o, 1)
				refused, ok := errors.AsType[*tail.RefusedError](err)
				if !ok || got != nil || requests != 1 {
					t.Fatalf("got %d events, error %v, after %d requests", len(got), err, requests)
				}
				if refused.Status != tt.status || refused.Code != tt.code || refused.Detail != tt.detail {
					t.Errorf("got %+v", refused)
				}
				if err.Error() != tt.text {
					t.Errorf("got text %q, want %q", err, tt.text)
				}
			})
		})
	}
}

func TestRedirect(t *testing.T) {
	tests := map[string]struct {
		location string
		followed bool
	}{
		"elsewhere on the host": {"/other?x=1", true},
		"another host":          {"http://other.example/events", false},
		"a subdomain":           {"http://a.gateway.example/events", false},
		"another port":          {"http://gateway.example:8080/events", false},
		"another scheme":        {"https://gateway.example/events", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/events" && r.Host == "gateway.example":
						http.Redirect(w, r, tt.location, http.StatusTemporaryRedirect)
					case r.Header.Get("Authorization") != "Bearer "+token:
						w.WriteHeader(http.StatusUnauthorized)
					default:
						begin(w)
						write(w, "data: 1\n\n")
					}
				})
				o := h.options()
				o.Token = token
				_, err := collect(t, o, 1)
				if tt.followed {
					if err != errEnough {
						t.Errorf("got error %v, want the event", err)
					}
					return
				}
				const want = "refused: 307 Temporary Redirect: a redirect to another origin"
				if err == nil || err.Error() != want {
					t.Errorf("got error %v, want %q", err, want)
				}
			})
		})
	}
}

func TestRedirectPolicyOfClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			http.Redirect(w, r, "/again", http.StatusFound)
		})
		h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := collect(t, h.options(), 1)
		if refused, ok := errors.AsType[*tail.RefusedError](err); !ok || refused.Status != http.StatusFound || requests != 1 {
			t.Errorf("got error %v after %d requests", err, requests)
		}
	})
}

func TestBadOptions(t *testing.T) {
	tests := map[string]struct {
		options tail.Options
		want    string
	}{
		"no URL":         {tail.Options{}, "url: want an absolute http or https address"},
		"relative URL":   {tail.Options{URL: "/events?access_token=" + token}, "url: want an absolute http or https address"},
		"other scheme":   {tail.Options{URL: "ws://h/?access_token=" + token}, "url: want an absolute http or https address"},
		"malformed URL":  {tail.Options{URL: "http://h/%zz?access_token=" + token}, "url: want an absolute http or https address"},
		"id with LF":     {tail.Options{URL: address, LastEventID: "1\n2"}, "last event id: holds a control character"},
		"token with LF":  {tail.Options{URL: address, Token: token + "\n"}, "header Authorization: holds a control character"},
		"header with CR": {tail.Options{URL: address, Header: http.Header{"X-A": {"b\rc"}}}, "header X-A: holds a control character"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := collect(t, tt.options, 1); err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestSecrets: a token, in the header or in the URL, is in no log line,
// whatever the trouble.
func TestSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []http.HandlerFunc{
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			func(http.ResponseWriter, *http.Request) { cut() },
			func(w http.ResponseWriter, _ *http.Request) { begin(w); cut() },
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/loop?access_token="+urlToken, http.StatusFound)
			},
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://%zz/"+token)
				w.WriteHeader(http.StatusFound)
			},
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			http.NotFound,
		}
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/loop" {
				http.Redirect(w, r, r.URL.String(), http.StatusFound)
				return
			}
			answer := answers[0]
			answers = answers[1:]
			answer(w, r)
		})
		h.refuse.Store(1)
		var log bytes.Buffer
		o := h.options()
		o.URL += "?access_token=" + urlToken
		o.Token = token
		o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		_, err := collect(t, o, 1)
		if text := log.String() + err.Error(); strings.Contains(text, token) || strings.Contains(text, urlToken) {
			t.Errorf("a token is in:\n%s", text)
		}
		for _, want := range []string{"connection refused", "503 Service Unavailable", "EOF", "stopped after 10 redirects", "parse Location header", "gone silent"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %q in:\n%s", want, log.String())
			}
		}
	})
}
