package auth_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bellhop/auth"

	"github.com/golang-jwt/jwt/v5"
)

func TestVerifyRefusesHeader(t *testing.T) {
	v := newVerifier(t, hotel())
	for header, want := range map[string]string{
		`{"alg":"HS256","crit":["exp"],"exp":1}`:        "the header has a member that is not accepted",
		`{"alg":"HS256","b64":false}`:                   "the header has a member that is not accepted",
		`{"alg":"HS256","b64":true}`:                    "the header has a member that is not accepted",
		`{"alg":"HS256","zip":"DEF"}`:                   "the header has a member that is not accepted",
		`{"alg":"HS256","jwk":{"kty":"oct"}}`:           "the header has a member that is not accepted",
		`{"alg":"HS256","jku":"https://evil.test/k"}`:   "the header has a member that is not accepted",
		`{"alg":"HS256","x5u":"https://evil.test/c"}`:   "the header has a member that is not accepted",
		`{"alg":"HS256","x5c":[]}`:                      "the header has a member that is not accepted",
		`{"alg":"HS256","x5c":null}`:                    "the header has a member that is not accepted",
		`{"alg":"HS256","typ":"dpop+jwt"}`:              "the header has a typ that is not accepted",
		`{"alg":"HS256","typ":""}`:                      "the header has a typ that is not accepted",
		`{"alg":"HS256","typ":null}`:                    "the header has a typ that is not accepted",
		`{"alg":"HS256","typ":["JWT"]}`:                 "the header has a typ that is not accepted",
		`{"alg":"HS256","alg":"HS256"}`:                 "a member is repeated",
		`{"alg":"none","alg":"HS256"}`:                  "a member is repeated",
		`{"alg":"HS256","x":[{"y":1,"y":1}]}`:           "a member is repeated",
		`{"alg":"HS256","\u0061lg":"HS256"}`:            "a member is repeated",
		`{"alg":"HS256","kid":7}`:                       "the token is malformed",
		`{"alg":"HS256","kid":null}`:                    "the token is malformed",
		`{"ALG":"HS256"}`:                               "the algorithm is not one of the issuer's key",
		`{"alg":"hs256"}`:                               "the algorithm is not one of the issuer's key",
		`{"alg":"HS257"}`:                               "the algorithm is not one of the issuer's key",
		`{"alg":["HS256"]}`:                             "the algorithm is not one of the issuer's key",
		`{"alg":null}`:                                  "the algorithm is not one of the issuer's key",
		`{"typ":"JWT"}`:                                 "the algorithm is not one of the issuer's key",
		`{}`:                                            "the algorithm is not one of the issuer's key",
		`{"alg":"HS384"}`:                               "bad signature",
		`{"alg":"HS256"} {}`:                            "the token is malformed",
		`{"alg":"HS256"`:                                "the token is malformed",
		"{\"alg\":\"HS256\",\"a\":\"\xff\"}":            "the token is malformed",
		`["HS256"]`:                                     "the token is malformed",
		`null`:                                          "the algorithm is not one of the issuer's key",
		``:                                              "the token is malformed",
		strings.Repeat(`{"a":`, 500) + `1`:              "the token is malformed",
		`{"alg":"HS256","a":` + strings.Repeat("[", 99): "the token is malformed",
	} {
		t.Run(header, func(t *testing.T) {
			wantRefused(t, v, sign(t, header, goodClaims(), jwt.SigningMethodHS256, secret), want)
		})
	}
	for _, typ := range []string{"JWT", "jwt", "at+jwt", "AT+JWT"} {
		mustVerify(t, v, sign(t, `{"alg":"HS256","typ":"`+typ+`","x5t":"ignored"}`, goodClaims(), jwt.SigningMethodHS256, secret))
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, c := range []struct{ member, value, want string }{
		{"iss", ``, "a required claim is missing or empty"},
		{"iss", `""`, "a required claim is missing or empty"},
		{"iss", `"https://other.test"`, "the issuer and audience are not those of one known here"},
		{"iss", `"HTTPS://hotel.test"`, "the issuer and audience are not those of one known here"},
		{"iss", `["https://hotel.test"]`, "a claim has the wrong type"},
		{"iss", `null`, "a claim has the wrong type"},
		{"aud", ``, "a required claim is missing or empty"},
		{"aud", `""`, "a required claim is missing or empty"},
		{"aud", `null`, "a required claim is missing or empty"},
		{"aud", `[]`, "a claim has the wrong type"},
		{"aud", `["bellhop",7]`, "a claim has the wrong type"},
		{"aud", `["bellhop",""]`, "a claim has the wrong type"},
		{"aud", `{"bellhop":1}`, "a claim has the wrong type"},
		{"aud", `"other"`, "the issuer and audience are not those of one known here"},
		{"aud", `["other"]`, "the issuer and audience are not those of one known here"},
		{"sub", ``, "a required claim is missing or empty"},
		{"sub", `""`, "a required claim is missing or empty"},
		{"sub", `7`, "a claim has the wrong type"},
		{"jti", `7`, "a claim has the wrong type"},
		{"jti", `null`, "a claim has the wrong type"},
		{"exp", ``, "a required claim is missing or empty"},
		{"exp", `null`, "a time is not a plain number below 2^53"},
		{"exp", `"4000000000"`, "a time is not a plain number below 2^53"},
		{"exp", `9007199254740992`, "a time is not a plain number below 2^53"},
		{"exp", `1e300`, "a time is not a plain number below 2^53"},
		{"exp", `1e999`, "a time is not a plain number below 2^53"},
		{"exp", `[4000000000]`, "a time is not a plain number below 2^53"},
		{"exp", `NaN`, "the token is malformed"},
		{"exp", `0`, "the token has expired"},
		{"exp", `-1`, "the token has expired"},
		{"exp", `1000000000`, "the token has expired"},
		{"nbf", `4000000000`, "the token is not valid yet"},
		{"nbf", `9007199254740991`, "the token is not valid yet"},
		{"nbf", `"1"`, "a time is not a plain number below 2^53"},
		{"nbf", `-1e300`, "a time is not a plain number below 2^53"},
		{"nbf", `null`, "a time is not a plain number below 2^53"},
		{"iat", `4000000000`, "the token was issued in the future"},
		{"iat", `true`, "a time is not a plain number below 2^53"},
		{"bellhop", ``, "a required claim is missing or empty"},
		{"bellhop", `null`, "a required claim is missing or empty"},
		{"bellhop", `[]`, "a required claim is missing or empty"},
		{"name", `{"a":1,"a":2}`, "a member is repeated"},
		{"name", `[[{"a":1,"\u0061":2}]]`, "a member is repeated"},
		{"name", "\"\xff\"", "the token is malformed"},
	} {
		t.Run(c.member+" "+c.value, func(t *testing.T) { wantRefused(t, v, hs256(t, changed(c.member, c.value)), c.want) })
	}
}

// changed returns good claims with another value of one member, or without it
// where value is empty.
func changed(member, value string) string {
	members := []string{
		`"iss":"https://hotel.test"`, `"aud":"bellhop"`, `"sub":"maid-7"`,
		fmt.Sprintf(`"exp":%d`, time.Now().Add(time.Hour).Unix()), `"bellhop":` + grant,
	}
	var kept []string
	for _, m := range members {
		if !strings.HasPrefix(m, `"`+member+`":`) {
			kept = append(kept, m)
		}
	}
	if value != "" {
		kept = append(kept, `"`+member+`":`+value)
	}
	return "{" + strings.Join(kept, ",") + "}"
}

func TestVerifyRefusesOtherNamesOfClaims(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, name := range []string{"iss", "aud", "sub", "exp", "bellhop"} {
		capital := strings.ToUpper(name[:1]) + name[1:]
		raw := hs256(t, strings.Replace(goodClaims(), `"`+name+`":`, `"`+capital+`":`, 1))
		wantRefused(t, v, raw, "a required claim is missing or empty")
	}
}

func TestVerifyRefusesRepeatedClaims(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, member := range []string{`"iss":"x"`, `"aud":"x"`, `"sub":"maid-7"`, `"exp":1`, `"bellhop":` + grant, `"x":1,"x":1`} {
		wantRefused(t, v, hs256(t, strings.Replace(goodClaims(), "{", "{"+member+",", 1)), "a member is repeated")
	}
}

func TestVerifyRefusesPayload(t *testing.T) {
	v := newVerifier(t, hotel())
	for payload, want := range map[string]string{
		`null`:             "the issuer and audience are not those of one known here",
		`[]`:               "the token is malformed",
		`"x"`:              "the token is malformed",
		``:                 "the token is malformed",
		`{}`:               "a required claim is missing or empty",
		goodClaims() + `x`: "the token is malformed",
	} {
		wantRefused(t, v, hs256(t, payload), want)
	}
}

func TestVerifyRefusesForm(t *testing.T) {
	v := newVerifier(t, hotel())
	good := hs256(t, goodClaims())
	parts := strings.Split(good, ".")
	const malformed = "the token is malformed"
	for name, c := range map[string]struct{ raw, want string }{
		"empty":              {"", malformed},
		"one segment":        {parts[0], malformed},
		"two segments":       {parts[0] + "." + parts[1], malformed},
		"four segments":      {good + ".", malformed},
		"five segments":      {good + "..", malformed},
		"dots":               {strings.Repeat(".", 8000), malformed},
		"line feed":          {good + "\n", malformed},
		"line feed inside":   {parts[0] + "\r\n." + parts[1] + "." + parts[2], malformed},
		"space":              {good + " ", malformed},
		"padding":            {good + "=", malformed},
		"standard alphabet":  {parts[0] + "." + parts[1] + "." + "+/" + parts[2][2:], malformed},
		"last bits":          {withLastBits(good), malformed},
		"no signature":       {parts[0] + "." + parts[1] + ".", "bad signature"},
		"other signature":    {parts[0] + "." + parts[1] + "." + encode("x"), "bad signature"},
		"cut signature":      {good[:len(good)-3], "bad signature"},
		"other claims":       {parts[0] + "." + encode(grantClaims(`{"sources":["*"],"types":["*"]}`)) + "." + parts[2], "bad signature"},
		"Bearer":             {"Bearer " + good, malformed},
		"JSON serialization": {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, malformed},
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, v, c.raw, c.want) })
	}
	mustVerify(t, v, good)
}

