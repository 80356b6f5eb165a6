// Package gateway is Bellhop's domain: what an event is, who may see it, and
// the way of an event from the log to the open streams.
//
// A [Source] turns what its upstream says into records and appends them to the
// [Log], which gives each its place. The [Hub] tails the log, finds the feeds a
// record belongs to, has it encoded once for each class of permission, and
// links the frame to their lists. A [Feed] is all streams with one
// [Subscription]; a [Stream] is a cursor into its feed's list and the few
// deadlines of its own.
//
// Of types with a lasting state ([Lasts]) a record also says what its entity was
// like before, so that entering a view, staying in it and leaving it are told from
// one record, live, replayed and by any replica. The hub holds the present state,
// the latest record of each entity, from which snapshots come; a [StateStore]
// keeps it beside the log, and [Gateway.Run] brings the two to agreement at the
// start.
//
// A source's way into the log is its [Sink]. It sets what was before, tells what
// was said last, and has a [Keeper] for the moment up to which all is known and an
// [Inbox] for what was heard and has to wait, as durable as the log. What cannot be
// had is logged too, as a [Gap].
//
// The package knows neither HTTP nor NATS nor any upstream's dialect.
package gateway

import (
	"encoding/json"
	"time"
)

// Origin says how an event came to the log.
type Origin string

// The origins of events.
const (
	OriginLive     Origin = "live"     // said by the upstream's socket
	OriginBackfill Origin = "backfill" // read from the upstream's API
	OriginSnapshot Origin = "snapshot" // the latest event of an entity, said again
	OriginWebhook  Origin = "webhook"  // posted by the upstream
)

// Limits of what is an event. What goes beyond them is refused by [CheckName]
// or becomes a [Gap] with [GapSize].
const (
	MaxType   = 128     // bytes of a type
	MaxID     = 256     // bytes of an id
	MaxObject = 1 << 20 // bytes of an event's object, and of its entity
)

// Event is one update from a source. It is immutable once appended to a log.
type Event struct {
	Source   string
	Type     string // the upstream's, for example Reservation or airy.message
	ID       string // the entity's, as the upstream wrote it
	Origin   Origin
	Received time.Time // when its upstream frame was read

	// Object is the upstream's own object: valid UTF-8 and compact JSON, with
	// every member and every number as they were sent.
	Object json.RawMessage
	// Entity is the enriched entity's permitted members, or nil.
	Entity json.RawMessage

	// Attributes are what filters read; see [ReadAttributes].
	Attributes Attributes
	// Before are the attributes that the entity had until this event, nil when it
	// was not there. They are set where the event goes to the log, for types with
	// a lasting state only; see [Lasts].
	Before *Attributes
	// Gone says that the entity has left: it is no longer part of the present
	// state. Such a record has no object, and streams that showed the entity hear
	// of its leaving.
	Gone bool
	// Done is when the entity was done, by its upstream's account: nothing more
	// is expected of it. The zero time when it is not.
	Done time.Time
	// Ticket is that of the [Inbox] entry that the event waited in, 0 for none.
	Ticket uint64
	// More says that further events of the same upstream frame follow.
	More bool
}

// GapReason says why events may be missing.
type GapReason string

// The reasons of gaps.
const (
	GapUpstream GapReason = "upstream" // the socket was away
	GapFrame    GapReason = "frame"    // a frame could not be decoded whole
	GapAPI      GapReason = "api"      // a read was refused or gave up
	GapSize     GapReason = "size"     // an event was too large
	GapRate     GapReason = "rate"     // more than the source may send
	GapLog      GapReason = "log"      // the log lost its tail
	GapMoved    GapReason = "moved"    // not brought along when the log was moved
)

// Gap announces that between From and To events of Types may be missing that
// cannot be had again. It is logged like an event, so that a client that was
// away hears of it too.
type Gap struct {
	Source   string
	Types    []string // each one named, sorted, never empty
	From, To time.Time
	Reason   GapReason
}

// Record is an entry of the log: either an event or a gap.
type Record struct {
	Seq    uint64    // its place; set by the log
	Logged time.Time // when the log took it; set by the log

	Event *Event // nil for a gap
	Gap   *Gap   // nil for an event
}

// Source returns the name of the source that the record is of.
func (r *Record) Source() string {
	if r.Gap != nil {
		return r.Gap.Source
	}
	return r.Event.Source
}
