package simulator

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeWait  = 10 * time.Second // for one message to be taken
	closeGrace = time.Second      // for the client to answer a close frame
	readLimit  = 1 << 20          // a client has nothing to say
	queueLimit = 128 << 20        // bytes that a socket that is not read may owe
)

// Manner is how a hotel treats the sockets it serves.
type Manner struct {
	Delay   time.Duration // before each message, pongs included: a slow upstream
	NoPongs bool          // pings are not answered, though frames go on
}

type message struct {
	kind int // of gorilla/websocket
	data []byte
}

// socket is one connected client. serve reads, a writer started by it
// writes, and everything else only queues: nobody waits for a client.
type socket struct {
	ping    time.Duration
	devices int           // how many of the hotel's were linked when it connected
	gone    chan struct{} // closed when reading has ended
	wake    chan struct{}

	mu      sync.Mutex
	conn    *websocket.Conn // set once, by serve; read without mu by what it starts
	broken  bool            // reset before there was a conn
	manner  Manner
	queue   []message
	owed    int       // bytes queued
	ended   bool      // nothing is queued any more
	silent  bool      // stalled
	silence time.Time // until then; zero until told otherwise
}

// newSocket makes a socket that queues from now on, and is served once its
// connection is there.
func newSocket(manner Manner, ping time.Duration) *socket {
	return &socket{manner: manner, ping: ping, gone: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// serve reads until the connection ends, and returns why it did.
func (s *socket) serve(conn *websocket.Conn) error {
	s.mu.Lock()
	s.conn = conn
	broken := s.broken
	s.mu.Unlock()
	if broken {
		s.reset()
	}
	var wg sync.WaitGroup
	wg.Go(s.write)
	if s.ping > 0 {
		wg.Go(s.sendPings)
	}
	err := s.read()
	close(s.gone)
	s.conn.Close()
	wg.Wait()
	return err
}

func (s *socket) read() error {
	s.conn.SetReadLimit(readLimit)
	s.conn.SetPingHandler(func(data string) error {
		s.pong(data)
		return nil
	})
	answer := s.conn.CloseHandler()
	s.conn.SetCloseHandler(func(code int, text string) error {
		if s.stalled() {
			return nil
		}
		return answer(code, text)
	})
	for {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			return err
		}
	}
}

func (s *socket) pong(data string) {
	s.mu.Lock()
	mute := s.manner.NoPongs
	s.mu.Unlock()
	if !mute {
		s.push(websocket.PongMessage, []byte(data))
	}
}

func (s *socket) sendPings() {
	tick := time.NewTicker(s.ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.push(websocket.PingMessage, nil)
		case <-s.gone:
			return
		}
	}
}

// push queues a message. The data must not change afterwards.
func (s *socket) push(kind int, data []byte) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, message{kind, data})
	s.owed += len(data)
	s.ended = kind == websocket.CloseMessage
	over := s.owed > queueLimit
	s.mu.Unlock()
	if over {
		s.reset()
	}
	s.rouse()
}

// bye closes the connection with code, after what is queued. It ends a stall.
func (s *socket) bye(code int, reason string) {
	s.stall(false, 0)
	var payload []byte
	if code != 0 {
		payload = websocket.FormatCloseMessage(code, reason[:min(len(reason), 123)])
	}
	s.push(websocket.CloseMessage, payload)
}

// reset breaks the connection off: by a RST, where it is TCP.
func (s *socket) reset() {
	s.mu.Lock()
	s.ended, s.queue, s.owed = true, nil, 0
	ws := s.conn
	s.broken = ws == nil
	s.mu.Unlock()
	if ws == nil {
		return
	}
	conn := ws.NetConn()
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}

// stall makes the socket say nothing, pongs included, for d, or, when d is
// 0, until told otherwise. What is queued meanwhile is sent afterwards, as
// TCP would after an outage.
func (s *socket) stall(on bool, d time.Duration) {
	s.mu.Lock()
	s.silent, s.silence = on, time.Time{}
	if d > 0 {
		s.silence = time.Now().Add(d)
	}
	s.mu.Unlock()
	s.rouse()
}

func (s *socket) stalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent && (s.silence.IsZero() || time.Now().Before(s.silence))
}

func (s *socket) setManner(m Manner) {
	s.mu.Lock()
	s.manner = m
	s.mu.Unlock()
}

func (s *socket) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection ends. A failed write ends
// it.
func (s *socket) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m, ok := s.next(timer)
		if !ok || !s.pause(timer) {
			return
		}
		s.conn.SetWriteDeadline(time.Now().Add(writeWait))
		if err := s.conn.WriteMessage(m.kind, m.data); err != nil {
			s.conn.Close()
			return
		}
		if m.kind == websocket.CloseMessage {
			s.conn.NetConn().SetReadDeadline(time.Now().Add(closeGrace))
			return
		}
	}
}

// next waits for a message that may be sent. It is false when the connection
// has ended.
func (s *socket) next(timer *time.Timer) (message, bool) {
	for {
		m, ok, wait := s.take()
		if ok {
			return m, true
		}
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-s.gone:
			return message{}, false
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// pause is the delay before a message. It is false when the connection ended
// meanwhile.
func (s *socket) pause(timer *time.Timer) bool {
	s.mu.Lock()
	delay := s.manner.Delay
	s.mu.Unlock()
	if delay <= 0 {
		return true
	}
	timer.Reset(delay)
	select {
	case <-s.gone:
		return false
	case <-timer.C:
		return true
	}
}

// take is the message to be sent now or, failing that, how long the silence
// lasts, where that is known.
func (s *socket) take() (message, bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		left := time.Until(s.silence)
		if s.silence.IsZero() || left > 0 {
			return message{}, false, max(left, 0)
		}
		s.silent = false
	}
	if len(s.queue) == 0 {
		return message{}, false, 0
	}
	m := s.queue[0]
	s.queue[0] = message{}
	s.queue = s.queue[1:]
	s.owed -= len(m.data)
	return m, true, 0
}
