package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	logStream = "EVENTS"

	// opTimeout is how long any request may take before the session counts as
	// broken.
	opTimeout = 5 * time.Second
	// idWindow is the least that the server takes. No message bears an id, but
	// at every opening all messages within the window are looked through for
	// one.
	idWindow = 100 * time.Millisecond
	// concurrentReads bounds the pages that are being read at once, and with
	// them the memory they take.
	concurrentReads = 4
)

// session is one opening of the store: a server and the connections to it.
type session struct {
	srv     *server.Server
	pub     *nats.Conn // appends alone, which pages read would hold up
	put     *nats.Conn // what is written beside the log
	get     *nats.Conn // all else
	js      jetstream.JetStream
	readers chan *reader
	broken  chan error // has the first reason why the session is of no more use
	ended   chan struct{}

	mu      sync.Mutex
	buckets map[string]jetstream.KeyValue
	streams map[string]bool // those that are known to be there
}

// openSession starts a server and opens the stream, creating it or giving it
// the configured limits where need be.
func openSession(ctx context.Context, o *Options) (*session, error) {
	srv, err := startServer(o)
	if err != nil {
		return nil, err
	}
	s := &session{
		srv:     srv,
		readers: make(chan *reader, concurrentReads),
		broken:  make(chan error, 1),
		ended:   make(chan struct{}),
		buckets: make(map[string]jetstream.KeyValue),
		streams: make(map[string]bool),
	}
	for range concurrentReads {
		s.readers <- &reader{}
	}
	if err := s.connect(ctx, o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) connect(ctx context.Context, o *Options) (err error) {
	if s.pub, err = s.dial("append"); err != nil {
		return err
	}
	if s.put, err = s.dial("keep"); err != nil {
		return err
	}
	if s.get, err = s.dial("read"); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.get); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return s.ensure(ctx, jetstream.StreamConfig{
		Name:       logStream,
		Subjects:   []string{eventSubjects, gapSubjects},
		MaxAge:     o.MaxAge,
		MaxBytes:   o.MaxBytes,
		Duplicates: idWindow,
	})
}

func (s *session) dial(name string) (*nats.Conn, error) {
	nc, err := nats.Connect("",
		nats.InProcessServer(s.srv),
		nats.Name(name),
		nats.NoReconnect(),
		nats.Timeout(opTimeout),
		nats.ClosedHandler(func(nc *nats.Conn) { s.fail(errors.Join(errClosedConn, nc.LastError())) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.fail(err) }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to server: %w", err)
	}
	return nc, nil
}

var errClosedConn = errors.New("connection to server closed")

// fail says that the session is of no more use.
func (s *session) fail(err error) {
	select {
	case s.broken <- err:
	default:
	}
}

// check fails the session when err is the end of opTimeout, not of the
// caller's own context, and returns err.
func (s *session) check(ctx context.Context, step string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", step, err)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.fail(err)
	}
	return err
}

// fault returns what the server says is wrong with its files: after a failed
// write it answers nothing at all.
func (s *session) fault() error {
	if h := s.srv.Healthz(&server.HealthzOptions{}); h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

// close ends the session. Requests that wait get an error.
func (s *session) close() {
	close(s.ended)
	for _, nc := range []*nats.Conn{s.pub, s.put, s.get} {
		if nc != nil {
			nc.Close()
		}
	}
	stopServer(s.srv)
}
