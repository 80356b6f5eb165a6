package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"bellhop/gateway"

	"pgregory.net/rapid"
)

// Twins are two streams that begin at the same place: one is given everything by
// pieces, as a pump does, the other takes whole blocks.
type twins struct {
	pieces, whole *gateway.Stream
	given         []byte
	events        int
}

// give gives the first stream up to n bytes.
func (p *twins) give(r *gateway.Run, n int) bool {
	if !p.pieces.Join(r, 64<<10) {
		return false
	}
	n = min(n, len(r.Data))
	p.given = append(p.given, r.Data[:n]...)
	events, oldest := p.pieces.Given(r, n, time.Now())
	p.events += events
	if events > 0 && !oldest.Equal(receivedAt) {
		panic(fmt.Sprint("an event was received at ", oldest))
	}
	return true
}

var receivedAt = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// However far streams are behind, whatever pieces they are given and whoever they
// share these with: it is the blocks that are there, each once and in order.
func TestPiecesAreTheWhole(t *testing.T) {
	all := subscribe(t, gateway.Query{}, everything)
	rapid.Check(t, func(t *rapid.T) {
		hub := gateway.NewHubWithRing(gateway.HubOptions{Log: newLog(), Encode: encode, Sources: []string{"prague"}}, 1<<12)
		seq, large := uint64(0), rapid.IntRange(0, 9).Draw(t, "large") == 0
		say := func(n int) {
			for range n {
				seq++
				note := strings.Repeat("x", int(seq*7%90))
				if large && seq/400%2 == 1 {
					note = strings.Repeat("y", 5000)
				}
				e := newEvent("prague", "PriceUpdate", fmt.Sprint("rate-", seq), `{"Note":"`+note+`"}`)
				e.Received = receivedAt
				hub.Dispatch(&gateway.Record{Seq: seq, Event: e})
			}
		}
		state := gateway.StateLive
		var pairs []*twins
		begin := func(resume string) *gateway.Stream {
			s := hub.Open(gateway.StreamOptions{Subscription: all, Timing: timing(), Resume: resume})
			if err := s.Begin(context.Background(), func([]byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
			return s
		}
		var run gateway.Run
		say(rapid.IntRange(1, 600).Draw(t, "before"))
		t.Repeat(map[string]func(*rapid.T){
			"say": func(t *rapid.T) { say(rapid.IntRange(1, 500).Draw(t, "events")) },
			"status": func(*rapid.T) {
				if state == gateway.StateLive {
					state = gateway.StateStale
				} else {
					state = gateway.StateLive
				}
				hub.Report(gateway.Status{Source: "prague", State: state})
			},
			"open": func(t *rapid.T) {
				if len(pairs) == 5 {
					t.Skip("enough")
				}
				resume := ""
				if back := rapid.Uint64Range(0, seq).Draw(t, "back"); back > 0 {
					resume = fmt.Sprintf("e1.%d", seq-back)
				}
				pairs = append(pairs, &twins{pieces: begin(resume), whole: begin(resume)})
			},
			"round": func(t *rapid.T) {
				n := rapid.IntRange(1, 200_000).Draw(t, "bytes")
				for _, p := range pairs {
					p.give(&run, n)
				}
				run.Forget()
			},
			"one": func(t *rapid.T) {
				if len(pairs) > 0 {
					pairs[rapid.IntRange(0, len(pairs)-1).Draw(t, "pair")].give(&run, rapid.IntRange(1, 3000).Draw(t, "bytes"))
					run.Forget()
				}
			},
		})
		for i, p := range pairs {
			for p.give(&run, 1<<30) {
			}
			var want gateway.Batch
			p.whole.Take(&want, 1<<30)
			if !bytes.Equal(p.given, want.Data) {
				t.Fatalf("stream %d was given %d bytes, want %d, or others", i, len(p.given), len(want.Data))
			}
			if p.events != want.Events {
				t.Errorf("stream %d was given %d events, want %d", i, p.events, want.Events)
			}
			if len(p.pieces.Begun()) > 0 {
				t.Errorf("stream %d was left within a block", i)
			}
			p.pieces.Close()
			p.whole.Close()
		}
	})
}

// A stream that is given events as they come lags by no more than there are,
// whenever it is asked.
func TestLagWhileEventsCome(t *testing.T) {
	const events = 20_000
	hub := gateway.NewHub(gateway.HubOptions{Log: newLog(), Encode: encode, Sources: []string{"prague"}})
	s := hub.Open(gateway.StreamOptions{Subscription: subscribe(t, gateway.Query{}, everything), Timing: timing()})
	defer s.Close()
	if err := s.Begin(t.Context(), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		for i := range events {
			hub.Dispatch(&gateway.Record{Seq: uint64(i + 1), Event: newEvent("prague", "PriceUpdate", "rate", `{}`)})
		}
	}()
	defer func() { <-said }()
	for taken := 0; taken < events; {
		var b gateway.Batch
		s.Take(&b, 1<<20)
		taken += b.Blocks
		if lag := s.Lag(); lag > events {
			t.Fatalf("after %d events it lags by %d", taken, lag)
		}
	}
}
