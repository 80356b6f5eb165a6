package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startTLS starts a gateway behind a certificate of its own. Clients speak HTTP/2
// to it, over one connection; connections counts those that they open once it is
// ready.
func startTLS(t *testing.T, config ...string) (g *gateway, connections *atomic.Int32) {
	t.Helper()
	dir := t.TempDir()
	pool := newCertificate(t, dir)
	config = append(config, fmt.Sprintf("tls: {cert: %s, key: %s}", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	g = newGateway(t, config...)
	g.url = "https://" + g.address
	connections = new(atomic.Int32)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == g.address {
				connections.Add(1)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	g.https = &http.Client{Transport: transport}
	g.start()
	connections.Store(0)
	return g, connections
}

// newCertificate writes a certificate for 127.0.0.1 and its key into dir.
func newCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bellhop"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return pool
}

// TestHTTP2 holds streams over one HTTP/2 connection to the rules of all streams.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	g, connections := startTLS(t, hotels.sources(), issuer, "stream: {heartbeat: 200ms}", "limits: {per_subject: 3, streams: 100}")
	all, narrow := g.listen(t, allOf(t), ""), g.listen(t, mint(t, "narrow", everything), "source=brno&type=Resource")
	if all.answer.Get("Content-Type") != "text/event-stream" || all.answer.Get("Connection") != "" {
		t.Errorf("answer: %v", all.answer)
	}
	hotels.at(0).send(sampleFrame)
	all.await("PriceUpdate")
	hotels.at(1).tell(resource("room", "Dirty"))
	narrow.awaitID("room")
	all.awaitID("room")
	if n := len(narrow.logged()); n != 1 {
		t.Errorf("%d events through the filter, want 1", n)
	}
	all.await("bellhop.heartbeat")

	all.drop()
	hotels.at(0).tell(resource("missed", "Dirty"))
	narrow.await("bellhop.heartbeat")
	if ready := all.connect(); !strings.Contains(ready.data, `"resumed":true`) {
		t.Errorf("ready: %v", ready)
	}
	all.awaitID("missed")

	var own []*listener
	token := mint(t, "tablet", everything)
	for range 4 {
		own = append(own, g.listen(t, token, ""))
	}
	own[0].awaitBye("busy")
	refused := g.newListener(t, token, "nonsense=1")
	refused.dial(0)
	checkProblem(t, refused, http.StatusBadRequest, "invalid_query", "nonsense")
	status, _ := g.session(t, http.MethodDelete, token)
	if status != http.StatusNoContent {
		t.Errorf("DELETE /session: %d", status)
	}
	for _, l := range own[1:] {
		l.awaitBye("revoked")
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections beside the one that was open", n)
	}

	// A stream that is not read holds up nobody, not even on its own connection.
	goroutines := g.goroutines()
	idle, stop := context.WithCancel(t.Context())
	defer stop()
	request, err := http.NewRequestWithContext(idle, http.MethodGet, g.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+mint(t, "asleep", everything))
	response, err := g.https.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	g.awaitStreams(3)
	note := strings.Repeat("x", 64<<10)
	for i := range 100 { // more than a stream's window
		hotels.at(1).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, i, note))
		all.awaitID(strconv.Itoa(i))
		narrow.awaitID(strconv.Itoa(i))
	}
	stop()
	g.awaitStreams(2)
	eventually(t, "its goroutines to end", func() bool { return g.goroutines() <= goroutines+opened })

	begin := narrow.lastID()
	g.kill()
	g.start()
	again := g.newListener(t, mint(t, "again", everything), "source=brno")
	again.resumeAt(begin)
	again.connect()
	hotels.at(1).tell(resource("after", "Dirty"))
	again.awaitID("after")
	g.stop()
	again.awaitBye("shutdown")
}

// TestHTTP2ReaderThatStops is cut by the time that a write may take, while the
// other streams of its connection go on.
func TestHTTP2ReaderThatStops(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g, _ := startTLS(t, hotels.sources(), issuer, "stream: {write_timeout: 2s, heartbeat: 1s}")
	witness := g.listen(t, allOf(t), "")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+mint(t, "asleep", everything))
	response, err := g.https.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	g.awaitStreams(2)
	note, said := strings.Repeat("x", 64<<10), 0
	for ; len(g.streams()) > 1; said++ {
		if said > 5000 {
			t.Fatal("who does not read is not cut")
		}
		hotels.at(0).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, said, note))
		witness.awaitID(strconv.Itoa(said))
	}
	if n := g.metrics()[`bellhop_streams_ended_total{reason="cut"}`]; n != 1 {
		t.Errorf("%v streams cut, want 1", n)
	}
}

// TestTLSVersions offers what is too old.
func TestTLSVersions(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g, _ := startTLS(t, hotels.sources(), issuer)
	for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", g.address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if good != (err == nil) {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}
