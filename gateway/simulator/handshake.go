package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Refusal says how a socket that wants to connect is refused. Exactly one of
// Status, Close and Mute is set; the zero Refusal refuses nobody.
type Refusal struct {
	Status     int    `json:"status"`     // of an HTTP answer instead of the upgrade: 401, 403, 429, 503, …
	RetryAfter string `json:"retryAfter"` // its Retry-After header, where not empty
	Close      uint16 `json:"close"`      // accept, then close with this code
	Reason     string `json:"reason"`     // of the close frame, or the body of the HTTP answer
	Mute       bool   `json:"mute"`       // accept, then never say anything
	Connects   int    `json:"connects"`   // how many are refused; 0 means all, until told otherwise. Not for bad tokens
}

// ParseRefusal reads the form of a command line: an HTTP status, or "close" for a
// socket that is accepted and closed for violating a policy.
func ParseRefusal(text string) (Refusal, error) {
	const reason = "Invalid tokens."
	if text == "close" {
		return Refusal{Close: websocket.ClosePolicyViolation, Reason: reason}, nil
	}
	status, err := strconv.Atoi(text)
	if err != nil || status == 0 {
		return Refusal{}, errors.New("want an HTTP status, or close")
	}
	return Refusal{Status: status, Reason: reason}, nil
}

func (r Refusal) active() bool { return r.Status != 0 || r.Close != 0 || r.Mute }

func (r Refusal) validate() error {
	set := 0
	for _, is := range []bool{r.Status != 0, r.Close != 0, r.Mute} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return errors.New("refusal: exactly one of status, close and mute is needed")
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("refusal: status %d is not between 200 and 599", r.Status)
	case r.Connects < 0:
		return fmt.Errorf("refusal: connects %d is negative", r.Connects)
	}
	return nil
}

// upgrader accepts any origin: Mews asks for none.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeWait,
	CheckOrigin:      func(*http.Request) bool { return true },
}

func (s *Simulator) serveSocket(w http.ResponseWriter, r *http.Request) {
	hotel := s.authenticate(r)
	if hotel == nil || hotel.disabled() {
		s.opts.Logger.Info("socket refused", "err", "bad tokens")
		s.refuse(w, r, s.opts.BadTokens)
		return
	}
	if refusal, ok := hotel.admit(); !ok {
		hotel.log.Info("socket refused", "status", refusal.Status, "close", refusal.Close, "mute", refusal.Mute)
		s.refuse(w, r, refusal)
		return
	}
	// The socket is told of events before its client knows that it is
	// connected, so that the client, once it knows, misses none.
	sock := hotel.connect()
	defer hotel.disconnect(sock)
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		hotel.log.Info("socket refused", "err", err) // answered by the upgrader
		return
	}
	hotel.log.Info("socket connected")
	err = s.serve(sock, conn)
	hotel.log.Info("socket gone", "err", err)
}

// refuse answers as the refusal says.
func (s *Simulator) refuse(w http.ResponseWriter, r *http.Request, how Refusal) {
	if how.Status != 0 {
		if how.RetryAfter != "" {
			w.Header().Set("Retry-After", how.RetryAfter)
		}
		http.Error(w, cmp.Or(how.Reason, http.StatusText(how.Status)), how.Status)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // answered by the upgrader
	}
	sock := newSocket(Manner{}, 0)
	if how.Mute {
		sock.stall(true, 0)
	} else {
		sock.bye(int(how.Close), how.Reason)
	}
	s.serve(sock, conn)
}

// admit counts a connect, and decides whether it is let in.
func (h *Hotel) admit() (Refusal, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.unplugged) {
		h.refused++
		until := h.unplugged.Add(time.Second).UTC().Format(http.TimeFormat) // which is cut to the second
		return Refusal{Status: http.StatusServiceUnavailable, RetryAfter: until}, false
	}
	if !h.refusal.active() {
		h.connects++
		return Refusal{}, true
	}
	h.refused++
	refusal := h.refusal
	if h.refusal.Connects > 0 {
		if h.refusal.Connects--; h.refusal.Connects == 0 {
			h.refusal = Refusal{}
		}
	}
	return refusal, false
}

// authenticate is the hotel that the cookies open, or nil.
func (s *Simulator) authenticate(r *http.Request) *Hotel {
	cookies := r.Header["Cookie"]
	client, ok := cookie(cookies, "ClientToken")
	if !ok || client != s.opts.ClientToken {
		return nil
	}
	access, ok := cookie(cookies, "AccessToken")
	if !ok {
		return nil
	}
	return s.Hotel(access)
}

// cookie is the value of the only cookie of that name. It reads the headers
// by hand, because Mews is stricter than net/http: white space around the
// equals sign belongs to name and value, which then are not the right ones,
// and so do quotes.
func cookie(headers []string, name string) (string, bool) {
	var found []string
	for _, header := range headers {
		for pair := range strings.SplitSeq(header, ";") {
			key, value, _ := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if key == name {
				found = append(found, value)
			}
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}
