package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// The server's own limits are far off: the stream's MaxBytes is the limit,
	// and over the server's an append is refused until a reopening.
	maxStore  = 1 << 50
	maxMemory = 64 << 20

	readyTimeout = 10 * time.Second
	minSync      = 10 * time.Millisecond
)

// startServer starts the server in this process. It is ready when it returns,
// with the streams in dir recovered.
func startServer(o *Options) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName:             "bellhop",
		DontListen:             true,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
		MaxPayload:             maxPayload,
		JetStream:              true,
		JetStreamMaxStore:      maxStore,
		JetStreamMaxMemory:     maxMemory,
		StoreDir:               filepath.Clean(o.Dir),
		SyncAlways:             o.Sync == 0,
		SyncInterval:           max(o.Sync, serverSync),
	})
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	log := &serverLog{log: o.Logger}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := log.fatal(); err != nil {
		stopServer(srv)
		return nil, fmt.Errorf("start server: %w", err)
	}
	if !srv.ReadyForConnections(readyTimeout) {
		stopServer(srv)
		return nil, errors.New("start server: not ready")
	}
	return srv, nil
}

func stopServer(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// serverLog passes the server's own log on. It says where it could not start
// only there.
type serverLog struct {
	log *slog.Logger

	mu   sync.Mutex
	last error // what it called fatal
}

func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *serverLog) say(level slog.Level, format string, v []any) {
	if ctx := context.Background(); l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats server", "text", fmt.Sprintf(format, v...))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.say(slog.LevelDebug, format, v) } // of each unclean stop, several
func (l *serverLog) Errorf(format string, v ...any)  { l.say(slog.LevelWarn, format, v) }

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = fmt.Errorf(format, v...)
}
