package mews

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bellhop/gateway"
)

// noteEnterprise is the note that holds the enterprise's id once it is learnt.
const noteEnterprise = "enterprise"

// errForeign says that the token is not of the one enterprise that the source is
// of: what its socket says is another house's.
var errForeign = errors.New("another enterprise")

// learn asks which enterprise the token is of, if that is not known yet, and keeps
// the answer. The socket does not say whose its events are, so none is opened
// before.
func (r *run) learn(ctx context.Context) *failure {
	if r.api == nil || r.enterprise != "" {
		return nil
	}
	r.report(gateway.StateDown, gateway.ReasonEnterprise)
	found, err := r.identify(ctx)
	if err == nil {
		err = r.sink.KeepNote(ctx, r.name, noteEnterprise, []byte(found.id))
	}
	if err != nil {
		f := &failure{reason: gateway.ReasonEnterprise, err: fmt.Errorf("enterprise: %w", err)}
		if errors.Is(err, errUnauthorized) { // nothing else has been asked with this token
			f.reason = gateway.ReasonRejected
		}
		return f
	}
	r.enterprise = found.id
	r.log.Info("enterprise learnt", "enterprise", found.id)
	r.report(gateway.StateDown, gateway.ReasonDial)
	return nil
}

// identify asks which enterprise the token is of; errForeign when it is not the
// one that was learnt before, nor the one that is configured, nor a single one.
// Nothing that the API says is believed before it has said that.
func (r *run) identify(ctx context.Context) (enterprise, error) {
	sent := time.Now()
	c, err := r.api.configuration(ctx, urgent)
	if err != nil {
		return enterprise{}, err
	}
	r.clock.set(c.now, sent, time.Now())
	err = r.accept(c.enterprise)
	r.trusted.set(err == nil)
	return c.enterprise, err
}

func (r *run) accept(found enterprise) error {
	switch {
	case found.portfolio:
		return fmt.Errorf("%w: the token is of several", errForeign)
	case r.pin != "" && !sameID(found.id, r.pin):
		return fmt.Errorf("%w than the configured one", errForeign)
	case r.enterprise != "" && !sameID(found.id, r.enterprise):
		return fmt.Errorf("%w than that of the events before", errForeign)
	}
	return nil
}

// verify asks, beside an open socket, whether the token is still of the
// enterprise that was learnt, until there is an answer or ctx ends. Only
// errForeign speaks against the socket: a token that may not ask has a socket all
// the same.
func (r *run) verify(ctx context.Context) error {
	var pace retry
	for {
		_, err := r.identify(ctx)
		switch {
		case err == nil, errors.Is(err, errForeign):
			return err
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errUnauthorized), errors.Is(err, errRefused):
			r.log.Warn("enterprise not to be asked, going on", "err", err)
			r.trusted.set(true)
			return nil
		}
		r.troubles.Do(func() { r.log.Warn("enterprise not verified yet, going on", "err", err) })
		if sleep(ctx, pace.next()) != nil {
			return nil
		}
	}
}
