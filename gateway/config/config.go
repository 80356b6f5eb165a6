// Package config reads the gateway's one configuration: defaults, then the
// file, with the environment and secret files put in where it names them, then
// the rules. What is wrong is returned all at once, each fault with its line
// and key and never with an excerpt of a value, for any value may hold a secret.
//
// The structs of this package are the schema: a key is one struct field, whose
// tags give its name, default and rule (see field). Where a value depends on
// another key, checks.go has the rule.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is the whole configuration. A Config of [Load] or [Parse] has passed
// [Config.Validate] and is not changed afterwards; a reload makes a new one.
type Config struct {
	// Listen is the public listener: "host:port", or "unix:" and a path.
	Listen string `key:"listen,required" default:"127.0.0.1:8080" is:"listen"`
	// TLS serves the public listener over HTTPS; nil is plain HTTP.
	TLS *TLS `key:"tls"`
	// Admin is the admin listener's "host:port"; empty is none.
	Admin string `key:"admin" default:"127.0.0.1:8081" is:"tcp?"`
	// AdminToken guards the admin listener; required off loopback.
	AdminToken Secret `key:"admin_token" is:"token"`
	// MetricsListen is a listener for metrics and health alone; empty is none.
	MetricsListen string `key:"metrics_listen" is:"tcp?"`
	// BasePath is the prefix of all public routes: "/", or "/x" without a
	// slash at its end.
	BasePath string `key:"base_path,required" default:"/" is:"base path"`
	// Proxies are the peers whose X-Forwarded headers are believed.
	Proxies []netip.Prefix `key:"proxies" default:"127.0.0.0/8,::1/128"`

	// Data is the embedded log's folder; empty with Cluster.
	Data string `key:"data" default:"./data"`
	// Cluster is the external log; nil is the embedded one in Data.
	Cluster *Cluster `key:"cluster"`
	// DataKeyFile encrypts the secrets that the gateway itself keeps; its Path
	// is empty where none is configured.
	DataKeyFile File     `key:"data_key_file"`
	History     History  `key:"history"`
	Snapshot    Snapshot `key:"snapshot"`

	// Sources are the upstreams, at least one, in the file's order.
	Sources []Source `key:"sources"`
	Auth    Auth     `key:"auth"`
	CORS    CORS     `key:"cors"`
	Stream  Stream   `key:"stream"`
	Limits  Limits   `key:"limits"`
	Drain   Drain    `key:"drain"`
	Static  Static   `key:"static"`
	Log     Log      `key:"log"`

	// Where the values came from. Written by Parse, then only read.
	file  string
	marks map[string]*mark
	files []string
}

// TLS is the public listener's certificate chain and private key, in PEM.
type TLS struct {
	Cert File `key:"cert,required" is:"certificates"`
	Key  File `key:"key,required" is:"private key"`
}

// Cluster is an external NATS cluster that several gateways share.
type Cluster struct {
	// URL lists the servers, "tls://a,tls://b".
	URL string `key:"url,required" is:"nats urls"`
	// CredentialsFile is a NATS .creds file; its Path may be empty.
	CredentialsFile File `key:"credentials_file"`
	Replicas        int  `key:"replicas" default:"3" is:"1..5"`
	// Insecure permits nats:// off loopback.
	Insecure bool `key:"insecure"`
}

// History is how long and how much the log keeps, whichever ends first.
type History struct {
	Age  time.Duration `key:"age" default:"24h" is:"100ms..3650d"`
	Size Size          `key:"size" default:"1GiB" is:"1KiB.."`
	// Sync is the time that a power cut may cost the embedded log; 0 syncs
	// every append.
	Sync time.Duration `key:"sync" default:"1s" is:"0s..1h"`
}

// Snapshot bounds what a snapshot holds.
type Snapshot struct {
	// Keep is how long an entity stays after it is done.
	Keep time.Duration `key:"keep" default:"24h" is:"0s..3650d"`
	// Horizon is how far ahead reservations are read.
	Horizon time.Duration `key:"horizon" default:"400d" is:"0s..3650d"`
}

// CORS says which foreign origins may read answers.
type CORS struct {
	// Origins are exact, "scheme://host[:port]", or "https://*.host" for one
	// label or more. None is none.
	Origins []string `key:"origins" is:"origin"`
	// Credentials lets the cookie come along.
	Credentials bool `key:"credentials"`
}

// Stream is what holds for every open stream.
type Stream struct {
	// Heartbeat is the silence after which a heartbeat is sent.
	Heartbeat time.Duration `key:"heartbeat" default:"15s" is:"10ms..24h"`
	// Retry is the reconnection time told to clients, before jitter.
	Retry        time.Duration `key:"retry" default:"3s" is:"10ms..1h"`
	WriteTimeout time.Duration `key:"write_timeout" default:"10s" is:"10ms..1h"`
	// MaxLag is the events that a stream may fall behind.
	MaxLag int `key:"max_lag" default:"10000" is:"1.."`
	// Lifetime ends a stream after 80 to 100 % of it; 0 is never.
	Lifetime time.Duration `key:"lifetime" default:"1h" is:"0|10ms..365d"`
}

// Limits are the most streams at a time.
type Limits struct {
	Streams    int `key:"streams" default:"20000" is:"1.."`
	PerSubject int `key:"per_subject" default:"50" is:"1.."`
	// PerAddress counts an IPv6 /64 as one; 0 is no limit.
	PerAddress int `key:"per_address" default:"0" is:"0.."`
}

// Drain paces the end of the process.
type Drain struct {
	Delay  time.Duration `key:"delay" default:"5s" is:"0s..1h"`
	Spread time.Duration `key:"spread" default:"10s" is:"0s..1h"`
	Linger time.Duration `key:"linger" default:"5s" is:"0s..1h"`
}

// Static is the demo pages.
type Static struct {
	Enabled bool `key:"enabled"`
}

// Log is the process's own log on stderr.
type Log struct {
	Level slog.Level `key:"level" default:"info"`
	// Format is "text" or "json".
	Format string `key:"format,required" default:"text" is:"text|json"`
}
