package config

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// publicKey reports whether text is PEM and no private key by mistake; which
// keys are good enough is the verifier's to say.
func publicKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	return block != nil && !strings.Contains(block.Type, "PRIVATE") && !strings.Contains(text, "PRIVATE KEY-----")
}

func privateKey(text string) bool { return strings.Contains(text, "PRIVATE KEY-----") }

func certificates(text string) bool { return x509.NewCertPool().AppendCertsFromPEM([]byte(text)) }
