package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bellhop/gateway/config"

	"pgregory.net/rapid"
)

// outputs returns v as everything may print it that a program does print with.
func outputs(t testing.TB, v any) []string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
	all := []string{string(encoded), logged.String(), fmt.Sprint(v), fmt.Sprintln(v), fmt.Errorf("x: %v", v).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%#q", "%x", "%X", "%d", "%t", "%f", "%c", "%20.3v"} {
		all = append(all, fmt.Sprintf(verb, v))
	}
	return all
}

func TestSecretIsMasked(t *testing.T) {
	const hunter = "hunter2"
	const hex, upperHex = "68756e74657232", "68756E74657232"
	file := config.File{Path: "x", Contents: hunter}
	for _, v := range []any{
		config.Secret(hunter), new(config.Secret(hunter)), []config.Secret{hunter}, map[string]config.Secret{"k": hunter},
		file, &file, config.Airy{Password: hunter},
		config.Config{AdminToken: hunter, DataKeyFile: file, TLS: &config.TLS{Key: file}, Cluster: &config.Cluster{CredentialsFile: file}},
		config.Source{Mews: &config.Mews{AccessToken: hunter}, Airy: &config.Airy{Token: hunter}},
		&config.Mews{Webhook: &config.Webhook{Tokens: []config.Secret{hunter}}},
		config.Auth{Guests: &config.Guests{Secret: hunter}, Issuers: []config.Issuer{{Secret: hunter}}},
	} {
		for _, out := range append(outputs(t, v), config.Secret(hunter).String()) {
			for _, leak := range []string{hunter, hex, upperHex} {
				if strings.Contains(out, leak) {
					t.Errorf("%T prints as %s", v, out)
				}
			}
		}
	}
	if got := fmt.Sprintf("%s %v %q %#v", config.Secret("x"), config.Secret(""), config.Secret("x"), config.Secret("x")); got != "*** *** *** ***" {
		t.Errorf("Secret prints as %s", got)
	}
}

// places are the keys of secrets, each in a file that is good but for what
// stands for them.
var places = map[string]string{
	"admin_token":  "admin_token%s\n",
	"client_token": "sources:\n  - name: hotel\n    mews:\n      access_token: access\n      client_token%s\n",
	"access_token": "sources:\n  - name: hotel\n    mews:\n      client_token: client\n      access_token%s\n",
	"airy token":   "sources:\n  - name: chat\n    airy:\n      url: wss://airy.example\n      token%s\n",
	"password":     "sources:\n  - name: chat\n    airy:\n      url: wss://airy.example\n      user: u\n      password%s\n",
	"issuer":       "auth:\n  issuers:\n    - issuer: me\n      audience: bellhop\n      secret%s\n",
	"guests":       "auth:\n  issuers: [{issuer: me, audience: bellhop, secret: " + key32 + "}]\n  guests:\n    secret%s\n",
}

// forms are ways to write a secret after its key, right and wrong ones. Where
// %s is not in them, the secret is in the variable or the file that they name.
var forms = []string{
	": %s", ": \"%s\"", ": '%s'", ": |\n        %s", ": ${SECRET}", ": x${SECRET}${SECRET}", "_file: FILE", "_file: %s", "%s", ": %s: %s", ": [%s",
	": [%s]", ": {%s}", ": {%s: x}", ": &%s x", ": *%s", ": !%s x", ": ${%s", ": x\n%s", ": x\n%s: x", ": x\n        %s", ": \"%s", ": x\nlog: {level: %s}",
	": x\nbase_path: %s\nadmin: %s\nlisten: %s\nproxies: [%s]\nstream: {heartbeat: %s, max_lag: %s}\ncors: {origins: [%s]}\nstatic: {enabled: %s}\nhistory: {size: %s}\n",
}

// TestSecretsNeverShow: whatever secret is written wherever and however, neither
// faults nor warnings show it, nor does a configuration that is printed.
func TestSecretsNeverShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	keys := slices.Sorted(maps.Keys(places))
	taken := make(map[bool]int)
	rapid.Check(t, func(r *rapid.T) {
		secret := rapid.StringMatching(`[A-Z][A-Za-z0-9+/=._-]{35,60}Z`).Draw(r, "secret")
		form := rapid.SampledFrom(forms).Draw(r, "form")
		place := places[rapid.SampledFrom(keys).Draw(r, "place")]
		write(t, file, secret+"\n")
		form = strings.ReplaceAll(strings.ReplaceAll(form, "%s", secret), "FILE", file)
		c, err := config.Parse("x.yaml", []byte(complete(fmt.Sprintf(place, form))), env("SECRET", secret))
		taken[err == nil]++
		if err != nil {
			if out := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(out, secret) {
				r.Fatalf("the faults show the secret: %s", out)
			}
			return
		}
		for _, out := range append(outputs(t, c), c.Warnings()...) {
			if strings.Contains(out, secret) {
				r.Fatalf("the configuration shows the secret: %s", out)
			}
		}
	})
	if taken[true] == 0 || taken[false] == 0 {
		t.Errorf("%d configurations were taken and %d refused, want some of both", taken[true], taken[false])
	}
}
