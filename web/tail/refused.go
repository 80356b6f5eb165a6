package tail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxProblem = 64 << 10 // bytes of a problem document that are read
	maxDetail  = 300      // characters of its detail that are kept
)

// RefusedError is an answer that is no stream. Code and Detail are those of the
// server's problem document (RFC 9457), where it sent one, in printable
// characters and without the token; else Detail says what was wrong with the
// answer, if its status does not.
type RefusedError struct {
	Status int
	Code   string
	Detail string

	after time.Duration // by Retry-After; zero is none
}

// Error says the status, the code and the detail, as far as there are any.
func (e *RefusedError) Error() string {
	parts := []string{"refused", strings.TrimSpace(fmt.Sprint(e.Status, " ", http.StatusText(e.Status)))}
	for _, s := range []string{e.Code, e.Detail} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// passes reports whether the same request may be answered otherwise later.
func (e *RefusedError) passes() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500
}

// final reports whether coming back cannot help.
func final(err error) bool {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return !r.passes()
	}
	return errors.Is(err, errTooLarge)
}

// refusal returns nil when resp is a stream. It reads what it needs of the body
// and leaves it open.
func (t *tail) refusal(resp *http.Response) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && media == "text/event-stream" {
		return nil
	}
	e := &RefusedError{Status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"))}
	switch {
	case resp.StatusCode == http.StatusOK:
		e.Detail = "the content type is not text/event-stream"
	case 300 <= resp.StatusCode && resp.StatusCode < 400:
		e.Detail = "a redirect to another origin"
	case media == "application/problem+json":
		e.Code, e.Detail = t.problem(resp.Body)
	}
	return e
}

func (t *tail) problem(body io.Reader) (code, detail string) {
	var p struct{ Code, Detail string }
	// A document that breaks off leaves the status, which says enough.
	_ = json.NewDecoder(io.LimitReader(body, maxProblem)).Decode(&p)
	return t.presentable(p.Code), t.presentable(p.Detail)
}

// presentable makes a server's text fit for a terminal and a log.
func (t *tail) presentable(s string) string {
	if t.token != "" {
		s = strings.ReplaceAll(s, t.token, "***")
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxDetail {
		s = string(r[:maxDetail]) + "…"
	}
	return s
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3).
func retryAfter(v string) time.Duration {
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(s)*time.Second, longestWait)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), longestWait)
}
