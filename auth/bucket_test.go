package auth_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/auth"

	"github.com/google/go-cmp/cmp"
)

// A memoryBucket is a Bucket that survives its stores.
type memoryBucket struct {
	mu        sync.Mutex
	values    map[string][]byte
	unread    error // of All
	undeleted error // of Delete
}

func newMemoryBucket() *memoryBucket { return &memoryBucket{values: make(map[string][]byte)} }

func (b *memoryBucket) Put(_ context.Context, key string, value []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.values[key] = value
	return nil
}

func (b *memoryBucket) All(context.Context) (map[string][]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.values), b.unread
}

func (b *memoryBucket) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.undeleted == nil {
		delete(b.values, key)
	}
	return b.undeleted
}

// mend ends every trouble, and takes away whatever is no revocation.
func (b *memoryBucket) mend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unread, b.undeleted = nil, nil
	delete(b.values, "other")
}

func (b *memoryBucket) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.values))
}

// onBucket returns the options of a verifier that keeps revocations in b.
func onBucket(b auth.Bucket) auth.Options {
	store := auth.NewBucketStore()
	store.Open(b)
	return auth.Options{Issuers: []auth.Issuer{hotel()}, Store: store}
}

// ready reports whether v knows what its store keeps.
func ready(v *auth.Verifier) bool {
	synctest.Wait()
	select {
	case <-v.Ready():
		return true
	default:
		return false
	}
}

// What one process revokes the next one knows, until the token has ended; then
// the bucket forgets it.
func TestBucketStoreSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		raw := hs256(t, goodClaims())
		first := running(t, onBucket(bucket))
		synctest.Wait()
		token := mustVerify(t, first, raw)
		if err := first.Revoke(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 1)
		second := running(t, onBucket(bucket))
		if !ready(second) {
			t.Error("not ready")
		}
		wantRefused(t, second, raw, "the token was revoked")
		if got := len(bucket.keys()); got != 1 {
			t.Errorf("%d kept before the token's end, want 1", got)
		}

		time.Sleep(time.Nanosecond)
		third := running(t, onBucket(bucket))
		if !ready(third) {
			t.Error("not ready")
		}
		if got := bucket.keys(); len(got) > 0 {
			t.Errorf("kept after the token's end: %v", got)
		}
	})
}

// Before there is a bucket, nothing is judged, and a save waits as long as its
// caller does.
func TestBucketStoreOpensLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := auth.NewBucketStore()
		v := running(t, auth.Options{Issuers: []auth.Issuer{hotel()}, Store: store})
		raw := hs256(t, goodClaims())
		if ready(v) {
			t.Error("ready without a bucket")
		}
		wantUnavailable(t, v, raw)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := store.Save(short, auth.Revocation{Token: "early"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("save: got %v", err)
		}
		saved := make(chan error, 1)
		go func() {
			saved <- store.Save(t.Context(), auth.Revocation{Token: "patient", Until: time.Now().Add(time.Hour)})
		}()
		synctest.Wait()

		bucket := newMemoryBucket()
		store.Open(bucket)
		if err := <-saved; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"patient"}, bucket.keys()); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		if !ready(v) {
			t.Error("not ready with a bucket")
		}
		mustVerify(t, v, raw)
	})
}

// What cannot be read is read again later, and until then no token is judged.
func TestBucketStoreCannotRead(t *testing.T) {
	for name, spoil := range map[string]func(*memoryBucket){
		"failure": func(b *memoryBucket) { b.unread = errors.New("disk trouble") },
		"garbage": func(b *memoryBucket) { b.values["other"] = []byte(`{"token":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := newMemoryBucket()
				spoil(bucket)
				v := running(t, onBucket(bucket))
				if ready(v) {
					t.Error("ready though what is kept cannot be read")
				}
				bucket.mend()
				time.Sleep(time.Second)
				if !ready(v) {
					t.Error("not ready though what is kept can be read")
				}
			})
		})
	}
}

// What cannot be forgotten keeps no token waiting.
func TestBucketStoreCannotDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		bucket.values["over"] = []byte(`{"token":"over","until":"1999-12-31T23:00:00Z"}`)
		bucket.undeleted = errors.New("disk full")
		v := running(t, onBucket(bucket))
		if !ready(v) {
			t.Error("not ready for want of a deletion")
		}
		mustVerify(t, v, hs256(t, goodClaims()))
		bucket.mend()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := bucket.keys(); len(got) > 0 {
			t.Errorf("kept %v once deletions work", got)
		}
	})
}
