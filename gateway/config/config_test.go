package config_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bellhop/gateway/config"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	key32   = "0123456789abcdef0123456789abcdef"
	token32 = "ffffffffffffffffffffffffffffffff"
)

// env returns a getenv of pairs of names and values.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// same leaves out where values came from.
var same = cmp.Options{
	cmpopts.IgnoreUnexported(config.Config{}),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// defaults is what every file is that names one source hotel and one issuer me,
// and no more than they need.
func defaults() *config.Config {
	return &config.Config{
		Listen:   "127.0.0.1:8080",
		Admin:    "127.0.0.1:8081",
		BasePath: "/",
		Proxies:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Data:     "./data",
		History:  config.History{Age: 24 * time.Hour, Size: 1 << 30, Sync: time.Second},
		Snapshot: config.Snapshot{Keep: 24 * time.Hour, Horizon: 400 * 24 * time.Hour},
		Sources:  []config.Source{{Name: "hotel", Mews: mewsDefaults()}},
		Auth: config.Auth{
			Issuers: []config.Issuer{{Issuer: "me", Audience: "bellhop", Secret: key32}},
			Leeway:  30 * time.Second,
			Warn:    time.Minute,
		},
		Stream: config.Stream{
			Heartbeat: 15 * time.Second, Retry: 3 * time.Second, WriteTimeout: 10 * time.Second, MaxLag: 10000, Lifetime: time.Hour,
		},
		Limits: config.Limits{Streams: 20000, PerSubject: 50},
		Drain:  config.Drain{Delay: 5 * time.Second, Spread: 10 * time.Second, Linger: 5 * time.Second},
		Log:    config.Log{Level: slog.LevelInfo, Format: "text"},
	}
}

// mewsDefaults is what a Mews source is that has its two tokens alone.
func mewsDefaults() *config.Mews {
	return &config.Mews{
		Environment:    "demo",
		ClientToken:    "client",
		AccessToken:    "access",
		Client:         "Bellhop 1.0",
		Keepalive:      20 * time.Second,
		Backfill:       true,
		BackfillSettle: time.Minute,
		EnrichWait:     2 * time.Second,
		APIBudget:      config.APIBudget{Requests: 180, Per: 30 * time.Second, Reserve: 20},
	}
}

func TestDefaults(t *testing.T) {
	got, err := config.Parse("bellhop.yaml", []byte(complete("")), env())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got, same); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if w := got.Warnings(); w != nil {
		t.Errorf("Warnings: got %q, want none", w)
	}
}

// TestExample loads the documented example, whose values are the defaults
// wherever it can have them.
func TestExample(t *testing.T) {
	const file = "testdata/bellhop.yaml"
	getenv := env("MEWS_CLIENT_TOKEN", "client", "WEBHOOK_TOKEN", token32, "AIRY_TOKEN", "airy", "BELLHOP_SECRET", key32)
	got, err := config.Load(file, getenv)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	mews := want.Sources[0].Mews
	mews.AccessToken = "access-token-of-prague"
	mews.Enrich = []string{"Reservation", "Resource"}
	mews.EntityFields = map[string][]string{
		"Resource":     {"Name", "State"},
		"Reservation":  {"Number", "State", "ScheduledStartUtc", "ScheduledEndUtc"},
		"MessageAdded": {"Text", "CreatedUtc", "Sender"},
	}
	mews.Webhook = &config.Webhook{Tokens: []config.Secret{token32}, MaxBody: 4 << 20}
	want.Sources = []config.Source{
		{Name: "prague", Mews: mews},
		{Name: "chat", Airy: &config.Airy{URL: "wss://airy.example", Profile: "0.7", Token: "airy"}},
	}
	want.Auth.Issuers = []config.Issuer{
		{Issuer: "https://hotel.example", Audience: "bellhop", Secret: key32, Sources: []string{"prague", "chat"}},
	}
	want.CORS = config.CORS{Origins: []string{"https://app.hotel.example"}, Credentials: true}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{file, "testdata/secrets/prague"}, got.Files()); diff != "" {
		t.Errorf("Files (-want +got):\n%s", diff)
	}
	wantWarnings := []string{
		file + ":40: sources[0].mews.webhook: not in this version, has no effect",
		file + ":46: sources[1].airy: not in this version, has no effect",
	}
	if diff := cmp.Diff(wantWarnings, got.Warnings()); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
}

