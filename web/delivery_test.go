package web_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bellhop/gateway"
	"bellhop/web"
	"bellhop/web/pump"
)

// What follows holds delivery as a whole against a model of it.
//
// A stay is a whole server with real sockets: one hub and one log, and the four
// entrances by which a stream can be carried: plain HTTP/1.1 by the pumps and by
// net/http, HTTP/1.1 and HTTP/2 over TLS. Two tellers, one for each source, append
// events and gaps; an operator reports what the sources do, closes a subject's
// streams and revokes tokens; and some dozens of guests come, each with a view of
// its own, treat their connection in whatever manner, go, and come back with the
// last id that they heard or with something else. When the time is over, all is
// quiet but for the guests, who then catch up for good; and the server drains.
//
// What there is to be heard follows from three lists that the model keeps itself:
// of what the tellers told ([entry]), of what was reported, and of whom the
// operator ended. A [view] says by plain filters what of an entry a guest is
// shown, and writes it down, byte for byte. The judge then reads each visit:
//
//   - It begins with bellhop.ready, with bellhop.reset where the position asked
//     for is none, and at the right place.
//   - A snapshot is the present state at the place that its end names.
//   - From there on comes every block that is due, once, in order, to the byte;
//     nothing else but control events, of which none is false: a heartbeat says
//     that everything up to its position was given, a status was reported and is
//     newer than the one before, and all of them come once the stream is in its
//     feed; a farewell has its cause and stands last.
//   - What a cut leaves of a block is the beginning of what was due, and nothing
//     comes behind it.
//   - A guest that takes all catches up, and hears a farewell; and so does
//     everybody who did not leave, where the server has the patience.
//
// Then nothing is left: no stream, no descriptor, no goroutine.
//
// A seed says what everybody sets out to do; when it happens is the machine's to
// say, so a fault may want some runs with its seed, BELLHOP_TEST_SEED, to show
// again. With BELLHOP_TEST_LONG there are more and longer stays.

// The house's verifier accepts a token for so long after its end.
const leeway = 30 * time.Second

// crowd is a subject of more guests than it may have streams.
const crowd = "crowd"

// TestDelivery is the test of all that.
func TestDelivery(t *testing.T) {
	rounds, length, guests := 3, 1500*time.Millisecond, 32
	if os.Getenv("BELLHOP_TEST_LONG") != "" {
		rounds, length, guests = 40, 8*time.Second, 64
	}
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("BELLHOP_TEST_SEED"), 10, 64); err == nil {
		seed, rounds = given, 1
	}
	certificate() // opens what is never closed
	before, running := descriptors(t), goleak.IgnoreCurrent()
	happened := make(map[string]int)
	for range rounds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := openStay(t, rand.New(rand.NewPCG(seed, 0)), guests)
			s.play(length)
			s.settle()
			s.judge(happened)
		})
		seed = rand.New(rand.NewPCG(seed, 1)).Uint64()
	}
	eventually(t, func() bool { return descriptors(t) <= before })
	goleak.VerifyNone(t, running)
	t.Log(happened)
	for _, what := range []string{"event", "gap", "left", "heartbeat", "snapshot", "reset", "torn", "bye shutdown"} {
		if happened[what] == 0 && rounds > 1 {
			t.Errorf("no %s in all that", what)
		}
	}
}

// descriptors returns how many files are open, 0 where that cannot be known.
func descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
	return len(entries)
}

// A stay is where a schedule is played.
type stay struct {
	*testing.T
	*house
	log     *shortLog
	random  *rand.Rand
	tellers []*teller
	guests  []*guest
	account

	mu     sync.Mutex
	tokens []string // that the guests came with last; guarded by mu
}

func openStay(t *testing.T, random *rand.Rand, guests int) *stay {
	log := newShortLog()
	s := &stay{T: t, log: log, random: random, tokens: make([]string, guests)}
	s.account = account{
		patient:  oneIn(random, 2),
		statuses: make(map[string][]gateway.Status), revoked: make(map[string]bool), closed: make(map[string]bool),
		dues: make(map[*view][]due), digests: make(map[*view]string), streams: make(map[string]bool),
	}
	for _, source := range []string{"prague", "brno"} {
		s.tellers = append(s.tellers, &teller{source: source, random: s.fork(), log: log, latest: make(map[string]*entry)})
		s.statuses[source] = []gateway.Status{{Source: source, State: gateway.StateLive}}
	}
	s.remember(of(random, 100, 1000, 1000, 17_000)) // the last is more than is kept in memory
	s.house = build(t, func(p *plan) {
		p.log = log
		p.Stream = web.Stream{
			Heartbeat: 60 * time.Millisecond, Retry: 20 * time.Millisecond, WriteTimeout: 500 * time.Millisecond, MaxLag: 150,
			Lifetime: of(random, 1500*time.Millisecond, time.Hour), Warn: time.Minute,
		}
		if s.patient {
			p.Stream.WriteTimeout, p.Stream.MaxLag = patience, math.MaxInt
		}
		p.Limits.PerSubject = 3
		p.Drain = web.Drain{Spread: 100 * time.Millisecond}
	})
	eventually(t, func() bool { return s.Pumping() == pump.Supported })
	doors, views := s.entrances(), views()
	for i := range guests {
		s.guests = append(s.guests, &guest{
			stay: s, number: i, view: of(random, views...), door: doors[i%len(doors)], random: s.fork(), crowded: i < 6,
		})
	}
	return s
}

