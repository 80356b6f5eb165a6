package mews

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	maxAnswer      = 64 << 20 // bytes of an answer
	maxErrorAnswer = 64 << 10 // bytes of an answer other than 200 that are read
	maxRequestID   = 64       // bytes of an id that is worth a line in the log
)

// apiAnswer is a whole answer: status 200 and a valid JSON object.
type apiAnswer struct {
	status  int
	request string
	body    []byte
}

func newHTTPClient(o apiOptions) *http.Client {
	config := &tls.Config{}
	if o.tls != nil {
		config = o.tls.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = nil
	if o.dial == nil {
		o.dial = new(net.Dialer).DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               proxyFromEnvironment,
			DialContext:         o.dial,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: handshakeTimeout,
			ForceAttemptHTTP2:   true,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     90 * time.Second,

			MaxResponseHeaderBytes: maxHandshake,
			OnProxyConnectResponse: proxyConnected,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// exchange sends a request once and judges the answer.
func (a *api) exchange(ctx context.Context, r request) (*apiAnswer, *callError) {
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	response, err := a.send(limited, r)
	if err != nil {
		return nil, unreached(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, a.fault(response)
	}
	answer := &apiAnswer{status: response.StatusCode, request: a.requestID(response.Header.Get("Request-Id"))}
	if answer.body, err = readAll(response); err == nil {
		err = checkObject(answer.body)
	}
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, errAnswerSize):
		return nil, &callError{outcome: callLarge, status: answer.status, request: answer.request, cause: err}
	case errors.Is(err, errNoObject):
		return nil, &callError{outcome: callFault, status: answer.status, request: answer.request, cause: err}
	}
	return nil, unreached(ctx, err)
}

func (a *api) send(ctx context.Context, r request) (*http.Response, error) {
	body, err := json.Marshal(a.sign(r.body))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+r.op, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Bellhop")
	return a.http.Do(request)
}

// unreached is an exchange that was cut short, by the caller or by the network.
func unreached(ctx context.Context, err error) *callError {
	if ctx.Err() != nil {
		return &callError{outcome: callAbandoned, cause: ctx.Err()}
	}
	return &callError{outcome: callUnreached, cause: networkError(err)}
}

// fault judges an answer other than 200. Its body is JSON at best: an edge before
// the API answers with pages for people, and may break off.
func (a *api) fault(response *http.Response) *callError {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorAnswer))
	var message, id string
	if checkObject(text) == nil {
		v := pick(text, "Message", "RequestId")
		message, id = textOf(v[0]), textOf(v[1])
	}
	if header := response.Header.Get("Request-Id"); header != "" {
		id = header
	}
	return &callError{
		outcome: outcomeOf(response.StatusCode, message),
		status:  response.StatusCode,
		request: a.requestID(id),
		after:   retryAfter(response.Header, time.Now()),
	}
}

// requestID returns id where it looks like one and holds no token.
func (a *api) requestID(id string) string {
	_, clientToken, accessToken := a.credentials()
	odd := func(r rune) bool {
		return (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') && !strings.ContainsRune("-_.:", r)
	}
	if len(id) > maxRequestID || strings.ContainsFunc(id, odd) ||
		strings.Contains(id, clientToken) || strings.Contains(id, accessToken) {
		return ""
	}
	return id
}

var (
	errAnswerSize = errors.New("answer too long")
	errNoObject   = errors.New("no JSON object")
)

// readAll reads the body of an answer. What the answer says of its length is
// believed only so far.
func readAll(response *http.Response) ([]byte, error) {
	if response.ContentLength > maxAnswer {
		return nil, errAnswerSize
	}
	var b bytes.Buffer
	b.Grow(int(min(max(response.ContentLength, 0), 1<<20)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(response.Body, maxAnswer+1))
	if n > maxAnswer {
		return nil, errAnswerSize
	}
	return bytes.TrimPrefix(b.Bytes(), []byte("\xef\xbb\xbf")), err
}

// checkObject reports whether text is one JSON object and nothing more.
func checkObject(text []byte) error {
	c := &cursor{text: text}
	if err := c.object(func([]byte) error { return c.skip() }); err != nil {
		return fmt.Errorf("%w: %w", errNoObject, err)
	}
	if c.peek(); c.at < len(text) {
		return fmt.Errorf("%w: %w", errNoObject, c.fault("more than an object"))
	}
	return nil
}
