package web_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/gatewaytest"
)

// memoryLog is a log in memory whose past can be made unreadable.
type memoryLog struct {
	*gatewaytest.Log
	failure atomic.Pointer[error] // of Read and Since
}

func newLog() *memoryLog { return &memoryLog{Log: gatewaytest.NewLog()} }

// fail makes Read and Since return err.
func (l *memoryLog) fail(err error) { l.failure.Store(&err) }

func (l *memoryLog) Read(ctx context.Context, after uint64, limit int) ([]*gateway.Record, error) {
	if err := l.failure.Load(); err != nil {
		return nil, *err
	}
	return l.Log.Read(ctx, after, limit)
}

func (l *memoryLog) Since(ctx context.Context, t time.Time) (uint64, bool, error) {
	if err := l.failure.Load(); err != nil {
		return 0, false, *err
	}
	return l.Log.Since(ctx, t)
}

// resource returns an event of a room.
func resource(source, id, state string) *gateway.Record {
	return event(source, "Resource", id, fmt.Sprintf(`{"Type":"Resource","Id":%q,"State":%q}`, id, state))
}

func event(source, typ, id, object string) *gateway.Record {
	return &gateway.Record{Event: &gateway.Event{
		Source: source, Type: typ, ID: id, Origin: gateway.OriginLive, Received: time.Now(),
		Object: []byte(object), Attributes: gateway.ReadAttributes(typ, id, []byte(object)),
	}}
}
