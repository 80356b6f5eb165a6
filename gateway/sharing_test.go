package gateway_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// counting counts the blocks that are encoded under a name.
type counting struct {
	name string
	n    atomic.Int64
}

func (c *counting) encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	if name == c.name {
		c.n.Add(1)
	}
	return encode(dst, retry, id, name, data)
}

// fullHouse is a hub, in a bubble, over so many rooms, with a ring that holds
// more than is said.
func fullHouse(rooms int, encode gateway.Encoder) *house {
	log := newLog()
	h := &house{log: log, hub: gateway.NewHubWithRing(gateway.HubOptions{Log: log, Encode: encode, Sources: []string{"prague"}}, 1000)}
	for i := range rooms {
		h.append(newEvent("prague", "Resource", fmt.Sprintf("room-%d", i), `{"a":1,"b":2,"State":"Dirty"}`))
	}
	for _, rec := range log.records {
		h.hub.Dispatch(rec)
	}
	return h
}

// Streams that ask for the same at about the same time share its encoding, and of
// what has changed since only the pages that it stands on are encoded again.
func TestSnapshotIsShared(t *testing.T) {
	const rooms, streams = 640, 1000
	synctest.Test(t, func(t *testing.T) {
		count := &counting{name: "Resource"}
		h := fullHouse(rooms, count.encode)
		h.hub.SetPiece(1000)
		sub := subscribe(t, gateway.Query{}, everything)
		begin := func() (data []byte) {
			s := h.hub.Open(gateway.StreamOptions{Subscription: sub, Variant: gateway.Variant{Snapshot: true}, Timing: timing()})
			defer s.Close()
			if err := s.Begin(t.Context(), func(b []byte) error { data = append(data, b...); return nil }); err != nil {
				t.Error(err)
			}
			return data
		}
		var together sync.WaitGroup
		for range streams {
			together.Go(func() {
				if n := len(parseBlocks(begin())); n != 1+rooms+1 {
					t.Errorf("%d blocks", n)
				}
			})
		}
		together.Wait()
		if n := count.n.Load(); n != rooms {
			t.Errorf("%d events were encoded, want each of %d once", n, rooms)
		}
		h.append(newEvent("prague", "Resource", "room-7", `{"State":"Clean"}`))
		h.hub.Dispatch(h.log.records[rooms])
		before := count.n.Load()
		blocks := parseBlocks(begin())
		if diff := cmp.Diff([]line{{"", "Resource"}, {"e1.641", "bellhop.snapshot"}}, lines(blocks[rooms:])); diff != "" {
			t.Errorf("after a change (-want +got):\n%s", diff)
		}
		if b := blocks[rooms]; !strings.Contains(b.data, `"Clean"`) || !strings.Contains(b.data, `"room-7"`) {
			t.Errorf("the changed room is %s", b.data)
		}
		if n := count.n.Load() - before; n == 0 || n > 2*gateway.ShelfPage {
			t.Errorf("%d events were encoded for one that changed", n)
		}
		before = count.n.Load()
		if begin(); count.n.Load() != before {
			t.Error("encoded anew though nothing has changed")
		}
	})
}

// What is kept of snapshots is bounded, whatever streams ask for and however
// slowly they read, and each is given its own all the same.
func TestSharedSnapshotsAreBounded(t *testing.T) {
	const rooms, limit = 60, 50_000
	synctest.Test(t, func(t *testing.T) {
		h := fullHouse(rooms, encode)
		h = openHouse(h.log, 1000, "prague")
		defer h.stop()
		h.hub.SetPiece(500)
		h.hub.SetShared(limit)
		var slow []*carrier
		for i := range 30 {
			sub := subscribe(t, gateway.Query{}, gateway.Grant{Sources: []string{"*"}, Types: []string{"*"}, Redact: []string{fmt.Sprintf("event.x%d", i%10), "event.a"}})
			slow = append(slow, h.openStalled(t, 2+i, func(o *gateway.StreamOptions) { withSnapshot(o); o.Subscription = sub }))
			if n := h.hub.Shared(); n > limit {
				t.Fatalf("%d bytes are kept, more than %d", n, limit)
			}
		}
		if n := h.hub.Shared(); n < limit*7/10 {
			t.Errorf("only %d bytes are kept: this is no test of the bound", n)
		}
		for i, c := range slow {
			close(c.resume)
			blocks := c.rest()
			if n := len(blocks); n != rooms+1 || blocks[rooms].data != fmt.Sprintf(`{"count":%d}`, rooms) {
				t.Errorf("stream %d got %d blocks", i, n)
			}
			if strings.Contains(string(c.given()), `"a":1`) {
				t.Errorf("stream %d got what is hidden", i)
			}
		}
		time.Sleep(time.Minute)
		if n := h.hub.Shared(); n != 0 {
			t.Errorf("%d bytes are kept for nobody", n)
		}
	})
}

