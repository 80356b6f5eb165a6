//go:build linux

package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"bellhop/auth"
	"bellhop/gateway"
	"bellhop/gateway/config"
	"bellhop/gateway/gatewaytest"
	"bellhop/gateway/mews"
	"bellhop/web"
	"bellhop/web/sse"
)

// runMemory serves what the gateway serves, by the same parts wired in the same
// way, but for the log, which is in memory: what the event log adds is the
// difference. It serves until ctx ends.
func runMemory(ctx context.Context, cfg *config.Config) error {
	logger := slog.New(slog.DiscardHandler)
	registry := prometheus.NewRegistry()
	verifier, err := newVerifier(cfg, logger, registry)
	if err != nil {
		return err
	}
	sources, names, err := newSources(cfg, logger, registry)
	if err != nil {
		return err
	}
	server := web.New(webOptions(cfg, verifier, logger, registry))
	listeners, err := server.Listen(ctx, web.Listen{Public: cfg.Listen, Admin: cfg.Admin})
	if err != nil {
		return err
	}
	log := gatewaytest.NewLog()
	hub := gateway.NewHub(gateway.HubOptions{Log: log, Encode: encode, Sources: names, Logger: logger, Registerer: registry})
	gw := &gateway.Gateway{
		Log: log, Keeper: &notes{kept: make(map[string][]byte)}, Inbox: func(string) gateway.Inbox { return noInbox{} },
		Hub: hub, Sources: sources, Keep: cfg.Snapshot.Keep,
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{listeners.Run, server.Run, verifier.Run, gw.Run} {
		group.Go(func() error { return run(ctx) })
	}
	group.Go(func() error {
		for _, known := range []<-chan struct{}{hub.Loaded(), verifier.Ready()} {
			select {
			case <-known:
			case <-ctx.Done():
				return nil
			}
		}
		server.Open(hub)
		return nil
	})
	return group.Wait()
}

func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	return sse.Append(dst, sse.Block{Retry: retry, ID: id, Event: name, Data: data})
}

func newVerifier(cfg *config.Config, logger *slog.Logger, registry *prometheus.Registry) (*auth.Verifier, error) {
	var issuers []auth.Issuer
	for _, i := range cfg.Auth.Issuers {
		issuers = append(issuers, auth.Issuer{Name: i.Issuer, Audience: i.Audience, Secret: []byte(i.Secret)})
	}
	return auth.New(auth.Options{Issuers: issuers, Leeway: cfg.Auth.Leeway, Logger: logger, Registerer: registry})
}

func newSources(cfg *config.Config, logger *slog.Logger, registry *prometheus.Registry) (out []gateway.Source, names []string, err error) {
	metrics := mews.NewMetrics(registry)
	for _, s := range cfg.Sources {
		source, err := mews.NewSource(mews.Options{
			Name: s.Name, Socket: s.Mews.Socket, API: s.Mews.API, Keepalive: s.Mews.Keepalive, Client: s.Mews.Client,
			ClientToken: string(s.Mews.ClientToken), AccessToken: string(s.Mews.AccessToken), Budget: mews.Budget(s.Mews.APIBudget),
			Types: mews.Types(false), Logger: logger, Metrics: metrics,
		})
		if err != nil {
			return nil, nil, err
		}
		out, names = append(out, source), append(names, s.Name)
	}
	return out, names, nil
}

func webOptions(cfg *config.Config, verifier *auth.Verifier, logger *slog.Logger, registry *prometheus.Registry) web.Options {
	return web.Options{
		BasePath: cfg.BasePath, Proxies: cfg.Proxies, Verifier: verifier,
		Stream: web.Stream{
			Heartbeat: cfg.Stream.Heartbeat, Retry: cfg.Stream.Retry, WriteTimeout: cfg.Stream.WriteTimeout,
			MaxLag: cfg.Stream.MaxLag, Lifetime: cfg.Stream.Lifetime, Warn: cfg.Auth.Warn,
		},
		Limits: web.Limits(cfg.Limits), Drain: web.Drain(cfg.Drain), Admin: web.Admin{Address: cfg.Admin},
		Registry: registry, Logger: logger,
	}
}

// notes are a [gateway.Keeper] in memory.
type notes struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// Confirmed implements [gateway.Keeper]: this process has no earlier life.
func (*notes) Confirmed(context.Context, string) (t time.Time, err error) { return t, nil }

// KeepConfirmed implements [gateway.Keeper].
func (*notes) KeepConfirmed(context.Context, string, time.Time) error { return nil }

// Note implements [gateway.Keeper].
func (n *notes) Note(_ context.Context, source, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.kept[source+" "+name], nil
}

// KeepNote implements [gateway.Keeper].
func (n *notes) KeepNote(_ context.Context, source, name string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept[source+" "+name] = value
	return nil
}

// noInbox is an inbox into which nothing is put: nothing has to wait for an API
// that nobody asks.
type noInbox struct{}

// Put implements [gateway.Inbox].
func (noInbox) Put(context.Context, []*gateway.Record) (uint64, error) {
	return 0, gateway.ErrInboxFull
}

// Forget implements [gateway.Inbox].
func (noInbox) Forget(context.Context, uint64) error { return nil }

// Entries implements [gateway.Inbox].
func (noInbox) Entries(context.Context) ([]gateway.Entry, error) { return nil, nil }
