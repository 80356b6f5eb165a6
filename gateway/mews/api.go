package mews

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

const (
	// apiTimeout is longer than Mews thinks about a heavy read before it gives up
	// with 408, which says more than silence does.
	apiTimeout  = 90 * time.Second
	maxAttempts = 6 // of a call that fails, over about half a minute
)

// apiOptions says what an [api] calls. The address and the tokens are required.
type apiOptions struct {
	// address is https or http, to which /api/connector/v1 is added. Whether it
	// may be plain is the caller's to decide.
	address     string
	clientToken string
	accessToken string
	client      string // name and version of this program, as Mews wants to know it

	tls  *tls.Config                                                          // as in [Options]
	dial func(ctx context.Context, network, address string) (net.Conn, error) // as in [Options]

	budget  Budget
	timeout time.Duration     // of one exchange; zero means apiTimeout
	logger  *slog.Logger      // nil discards
	metrics *apiSourceMetrics // nil counts for nobody
}

// api calls the Mews Connector API with one access token. All that use the token
// share it, and with it the token's budget. Its methods may be called
// concurrently.
//
// A call that fails in passing is repeated with exponential backoff, up to
// maxAttempts times; one that is refused for the request limit waits, like all
// others of the token, as long as it takes. An error is that of the context or
// one of errUnauthorized, errRefused and errExhausted.
type api struct {
	base    string
	http    *http.Client
	timeout time.Duration
	budget  *budget
	heavy   chan struct{} // holds one token while a read of many rows is under way
	log     *slog.Logger
	metrics *apiSourceMetrics

	// credentials is a function so that no formatting of an api shows the tokens.
	credentials func() (client, clientToken, accessToken string)
	troubles    rate.Sometimes
}

// newAPI returns an API that is ready to be called. It calls nothing. Its errors
// name the option at fault and hold no token.
func newAPI(o apiOptions) (*api, error) {
	base, err := apiAddress(o.address)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if o.clientToken == "" || o.accessToken == "" {
		return nil, errors.New("api: token: empty")
	}
	o.budget = cmp.Or(o.budget, DefaultBudget)
	if err := o.budget.validate(); err != nil {
		return nil, fmt.Errorf("api budget: %w", err)
	}
	if o.logger == nil {
		o.logger = slog.New(slog.DiscardHandler)
	}
	if o.metrics == nil {
		o.metrics = newAPIMetrics(nil).of("")
	}
	return &api{
		base:    base,
		http:    newHTTPClient(o),
		timeout: cmp.Or(o.timeout, apiTimeout),
		budget:  newBudget(o.budget),
		heavy:   make(chan struct{}, 1),
		log:     o.logger,
		metrics: o.metrics,
		credentials: func() (client, clientToken, accessToken string) {
			return o.client, o.clientToken, o.accessToken
		},
		troubles: rate.Sometimes{First: 10, Interval: 10 * time.Second},
	}, nil
}

// close closes the connections that no call uses. An api that is called again
// opens others.
func (a *api) close() { a.http.CloseIdleConnections() }

// pace returns how long the next batch for a call of the class should gather, so
// that an endless row of such batches never drains the budget.
func (a *api) pace(c class) time.Duration { return a.budget.pace(c) }

// params are the members of a request's body, but for the tokens.
type params map[string]any

// request is one operation to call.
type request struct {
	op    string // its path, date segment included
	class class
	body  params

	heavy     bool // a read of many rows: one at a time
	reducible bool // the caller can ask for less: errHeavy comes back at once
}

// call calls an operation that may safely be repeated and hands its answer, a
// whole and valid JSON object, to read. An error of read, which says that the
// answer is not what it should be, is a fault of the upstream.
func (a *api) call(ctx context.Context, r request, read func(answer []byte) error) error {
	for attempt := 1; ; {
		err := a.attempt(ctx, r, read)
		failed, ok := errors.AsType[*callError](err)
		switch {
		case !ok || !failed.passing() || r.reducible && errors.Is(err, errHeavy):
			return err
		case failed.outcome == callThrottled:
			continue // the budget waits
		case attempt == maxAttempts:
			return fmt.Errorf("%w: %w", errExhausted, err)
		}
		wait := jitter(attempt, maxBackoff)
		if failed.after != nil {
			wait = max(wait, *failed.after)
		}
		a.troubles.Do(func() { a.log.Warn("api call failed", "err", err, "attempt", attempt, "retry", wait) })
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("%s: %w", r.op, err)
		}
		attempt++
	}
}

// attempt is one exchange, counted.
func (a *api) attempt(ctx context.Context, r request, read func(answer []byte) error) error {
	release, err := a.admit(ctx, r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.op, err)
	}
	sent := time.Now()
	answer, failed := a.exchange(ctx, r)
	release()
	if failed == nil {
		if err := read(answer.body); err != nil {
			failed = &callError{outcome: callFault, status: answer.status, request: answer.request, cause: err}
		}
	}
	if failed != nil {
		failed.op = r.op
		return a.fail(failed, sent)
	}
	a.budget.served(sent)
	a.metrics.call(r.op, callDone)
	return nil
}

// fail returns the error of a call that was sent at sent.
func (a *api) fail(failed *callError, sent time.Time) error {
	a.metrics.call(failed.op, failed.outcome)
	switch {
	case failed.outcome == callAbandoned:
		return fmt.Errorf("%s: %w", failed.op, failed.cause)
	case failed.outcome == callThrottled:
		wait := a.budget.refused(sent, failed.after)
		a.troubles.Do(func() { a.log.Warn("api request limit reached", "err", failed, "wait", wait) })
	case failed.status != 0:
		a.budget.served(sent)
	}
	return failed
}

// admit waits until the request may be sent. The place in the budget comes first:
// who has it waits for one exchange at most, not for the budget of an idle read.
func (a *api) admit(ctx context.Context, r request) (release func(), err error) {
	for {
		began := time.Now()
		place, err := a.budget.acquire(ctx, r.class)
		if err != nil {
			return nil, err
		}
		a.metrics.wait(r.class, time.Since(began))
		if !r.heavy {
			return place, nil
		}
		select {
		case a.heavy <- struct{}{}:
		case <-ctx.Done():
			place()
			return nil, ctx.Err()
		}
		release := func() { <-a.heavy; place() }
		if !a.budget.braked() { // by the exchange that was waited for
			return release, nil
		}
		release()
	}
}

// sign returns the body with what every body has.
func (a *api) sign(body params) params {
	signed := maps.Clone(body)
	if signed == nil {
		signed = params{}
	}
	signed["Client"], signed["ClientToken"], signed["AccessToken"] = a.credentials()
	return signed
}

// sleep waits for d; the error is that of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
