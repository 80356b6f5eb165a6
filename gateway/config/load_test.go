package config_test

import (
	"errors"
	"os"
	"testing"

	"bellhop/gateway/config"

	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFind: the path given goes before BELLHOP_CONFIG, that before the working
// directory, that before the environment.
func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	variables := []string{"MEWS_CLIENT_TOKEN", "c", "MEWS_ACCESS_TOKEN", "a", "BELLHOP_SECRET", key32}
	check := func(what, path string, getenv func(string) (string, bool), want string) {
		t.Helper()
		c, err := config.Load(path, getenv)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if c.Data != want {
			t.Errorf("%s: loaded the file with data: %s, want %s", what, c.Data, want)
		}
	}
	check("no file", "", env(variables...), "./data")
	write(t, "bellhop.yaml", complete("data: working-directory\n"))
	write(t, "named.yaml", complete("data: named\n"))
	write(t, "given.yaml", complete("data: given\n"))
	check("working directory", "", env(variables...), "working-directory")
	check("BELLHOP_CONFIG empty", "", env("BELLHOP_CONFIG", ""), "working-directory")
	check("BELLHOP_CONFIG", "", env("BELLHOP_CONFIG", "named.yaml"), "named")
	check("given", "given.yaml", env("BELLHOP_CONFIG", "named.yaml"), "given")
	if _, err := config.Load("", env(append(variables, "BELLHOP_CONFIG", "none.yaml")...)); err == nil {
		t.Error("BELLHOP_CONFIG of a file that is not there: got no error")
	}
}

func TestEnvironmentAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	want := defaults()
	want.Sources[0].Mews.Environment = "production"
	want.Auth.Issuers[0].Issuer = "bellhop"
	getenv := env("MEWS_CLIENT_TOKEN", "client", "MEWS_ACCESS_TOKEN", "access", "BELLHOP_SECRET", key32, "MEWS_ENVIRONMENT", "production")
	got, err := config.Load("", getenv)
	if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
		t.Fatalf("Load: %v (-want +got):\n%s", err, diff)
	}
	if files := got.Files(); files != nil {
		t.Errorf("Files: got %q, want none", files)
	}

	want.Sources[0].Mews.Environment = "demo"
	got, err = config.Load("", env("MEWS_CLIENT_TOKEN", "client", "MEWS_ACCESS_TOKEN", "access", "BELLHOP_SECRET", key32))
	if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
		t.Errorf("Load without MEWS_ENVIRONMENT: %v (-want +got):\n%s", err, diff)
	}
	if w := got.Warnings(); w != nil {
		t.Errorf("Warnings: got %q, want none", w)
	}
}

func TestLoadRefusals(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "broken.yaml", "data: 'hunter2")
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		getenv     func(string) (string, bool)
		want       string
	}{
		{"nothing", "", env(), "bellhop.yaml: not in the working directory, and neither --config nor BELLHOP_CONFIG names another; " +
			"to do without a file, set MEWS_CLIENT_TOKEN, MEWS_ACCESS_TOKEN, BELLHOP_SECRET"},
		{"half", "", env("MEWS_CLIENT_TOKEN", "c", "MEWS_ACCESS_TOKEN", ""), "bellhop.yaml: not in the working directory, and neither --config nor BELLHOP_CONFIG names another; " +
			"to do without a file, set MEWS_ACCESS_TOKEN, BELLHOP_SECRET"},
		{"bad variables", "", env("MEWS_CLIENT_TOKEN", "c c", "MEWS_ACCESS_TOKEN", "a", "BELLHOP_SECRET", "hunter2", "MEWS_ENVIRONMENT", "staging"),
			"environment: auth.issuers[0].secret: want at least 32 bytes (set by BELLHOP_SECRET)\n" +
				"environment: sources[0].mews.client_token: want visible ASCII without blanks, quotes, commas, semicolons and backslashes (set by MEWS_CLIENT_TOKEN)\n" +
				"environment: sources[0].mews.environment: want demo or production (set by MEWS_ENVIRONMENT)"},
		{"no such file", "none.yaml", env(), "none.yaml: want a readable file: no such file or directory"},
		{"folder", "folder", env(), "folder: want a regular file"},
		{"broken", "broken.yaml", env(), "broken.yaml:1: want a closing ' for this one"},
	} {
		c, err := config.Load(test.path, test.getenv)
		if c != nil || err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, %v\nwant %s", test.name, c, err, test.want)
		}
		if _, ok := errors.AsType[*config.Fault](err); !ok {
			t.Errorf("%s: the error is no Fault", test.name)
		}
	}
}

// TestValidate holds a configuration that was changed in code to the same rules,
// with the lines of the file it came from.
func TestValidate(t *testing.T) {
	c, err := config.Parse("x.yaml", []byte(complete("listen: 127.0.0.1:1\n")), env())
	if err != nil {
		t.Fatal(err)
	}
	c.Listen, c.Stream.MaxLag, c.Sources[0].Mews.AccessToken = "nowhere", 0, ""
	const want = "x.yaml:1: listen: want host:port, or unix: and a path of at most 107 bytes\n" +
		"x.yaml:1: stream.max_lag: want at least 1\n" +
		"x.yaml:2: sources[0].mews.access_token: want visible ASCII without blanks, quotes, commas, semicolons and backslashes"
	if got := c.Validate(); got == nil || got.Error() != want {
		t.Errorf("Validate: got %v\nwant %s", got, want)
	}

	made := defaults()
	if err := made.Validate(); err != nil {
		t.Errorf("Validate of one made in code: %v", err)
	}
	made.Sources[0].Mews.Environment, made.Sources[0].Name, made.Stream, made.Data = "", "", config.Stream{}, ""
	const wantMade = "data: want a folder, or cluster\n" +
		"sources[0].mews.environment: want demo or production, or socket and api instead\n" +
		"sources[0].name: is missing; want 1 to 63 lower-case letters, digits and hyphens, the first not a hyphen\n" +
		"stream.heartbeat: want 10ms to 24h\n" +
		"stream.max_lag: want at least 1\n" +
		"stream.retry: want 10ms to 1h\n" +
		"stream.write_timeout: want 10ms to 1h"
	if got := made.Validate(); got == nil || got.Error() != wantMade {
		t.Errorf("Validate of one made in code: got %v\nwant %s", got, wantMade)
	}
}
