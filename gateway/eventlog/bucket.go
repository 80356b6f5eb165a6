package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// markerTTL is how long a deleted key leaves a trace in the store, for others
// that hold a copy.
const markerTTL = time.Hour

// Bucket is a small set of values by key beside the log, as durable as its
// records. All methods may be called concurrently. While the log is being
// opened anew they wait.
type Bucket struct {
	l    *Log
	name string
}

// Bucket returns the bucket with this name, of letters, digits, '-' and '_'. It
// is created with its first use.
func (l *Log) Bucket(name string) *Bucket { return &Bucket{l, name} }

// Put keeps value under key, any text but the empty one. It is stored when Put
// returns nil.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	return b.do(ctx, "put", func(ctx context.Context, kv jetstream.KeyValue) error {
		_, err := kv.Put(ctx, bucketKey(key), value)
		return err
	})
}

// Get returns the value under key, nil when there is none.
func (b *Bucket) Get(ctx context.Context, key string) (value []byte, err error) {
	err = b.do(ctx, "get", func(ctx context.Context, kv jetstream.KeyValue) error {
		e, err := kv.Get(ctx, bucketKey(key))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		value = e.Value()
		return nil
	})
	return value, err
}

// Delete removes the value under key, if there is one.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.do(ctx, "delete", func(ctx context.Context, kv jetstream.KeyValue) error {
		return kv.Purge(ctx, bucketKey(key), jetstream.PurgeTTL(markerTTL))
	})
}

// All returns all values by their keys.
func (b *Bucket) All(ctx context.Context) (all map[string][]byte, err error) {
	err = b.do(ctx, "read", func(ctx context.Context, kv jetstream.KeyValue) error {
		all, err = everything(ctx, kv)
		return err
	})
	return all, err
}

func everything(ctx context.Context, kv jetstream.KeyValue) (map[string][]byte, error) {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }() // fails only where the connection is closed
	all := make(map[string][]byte)
	for {
		select {
		case e := <-w.Updates():
			if e == nil { // all that there was
				return all, nil
			}
			key, err := tokenText(e.Key())
			if err != nil {
				return nil, err
			}
			all[key] = e.Value()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func bucketKey(key string) string { return string(appendToken(nil, key, false)) }

// do calls f with the store behind the bucket.
func (b *Bucket) do(ctx context.Context, step string, f func(context.Context, jetstream.KeyValue) error) error {
	err := b.l.try(ctx, func(s *session) error {
		opCtx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		kv, err := s.bucket(opCtx, b.name)
		if err == nil {
			err = f(opCtx, kv)
		}
		return s.check(ctx, step, err)
	})
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.name, err)
	}
	return nil
}

// bucket returns the store with this name and creates it where it is missing.
func (s *session) bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	s.mu.Lock()
	kv := s.buckets[name]
	s.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	kv, err := s.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		s.strip("KV_" + name)
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:         name,
			History:        1,
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: markerTTL,
		})
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.buckets[name] = kv
	s.mu.Unlock()
	return kv, nil
}
