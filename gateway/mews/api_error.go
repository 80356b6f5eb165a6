package mews

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What an error of the API may be, beyond those of the caller's context. Of any
// other kind is only what the caller's own function returned.
var (
	errUnauthorized = errors.New("unauthorized")       // 401: a bad token, a disabled integration, or no permission for this operation
	errRefused      = errors.New("refused")            // another 4xx: the same call will not do better
	errExhausted    = errors.New("gave up")            // tried again and again in vain
	errHeavy        = errors.New("too much at a time") // less may be had; reads that can ask for less do so themselves
)

// callOutcome says what came of one call.
type callOutcome string

const (
	callDone         callOutcome = "ok"
	callThrottled    callOutcome = "throttled"    // 429
	callSlow         callOutcome = "slow"         // 408: more than Mews could do in time
	callLarge        callOutcome = "large"        // 413, or an answer over maxAnswer
	callUnauthorized callOutcome = "unauthorized" // 401
	callRefused      callOutcome = "refused"      // other 4xx
	callFault        callOutcome = "fault"        // 5xx, and answers that make no sense
	callUnreached    callOutcome = "unreached"    // no answer, or none in time
	callAbandoned    callOutcome = "abandoned"    // the caller's context ended
)

var callOutcomes = []callOutcome{
	callDone, callThrottled, callSlow, callLarge, callUnauthorized, callRefused, callFault, callUnreached, callAbandoned,
}

// callError is a call that did not succeed. It holds nothing that the upstream
// said but its status, its wait and the request's id.
type callError struct {
	op      string
	outcome callOutcome
	status  int            // 0 without an answer
	request string         // the id under which Mews has it in its own log
	after   *time.Duration // what Mews wants to be waited for; nil when it does not say
	cause   error          // nil when the status says it all
}

func (e *callError) Error() string {
	var b strings.Builder
	b.WriteString(e.op)
	if e.status != 0 && (e.cause == nil || e.status != http.StatusOK) {
		fmt.Fprintf(&b, ": status %d", e.status)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	if e.request != "" {
		fmt.Fprintf(&b, " (request %s)", e.request)
	}
	return b.String()
}

func (e *callError) Unwrap() error { return e.cause }

func (e *callError) Is(kind error) bool {
	switch kind {
	case errUnauthorized:
		return e.outcome == callUnauthorized
	case errRefused:
		return e.outcome == callRefused || e.outcome == callLarge
	case errHeavy:
		return e.outcome == callSlow || e.outcome == callLarge
	}
	return false
}

// passing reports whether the same call may do better later.
func (e *callError) passing() bool {
	switch e.outcome {
	case callThrottled, callSlow, callFault, callUnreached:
		return true
	}
	return false
}

// conflict is the text of the one refusal that is none: Mews is at work on the
// same objects. It has no code of its own.
const conflict = "Conflicting operation is being performed at this time"

// outcomeOf judges an answer other than 200.
func outcomeOf(status int, message string) callOutcome {
	switch {
	case status == http.StatusUnauthorized:
		return callUnauthorized
	case status == http.StatusRequestTimeout:
		return callSlow
	case status == http.StatusRequestEntityTooLarge:
		return callLarge
	case status == http.StatusTooManyRequests:
		return callThrottled
	case status == http.StatusConflict, status == http.StatusForbidden && strings.Contains(message, conflict):
		return callFault
	case status >= 400 && status < 500:
		return callRefused
	}
	// A redirect too: the tokens go to the configured host alone, and an edge in
	// trouble may well answer with one.
	return callFault
}

// proxyError is the status with which a proxy refused to connect.
type proxyError int

func (e proxyError) Error() string { return fmt.Sprintf("proxy: status %d", int(e)) }

func proxyConnected(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return proxyError(answer.StatusCode)
	}
	return nil
}

var errNoAnswer = errors.New("no usable answer")

// networkError returns why an exchange got no answer, without the address, and
// without what a server or a proxy said: that may repeat the tokens.
func networkError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "proxyconnect" {
		return fmt.Errorf("proxy: %w", networkError(e.Err))
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if e, ok := errors.AsType[proxyError](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("timeout")
	}
	if err = answerError(err); err == errMalformedAnswer {
		return errNoAnswer
	}
	return err
}