// fork returns a source of chance of its own.
func (s *stay) fork() *rand.Rand { return rand.New(rand.NewPCG(s.random.Uint64(), 0)) }

// remember has the log hold about n records from the start.
func (s *stay) remember(n int) {
	for i := range n / 100 {
		if err := s.tellers[i%2].tell(s.Context(), 100); err != nil {
			s.Fatal(err)
		}
	}
}

// entrances opens all ways into the house; half of the guests go by the pumps.
func (s *stay) entrances() []entrance {
	server, client := certificate()
	plain, overTLS := s.listen(s.T, nil), s.listen(s.T, server.Clone())
	pumpless := s.HTTPServer(s.Public())
	pumpless.ConnContext = nil
	return []entrance{
		{name: "pump", address: plain},
		{name: "HTTP/1.1", address: s.serve(s.T, pumpless, func(c net.Conn) net.Conn { return c })},
		{name: "pump", address: plain},
		{name: "TLS", address: overTLS, config: client},
		{name: "pump", address: plain},
		{name: "HTTP/2", address: overTLS, config: client, http2: true},
	}
}

// play has everybody do what they do for so long.
func (s *stay) play(length time.Duration) {
	ctx, cancel := context.WithTimeout(s.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	for _, t := range s.tellers {
		t.large = 250
		all.Go(func() {
			if err := t.run(ctx); err != nil && ctx.Err() == nil {
				s.Error(err)
			}
		})
	}
	operator := s.fork()
	all.Go(func() { s.operate(ctx, operator) })
	for _, g := range s.guests {
		all.Go(func() { g.wander(ctx) })
	}
	all.Wait()
}

// operate does what happens to sources and streams from outside, until ctx ends.
func (s *stay) operate(ctx context.Context, random *rand.Rand) {
	for pause(ctx, time.Duration(random.IntN(int(40*time.Millisecond)))) {
		switch random.IntN(12) {
		case 0, 1:
			s.close(fmt.Sprint("guest-", random.IntN(len(s.guests))))
		case 2, 3:
			s.revoke(random.IntN(len(s.guests)))
		case 4:
			s.log.trim(of(random, 300, 3000, 10_000, 17_500))
		default:
			s.report(random)
		}
	}
}

// report has a source's state change. Each status is known by its time.
func (s *stay) report(random *rand.Rand) {
	source := of(random, "prague", "brno")
	said := s.statuses[source]
	next := of(random,
		gateway.Status{State: gateway.StateLive}, gateway.Status{State: gateway.StateCatchingUp},
		gateway.Status{State: gateway.StateStale, Reason: gateway.ReasonSilent}, gateway.Status{State: gateway.StateDown, Reason: gateway.ReasonClosed})
	if next.State == said[len(said)-1].State {
		return
	}
	next.Source, next.Confirmed = source, gapFrom.Add(time.Duration(len(said))*time.Second)
	s.statuses[source] = append(said, next)
	s.hub.Report(next)
}

func (s *stay) close(subject string) {
	s.closed[subject] = true
	s.admin(s.T, get("/streams?sub="+subject).by("DELETE")).wantStatus(s.T, 200)
}

// revoke revokes the token that a guest came with last.
func (s *stay) revoke(number int) {
	s.mu.Lock()
	raw := s.tokens[number]
	s.mu.Unlock()
	token, err := s.verifier.Verify(raw)
	if err != nil { // it has not come yet, or this is the second time
		return
	}
	s.revoked[raw] = true
	if err := s.verifier.Revoke(s.Context(), token); err != nil {
		s.Error(err)
	}
}

// presented notes the token that a guest comes with.
func (s *stay) presented(number int, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[number] = token
}

// A mark is a place in the log that all guests are to reach. Some read no more
// then until there is so much behind it that their sockets are full.
type mark struct {
	id      string
	reached sync.WaitGroup
	goOn    chan struct{}
}

// settle has every guest catch up, follow some last words on the connection that
// it has then, and hear the server drain.
func (s *stay) settle() {
	const words, large = 50, 5
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	_, end := s.log.Bounds()
	marks := []*mark{{id: fmt.Sprint("e1.", end)}, {id: fmt.Sprint("e1.", end+words)}}
	for _, m := range marks {
		m.reached.Add(len(s.guests))
		m.goOn = make(chan struct{})
	}
	close(marks[1].goOn)
	var guests sync.WaitGroup
	for _, g := range s.guests {
		guests.Go(func() { g.catchUp(ctx, marks) })
	}
	marks[0].reached.Wait()
	s.tellers[0].large = large
	if err := s.tellers[0].tell(ctx, words); err != nil {
		s.Error(err)
	}
	pause(ctx, 150*time.Millisecond)
	close(marks[0].goOn)
	marks[1].reached.Wait()
	s.Drain(ctx)
	guests.Wait()
	if s.Streams() != 0 {
		s.Errorf("%d streams are left", s.Streams())
	}
	eventually(s.T, func() bool { return s.metric(s.T, "bellhop_streams") == "0" })
}

// judge reads all visits, and counts what happened.
func (s *stay) judge(happened map[string]int) {
	s.counts = happened
	s.first, _ = s.log.Bounds()
	for _, t := range s.tellers {
		s.entries = append(s.entries, t.told...)
	}
	slices.SortFunc(s.entries, func(a, b *entry) int { return int(a.seq()) - int(b.seq()) })
	for _, g := range s.guests {
		for i, v := range g.visits {
			if err := s.account.judge(v); err != nil {
				s.Errorf("visit %d of %s: %v", i, g, err)
			}
		}
	}
}

// pause waits for d, and reports false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
