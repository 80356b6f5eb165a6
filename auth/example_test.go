package auth_test

import (
	"fmt"
	"time"

	"bellhop/auth"
)

func Example() {
	secret := []byte("0123456789abcdef0123456789abcdef") // of a random source, in earnest
	raw, err := auth.Mint(secret, auth.Claims{
		Issuer: "https://hotel.example", Audience: "bellhop", Subject: "housekeeper-7",
		Expires: time.Now().Add(time.Hour),
		Grants:  []auth.Grant{{Sources: []string{"*"}, Types: []string{"Resource"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := auth.New(auth.Options{Issuers: []auth.Issuer{{
		Name: "https://hotel.example", Audience: "bellhop", Secret: secret, Sources: []string{"prague"},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := v.Verify(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject, token.Grants[0].Sources, token.Grants[0].Types)
	// Output: housekeeper-7 [prague] [Resource]
}
