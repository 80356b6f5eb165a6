package config

import "time"

// Source is one upstream: exactly one of Mews and Airy is not nil.
type Source struct {
	// Name is unique among the sources.
	Name string `key:"name,required" is:"source"`
	Mews *Mews  `key:"mews"`
	Airy *Airy  `key:"airy"`
}

// Mews is one AccessToken of one Mews enterprise.
type Mews struct {
	// Environment is "demo" or "production", or empty with Socket and API.
	Environment string `key:"environment" is:"demo|production"`
	// Socket and API are the base addresses of an own environment, without a
	// slash at their end; both or neither.
	Socket string `key:"socket" is:"ws url"`
	API    string `key:"api" is:"http url"`

	ClientToken Secret `key:"client_token,required" is:"token"`
	AccessToken Secret `key:"access_token,required" is:"token"`
	// Client is the application's name and version, as Mews is told it.
	Client string `key:"client,required" default:"Bellhop 1.0"`
	// Enterprise pins the enterprise's id; empty takes the one first learnt.
	Enterprise string `key:"enterprise"`
	// CAFile adds certificate authorities; its Path may be empty.
	CAFile File `key:"ca_file" is:"certificates"`
	// Insecure permits ws:// and http:// off loopback.
	Insecure bool `key:"insecure"`

	// Keepalive is the time between pings.
	Keepalive time.Duration `key:"keepalive" default:"20s" is:"10ms..24h"`
	Backfill  bool          `key:"backfill" default:"true"`
	// BackfillSettle is the wait before a backfilled row that contradicts a
	// live event is read again.
	BackfillSettle time.Duration `key:"backfill_settle" default:"60s" is:"0s..24h"`

	// Enrich lists the event types that carry their entity.
	Enrich []string `key:"enrich" is:"entity type"`
	// EnrichWait is the longest that an event waits for its entity.
	EnrichWait time.Duration `key:"enrich_wait" default:"2s" is:"0s..10m"`
	// EntityFields lists, by type, the only entity members that go out. A type
	// that is not a key of it has no list.
	EntityFields map[string][]string `key:"entity_fields" keys:"entity type" is:"member"`

	APIBudget APIBudget `key:"api_budget"`
	// Webhook is nil where none is received.
	Webhook   *Webhook `key:"webhook"`
	Messaging bool     `key:"messaging"`
}

// APIBudget is the calls that a source may make.
type APIBudget struct {
	Requests int           `key:"requests" default:"180" is:"1.."`
	Per      time.Duration `key:"per" default:"30s" is:"10ms..24h"`
	// Reserve is the part of Requests that is for interactive calls only.
	Reserve int `key:"reserve" default:"20" is:"0.."`
}

// Webhook is how a source's webhook calls are known.
type Webhook struct {
	// Tokens are one, or two while rotating.
	Tokens []Secret `key:"tokens,required" is:"webhook token"`
	// Integration believes integration bodies.
	Integration bool `key:"integration"`
	MaxBody     Size `key:"max_body" default:"4MiB" is:"1KiB..1GiB"`
}

// Airy is one Airy Core workspace. Exactly one of Token and the pair of User
// and Password is set.
type Airy struct {
	// URL is the base address, wss:// or ws://, without a slash at its end.
	URL      string `key:"url,required" is:"ws url"`
	Profile  string `key:"profile,required" default:"0.7" is:"0.7|0.8|0.10|0.29"`
	Token    Secret `key:"token" is:"token"`
	User     string `key:"user"`
	Password Secret `key:"password"`
	// Insecure permits ws:// off loopback.
	Insecure bool `key:"insecure"`
}
