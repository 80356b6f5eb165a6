package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	iss = "https://hotel.test"
	aud = "bellhop"

	// grant and claimsFormat make the claims of a good token.
	grant        = `{"sources":["prague"],"types":["*"]}`
	claimsFormat = `{"iss":"https://hotel.test","aud":"bellhop","sub":"maid-7","exp":%d,"bellhop":%s}`
)

var secret = []byte("an invented secret of 32 bytes..")

// Made once: RSA keys take long to draw.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return drawRSA(2048) })
	smallRSA   = sync.OnceValue(func() *rsa.PrivateKey { return drawRSA(1024) })
	p256Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return drawEC(elliptic.P256()) })
	p384Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return drawEC(elliptic.P384()) })
	p521Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return drawEC(elliptic.P521()) })
	ed25519Key = sync.OnceValue(drawEd25519)
)

func drawRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func drawEC(c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func drawEd25519() ed25519.PrivateKey {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func publicPEM(tb testing.TB, k crypto.Signer) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func hotel() auth.Issuer { return auth.Issuer{Name: iss, Audience: aud, Secret: secret} }

func newVerifier(tb testing.TB, issuers ...auth.Issuer) *auth.Verifier {
	tb.Helper()
	v, err := auth.New(auth.Options{Issuers: issuers, Leeway: 30 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// hs256 signs claims with the secret, under the plainest header.
func hs256(tb testing.TB, claims string) string {
	return sign(tb, `{"alg":"HS256"}`, claims, jwt.SigningMethodHS256, secret)
}

// sign joins header, claims and their signature, whatever they say.
func sign(tb testing.TB, header, claims string, method jwt.SigningMethod, key any) string {
	tb.Helper()
	input := encode(header) + "." + encode(claims)
	signature, err := method.Sign(input, key)
	if err != nil {
		tb.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// goodClaims are those of a token that lasts an hour.
func goodClaims() string { return grantClaims(grant) }

func grantClaims(bellhop string) string {
	return fmt.Sprintf(claimsFormat, time.Now().Add(time.Hour).Unix(), bellhop)
}

func mustVerify(tb testing.TB, v *auth.Verifier, raw string) *auth.Token {
	tb.Helper()
	token, err := v.Verify(raw)
	if err != nil {
		tb.Fatalf("Verify: %v", err)
	}
	return token
}

// wantRefused checks that raw is invalid and that the description says why.
func wantRefused(tb testing.TB, v *auth.Verifier, raw, want string) {
	tb.Helper()
	token, err := v.Verify(raw)
	if token != nil || !errors.Is(err, auth.ErrInvalid) || errors.Is(err, auth.ErrUnavailable) {
		tb.Fatalf("Verify: got %v, %v, want an invalid token", token, err)
	}
	var e *auth.InvalidError
	if !errors.As(err, &e) || e.Description() != want {
		tb.Errorf("Verify: got %v, want %q", err, want)
	}
}

func wantUnavailable(tb testing.TB, v *auth.Verifier, raw string) {
	tb.Helper()
	if _, err := v.Verify(raw); !errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrInvalid) {
		tb.Fatalf("Verify: got %v, want %v", err, auth.ErrUnavailable)
	}
}
