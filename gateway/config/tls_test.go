package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"bellhop/gateway/config"
)

// certified returns the certificate that hotel.test gave itself, and its key.
func certified(t *testing.T) (cert, key config.File) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"hotel.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := func(kind string, der []byte) config.File {
		return config.File{Path: "x.pem", Contents: config.Secret(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))}
	}
	return file("CERTIFICATE", der), file("PRIVATE KEY", keyDER)
}

// TestTLS lets an upstream's client believe the public listener's certificate.
func TestTLS(t *testing.T) {
	cert, key := certified(t)
	server, err := (&config.Config{TLS: &config.TLS{Cert: cert, Key: key}}).ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&config.Mews{CAFile: cert}).ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "hotel.test"
	near, far := net.Pipe()
	answered := make(chan error, 1)
	go func() { answered <- tls.Server(far, server).HandshakeContext(t.Context()) }()
	if err := tls.Client(near, client).HandshakeContext(t.Context()); err != nil {
		t.Errorf("client: %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("server: %v", err)
	}
}

// TestNoTLS has nothing of it where nothing is configured.
func TestNoTLS(t *testing.T) {
	if got, err := new(config.Config).ServerTLS(); got != nil || err != nil {
		t.Errorf("server: %v, %v", got, err)
	}
	if got, err := new(config.Mews).ClientTLS(); got != nil || err != nil {
		t.Errorf("client: %v, %v", got, err)
	}
}
