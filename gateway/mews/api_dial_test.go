package mews

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestAPIOptions(t *testing.T) {
	good := apiOptions{address: "https://api.mews.test/base", clientToken: testClientToken, accessToken: testAccessToken}
	a, err := newAPI(good)
	if err != nil || a.base != "https://api.mews.test/base/api/connector/v1/" {
		t.Errorf("base %q, error %v", a.base, err)
	}
	for _, address := range []string{"", "mews.test", "wss://mews.test", "https://", "https://u:" + theirText + "@mews.test", "https://mews.test?" + testAccessToken, "https://%zz"} {
		o := good
		o.address = address
		if _, err := newAPI(o); err == nil {
			t.Errorf("address %q is no fault", address)
		} else {
			checkSecrets(t, "error", err.Error())
		}
	}
	for _, o := range []apiOptions{
		{address: good.address, clientToken: "a"}, {address: good.address, accessToken: "a"},
		{address: good.address, clientToken: "a", accessToken: "b", budget: Budget{Requests: 1}},
	} {
		if _, err := newAPI(o); err == nil {
			t.Errorf("%+v is no fault", o)
		}
	}
}

// TestAPITLS speaks HTTP/2 with a real server whose CA has to be known.
func TestAPITLS(t *testing.T) {
	protocol := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol <- r.Proto
		io.WriteString(w, harbour)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	a, err := newAPI(apiOptions{address: server.URL, clientToken: "a", accessToken: "b", tls: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if _, err := a.configuration(t.Context(), interactive); err != nil {
		t.Fatal(err)
	}
	if got := <-protocol; got != "HTTP/2.0" {
		t.Errorf("spoke %s", got)
	}
}

// TestAPIProxy: https goes through the environment's proxy, which learns nothing
// of the tokens, and of which no error tells the address or what it said.
func TestAPIProxy(t *testing.T) {
	proxy := strings.TrimPrefix(os.Getenv("HTTPS_PROXY"), "http://porter:knock@")
	dialled := make(chan string, 1)
	a, err := newAPI(apiOptions{
		address: "https://mews.test", clientToken: testClientToken, accessToken: testAccessToken,
		dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled <- address
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				request, err := http.ReadRequest(bufio.NewReader(there))
				if err != nil || request.Method != http.MethodConnect || request.RequestURI != "mews.test:443" {
					t.Errorf("the proxy was asked %v (%v)", request, err)
				}
				io.WriteString(there, "HTTP/1.1 403 "+theirText+"\r\nContent-Length: 0\r\n\r\n")
			}()
			return here, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	_, failed := a.exchange(t.Context(), request{op: configurationOp})
	if got := <-dialled; got != proxy {
		t.Errorf("dialled %s, want the proxy", got)
	}
	if got := failed.Error(); got != ": proxy: status 403" {
		t.Errorf("error %q", got)
	}
}
