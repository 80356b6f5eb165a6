package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// reply is how a call is answered.
type reply struct {
	status     int
	result     object // of a success
	message    string // of an error
	page       []byte // instead of both: HTML, which is not the API's but of something before it
	retryAfter string
	delay      time.Duration // before it
	end        ending
}

// ending is how much of a reply comes.
type ending int

const (
	whole    ending = iota
	never           // nothing, and the connection stays
	cut             // nothing, and the connection ends
	cutShort        // half of the body, then the connection ends
)

func refusal(m *mistake) reply { return reply{status: m.status, message: m.text} }

func limited(retryAfter string) reply {
	return reply{status: http.StatusTooManyRequests, message: "Too many requests.", retryAfter: retryAfter}
}

// give sends a reply. Where the reply does not come, it ends by the panic that
// makes a server cut the connection.
func (s *Simulator) give(w http.ResponseWriter, r *http.Request, what reply, id string) {
	if what.delay > 0 {
		s.wait(r, time.After(what.delay))
	}
	switch what.end {
	case never:
		s.wait(r, nil)
		panic(http.ErrAbortHandler)
	case cut:
		panic(http.ErrAbortHandler)
	}
	body, kind := what.page, "text/html"
	switch {
	case body != nil:
		w.Header().Del("Request-Id")
	case what.status == http.StatusOK:
		body, kind = what.result.append(nil), "application/json"
	default:
		body, kind = object{{"Message", what.message}, {"RequestId", id}, {"Details", nil}}.append(nil), "application/json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if what.retryAfter != "" {
		w.Header().Set("Retry-After", what.retryAfter)
	}
	w.WriteHeader(what.status)
	if what.end == cutShort {
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(body) // a failure to write is the client's
}

// wait ends when it is time, when the client has left, and when the simulator
// has ended.
func (s *Simulator) wait(r *http.Request, until <-chan time.Time) {
	select {
	case <-until:
	case <-r.Context().Done():
	case <-s.done:
	}
}
