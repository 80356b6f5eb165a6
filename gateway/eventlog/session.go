package eventlog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamName = "EVENTS"
	infoAPI    = "$JS.API.STREAM.INFO." + streamName
	getAPI     = "$JS.API.DIRECT.GET." + streamName

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

// session is one opening of the stream: a server and the connections to it.
type session struct {
	srv     *server.Server
	pub     *nats.Conn // appends alone, which pages read would hold up
	get     *nats.Conn // all else
	js      jetstream.JetStream
	readers chan *reader
	broken  chan error // has the first reason why the session is of no more use

	mu      sync.Mutex
	buckets map[string]jetstream.KeyValue
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
		buckets: make(map[string]jetstream.KeyValue),
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
	if s.get, err = s.dial("read"); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.get); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return s.ensureStream(ctx, o)
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

// ensureStream creates the stream or gives it its limits. An update is asked
// for only where something changed: it writes, and the disk may be full.
func (s *session) ensureStream(ctx context.Context, o *Options) error {
	want := jetstream.StreamConfig{
		Name:        streamName,
		Subjects:    []string{eventSubjects, gapSubjects},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      o.MaxAge,
		MaxBytes:    cmp.Or(o.MaxBytes, -1), // as the server says it when asked
		AllowDirect: true,
		Duplicates:  idWindow,
	}
	stream, err := s.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = s.js.CreateStream(ctx, want)
	} else if err == nil && !sameLimits(stream.CachedInfo().Config, want) {
		_, err = s.js.UpdateStream(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	return nil
}

func sameLimits(have, want jetstream.StreamConfig) bool {
	return have.MaxAge == want.MaxAge && have.MaxBytes == want.MaxBytes && have.Duplicates == want.Duplicates &&
		have.AllowDirect == want.AllowDirect && slices.Equal(have.Subjects, want.Subjects)
}

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

// streamState is what the stream says of itself.
type streamState struct {
	Messages  uint64    `json:"messages"`
	Bytes     uint64    `json:"bytes"`
	First     uint64    `json:"first_seq"`
	FirstTime time.Time `json:"first_ts"`
	Last      uint64    `json:"last_seq"`
	LastTime  time.Time `json:"last_ts"`
	Deleted   uint64    `json:"num_deleted"`
}

// state asks the stream for its state. First is at least 1, and Last+1 when
// the stream is empty.
func (s *session) state(ctx context.Context) (streamState, error) {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	m, err := s.get.RequestWithContext(opCtx, infoAPI, nil)
	if err != nil {
		return streamState{}, s.check(ctx, "stream state", err)
	}
	var answer struct {
		State streamState         `json:"state"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return streamState{}, fmt.Errorf("stream state: %w", err)
	}
	if answer.Error != nil {
		return streamState{}, fmt.Errorf("stream state: %w", answer.Error)
	}
	st := answer.State
	st.First = max(st.First, 1)
	if st.Messages == 0 {
		st.First = st.Last + 1
	}
	return st, nil
}

// close ends the session. Requests that wait get an error.
func (s *session) close() {
	for _, nc := range []*nats.Conn{s.pub, s.get} {
		if nc != nil {
			nc.Close()
		}
	}
	stopServer(s.srv)
}
