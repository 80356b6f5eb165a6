package web_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bellhop/web"
)

// plainRequests are requests by hand, and whether a front answers them itself.
var plainRequests = map[string]bool{
	"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                                true,
	"GET /events?type=Resource&id=a%2Cb HTTP/1.1\r\nhost: localhost:8080\r\nAccept: text/event-stream\r\n\r\n":       true,
	"GET /events HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive\r\nLast-Event-ID: e1.7\r\nCookie: a=b\r\n\r\n": true,
	"GET /events HTTP/1.1\r\nHost:\t localhost \r\nX-Empty:\r\nX-Empty: again\r\n\r\n":                               true,

	"GET /events HTTP/1.1\r\nHost: localhost\r\n":                                            false, // not whole yet
	"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\nGET /":                                   false, // more behind it
	"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: l\r\n\r\n":       false,
	"GET /events HTTP/1.1\nHost: localhost\n\n":                                              false,
	"GET /events HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                     false,
	"GET /events HTTP/1.1\r\nHost: \r\n\r\n":                                                 false,
	"GET /events HTTP/1.1\r\n\r\n":                                                           false,
	"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n":                                        false,
	"GET /events HTTP/1.11\r\nHost: localhost\r\n\r\n":                                       false,
	"HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       false,
	"get /events HTTP/1.1\r\nHost: localhost\r\n\r\n":                                        false,
	"GET /eventsx HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       false,
	"GET /events/ HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       false,
	"GET //events HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       false,
	"GET http://a/events HTTP/1.1\r\nHost: localhost\r\n\r\n":                                false,
	"GET /events?a b HTTP/1.1\r\nHost: localhost\r\n\r\n":                                    false,
	"GET /events?a\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n":                                  false,
	"GET /events HTTP/1.1\r\nHost: local host\r\n\r\n":                                       false,
	"GET /events HTTP/1.1\r\nHost : localhost\r\n\r\n":                                       false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n":                          false, // folded
	"GET /events HTTP/1.1\r\nHost: localhost\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n":    false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n":                             false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nX\r\n\r\n":                                   false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n":                   false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n":          false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nexpect: 100-continue\r\n\r\n":                false,
	"GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n": false,
}

func TestPlainRequest(t *testing.T) {
	for text, want := range plainRequests {
		if got := web.PlainRequest([]byte(text), "/events"); (got != nil) != want {
			t.Errorf("%q: kept %v, want %v", text, got != nil, want)
		}
	}
}

// FuzzPlainRequest holds what a front keeps against what net/http makes of it.
func FuzzPlainRequest(f *testing.F) {
	for text := range plainRequests {
		f.Add([]byte(text))
	}
	referee := newReferee(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		got := web.PlainRequest(bytes.Clone(data), "/events")
		if got == nil {
			return
		}
		want, status := referee.ask(t, data)
		if want == nil {
			t.Fatalf("net/http answers %q with %d", data, status)
		}
		if diff := cmp.Diff(partsOf(want), partsOf(got)); diff != "" {
			t.Errorf("%q (-net/http +front):\n%s", data, diff)
		}
	})
}

// requestParts is what handlers look at.
type requestParts struct {
	Method, URI, Path, Query, Host string
	Header                         http.Header
	Length                         int64
	Body                           bool
}

func partsOf(r *http.Request) requestParts {
	return requestParts{r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, r.Header, r.ContentLength, r.Body != http.NoBody}
}

// A referee is a server of net/http that tells what it made of a request.
type referee struct {
	connections chan net.Conn
	requests    chan *http.Request
	closed      chan struct{}
}

func newReferee(tb testing.TB) *referee {
	j := &referee{make(chan net.Conn), make(chan *http.Request, 1), make(chan struct{})}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		j.requests <- r
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(j)
	}()
	tb.Cleanup(func() {
		s.Close()
		<-served
	})
	return j
}

func (j *referee) Accept() (net.Conn, error) {
	select {
	case c := <-j.connections:
		return c, nil
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

func (j *referee) Close() error   { close(j.closed); return nil }
func (j *referee) Addr() net.Addr { return &net.TCPAddr{} }

// ask returns the request that data is, or the status of the refusal.
func (j *referee) ask(t *testing.T, data []byte) (*http.Request, int) {
	own, theirs := net.Pipe()
	j.connections <- theirs
	own.SetDeadline(time.Now().Add(patience))
	go own.Write(data)
	answer, err := io.ReadAll(own)
	own.Close()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-j.requests:
		return r, 200
	default:
	}
	_, rest, _ := strings.Cut(string(answer), " ")
	status := 0
	for _, digit := range rest[:min(3, len(rest))] {
		status = status*10 + int(digit-'0')
	}
	return nil, status
}
