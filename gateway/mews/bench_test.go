package mews_test

import (
	"context"
	"testing"

	"bellhop/gateway"
	"bellhop/gateway/mews"
)

// countingSink stores nothing, at once.
type countingSink struct {
	*sink
	stored chan struct{}
}

func (s countingSink) Append(_ context.Context, records []*gateway.Record, done func()) error {
	if done != nil {
		done()
	}
	for range records {
		s.stored <- struct{}{}
	}
	return nil
}

// BenchmarkSource is the way of a frame of one event from the socket to the sink.
func BenchmarkSource(b *testing.B) {
	up := newUpstream()
	s, err := mews.NewSource(mews.Options{
		Name: "prague", Socket: "ws://mews.test", ClientToken: clientToken, AccessToken: accessToken, Dial: up.dial,
	})
	if err != nil {
		b.Fatal(err)
	}
	to := countingSink{new(sink), make(chan struct{}, 64)}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, to) }()
	p := up.accept(b)
	frame := frameOf(`{"Type":"Reservation","Id":"bfee2c44-98f9-4a9b-8b8e-3b1b1e9a7c11","State":"Started","StartUtc":"2026-11-21T14:00:00Z","EndUtc":"2026-11-23T11:00:00Z","AssignedResourceId":"20e00c32-d561-4008-8609-82d8aa525714"}`)
	b.ReportAllocs()
	for b.Loop() {
		p.send(frame)
		<-to.stored
	}
	cancel()
	p.socket.NetConn().Close()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
