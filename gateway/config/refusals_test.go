package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bellhop/gateway/config"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite testdata/refusals")

// base stands in for the sections that a case does not have, after its own
// lines, so that these count from 1.
var base = map[string]string{
	"sources": "sources: [{name: hotel, mews: {client_token: client, access_token: access}}]\n",
	"auth":    "auth: {issuers: [{issuer: me, audience: bellhop, secret: " + key32 + "}]}\n",
}

// complete adds the sections that text lacks.
func complete(text string) string {
	for _, section := range []string{"sources", "auth"} {
		if !regexp.MustCompile(`(?m)^` + section + `\b`).MatchString(text) {
			text += base[section]
		}
	}
	return text
}

// TestRefusals holds each configuration x of testdata/refusals against x.want,
// all the faults that it has, word for word. The archives with "whole" in their
// names are taken as they are, the others completed.
func TestRefusals(t *testing.T) {
	archives, err := filepath.Glob("testdata/refusals/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	getenv := env("DIR", files(t), "EMPTY", "", "SHORT", "tooshort", "STRUCTURE", "x, insecure: true}\n- y", "SECRET", key32)
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			in, want := archive.Files[i], &archive.Files[i+1]
			if want.Name != in.Name+".want" {
				t.Fatalf("%s: %s is not followed by its .want", name, in.Name)
			}
			text := string(in.Data)
			if !strings.Contains(name, "whole") {
				text = complete(text)
			}
			t.Run(in.Name, func(t *testing.T) {
				c, err := config.Parse("x.yaml", []byte(text), getenv)
				if err == nil || c != nil {
					t.Fatalf("Parse: got %v, %v, want an error alone", c, err)
				}
				got := err.Error() + "\n"
				if *update {
					want.Data = []byte(got)
					return
				}
				if diff := cmp.Diff(string(want.Data), got); diff != "" {
					t.Errorf("faults (-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(archive), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// files makes a folder of the files that the cases name.
func files(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) { t.Helper(); write(t, filepath.Join(dir, name), text) }
	put("token", "token-of-a-file\r\n\n")
	put("tokens", token32+"\n"+token32+"\r\n")
	put("secret", key32+"\n")
	put("empty", "")
	put("line-ends", "\n\r\n")
	put("big", strings.Repeat("x", 1<<20+1))
	for _, name := range []string{"a", "b"} {
		cert, key, public := pair(t)
		put(name+"-cert.pem", cert)
		put(name+"-key.pem", key)
		put(name+"-public.pem", public)
	}
	return dir
}

// pair returns a certificate, its private and its public key, in PEM.
func pair(t testing.TB) (cert, key, public string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", privateDER), block("PUBLIC KEY", publicDER)
}
