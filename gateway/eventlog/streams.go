package eventlog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What is asked of a stream, before its name.
const (
	infoAPI  = "$JS.API.STREAM.INFO."
	purgeAPI = "$JS.API.STREAM.PURGE."
)

// ensure creates the stream or gives it its limits. An update is asked for only
// where something changed: it writes, and the disk may be full.
func (s *session) ensure(ctx context.Context, want jetstream.StreamConfig) error {
	if s.known(want.Name) {
		return nil
	}
	want.Storage, want.Retention, want.AllowDirect = jetstream.FileStorage, jetstream.LimitsPolicy, true
	want.MaxBytes = cmp.Or(want.MaxBytes, -1) // as the server says it when asked
	want.MaxMsgsPerSubject = cmp.Or(want.MaxMsgsPerSubject, -1)
	stream, err := s.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.strip(want.Name)
		_, err = s.js.CreateStream(ctx, want)
	} else if err == nil && !sameLimits(stream.CachedInfo().Config, want) {
		_, err = s.js.UpdateStream(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	s.know(want.Name)
	return nil
}

func sameLimits(have, want jetstream.StreamConfig) bool {
	return have.MaxAge == want.MaxAge && have.MaxBytes == want.MaxBytes && have.Duplicates == want.Duplicates &&
		have.MaxMsgsPerSubject == want.MaxMsgsPerSubject && have.Discard == want.Discard &&
		have.AllowDirect == want.AllowDirect && slices.Equal(have.Subjects, want.Subjects)
}

// strip takes its description from the folder of a stream that the server could
// not restore, so that one created in its place gets a new one, and what is left
// of the messages.
func (s *session) strip(stream string) {
	folder := s.folder(stream)
	for _, file := range []string{server.JetStreamMetaFile, server.JetStreamMetaFileSum} {
		_ = os.Remove(filepath.Join(folder, file)) // as a rule there is none
	}
}

// folder returns the folder of a stream.
func (s *session) folder(stream string) string {
	return filepath.Join(streamsFolder(s.srv.StoreDir()), stream)
}

// streamsFolder returns the folder that has those of the streams, in the server's.
func streamsFolder(store string) string {
	return filepath.Join(store, server.DEFAULT_GLOBAL_ACCOUNT, "streams")
}

// remove deletes a stream.
func (s *session) remove(ctx context.Context, name string) error {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	err := s.js.DeleteStream(opCtx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = nil
	}
	if err != nil {
		return s.check(ctx, "remove stream", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, name)
	return nil
}

func (s *session) known(stream string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[stream]
}

func (s *session) know(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[stream] = true
}

// streamState is what a stream says of itself.
type streamState struct {
	Messages  uint64            `json:"messages"`
	Bytes     uint64            `json:"bytes"`
	First     uint64            `json:"first_seq"`
	FirstTime time.Time         `json:"first_ts"`
	Last      uint64            `json:"last_seq"`
	LastTime  time.Time         `json:"last_ts"`
	Deleted   uint64            `json:"num_deleted"`
	Subjects  map[string]uint64 `json:"subjects"` // the number of messages of each that was asked for
}

// state asks the log's stream for its state.
func (s *session) state(ctx context.Context) (streamState, error) {
	return s.stateOf(ctx, logStream, "")
}

// stateOf asks a stream for its state, and for what it has under the subjects
// that match. First is at least 1, and Last+1 when the stream is empty.
func (s *session) stateOf(ctx context.Context, stream, subjects string) (streamState, error) {
	var body []byte
	if subjects != "" {
		body = fmt.Appendf(nil, `{"subjects_filter":%q}`, subjects)
	}
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	m, err := s.get.RequestWithContext(opCtx, infoAPI+stream, body)
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

// store stores a message beside the log and returns its sequence.
func (s *session) store(ctx context.Context, m *nats.Msg) (seq uint64, err error) {
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err := s.put.RequestMsgWithContext(opCtx, m)
	if err == nil {
		seq, err = ackedSeq(answer)
	}
	return seq, s.check(ctx, "store", err)
}

// purge removes what a stream has under subject below the sequence before.
func (s *session) purge(ctx context.Context, stream, subject string, before uint64) error {
	body := fmt.Appendf(nil, `{"filter":%q,"seq":%d}`, subject, before)
	_, err := s.store(ctx, &nats.Msg{Subject: purgeAPI + stream, Data: body})
	return err
}
