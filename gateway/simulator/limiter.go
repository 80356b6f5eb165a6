package simulator

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// The forms of Retry-After.
const (
	RetryAfterSeconds = "seconds"
	RetryAfterDate    = "date"
	RetryAfterNone    = "none"
)

// Limiter is how many calls the API takes of a token. A window begins with
// the first call after the one before has ended; calls above the limit are
// answered 429 and do not count.
type Limiter struct {
	Calls      int           // in a window; 0 means 200, negative no limit
	Window     time.Duration // 0 means 30 s
	RetryAfter string        // form of the header of a 429; empty means RetryAfterSeconds
}

func (l Limiter) withDefaults() Limiter {
	orDefault(&l.Calls, 200)
	orDefault(&l.Window, 30*time.Second)
	orDefault(&l.RetryAfter, RetryAfterSeconds)
	return l
}

func (l Limiter) validate() error {
	switch l.RetryAfter {
	case RetryAfterSeconds, RetryAfterDate, RetryAfterNone:
	default:
		return errors.New("limiter: retryAfter is neither seconds, date nor none")
	}
	if l.Window < 0 {
		return errors.New("limiter: the window is negative")
	}
	return nil
}

// window is a limiter at work.
type window struct {
	Limiter
	begun time.Time
	calls int
}

// take counts a call, and reports whether it is within the limit.
func (w *window) take() bool {
	if now := time.Now(); now.Sub(w.begun) >= w.Window {
		w.begun, w.calls = now, 0
	}
	if w.Calls >= 0 && w.calls >= w.Calls {
		return false
	}
	w.calls++
	return true
}

// retryAfter is the header of a 429 that is given now; empty means none.
func (w *window) retryAfter() string {
	end := w.begun.Add(w.Window)
	switch w.RetryAfter {
	case RetryAfterNone:
		return ""
	case RetryAfterDate:
		return end.Add(time.Second - 1).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(max(1, int((time.Until(end)+time.Second-1)/time.Second)))
}

// SetLimiter changes the limit, and begins a new window.
func (h *Hotel) SetLimiter(l Limiter) error {
	l = l.withDefaults()
	if err := l.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.window = window{Limiter: l}
	return nil
}