// Encoding a snapshot holds up nobody but those who wait for it.
func TestSnapshotHoldsUpNobody(t *testing.T) {
	gate := make(chan struct{})
	var encoding atomic.Bool
	h := fullHouse(10, func(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
		if id == "" && name == "Resource" {
			encoding.Store(true)
			<-gate
		}
		return encode(dst, retry, id, name, data)
	})
	sub := subscribe(t, gateway.Query{}, everything)
	var streams sync.WaitGroup
	var begun atomic.Int64
	for range 20 {
		streams.Go(func() {
			s := h.hub.Open(gateway.StreamOptions{Subscription: sub, Variant: gateway.Variant{Snapshot: true}, Timing: timing()})
			defer s.Close()
			s.Begin(t.Context(), func([]byte) error { begun.Add(1); return nil })
		})
	}
	went := make(chan struct{})
	go func() {
		defer close(went)
		for !encoding.Load() || begun.Load() < 20 {
			runtime.Gosched()
		}
		for range 1000 {
			h.hub.Feeds() // takes the hub's lock, as what is dispatched does
			runtime.Gosched()
		}
	}()
	select {
	case <-went:
	case <-time.After(10 * time.Second):
		t.Error("the hub stands still while a snapshot is encoded")
	}
	close(gate)
	streams.Wait()
	<-went
}

// A reader that does not read holds up nobody who is given the same.
func TestSlowReaderHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := fullHouse(50, encode)
		h.hub.SetPiece(500)
		slow := h.openStalled(t, 3, withSnapshot)
		for range 3 {
			if n := len(h.open(t, withSnapshot).rest()); n != 51 {
				t.Errorf("%d blocks beside a slow reader", n)
			}
		}
		if n := len(slow.blocks()); n > 20 {
			t.Errorf("the slow reader got %d blocks", n)
		}
		close(slow.resume)
		if n := len(slow.rest()); n != 51 {
			t.Errorf("the slow reader got %d blocks in the end", n)
		}
	})
}

// A stream that has to end does so within its snapshot.
func TestEndWithinSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := fullHouse(50, encode)
		h.hub.SetPiece(500)
		c := h.openStalled(t, 3, withSnapshot)
		c.stream.End(gateway.ByeRevoked, 0)
		close(c.resume)
		blocks := c.blocks()
		if last := blocks[len(blocks)-1]; last.name != "bellhop.bye" || len(blocks) > 20 {
			t.Errorf("%d blocks, the last %+v", len(blocks), last)
		}
		<-c.done
		time.Sleep(2 * time.Second)
		h.append(newEvent("prague", "Resource", "another", `{}`))
		h.hub.Dispatch(h.log.records[50])
		h.open(t, withSnapshot).stop()
		if n := h.hub.Shared(); n > 51*250 { // of the second alone
			t.Errorf("%d bytes are kept", n)
		}
	})
}

