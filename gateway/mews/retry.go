package mews

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"bellhop/gateway"
)

const (
	firstBackoff  = time.Second
	maxBackoff    = time.Minute
	stability     = 30 * time.Second // a connection that lived so long was a good one
	rejectedRetry = 30 * time.Second // and up to twice that
	maxRetryAfter = 5 * time.Minute
)

// failure is the end of a connection, or of the attempt to open one.
type failure struct {
	reason gateway.Reason
	err    error
	lived  time.Duration  // from the opening on
	after  *time.Duration // what the upstream wants to be waited for; nil when it did not say
}

// retry spaces the attempts of one source.
type retry struct{ attempts int }

// wait returns how long to wait after f: as the upstream said, or half a minute
// to a minute when it rejected the token or the token is of another enterprise,
// or else exponentially with full jitter, so that many gateways do not come back
// as one.
func (r *retry) wait(f *failure) time.Duration {
	if f.lived >= stability {
		r.attempts = 0
	}
	switch {
	case f.reason == gateway.ReasonRejected, errors.Is(f.err, errForeign):
		return rejectedRetry + rand.N(rejectedRetry)
	case f.after != nil:
		return max(*f.after, firstBackoff) + rand.N(firstBackoff)
	}
	return r.next()
}

// next returns the next backoff: uniform in a window that doubles.
func (r *retry) next() time.Duration {
	window := min(firstBackoff<<r.attempts, maxBackoff)
	if window < maxBackoff {
		r.attempts++
	}
	return rand.N(window)
}

// retryAfter reads the Retry-After header (RFC 9110, section 10.2.3), seconds or
// a date; nil when there is none that can be read.
func retryAfter(h http.Header, now time.Time) *time.Duration {
	value := h.Get("Retry-After")
	var after time.Duration
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		after = time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		after = date.Sub(now)
	} else {
		return nil
	}
	return new(min(max(after, 0), maxRetryAfter))
}
