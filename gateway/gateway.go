package gateway

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Gateway is the way through the house: the sources write to the log, the hub
// tails it.
type Gateway struct {
	Log     Log
	Keeper  Keeper
	Inbox   func(source string) Inbox // each source's own
	Hub     *Hub
	Sources []Source
	// Keep is how long an entity stays part of the present state after it is done.
	Keep time.Duration
}

// Run runs the hub and, once it has read the log's tail, the sources. When ctx
// ends, or the hub, the sources are stopped first; Run returns once all have
// ended, with the hub's error unless ctx was the cause.
func (g *Gateway) Run(ctx context.Context) error {
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHub()
	hubErr := make(chan error, 1)
	running, stopSources := context.WithCancel(ctx)
	go func() {
		defer stopSources()
		hubErr <- g.Hub.Run(hubCtx)
	}()
	select {
	case <-g.Hub.Loaded():
		if err := g.mend(running); err != nil && running.Err() == nil {
			stopHub()
			return errors.Join(err, <-hubErr)
		}
		if running.Err() == nil {
			g.runSources(running)
		}
	case <-running.Done():
	}
	stopHub()
	if err := <-hubErr; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// runSources runs the sources until ctx ends. One that ends by itself is said to
// be down: nobody would notice that it is no longer live.
func (g *Gateway) runSources(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range g.Sources {
		to := &sink{Keeper: g.Keeper, source: s.Name(), log: g.Log, hub: g.Hub}
		if g.Inbox != nil {
			to.Inbox = g.Inbox(s.Name())
		}
		running.Go(func() {
			if err := s.Run(ctx, to); err != nil && !errors.Is(err, context.Canceled) {
				g.Hub.logger.Error("source ended", "source", s.Name(), "err", err)
			}
			to.Report(Status{Source: s.Name(), State: StateDown, Reason: ReasonStopped})
		})
		running.Go(func() { g.dismiss(ctx, to) })
	}
	<-ctx.Done() // not before: all sources may have ended by themselves
	running.Wait()
}

// SayLost logs, for every source, that what was logged since from is gone from
// the log's end.
func (g *Gateway) SayLost(ctx context.Context, from time.Time) error {
	now := time.Now()
	var gaps []*Record
	for _, s := range g.Sources {
		gaps = append(gaps, &Record{Gap: &Gap{Source: s.Name(), Types: s.Types(), From: from, To: now, Reason: GapLog}})
	}
	return g.Log.Append(ctx, gaps, nil)
}