// Whatever has become of the entities since, and however often what is superseded
// was cleared away: a snapshot that is read slowly is that of its place.
func TestSnapshotOutlivesChanges(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		const rooms = 2 * gateway.ShelfPage
		say := func(n int, state string) {
			for i := range n {
				o.say(t, resource(fmt.Sprint(i%rooms), state+fmt.Sprint(i)))
			}
			synctest.Wait()
		}
		o.hub.SetPiece(1)
		say(rooms, "first")
		var pages []*page
		for i := range 12 { // each is given one page more than the one before at once
			p := &page{asked: one(everything, gateway.Query{}), log: h.log}
			p.connect(o.hub, 2+rooms*i/12, 1<<20)
			synctest.Wait()
			pages = append(pages, p)
			say(400, "changed") // now and then most of what there is is cleared away
			for id := range 5 {
				o.say(t, gone("Resource", fmt.Sprint(id*7+i)))
			}
			synctest.Wait()
		}
		for i := range pages {
			p := pages[(i*5)%len(pages)]
			close(p.carrier.resume)
			synctest.Wait()
			all := p.carrier.given()
			before, after, _ := bytes.Cut(all, []byte("event: bellhop.snapshot\n"))
			end := len(all) - len(after) + bytes.Index(after, []byte("\n\n")) + 2
			if err := p.take(all[:end]); err != nil || len(before) == len(all) || p.anew {
				t.Errorf("page %d: anew %t, %v", (i*5)%len(pages), p.anew, err)
			}
			p.disconnect(0)
		}
	})
}

// What others are given meanwhile is not given to a slow reader.
func TestSlowReaderIsGivenItsOwn(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		const last = gateway.ShelfPage + 9
		for i := range last + 1 {
			o.say(t, resource(fmt.Sprint(i), "Dirty"))
		}
		synctest.Wait()
		slow := &page{asked: one(everything, gateway.Query{}), log: h.log}
		slow.connect(o.hub, 2, 1<<20)
		synctest.Wait()
		o.say(t, resource(fmt.Sprint(last), "Clean"))
		for range 2 { // the other one's place is given neither to the slow one nor by it
			if n := o.there(t); n != last+1 {
				t.Errorf("%d entities", n)
			}
			if slow.carrier.stalled() {
				close(slow.carrier.resume)
			}
			synctest.Wait()
			if err := slow.settled(); err != nil {
				t.Error(err)
			}
		}
		slow.disconnect(0)
	})
}

// What is superseded is cleared away, and nobody is then given what stood there
// before.
func TestShelfIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms = 2 * gateway.ShelfPage
		h := fullHouse(rooms, encode)
		h.open(t, withSnapshot).stop()
		n := 0
		for ; h.hub.Places() > rooms || n == 0; n++ {
			if n > 5000 {
				t.Fatalf("%d records are held of %d rooms", h.hub.Places(), rooms)
			}
			h.append(newEvent("prague", "Resource", fmt.Sprintf("room-%d", n%rooms), fmt.Sprintf(`{"n":%d}`, n)))
			h.hub.Dispatch(h.log.records[rooms+n])
		}
		blocks := h.open(t, withSnapshot).rest()
		if len(blocks) != rooms+1 {
			t.Fatalf("%d blocks", len(blocks))
		}
		for i, b := range blocks[:rooms] {
			if want := fmt.Sprintf(`"event":{"n":%d}}`, n-rooms+i); !strings.HasSuffix(b.data, want) {
				t.Fatalf("event %d: %s, want %s", i, b.data, want)
			}
		}
	})
}

// A reader that is slow beyond a clearing away does not keep others from sharing.
func TestSlowReaderDoesNotUnshare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms = 10 * gateway.ShelfPage
		count := &counting{name: "Resource"}
		h := fullHouse(rooms, count.encode)
		h.hub.SetPiece(1)
		slow := h.openStalled(t, 2, withSnapshot)
		for range 3 { // nothing is left where it was
			for i := range rooms {
				h.append(newEvent("prague", "Resource", fmt.Sprintf("room-%d", i), `{"State":"Clean"}`))
			}
			for _, rec := range h.log.records[len(h.log.records)-rooms:] {
				h.hub.Dispatch(rec)
			}
		}
		before := count.n.Load()
		h.open(t, withSnapshot).stop()
		if n := count.n.Load() - before; n != rooms {
			t.Fatalf("%d events were encoded for the first, want %d", n, rooms)
		}
		close(slow.resume)
		if n := len(slow.rest()); n < rooms+1 {
			t.Errorf("the slow one got %d blocks", n)
		}
		slow.stop()
		before = count.n.Load()
		h.open(t, withSnapshot).stop()
		if n := count.n.Load() - before; n != 0 {
			t.Errorf("%d events were encoded once more", n)
		}
	})
}
