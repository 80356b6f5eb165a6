package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// ServerTLS returns what HTTPS on the public listener needs; nil is plain HTTP.
func (c *Config) ServerTLS() (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.TLS.Cert.Contents), []byte(c.TLS.Key.Contents))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// ClientTLS returns what believes CAFile's authorities besides the system's; nil
// where there is no such file.
func (m *Mews) ClientTLS() (*tls.Config, error) {
	if m.CAFile.Path == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificates: %w", err)
	}
	roots.AppendCertsFromPEM([]byte(m.CAFile.Contents)) // [Config.Validate] has parsed it
	return &tls.Config{RootCAs: roots}, nil
}
