package auth_test

import (
	"fmt"
	"testing"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
)

func BenchmarkVerifyCached(b *testing.B) {
	v := newVerifier(b, hotel())
	raw := hs256(b, goodClaims())
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
	} {
		c.issuer.Name, c.issuer.Audience = iss, aud
		b.Run(c.method.Alg(), func(b *testing.B) {
			v := newVerifier(b, c.issuer)
			v.LimitCache(1)
			raws := make([]string, 2) // in turn, each pushes the other out
			for i := range raws {
				raws[i] = sign(b, `{"alg":"`+c.method.Alg()+`"}`, changed("jti", fmt.Sprintf(`"%d"`, i)), c.method, c.key)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := v.Verify(raws[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