// A segment that is not the one encoding of its bytes is refused even where it
// is what was signed.
func TestVerifyRefusesSignedForm(t *testing.T) {
	v := newVerifier(t, hotel())
	header, claims := encode(`{"alg":"HS256"} `), encode(goodClaims())
	for len(claims)%4 == 0 { // only a partial group has bits to spare
		claims = encode(goodClaims() + " ")
	}
	for name, input := range map[string]string{
		"bits of header": withLastBits(header) + "." + claims,
		"bits of claims": header + "." + withLastBits(claims),
		"padded claims":  header + "." + claims + strings.Repeat("=", 4-len(claims)%4),
		"broken header":  header[:4] + "\n" + header[4:] + "." + claims,
		"broken claims":  header + "." + claims[:4] + "\r\n" + claims[4:],
	} {
		t.Run(name, func(t *testing.T) {
			signature, err := jwt.SigningMethodHS256.Sign(input, secret)
			if err != nil {
				t.Fatal(err)
			}
			wantRefused(t, v, input+"."+base64.RawURLEncoding.EncodeToString(signature), "the token is malformed")
		})
	}
}

// withLastBits changes the bits of the last character that encode nothing.
func withLastBits(raw string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(alphabet, raw[len(raw)-1])
	return raw[:len(raw)-1] + alphabet[at^1:at^1+1]
}

