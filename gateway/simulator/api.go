package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	apiRoot     = "/api/connector/v1/"
	longestCall = 1 << 20 // body of a call; what is longer is answered 413
)

// Dialect is how the API speaks where its documents are silent or undecided.
// The zero value is the strictest.
type Dialect struct {
	Lenient        bool `json:"lenient"`        // lets unknown parameters and a missing Extent pass
	ExclusiveStart bool `json:"exclusiveStart"` // intervals do not hold their lower bound
	OmitNulls      bool `json:"omitNulls"`      // optional members without a value are left out of rows and answers
}

// method answers one operation of the API. It is called with the hotel
// locked, and its answer does not count when the request was a mistake. What
// it answers with must not change afterwards.
type method func(*Hotel, *request) object

func methods() map[string]method {
	return map[string]method{
		"configuration/get":              getConfiguration,
		"enterprises/getAll":             getEnterprises,
		"services/getAll":                getServices,
		"resources/getAll":               getResources,
		"resourceCategories/getAll":      getCategories,
		"resourceBlocks/getAll":          getBlocks,
		"reservations/getAll":            discontinued,
		"reservations/getAll/2023-06-06": getReservations,
		"rates/getAll":                   getRates,
		"rates/getPricing":               getPricing,
		"commands/getAllActive":          getActiveCommands,
		"commands/getAllByIds":           getCommands,
		"devices/getAll":                 getDevices,
		"customers/getAll":               getCustomers,
	}
}

func discontinued(_ *Hotel, q *request) object {
	q.wrong = &mistake{http.StatusGone, "This version of the operation is discontinued."}
	return nil
}

// serveAPI answers one call.
func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	id := s.requestID()
	w.Header().Set("Request-Id", id)
	c := s.receive(w, r)
	what, wrong := c.reply()
	if wrong != nil {
		what = refusal(wrong)
	}
	if wrong != nil && wrong.status != http.StatusUnauthorized {
		cmp.Or(c.hotel, s.hotels[0]).violated(c.operation, wrong)
	}
	defer c.log(what)
	s.give(w, r, what, id)
}

// requestID is different for each call, the same for each run.
func (s *Simulator) requestID() string {
	return fmt.Sprintf("%020x", s.requests.Add(1)*0x9e3779b97f4a7c15)
}

// call is one request to the API.
type call struct {
	operation string
	do        method
	request   *request
	size      int      // of the body
	hotel     *Hotel   // that the access token opens, or nil
	number    int      // among the hotel's calls; 0 for what does not count as one
	wrong     *mistake // with it, whatever the operation
}

// receive reads a call.
func (s *Simulator) receive(w http.ResponseWriter, r *http.Request) *call {
	operation, _ := strings.CutPrefix(r.URL.EscapedPath(), apiRoot)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestCall))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); err != nil && !tooLong {
		panic(http.ErrAbortHandler) // the client has left
	}
	q, ok := parse(body)
	c := &call{operation: operation, do: s.methods[operation], request: q, size: len(body)}
	client, access := q.text("ClientToken"), q.text("AccessToken")
	c.hotel = s.Hotel(access)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case c.do == nil || r.Method != http.MethodPost:
		c.wrong = &mistake{http.StatusNotFound, "No such operation."}
	case err != nil:
		c.wrong = &mistake{http.StatusRequestEntityTooLarge, "The request is too large."}
	case !ok:
		c.wrong = &mistake{http.StatusBadRequest, "Invalid JSON"}
	case c.hotel == nil || client != s.opts.ClientToken:
		c.wrong = &mistake{http.StatusUnauthorized, "Invalid ClientToken or AccessToken."}
	case kind != "application/json":
		c.wrong = &mistake{http.StatusBadRequest, "Invalid Content-Type."}
	}
	return c
}

// reply lets the hotel reply to a call, if its limit and faults let it.
func (c *call) reply() (reply, *mistake) {
	if c.wrong != nil {
		return reply{}, c.wrong
	}
	h, q := c.hotel, c.request
	h.mu.Lock()
	defer h.mu.Unlock()
	c.number = h.calls.begin(c.operation)
	if !h.window.take() {
		h.calls.over++
		return limited(h.window.retryAfter()), nil
	}
	result := c.resultLocked()
	if q.wrong != nil {
		return reply{}, q.wrong
	}
	what := h.befallLocked(c)
	if what.status == 0 && what.end != never && what.end != cut {
		what.status, what.result = http.StatusOK, result
	}
	return what, nil
}

// resultLocked does what is asked, and reads what every call may say.
func (c *call) resultLocked() object {
	h, q := c.hotel, c.request
	q.dialect = h.dialect
	if q.text("Client") == "" {
		q.refuse("Invalid Client.")
	}
	q.text("LanguageCode")
	q.text("CultureCode")
	h.house.mirror.settle()
	result := c.do(h, q)
	if q.dialect.OmitNulls {
		result = result.withoutNulls()
	}
	return result
}

// log enters how a call ended that counts as one.
func (c *call) log(what reply) {
	h := c.hotel
	if c.number == 0 {
		return
	}
	h.log.Debug("call", "operation", c.operation, "status", what.status)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls.end(c.number, what.status)
}

// SetDialect changes how the API speaks.
func (h *Hotel) SetDialect(d Dialect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dialect = d
}
