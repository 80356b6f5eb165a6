package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bellhop/gateway"

	"github.com/google/go-cmp/cmp"
)

// A source that does what a test wants of it.
type source struct {
	name string
	run  func(ctx context.Context, to gateway.Sink) error
}

func (s source) Types() []string                                { return []string{"PriceUpdate", "Resource"} }
func (s source) Name() string                                   { return s.name }
func (s source) Run(ctx context.Context, to gateway.Sink) error { return s.run(ctx, to) }

// keeper keeps confirmed moments in memory.
type keeper struct {
	mu      sync.Mutex
	kept    map[string]time.Time
	notes   map[string][]byte
	err     error // of Confirmed
	works   int   // how many notes are kept until noteErr comes; below 0 for all
	noteErr error
}

// failAfter has KeepNote return err once it has gone well n times; never for n
// below 0.
func (k *keeper) failAfter(n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.noteErr, k.works = err, n
}

func (k *keeper) Confirmed(_ context.Context, source string) (time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[source], k.err
}

func (k *keeper) KeepConfirmed(_ context.Context, source string, t time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept[source] = t
	return nil
}

func (k *keeper) Note(_ context.Context, source, name string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.notes[source+"/"+name], nil
}

func (k *keeper) KeepNote(_ context.Context, source, name string, value []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.noteErr != nil && k.works == 0 {
		return k.noteErr
	}
	k.works--
	if k.notes == nil {
		k.notes = make(map[string][]byte)
	}
	k.notes[source+"/"+name] = value
	return nil
}

// journal is what happened, in order.
type journal struct {
	mu   sync.Mutex
	list []string
}

func (j *journal) note(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, s)
}

// notedLog notes when it is no longer followed.
type notedLog struct {
	*memoryLog
	journal *journal
}

func (l notedLog) Follow(ctx context.Context, after uint64, f func(*gateway.Record)) error {
	defer l.journal.note("hub ended")
	return l.memoryLog.Follow(ctx, after, f)
}

// A running gateway.
type running struct {
	*gateway.Gateway
	log     *memoryLog
	journal *journal
	logged  *strings.Builder
	cancel  context.CancelFunc
	err     chan error
}

func runGateway(t *testing.T, change func(*running), sources ...gateway.Source) *running {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name())
	}
	r := &running{log: newLog(), journal: new(journal), logged: new(strings.Builder), err: make(chan error, 1)}
	log := notedLog{r.log, r.journal}
	r.Gateway = &gateway.Gateway{
		Log: log, Keeper: &keeper{kept: make(map[string]time.Time)}, Sources: sources,
		Hub: gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode, Sources: names, Logger: slog.New(slog.NewTextHandler(r.logged, nil))}),
	}
	if change != nil {
		change(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.err <- r.Run(ctx) }()
	synctest.Wait()
	return r
}

func (r *running) ended() bool {
	synctest.Wait()
	return len(r.err) == 1
}

// untilDone is a source that waits for its end.
func untilDone(name string, j *journal) source {
	return source{name, func(ctx context.Context, _ gateway.Sink) error {
		<-ctx.Done()
		j.note(name + " ended")
		return nil
	}}
}

// Sources stop before the hub, which still brings what they say last.
func TestGatewayStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *running
		prague := source{"prague", func(ctx context.Context, to gateway.Sink) error {
			to.Report(gateway.Status{Source: "prague", State: gateway.StateLive})
			<-ctx.Done()
			time.Sleep(time.Second)
			done := make(chan struct{})
			to.Append(context.WithoutCancel(ctx), []*gateway.Record{{Event: newEvent("prague", "Resource", "room", `{}`)}}, func() { close(done) })
			<-done
			to.KeepConfirmed(context.WithoutCancel(ctx), "prague", time.Unix(7, 0))
			time.Sleep(time.Second)
			r.journal.note("prague ended")
			return ctx.Err()
		}}
		r = runGateway(t, nil, prague)
		c := (&house{log: r.log, hub: r.Hub}).open(t, nil)
		r.cancel()
		time.Sleep(1500 * time.Millisecond)
		if diff := cmp.Diff([]line{{"e1.1", "Resource"}}, lines(c.rest())); diff != "" {
			t.Errorf("while the source stops (-want +got):\n%s", diff)
		}
		if err := <-r.err; err != nil {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff([]string{"prague ended", "hub ended"}, r.journal.list); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if s := r.Hub.Statuses()[0]; s.State != gateway.StateDown || s.Reason != gateway.ReasonStopped {
			t.Errorf("prague is %s (%s)", s.State, s.Reason)
		}
		if at, _ := r.Keeper.Confirmed(t.Context(), "prague"); !at.Equal(time.Unix(7, 0)) {
			t.Errorf("kept %v", at)
		}
		if r.logged.Len() > 0 {
			t.Errorf("logged %s", r.logged)
		}
	})
}

