package mews

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway"
)

// probeTimeout is how long an open socket has to answer a ping.
const probeTimeout = 5 * time.Second

// webhookTypes are the discriminators that Mews is documented to post.
var webhookTypes = []string{
	"CustomerAdded", "CustomerUpdated", "MessageAdded", "PaymentUpdated",
	"ResourceBlockUpdated", "ResourceUpdated", "ServiceOrderUpdated",
}

// Types returns the types of event that a source may send: the socket's four
// and, with webhooks, theirs.
func Types(webhooks bool) []string {
	types := append([]string(nil), socketTypes...)
	if webhooks {
		types = append(types, webhookTypes...)
	}
	return types
}

// Report is what a [Probe] found. Without an API it is empty.
type Report struct {
	EnterpriseID, Enterprise string // the enterprise's id and name

	// What a first start would read: active resources, active commands, and
	// reservations of the next ProbedDays days.
	Resources, Commands, Reservations Count
}

// ProbedDays is how far ahead a [Probe] looks at reservations.
const ProbedDays = 30

// Count is how many entities a first page of them held, or why none could be read.
type Count struct {
	N    int
	More bool // there are more
	Err  error
}

// String says the count for people.
func (c Count) String() string {
	switch {
	case c.Err != nil:
		return c.Err.Error()
	case c.More:
		return "at least " + strconv.Itoa(c.N)
	}
	return strconv.Itoa(c.N)
}

// Probe does once what a source with these options would do: it asks for the
// enterprise, opens the socket, waits for the answer to a ping and closes it, and
// reads first pages from the API. The error says why the source could not work now;
// that some operation is not permitted is in the report alone, since a source does
// without.
func Probe(ctx context.Context, o Options) (Report, error) {
	s, err := NewSource(o)
	if err != nil {
		return Report{}, err
	}
	if s.api == nil {
		return Report{}, s.probeSocket(ctx)
	}
	defer s.api.close()
	found, err := (&run{Source: s}).identify(ctx)
	report := Report{EnterpriseID: found.id, Enterprise: found.name}
	if err != nil {
		return report, fmt.Errorf("%s: %w", gateway.ReasonEnterprise, err)
	}
	if err := s.probeSocket(ctx); err != nil {
		return report, err
	}
	now := s.clock.at(time.Now())
	month := params{"CollidingUtc": map[string]string{
		"StartUtc": now.Format(time.RFC3339), "EndUtc": now.AddDate(0, 0, ProbedDays).Format(time.RFC3339),
	}}
	report.Resources = s.count(ctx, activeResourceListing, nil)
	report.Commands = s.count(ctx, activeCommandListing, nil)
	report.Reservations = s.count(ctx, reservationListing, month)
	return report, ctx.Err()
}

// count reads the first page of a listing.
func (s *Source) count(ctx context.Context, l listing, filter params) Count {
	var body params
	if l.op != activeCommandListing.op { // which takes none
		body = l.request(firstCount, "")
		maps.Copy(body, filter)
	}
	p, err := s.api.page(ctx, request{op: l.op, class: interactive, body: body}, l)
	return Count{N: p.items, More: p.items == firstCount, Err: err}
}

// probeSocket opens the socket once, waits for the answer to a ping, and closes
// it. A token may be refused at the handshake or by closing the socket after it.
func (s *Source) probeSocket(ctx context.Context) error {
	socket, f := s.dialer.dial(ctx)
	if f != nil {
		return fmt.Errorf("%s: %w", f.reason, f.err)
	}
	defer socket.Close()
	release := context.AfterFunc(ctx, func() { socket.Close() })
	defer release()

	// The answer is heard while reading on; what else is read is of no interest.
	socket.SetPongHandler(func(string) error { return errAnswered })
	if err := socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(probeTimeout)); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	silence := time.AfterFunc(probeTimeout, func() { socket.Close() })
	defer silence.Stop()
	for {
		_, _, err := socket.NextReader()
		closed, _ := errors.AsType[*websocket.CloseError](err)
		switch {
		case err == nil:
		case errors.Is(err, errAnswered):
			return nil
		case closed == nil:
			return errors.New("the socket opened, but did not answer a ping")
		case closed.Code == websocket.ClosePolicyViolation:
			return fmt.Errorf("%s: closed with code %d", gateway.ReasonRejected, closed.Code)
		default:
			return fmt.Errorf("%s: with code %d", gateway.ReasonClosed, closed.Code)
		}
	}
}

var errAnswered = errors.New("answered")
