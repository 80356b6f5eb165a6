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

func withSnapshot(o *gateway.StreamOptions) { o.Variant.Snapshot = true }

// Which block bears an id, in every way to open a stream with a snapshot.
func TestSnapshotOpening(t *testing.T) {
	lead := []line{{"", "bellhop.ready"}}
	there := []line{{"", "Resource"}, {"", "Reservation"}, {"e1.9", "bellhop.snapshot"}}
	reset := []line{{"", "bellhop.ready"}, {"", "bellhop.reset"}}
	tests := map[string]struct {
		change func(*gateway.StreamOptions)
		want   []line
	}{
		"new":                 {nil, append(lead, there...)},
		"resumed at the end":  {resumeAt("e1.9"), []line{{"e1.9", "bellhop.ready"}}},
		"resumed in memory":   {resumeAt("e1.8"), []line{{"e1.8", "bellhop.ready"}, {"e1.9", "Resource"}}},
		"resumed in the log":  {resumeAt("e1.6"), []line{{"e1.6", "bellhop.ready"}, {"e1.7", "Reservation"}, {"e1.8", "PriceUpdate"}, {"e1.9", "Resource"}}},
		"trimmed":             {resumeAt("e1.4"), append(reset, there...)},
		"foreign":             {resumeAt("e7.9"), append(reset, there...)},
		"without names":       {func(o *gateway.StreamOptions) { o.Variant.Unnamed = true }, append(lead, line{}, line{}, line{"e1.9", "bellhop.snapshot"})},
		"nothing that lasts":  {asks(t, gateway.Query{Types: []string{"PriceUpdate"}}), append(lead, line{"e1.9", "bellhop.snapshot"})},
		"one of two":          {asks(t, gateway.Query{Types: []string{"Reservation"}}), append(lead, line{"", "Reservation"}, line{"e1.9", "bellhop.snapshot"})},
		"what is gone is not": {asks(t, gateway.Query{IDs: []string{"gone"}}), append(lead, line{"e1.9", "bellhop.snapshot"})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHotel()
				h.ring = 1
				o := h.mustStart(t)
				for range 3 {
					o.say(t, resource("a", "Dirty"))
				}
				o.say(t, resource("gone", "Dirty"), gone("Resource", "gone"), price("x"), newEvent("prague", "Reservation", "r", `{}`), price("x"), resource("a", "Clean"))
				synctest.Wait()
				h.log.trim(6)
				o.open(t, withSnapshot) // which shares nothing with what is asked below in another form
				c := o.open(t, func(s *gateway.StreamOptions) {
					if withSnapshot(s); tt.change != nil {
						tt.change(s)
					}
				})
				want := tt.want
				if len(want) > 3 && want[len(want)-3] == there[0] { // in the order of the log
					want = append(append(append([]line(nil), want[:len(want)-3]...), there[1], there[0]), there[2])
				}
				got := c.blocks()
				if diff := cmp.Diff(want, lines(got)); diff != "" {
					t.Errorf("blocks (-want +got):\n%s", diff)
				}
				for _, b := range got {
					if b.name == "bellhop.reset" && !strings.Contains(b.data, name) {
						t.Errorf("reset %s", b.data)
					}
					if origin := strings.Contains(b.data, `"origin":"snapshot"`); origin != (b.id == "" && (b.name == "" || !strings.HasPrefix(b.name, "bellhop."))) {
						t.Errorf("origin of %+v", b)
					}
				}
				o.end(t)
			})
		})
	}
}

// asks puts a query to everything.
func asks(t testing.TB, q gateway.Query) func(*gateway.StreamOptions) {
	return func(o *gateway.StreamOptions) { o.Subscription = subscribe(t, q, everything) }
}

// An open stream that trimming overtakes is told, and given what there is; no id
// comes before that is whole.
func TestSnapshotWhenOvertaken(t *testing.T) {
	inHotel(t, func(t *testing.T, h *hotel, o *opened) {
		o.hub.SetPiece(1)
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"))
		synctest.Wait()
		c, plain := o.open(t, withSnapshot), o.open(t, nil)
		h.log.hold(true)
		o.say(t, resource("a", "Clean"), gone("Resource", "b"), resource("c", "Dirty"), price("x"))
		h.log.trim(6)
		h.log.hold(false)
		got := c.rest()[3:]
		want := []line{{"", "bellhop.reset"}, {"", "Resource"}, {"", "Resource"}, {"e1.5", "bellhop.snapshot"}, {"e1.6", "PriceUpdate"}}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
		if got[3].data != `{"count":2}` || !strings.Contains(got[1].data+got[2].data, `"Clean"`) || !strings.Contains(got[1].data+got[2].data, `"id":"c"`) {
			t.Errorf("it says %+v", got[1:4])
		}
		if diff := cmp.Diff([]line{{"e1.5", "bellhop.reset"}, {"e1.6", "PriceUpdate"}}, lines(plain.rest())); diff != "" {
			t.Errorf("without a snapshot (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		if n := o.hub.Shared(); n != 0 {
			t.Errorf("%d bytes are kept for nobody", n)
		}
		h.crash(t, o) // what could not be read of the log is kept all the same
		*o = *h.mustStart(t)
		if n := len(o.open(t, withSnapshot).rest()); n != 2+1 {
			t.Errorf("%d blocks after a restart", n)
		}
	})
}

// The rest of a frame may be long in coming: what overtook the streams does not
// wait for it.
func TestOvertakenWithinAFrame(t *testing.T) {
	inHouse(t, 100, func(t *testing.T, h *house) {
		c := h.open(t, nil)
		h.log.hold(true)
		h.say("1", "2")
		more := newEvent("prague", "Resource", "room", `{}`)
		more.More = true
		h.append(more)
		h.log.trim(3)
		h.log.hold(false)
		time.Sleep(2 * gateway.GatherFrame)
		if diff := cmp.Diff([]line{{"e1.2", "bellhop.reset"}, {"e1.3", "Resource"}}, lines(c.rest())); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}

// A reader so slow that trimming overtakes it within its snapshot begins another.
func TestSlowReaderIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotel()
		h.ring, h.piece = 1, 1
		o := h.mustStart(t)
		defer o.end(t)
		o.say(t, resource("a", "Dirty"), resource("b", "Dirty"))
		synctest.Wait()
		slow := o.openStalled(t, 3, withSnapshot)
		o.say(t, resource("a", "Clean"), resource("c", "Dirty"), gone("Resource", "b"), price("x"))
		synctest.Wait()
		h.log.trim(5)
		close(slow.resume)
		synctest.Wait()
		o.say(t, price("y"))
		want := []line{
			{"", "Resource"}, {"", "Resource"}, {"e1.2", "bellhop.snapshot"},
			{"", "bellhop.reset"}, {"", "Resource"}, {"", "Resource"}, {"e1.6", "bellhop.snapshot"}, {"e1.7", "PriceUpdate"},
		}
		if diff := cmp.Diff(want, lines(slow.rest())); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
	})
}

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
