package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits of a connection outside of streams.
const (
	// maxHeader is 32 KiB less the 4 KiB that net/http grants on top.
	maxHeader         = 28 << 10
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 5 * time.Second
	unwantedTimeout   = 500 * time.Millisecond // for a body that is not read
)

// listen opens a listener at address, host:port or unix: and a path. A client
// that has gone without a word is given up after writeTimeout, where the system
// can do that.
func listen(ctx context.Context, address string, writeTimeout time.Duration) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(ctx, path)
	}
	config := net.ListenConfig{Control: socketControl(writeTimeout), KeepAlive: keepAlive}
	return config.Listen(ctx, "tcp", address)
}

// listenUnix replaces a socket that a killed process left, but not one that
// somebody still answers.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("listen unix:%s: another process answers there", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove stale socket: %w", err)
		}
	}
	return new(net.ListenConfig).Listen(ctx, "unix", path)
}

// Listen says where a server listens. Admin and Metrics are off when empty.
type Listen struct {
	Public, Admin, Metrics string
	TLS                    *tls.Config // of the public listener, nil for none
	// AnyPort takes another free port where the public one is taken.
	AnyPort bool
}

// Listeners are a server's open listeners, which serve once [Listeners.Run] is
// called.
type Listeners struct {
	servers   []*http.Server
	listeners []net.Listener // of the servers, in the same order
}

// Listen opens the server's listeners.
func (s *Server) Listen(ctx context.Context, o Listen) (*Listeners, error) {
	l := new(Listeners)
	public, err := listen(ctx, o.Public, s.stream.WriteTimeout)
	if host, _, splitErr := net.SplitHostPort(o.Public); o.AnyPort && splitErr == nil && errors.Is(err, syscall.EADDRINUSE) {
		public, err = listen(ctx, net.JoinHostPort(host, "0"), s.stream.WriteTimeout)
	}
	if err != nil {
		return nil, err
	}
	handler := s.Public()
	if o.TLS == nil {
		carried := func() bool { return s.pumps.Load() != nil }
		public = newFront(public, handler, strings.TrimSuffix(s.basePath, "/")+"/events", carried, s.logger)
	}
	l.add(public, handler, o.TLS, s.logger)
	for _, side := range []struct {
		address string
		handler http.Handler
	}{{o.Admin, s.AdminHandler()}, {o.Metrics, s.MetricsHandler()}} {
		if side.address == "" {
			continue
		}
		ln, err := listen(ctx, side.address, s.stream.WriteTimeout)
		if err != nil {
			l.close()
			return nil, err
		}
		l.add(ln, side.handler, nil, s.logger)
	}
	return l, nil
}

// Public returns the address of the public listener.
func (l *Listeners) Public() net.Addr { return l.listeners[0].Addr() }

// Run serves until ctx ends, and then gives what is under way a moment to end.
// It returns early when a listener fails.
func (l *Listeners) Run(ctx context.Context) error {
	group, failed := errgroup.WithContext(ctx)
	for i, server := range l.servers {
		group.Go(func() error {
			serve := server.Serve
			if server.TLSConfig != nil {
				serve = func(ln net.Listener) error { return server.ServeTLS(ln, "", "") }
			}
			if err := serve(l.listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve: %w", err)
			}
			return nil
		})
	}
	<-failed.Done()
	end, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	for _, server := range l.servers {
		if server.Shutdown(end) != nil {
			server.Close()
		}
	}
	err := group.Wait()
	for _, ln := range l.listeners {
		if f, ok := ln.(interface{ Wait() }); ok {
			f.Wait()
		}
	}
	return err
}

func (l *Listeners) add(ln net.Listener, h http.Handler, config *tls.Config, logger *slog.Logger) {
	l.listeners = append(l.listeners, ln)
	l.servers = append(l.servers, newHTTPServer(h, config, logger))
	logger.Info("listening", "address", ln.Addr().String())
}

// Close cuts all connections but those of streams that a pump carries. Run
// returns at once then.
func (l *Listeners) Close() {
	for _, server := range l.servers {
		server.Close()
	}
}

func (l *Listeners) close() {
	for _, ln := range l.listeners {
		ln.Close()
	}
}

// newHTTPServer returns a server with every wait bounded but that of streams,
// which look after themselves. Config is nil without TLS.
func newHTTPServer(h http.Handler, config *tls.Config, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		TLSConfig:         config,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ConnContext:       withConn,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // clients' faults; may be many
	}
}
