package eventlog

import (
	"context"
	"errors"
)

// Break makes the log open itself anew. A hard break takes the server away
// under its appends.
func Break(l *Log, hard bool) {
	s := l.session()
	if s == nil {
		return
	}
	if hard {
		s.pub.Close()
		return
	}
	s.fail(errors.New("broken by a test"))
}

// LimitMessages makes the stream refuse messages larger than size.
func LimitMessages(ctx context.Context, l *Log, size int32) error {
	return l.try(ctx, func(s *session) error {
		stream, err := s.js.Stream(ctx, streamName)
		if err != nil {
			return err
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxMsgSize = size
		_, err = s.js.UpdateStream(ctx, cfg)
		return err
	})
}
