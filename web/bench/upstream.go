//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sendTimeout is how long a server under test may take no frame.
const sendTimeout = time.Minute

// An upstream is a Mews of many enterprises: their sockets, and an API that
// knows of no changes. A source's access token is its name.
type upstream struct {
	listener net.Listener
	server   http.Server
	serving  sync.WaitGroup

	mu      sync.Mutex
	sockets []*websocket.Conn // by source; nil while there is none
	closed  bool
	changed chan struct{} // one token: a socket came
}

func sourceName(i int) string { return fmt.Sprintf("hotel-%04d", i) }

func openUpstream(sources int) (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: listener, sockets: make([]*websocket.Conn, sources), changed: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws/connector", u.serveSocket)
	mux.HandleFunc("/api/connector/v1/", u.serveAPI)
	u.server.Handler = mux
	u.serving.Go(func() { u.server.Serve(listener) })
	return u, nil
}

func (u *upstream) address() string { return u.listener.Addr().String() }

// close ends all sockets and waits for those who serve them.
func (u *upstream) close() {
	u.server.Close()
	u.mu.Lock()
	u.closed = true
	for _, socket := range u.sockets {
		if socket != nil {
			socket.Close()
		}
	}
	u.mu.Unlock()
	u.serving.Wait()
}

func (u *upstream) serveSocket(w http.ResponseWriter, r *http.Request) {
	var source int
	token, err := r.Cookie("AccessToken")
	if err == nil {
		_, err = fmt.Sscanf(token.Value, "hotel-%d", &source)
	}
	if err != nil || source < 0 || source >= len(u.sockets) {
		http.Error(w, "unknown AccessToken", http.StatusUnauthorized)
		return
	}
	socket, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return // answered
	}
	u.take(source, socket)
}

// take takes a source's new socket over.
func (u *upstream) take(source int, socket *websocket.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		socket.Close()
		return
	}
	u.sockets[source] = socket
	u.serving.Go(func() { u.listen(source, socket) })
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

// listen reads a socket, which answers pings, until it ends.
func (u *upstream) listen(source int, socket *websocket.Conn) {
	for {
		if _, _, err := socket.NextReader(); err != nil {
			break
		}
	}
	socket.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sockets[source] == socket {
		u.sockets[source] = nil
	}
}

// serveAPI answers what every operation's reader looks for: the enterprise, and
// nothing new.
func (u *upstream) serveAPI(w http.ResponseWriter, r *http.Request) {
	var asked struct{ AccessToken string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"NowUtc":%q,"Enterprise":{"Id":%q,"Name":"Bench","TimeZoneIdentifier":"UTC","IsPortfolio":false},`+
		`"Enterprises":[],"Reservations":[],"Resources":[],"Commands":[],"Services":[],"Rates":[],"Cursor":null}`,
		time.Now().UTC().Format(time.RFC3339), "of "+asked.AccessToken)
}

// wait waits until all sources have their socket.
func (u *upstream) wait(ctx context.Context) error {
	for {
		missing := u.missing()
		if missing == 0 {
			return nil
		}
		select {
		case <-u.changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d upstream sockets are missing: %w", missing, len(u.sockets), context.Cause(ctx))
		}
	}
}

func (u *upstream) missing() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, socket := range u.sockets {
		if socket == nil {
			n++
		}
	}
	return n
}

// send sends a frame to a source. One caller at a time.
func (u *upstream) send(source int, frame []byte) error {
	u.mu.Lock()
	socket := u.sockets[source]
	u.mu.Unlock()
	if socket == nil {
		return errors.New("feed: the source has closed its socket")
	}
	socket.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err := socket.WriteMessage(websocket.TextMessage, frame); err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	return nil
}