func TestVerifyRefusesUnsigned(t *testing.T) {
	v := newVerifier(t, hotel())
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		raw := sign(t, `{"alg":"`+alg+`"}`, goodClaims(), jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType)
		if token, err := v.Verify(raw); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("alg %q: got %v, %v, want %v", alg, token, err, auth.ErrInvalid)
		}
	}
}

// A public key is no secret: whoever signs with its text must not get in.
func TestVerifyRefusesKeyConfusion(t *testing.T) {
	public := publicPEM(t, rsaKey())
	v := newVerifier(t, auth.Issuer{Name: iss, Audience: aud, PublicKeyPEM: public})
	for _, key := range [][]byte{public, []byte(strings.TrimSpace(string(public)))} {
		raw := sign(t, `{"alg":"HS256"}`, goodClaims(), jwt.SigningMethodHS256, key)
		wantRefused(t, v, raw, "the algorithm is not one of the issuer's key")
	}
}

func TestVerifyHoldsPSSSalt(t *testing.T) {
	v := newVerifier(t, auth.Issuer{Name: iss, Audience: aud, PublicKeyPEM: publicPEM(t, rsaKey())})
	input := encode(`{"alg":"PS256"}`) + "." + encode(goodClaims())
	digest := sha256.Sum256([]byte(input))
	for _, salt := range []int{0, 20, 64} {
		signature, err := rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, v, input+"."+base64.RawURLEncoding.EncodeToString(signature), "bad signature")
	}
}