// TestEveryKey loads a file of all keys, none with its default. The keys that
// exclude each other are spread over several sources and issuers.
func TestEveryKey(t *testing.T) {
	dir := files(t)
	file := func(name string) config.File {
		return config.File{Path: dir + "/" + name, Contents: config.Secret(read(t, dir+"/"+name))}
	}
	got, err := config.Load("testdata/every-key.yaml", env("DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Listen:        "unix:/run/bellhop.sock",
		TLS:           &config.TLS{Cert: file("a-cert.pem"), Key: file("a-key.pem")},
		Admin:         "0.0.0.0:9081",
		AdminToken:    "token-of-a-file",
		MetricsListen: "[::]:9090",
		BasePath:      "/live",
		Proxies:       []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")},
		Cluster:       &config.Cluster{URL: "tls://a,tls://b, nats://c:4222", CredentialsFile: file("token"), Replicas: 5, Insecure: true},
		DataKeyFile:   file("secret"),
		History:       config.History{Age: 36 * time.Hour, Size: 512 << 20},
		Snapshot:      config.Snapshot{Keep: 48 * time.Hour, Horizon: 30 * 24 * time.Hour},
		Sources: []config.Source{
			{Name: "0", Mews: &config.Mews{
				Environment:    "production",
				ClientToken:    "token-of-a-file",
				AccessToken:    "0123",
				Client:         "1.10",
				Enterprise:     "9b0f7a10",
				CAFile:         file("a-cert.pem"),
				Keepalive:      time.Minute,
				BackfillSettle: time.Second,
				Enrich:         []string{"DeviceCommand"},
				EnrichWait:     500 * time.Millisecond,
				EntityFields:   map[string][]string{"PaymentUpdated": {}},
				APIBudget:      config.APIBudget{Requests: 90, Per: 15 * time.Second, Reserve: 10},
				Webhook:        &config.Webhook{Tokens: []config.Secret{token32, token32}, Integration: true, MaxBody: 64 << 10},
				Messaging:      true,
			}},
			{Name: "own-environment", Mews: &config.Mews{
				Socket: "ws://ws.example:8082/mews", API: "http://localhost:8083", Insecure: true,
				ClientToken: "c", AccessToken: "a",
				Client: "Bellhop 1.0", Keepalive: 20 * time.Second, Backfill: true, BackfillSettle: time.Minute, EnrichWait: 2 * time.Second,
				APIBudget: config.APIBudget{Requests: 180, Per: 30 * time.Second, Reserve: 20},
			}},
			{Name: "chat", Airy: &config.Airy{
				URL: "ws://airy.example", Profile: "0.10", User: "bell@hotel.example", Password: "pass word", Insecure: true,
			}},
		},
		Auth: config.Auth{
			Issuers: []config.Issuer{
				{Issuer: "a", Audience: "bellhop", Secret: key32},
				{Issuer: "a", Audience: "other", PublicKeyFile: file("a-public.pem"), Sources: []string{"chat"}},
				{Issuer: "b", Audience: "bellhop", JWKSURL: "http://keys.example/jwks.json?v=1", Insecure: true},
			},
			Guests: &config.Guests{Issuer: "guests", Secret: key32, TTL: time.Hour},
			Cookie: config.Cookie{CrossSite: true},
			Query:  "access_token",
			Leeway: 0,
			Warn:   2 * time.Minute,
		},
		CORS:   config.CORS{Origins: []string{"https://*.hotel.example", "http://localhost:5173", "https://[2001:db8::1]:8443"}, Credentials: true},
		Stream: config.Stream{Heartbeat: 20 * time.Second, Retry: time.Second, WriteTimeout: 5 * time.Second, MaxLag: 1},
		Limits: config.Limits{Streams: 1, PerSubject: 2, PerAddress: 3},
		Drain:  config.Drain{Delay: 0, Spread: time.Second, Linger: 2 * time.Second},
		Static: config.Static{Enabled: true},
		Log:    config.Log{Level: slog.LevelDebug, Format: "json"},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

// TestPartial changes one key of a section and leaves the others their defaults.
func TestPartial(t *testing.T) {
	for text, change := range map[string]func(*config.Config){
		"admin: ''\n":                          func(c *config.Config) { c.Admin = "" },
		"proxies: []\n":                        func(c *config.Config) { c.Proxies = []netip.Prefix{} },
		"listen: ':0'\nadmin: 'LOCALHOST:0'\n": func(c *config.Config) { c.Listen, c.Admin = ":0", "LOCALHOST:0" },
		"history: {age: 1.5d}\n":               func(c *config.Config) { c.History.Age = 36 * time.Hour },
		"history: {age: 1d12h30m}\n":           func(c *config.Config) { c.History.Age = 36*time.Hour + 30*time.Minute },
		"stream: {lifetime: 0}\n":              func(c *config.Config) { c.Stream.Lifetime = 0 },
		"data: |-\n  /var/lib/bellhop\n":       func(c *config.Config) { c.Data = "/var/lib/bellhop" },
		"cluster: {url: 'nats://127.0.0.1:4222'}\n": func(c *config.Config) {
			c.Data, c.Cluster = "", &config.Cluster{URL: "nats://127.0.0.1:4222", Replicas: 3}
		},
		"data: ${A}${A}-${B}\n":                         func(c *config.Config) { c.Data = "${B} ${B} -&x [*y" },
		"data: \"$5 {} $ ${A}\"\n":                      func(c *config.Config) { c.Data = "$5 {} $ ${B} " },
		"limits: {streams: ${N}}\n":                     nil,
		"limits: {streams: \"${N}\"}\n":                 func(c *config.Config) { c.Limits.Streams = 7 },
		"\ufefflisten: 127.0.0.1:1\r\nbase_path: /\r\n": func(c *config.Config) { c.Listen = "127.0.0.1:1" },
		"---\nlisten: 127.0.0.1:1\n":                    func(c *config.Config) { c.Listen = "127.0.0.1:1" },
		"auth:\n  guests: {secret: " + key32 + "}\n  issuers: [{issuer: me, audience: bellhop, secret: " + key32 + "}]\n": func(c *config.Config) {
			c.Auth.Guests = &config.Guests{Issuer: "bellhop-guests", Secret: key32, TTL: 24 * time.Hour}
		},
	} {
		got, err := config.Parse("x.yaml", []byte(complete(text)), env("A", "${B} ", "B", "&x [*y", "N", "7"))
		if change == nil {
			if err == nil {
				t.Errorf("Parse %q: got no error", text)
			}
			continue
		}
		want := defaults()
		change(want)
		if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
			t.Errorf("Parse %q: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

// TestWarnings: what is there but off asks for nothing.
func TestWarnings(t *testing.T) {
	const off = "sources: [{name: a, mews: {client_token: c, access_token: a, backfill: false, enrich: [], messaging: false}}]\n"
	c, err := config.Parse("x.yaml", []byte(complete(off)), env())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings(); got != nil {
		t.Errorf("Warnings: got %q, want none", got)
	}

	const much = "sources: [{name: a, mews: {client_token: c, access_token: a, api_budget: {requests: 201}}}]\n"
	if c, err = config.Parse("x.yaml", []byte(complete(much)), env()); err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings(); len(got) != 1 || !strings.Contains(got[0], "sources[0].mews.api_budget: Mews allows 200 requests in 30s") {
		t.Errorf("Warnings: got %q, want one of the budget", got)
	}

	c, err = config.Load("testdata/every-key.yaml", env("DIR", files(t)))
	if err != nil {
		t.Fatal(err)
	}
	const suffix = ": not in this version, has no effect"
	want := []string{
		"testdata/every-key.yaml:10: cluster" + suffix,
		"testdata/every-key.yaml:11: data_key_file" + suffix,
		"testdata/every-key.yaml:26: sources[0].mews.enrich: DeviceCommand has no entity_fields, so its events carry no entity",
		"testdata/every-key.yaml:28: sources[0].mews.entity_fields: PaymentUpdated is not among enrich, so its list has no effect",
		"testdata/every-key.yaml:30: sources[0].mews.webhook" + suffix,
		"testdata/every-key.yaml:31: sources[0].mews.messaging" + suffix,
		"testdata/every-key.yaml:40: sources[2].airy" + suffix,
		"testdata/every-key.yaml:46: auth.guests" + suffix,
	}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
}
