package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A Bucket is a durable set of values by key.
type Bucket interface {
	// Put keeps value under key. It is stored when Put returns nil.
	Put(ctx context.Context, key string, value []byte) error
	// All returns all values by their keys.
	All(ctx context.Context) (map[string][]byte, error)
	// Delete removes the value under key, if there is one.
	Delete(ctx context.Context, key string) error
}

// A BucketStore is a [RevocationStore] in a [Bucket] that nobody else writes to.
// A Verifier can be made with it before there is a bucket: until
// [BucketStore.Open] its methods wait.
type BucketStore struct {
	bucket Bucket // set before opened is closed
	opened chan struct{}
}

// NewBucketStore returns a store whose bucket is not open yet.
func NewBucketStore() *BucketStore { return &BucketStore{opened: make(chan struct{})} }

// Open gives the store its bucket. It is called once.
func (s *BucketStore) Open(b Bucket) {
	s.bucket = b
	close(s.opened)
}

// await returns the bucket once it is open.
func (s *BucketStore) await(ctx context.Context) (Bucket, error) {
	select {
	case <-s.opened:
		return s.bucket, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Save implements [RevocationStore].
func (s *BucketStore) Save(ctx context.Context, r Revocation) error {
	bucket, err := s.await(ctx)
	if err != nil {
		return err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return bucket.Put(ctx, r.Token, value)
}

// Watch implements [RevocationStore]. It finds what was kept and nothing later,
// since whatever is saved later is saved here, and drops what is over.
func (s *BucketStore) Watch(ctx context.Context, found func([]Revocation)) error {
	bucket, err := s.await(ctx)
	if err != nil {
		return err
	}
	values, err := bucket.All(ctx)
	if err != nil {
		return err
	}
	kept, over, err := readRevocations(values)
	if err != nil {
		return err
	}
	found(kept)
	for _, key := range over { // last: no token may wait for what a full disk refuses
		if err := bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// readRevocations returns the revocations that still count, and the keys of
// those whose tokens have ended.
func readRevocations(values map[string][]byte) (kept []Revocation, over []string, err error) {
	for key, value := range values {
		var r Revocation
		if err := json.Unmarshal(value, &r); err != nil {
			return nil, nil, fmt.Errorf("revocation %s: %w", key, err)
		}
		if r.Until.After(time.Now()) {
			kept = append(kept, r)
		} else {
			over = append(over, key)
		}
	}
	return kept, over, nil
}