// A hub that fails takes the sources with it.
func TestGatewayHubFails(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		var r *running
		r = runGateway(t, nil, source{"prague", func(ctx context.Context, _ gateway.Sink) error {
			<-ctx.Done()
			r.journal.note("prague ended")
			return nil
		}})
		r.log.fail(broken)
		if err := <-r.err; err != broken {
			t.Errorf("error %v", err)
		}
		slices.Sort(r.journal.list)
		if diff := cmp.Diff([]string{"hub ended", "prague ended"}, r.journal.list); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
	})
}

// Without the log's tail nothing starts.
func TestGatewayLoadFails(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		r := runGateway(t, func(r *running) { r.log.failure = broken }, source{"prague", func(context.Context, gateway.Sink) error {
			t.Error("the source was started")
			return nil
		}})
		if err := <-r.err; !errors.Is(err, broken) || err.Error() != "read the log's tail: broken" {
			t.Errorf("error %v", err)
		}
	})
}

// A gateway that is stopped while it reads the log's tail starts no source.
func TestGatewayStopsWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runGateway(t, func(r *running) {
			log := stuckLog{r.log}
			r.Log, r.Hub = log, gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode})
		}, source{"prague", func(context.Context, gateway.Sink) error {
			t.Error("the source was started")
			return nil
		}})
		r.cancel()
		if err := <-r.err; err != nil {
			t.Errorf("error %v", err)
		}
	})
}

// stuckLog reads until its caller gives up.
type stuckLog struct{ *memoryLog }

func (stuckLog) Read(ctx context.Context, _ uint64, _ int) ([]*gateway.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A source that ends by itself, which it should not, is said to be down; the
// others go on.
func TestGatewaySourceEnds(t *testing.T) {
	for name, sourceErr := range map[string]error{"with an error": errors.New("broken"), "with none": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fails := source{"prague", func(_ context.Context, to gateway.Sink) error {
					to.Report(gateway.Status{Source: "prague", State: gateway.StateLive})
					time.Sleep(time.Second)
					return sourceErr
				}}
				r := runGateway(t, nil, fails, untilDone("brno", new(journal)))
				c := (&house{log: r.log, hub: r.Hub}).open(t, nil)
				time.Sleep(2 * time.Second)
				if r.ended() {
					t.Error("the gateway ended with its source")
				}
				want := []block{{name: "bellhop.source", data: `{"source":"prague","state":"down","since":"2000-01-01T00:00:01Z","reason":"stopped"}`}}
				if diff := cmp.Diff(want, c.rest(), cmp.AllowUnexported(block{})); diff != "" {
					t.Errorf("said (-want +got):\n%s", diff)
				}
				if logged := strings.Contains(r.logged.String(), `msg="source ended" source=prague err=broken`); logged != (sourceErr != nil) {
					t.Errorf("logged %q", r.logged)
				}
				r.cancel()
				if err := <-r.err; err != nil {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A gateway goes on though all its sources have ended, and without any.
func TestGatewayGoesOn(t *testing.T) {
	brief := source{"prague", func(context.Context, gateway.Sink) error { return nil }}
	for name, sources := range map[string][]gateway.Source{"none": nil, "one that ended": {brief}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runGateway(t, nil, sources...)
				time.Sleep(time.Hour)
				if r.ended() {
					t.Error("the gateway ended")
				}
				r.cancel()
				if err := <-r.err; err != nil {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A log that lost its end says so of every type of every source.
func TestSayLost(t *testing.T) {
	gap := func(seq, source, from string) block {
		return block{id: seq, name: "bellhop.gap", data: `{"source":"` + source + `","types":["PriceUpdate","Resource"],"from":"` + from + `","to":"2000-01-01T00:00:10Z","reason":"log"}`}
	}
	synctest.Test(t, func(t *testing.T) {
		r := runGateway(t, nil, untilDone("prague", new(journal)), untilDone("brno", new(journal)))
		c := (&house{log: r.log, hub: r.Hub}).open(t, nil)
		time.Sleep(10 * time.Second)
		if err := r.SayLost(t.Context(), bubble.Add(3*time.Second)); err != nil {
			t.Fatal(err)
		}
		want := []block{gap("e1.1", "prague", "2000-01-01T00:00:03Z"), gap("e1.2", "brno", "2000-01-01T00:00:03Z")}
		if diff := cmp.Diff(want, c.rest(), cmp.AllowUnexported(block{})); diff != "" {
			t.Errorf("blocks (-want +got):\n%s", diff)
		}
		r.cancel()
		<-r.err
	})
}
