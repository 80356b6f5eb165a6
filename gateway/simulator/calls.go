package simulator

import (
	"fmt"
	"slices"
	"time"
)

const (
	keptCalls      = 100_000
	keptViolations = 1000
)

// Call is one call of the API with good tokens, of an operation that there
// is.
type Call struct {
	At        time.Time `json:"at"` // by the wall clock
	Operation string    `json:"operation"`
	Status    int       `json:"status"` // 0 while it is not answered, or when it never was
}

// calls are a hotel's latest.
type calls struct {
	list  []Call
	count int // ever
	over  int // that were answered 429
}

// begin enters a call, and returns its number.
func (c *calls) begin(operation string) int {
	c.list = keep(append(c.list, Call{At: time.Now().UTC(), Operation: operation}), keptCalls, func(Call) {})
	c.count++
	return c.count
}

func (c *calls) end(number, status int) {
	if i := len(c.list) - 1 - (c.count - number); i >= 0 {
		c.list[i].Status = status
	}
}

// Calls are the latest 100 000 calls of the API, oldest first.
func (h *Hotel) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls.list)
}

// Limited is the number of calls that were answered 429.
func (h *Hotel) Limited() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls.over
}

// Violations are the first 1000 calls that were refused because the client
// went against the documents: 400, 404, 410 and 413 but for those that a
// fault gave. One that belongs to no hotel is the first hotel's.
func (h *Hotel) Violations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.violations)
}

func (h *Hotel) violated(operation string, m *mistake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.violations) < keptViolations {
		h.violations = append(h.violations, fmt.Sprintf("%.100s: %d %s", operation, m.status, m.text))
	}
}
