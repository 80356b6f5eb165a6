package auth_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
)

func BenchmarkVerifyCached(b *testing.B) {
	v := newVerifier(b, hotel())
	raw := hs256(b, guestClaims(0, grant))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyUncached(b *testing.B) {
	for _, c := range []struct {
		method jwt.SigningMethod
		key    any
		issuer auth.Issuer
	}{
		{jwt.SigningMethodHS256, secret, auth.Issuer{Secret: secret}},
		{jwt.SigningMethodRS256, rsaKey(), auth.Issuer{PublicKeyPEM: publicPEM(b, rsaKey())}},
		{jwt.SigningMethodES256, p256Key(), auth.Issuer{PublicKeyPEM: publicPEM(b, p256Key())}},
		{jwt.SigningMethodEdDSA, ed25519Key(), auth.Issuer{PublicKeyPEM: publicPEM(b, ed25519Key())}},
	} {
		c.issuer.Name, c.issuer.Audience = iss, aud
		b.Run(c.method.Alg(), func(b *testing.B) {
			raws := make([]string, 2) // in turn, each pushes the other out
			for i := range raws {
				raws[i] = sign(b, `{"alg":"`+c.method.Alg()+`","typ":"JWT"}`, guestClaims(i, grant), c.method, c.key)
			}
			benchmarkUncached(b, c.issuer, raws)
		})
	}
	b.Run("HS256 of other grants", func(b *testing.B) {
		raws := make([]string, 4096) // more than are shared
		for i := range raws {
			raws[i] = hs256(b, guestClaims(i, ownGrant(i)))
		}
		benchmarkUncached(b, hotel(), raws)
	})
}

func benchmarkUncached(b *testing.B, is auth.Issuer, raws []string) {
	v := newVerifier(b, is)
	v.LimitCache(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := v.Verify(raws[i%len(raws)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRetained reports what a verifier keeps of each token.
func BenchmarkRetained(b *testing.B) {
	const tokens = 20_000
	for name, grantOf := range map[string]func(int) string{
		"same grants":  func(int) string { return grant },
		"other grants": ownGrant,
	} {
		raws := make([]string, tokens)
		for i := range raws {
			raws[i] = hs256(b, guestClaims(i, grantOf(i)))
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				v := newVerifier(b, hotel())
				before := heap()
				for _, raw := range raws {
					mustVerify(b, v, raw)
				}
				b.ReportMetric(float64(heap()-before)/tokens, "B/token")
				runtime.KeepAlive(v)
			}
		})
	}
}

// heap returns the bytes of the heap that are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools still held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// guestClaims are those of the token that an issuer made for its nth guest.
func guestClaims(n int, bellhop string) string {
	now := time.Now().Unix()
	return fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"guest-%d","iat":%d,"exp":%d,"jti":"%08x-57a1","bellhop":%s}`,
		iss, aud, n, now, now+3600, n, bellhop)
}

// ownGrant is one that the nth guest alone has.
func ownGrant(n int) string {
	return fmt.Sprintf(`{"sources":["prague"],"types":["MessageAdded"],"threads":["thread-%d"]}`, n)
}
