package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"bellhop/gateway"
)

// What one page holds at most.
const (
	pageRecords = 512
	pageBytes   = 4 << 20
)

// getAPI and the name of a stream is where its messages are asked for.
const getAPI = "$JS.API.DIRECT.GET."

// getRequest asks for messages directly, without a consumer; see ADR-31 of
// NATS.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"`
}

// message is one message of a stream.
type message struct {
	seq    uint64
	at     time.Time
	header nats.Header
	data   []byte
	record *gateway.Record // that data holds, nil where it was not read yet
}

// reader makes one request at a time. What it subscribed to serves again and
// again.
type reader struct {
	sub *nats.Subscription
}

// batch returns up to limit readable records of the log from seq on, none when
// there is none.
func (s *session) batch(ctx context.Context, seq uint64, limit int) ([]message, error) {
	return s.request(ctx, logStream, getRequest{Seq: seq, Batch: min(limit, pageRecords), MaxBytes: pageBytes})
}

// at returns the first readable record of the log that was stored at t or
// later, as a list of one, or none.
func (s *session) at(ctx context.Context, t time.Time) ([]message, error) {
	return s.request(ctx, logStream, getRequest{StartTime: &t, Next: ">"})
}

// matching returns a page of a stream's readable messages from seq on whose
// subjects match, none when there is none.
func (s *session) matching(ctx context.Context, stream, subjects string, seq uint64) ([]message, error) {
	return s.request(ctx, stream, getRequest{Seq: seq, Batch: pageRecords, MaxBytes: pageBytes, Next: subjects})
}

func (s *session) request(ctx context.Context, stream string, req getRequest) ([]message, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var r *reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.readers <- r }()
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	found, err := r.do(opCtx, s.get, getAPI+stream, body, req.Batch > 0)
	if err != nil {
		r.drop()
		return nil, s.check(ctx, "read", err)
	}
	return found, nil
}

// do makes the request. A batch ends with a message of its own, anything else
// is answered by one.
func (r *reader) do(ctx context.Context, nc *nats.Conn, api string, body []byte, batch bool) (found []message, err error) {
	if r.sub == nil {
		if r.sub, err = nc.SubscribeSync(nc.NewInbox()); err != nil {
			return nil, err
		}
	}
	if err := nc.PublishRequest(api, r.sub.Subject, body); err != nil {
		return nil, err
	}
	for {
		m, err := r.sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // end of batch; nothing there
			return found, nil
		default:
			return nil, fmt.Errorf("direct get: %s %s", status, m.Header.Get("Description"))
		}
		msg, err := messageOf(m)
		if err != nil {
			return nil, err
		}
		found = append(found, msg)
		if !batch {
			return found, nil
		}
	}
}

// drop forgets the subscription: answers to what was given up may still come.
func (r *reader) drop() {
	if r.sub != nil {
		_ = r.sub.Unsubscribe() // fails only where the connection is closed
		r.sub = nil
	}
}

var errNoSequence = errors.New("direct get: answer without a sequence")

func messageOf(m *nats.Msg) (message, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return message{}, errNoSequence
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return message{}, fmt.Errorf("direct get: %w", err)
	}
	return message{seq: seq, at: at, header: m.Header, data: m.Data}, nil
}
