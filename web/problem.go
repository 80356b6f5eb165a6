package web

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"bellhop/web/sse"
)

// A problem is an answer other than success, as RFC 9457 wants it told. Its
// texts never hold a token or what an upstream said.
type problem struct {
	status    int
	code      string
	detail    string
	parameter string        // of the query, where one is at fault
	retry     time.Duration // when to come back, for what passes
}

// The problems that need no more words. Kind to status is settled here and
// nowhere else.
var (
	problemTokenMissing  = problem{status: http.StatusUnauthorized, code: "token_missing", detail: "this needs a token, as a bearer token or in the session's cookie"}
	problemCookieRefused = problem{status: http.StatusForbidden, code: "cookie_refused", detail: "the session's cookie does not count in a request from this origin"}
	problemHTTPSNeeded   = problem{status: http.StatusBadRequest, code: "https_needed", detail: "a cookie is set over HTTPS only, or where host and origin are loopback; a proxy that ends TLS must say so by X-Forwarded-Proto"}
	problemNotFound      = problem{status: http.StatusNotFound, code: "not_found", detail: "there is nothing at this address"}
	problemNotAcceptable = problem{status: http.StatusNotAcceptable, code: "not_acceptable", detail: "this answers with text/event-stream only"}
	problemTokenTooLarge = problem{status: http.StatusRequestEntityTooLarge, code: "token_too_large", detail: "a browser drops a cookie of this size silently; use a smaller token"}
	problemQueryTooLong  = problem{status: http.StatusRequestURITooLong, code: "query_too_long", detail: "the query is longer than 8 KiB"}
	problemLater         = problem{status: http.StatusNotImplemented, code: "not_in_this_version", detail: "this is not in this version"}
	problemForbidden     = problem{status: http.StatusForbidden, code: "forbidden"}
)

const refusalBusy, refusalDraining = "busy", "draining"

func problemMethod() problem {
	return problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed", detail: "see Allow for what may be asked for here"}
}

func problemQuery(parameter, detail string) problem {
	return problem{status: http.StatusBadRequest, code: "invalid_query", parameter: parameter, detail: detail}
}

func problemInvalidToken(description string) problem {
	return problem{status: http.StatusUnauthorized, code: "invalid_token", detail: description}
}

func problemBusy(detail string) problem {
	return problem{status: http.StatusServiceUnavailable, code: refusalBusy, detail: detail, retry: busyRetry}
}

// problemStarting is busy for the moment that opening the log takes.
func problemStarting() problem {
	p := problemBusy("the log is not open yet")
	p.retry = startingRetry
	return p
}

func problemTooManyStreams() problem {
	return problem{status: http.StatusTooManyRequests, code: "too_many_streams", detail: "this address has as many streams open as it may", retry: busyRetry}
}

func problemDraining(retry time.Duration) problem {
	return problem{status: http.StatusServiceUnavailable, code: refusalDraining, detail: "this gateway is about to stop", retry: retry}
}

// How long, about, a client waits before it asks again: a busy gateway, and one
// that is about to be ready.
const (
	busyRetry     = 5 * time.Second
	startingRetry = time.Second
)

// passing reports whether the trouble goes away by itself.
func (p *problem) passing() bool { return p.retry > 0 }

// refusal names a passing trouble for those who look at streams from outside.
func (p *problem) refusal() string {
	if p.code == refusalDraining {
		return refusalDraining
	}
	return refusalBusy
}

// write answers with p.
func (p *problem) write(w http.ResponseWriter) {
	body, _ := json.Marshal(struct { // strings and a number cannot fail
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Code      string `json:"code"`
		Detail    string `json:"detail,omitempty"`
		Parameter string `json:"parameter,omitempty"`
	}{"urn:bellhop:problem:" + p.code, http.StatusText(p.status), p.status, p.code, p.detail, p.parameter})
	h := w.Header()
	switch p.code {
	case "token_missing":
		h.Set("WWW-Authenticate", "Bearer")
	case "invalid_token":
		h.Set("WWW-Authenticate", `Bearer error="invalid_token", error_description=`+strconv.QuoteToASCII(p.detail))
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(jittered(p.retry).Seconds()+1)))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.status)
	w.Write(append(body, '\n'))
}

// writeStream answers a passing trouble as a stream of one block. A browser's
// EventSource gives up for good at any status but 200, Retry-After or not; so it
// comes back by itself, with its last id.
func (p *problem) writeStream(w http.ResponseWriter) {
	streamHeaders(w.Header())
	w.Header().Set("Bellhop-Refusal", p.refusal())
	w.WriteHeader(http.StatusOK)
	w.Write(sse.Append(nil, sse.Block{
		Retry: jittered(p.retry), Event: "bellhop.bye", Data: []byte(`{"reason":"` + p.refusal() + `"}`),
	}))
}

// jittered spreads what many are told at once.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + 0.5*rand.Float64()))
}
