package web_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bellhop/web"
)

// A stream that has had nothing to say for longer than a write may take goes on.
func TestQuietLongerThanWriteTimeout(t *testing.T) {
	const timeout = 100 * time.Millisecond
	throughDoors(t, func(t *testing.T, h *house, d door) {
		l := d.events(t, "", bearer(mint(t)))
		l.want(t, "bellhop.ready")
		for _, state := range []string{"Dirty", "Clean"} {
			time.Sleep(3 * timeout)
			h.say(t, resource("prague", "r1", state))
			l.want(t, "Resource")
		}
	}, func(p *plan) {
		p.Stream = web.Stream{Heartbeat: time.Hour, Retry: time.Second, WriteTimeout: timeout, MaxLag: 100}
	})
}

// A heartbeat bears no position before what the stream was given already, though
// not all feeds have been given that.
func TestHeartbeatNeverGoesBack(t *testing.T) {
	const beat = 30 * time.Millisecond
	var calls atomic.Uint64
	slow := func(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
		if id == "e1.1" && name != "bellhop.heartbeat" && calls.Add(1)%2 == 0 { // for the second feed
			time.Sleep(10 * beat)
		}
		return encode(dst, retry, id, name, data)
	}
	throughDoors(t, func(t *testing.T, h *house, d door) {
		behind := make(chan block, 2) // the blocks behind the event
		var readers sync.WaitGroup
		for _, query := range []string{"", "as=message"} {
			l := d.events(t, query, bearer(mint(t)))
			readers.Go(func() {
				for given := false; ; {
					b, err := l.next()
					if err != nil {
						t.Error(err)
						return
					}
					if given {
						behind <- b
						return
					}
					given = b.id == "e1.1" && b.event != "bellhop.heartbeat"
				}
			})
		}
		eventually(t, func() bool { return h.hub.Feeds() == 2 })
		h.say(t, resource("prague", "r1", "Dirty"))
		readers.Wait()
		close(behind)
		for b := range behind {
			if b.event != "bellhop.heartbeat" || b.id != "e1.1" {
				t.Errorf("behind e1.1 came %q", b.text)
			}
		}
	}, func(p *plan) { p.Stream.Heartbeat, p.encode = beat, slow })
}
