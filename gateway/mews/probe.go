package mews

import (
	"context"
	"errors"
	"fmt"
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

// Probe opens the socket once, waits for the answer to a ping, and closes it. It
// returns why a source with these options could not work now; a token may be
// refused at the handshake or by closing the socket after it.
func Probe(ctx context.Context, o Options) error {
	s, err := NewSource(o)
	if err != nil {
		return err
	}
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
