package web

import (
	"context"
	"math/rand/v2"
	"time"

	"bellhop/gateway"
)

// draining reports whether the server takes no new streams any more, and when
// whoever asks should come back: when the present ones are gone.
func (s *Server) draining() (time.Duration, bool) {
	end := s.drainEnd.Load()
	if end == nil {
		return 0, false
	}
	return max(time.Until(*end), 0) + s.stream.Retry, true
}

// Drain ends the server's service: unready at once, then, after the delay in
// which balancers notice, all streams, spread over time so that their clients
// do not arrive elsewhere in one wave, and a while after the last for those who
// still come. It returns early when ctx ends; the listeners may be closed then.
func (s *Server) Drain(ctx context.Context) {
	over := time.Now().Add(s.drain.Delay + s.drain.Spread)
	s.drainEnd.Store(&over)
	s.logger.Info("draining", "streams", s.registry.len(), "delay", s.drain.Delay, "spread", s.drain.Spread)
	if !wait(ctx, s.drain.Delay) {
		return
	}
	s.endSpread(ctx)
	for wait(ctx, 10*time.Millisecond) {
		late := s.registry.all() // opened in the very moment of the signal, or not gone yet
		if len(late) == 0 {
			break
		}
		for _, o := range late {
			o.End(gateway.ByeShutdown, jittered(s.stream.Retry))
		}
	}
	wait(ctx, s.drain.Linger)
}

// endSpread ends the open streams one after another over the spread. What a
// client is told to wait reaches beyond it.
func (s *Server) endSpread(ctx context.Context) {
	begun := time.Now()
	streams := s.registry.all()
	rand.Shuffle(len(streams), func(i, j int) { streams[i], streams[j] = streams[j], streams[i] })
	for i, o := range streams {
		due := s.drain.Spread * time.Duration(i+1) / time.Duration(len(streams))
		if !wait(ctx, due-time.Since(begun)) {
			return
		}
		rest := max(s.drain.Spread-time.Since(begun), 0)
		o.End(gateway.ByeShutdown, rest+jittered(s.stream.Retry))
	}
}

// wait returns false when ctx ended before d was over.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
