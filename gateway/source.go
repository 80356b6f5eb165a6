package gateway

import (
	"context"
	"time"
)

// Source is one configured upstream. It owns its connection, its backoff and
// its backfill, and knows nothing of browsers.
type Source interface {
	// Name is the source's configured name.
	Name() string
	// Types are all the types of event that it may send, sorted: those that a
	// gap over the whole source names.
	Types() []string
	// Run speaks with the upstream until ctx ends. No trouble of the upstream
	// ends it.
	Run(ctx context.Context, to Sink) error
}

// Sink is where a source takes what it heard, and where it finds what it has
// said before. It is one source's own; its methods may be called concurrently.
type Sink interface {
	// Append is [Log.Append]. It sets Before of each event whose type has a
	// lasting state, and gives its ID the spelling that the entity is known by:
	// pages find it by that.
	Append(ctx context.Context, records []*Record, done func()) error
	// Latest returns the event that was appended last of an entity with a lasting
	// state, nil when there is none or the entity has gone. It is not to be
	// changed.
	Latest(typ, id string) *Event
	// Present returns the latest event of every entity of a type with a lasting
	// state, in no order.
	Present(typ string) []*Event
	// Report says the source's state. Only a change of state or reason is
	// passed on to streams; Confirmed and Backfill are kept up to date by every
	// call. Since is set by the receiver.
	Report(status Status)
	Keeper
	Inbox
}

// State is what is known of a source's connection to its upstream.
type State string

// The states of a source.
const (
	StateLive       State = "live"        // connected and answering
	StateCatchingUp State = "catching-up" // connected, backfill running
	StateStale      State = "stale"       // connected, but a ping is unanswered for half a keepalive, or the log cannot be written
	StateDown       State = "down"        // not connected
	StateUnknown    State = "unknown"     // no such source
)

// Reason says why a source is neither live nor catching up.
type Reason string

// The reasons of a source's state.
const (
	ReasonDial       Reason = "dial"       // not connected yet, or the upstream cannot be reached
	ReasonSilent     Reason = "silent"     // nothing comes, pings are not answered
	ReasonClosed     Reason = "closed"     // the upstream closed the connection
	ReasonRejected   Reason = "rejected"   // the upstream refused the token
	ReasonDisabled   Reason = "disabled"   // the integration is disabled
	ReasonEnterprise Reason = "enterprise" // the token is not of the one enterprise
	ReasonLog        Reason = "log"        // the log cannot be written
	ReasonStopped    Reason = "stopped"    // the gateway has stopped the source
)

// Status is a source's state as the control event bellhop.source, bellhop.ready
// and the admin's /sources show it.
type Status struct {
	Source string
	State  State
	Reason Reason    // empty when live or catching up
	Since  time.Time // when this state began
	// Confirmed is the moment up to which all that the upstream said is in the
	// log; zero before the first connect.
	Confirmed time.Time
	// Backfill is what is being read of the past, nil when nothing is. Streams are
	// not shown it.
	Backfill *Backfill
}

// Backfill is how far the reading of what was missed, or of the present state
// at a source's first start, has come.
type Backfill struct {
	Types    []string  // those still to be read
	From, To time.Time // the interval that is read
	Rows     int       // entities read
	Logged   int       // events made of them
	Held     int       // live events that wait for its end
}
