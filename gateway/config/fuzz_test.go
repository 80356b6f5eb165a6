package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bellhop/gateway/config"

	"golang.org/x/tools/txtar"
)

// marker is a secret that no configuration key or source name can be.
const marker = "S3CR3T+marker/of.31~characters=="

// FuzzLoad feeds Load files in which marker may be anything: it must not panic,
// nor show marker in a fault or a warning, and what it takes must be valid.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("testdata/bellhop.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.ReplaceAll(string(example), "${", marker+"${"))
	archives, err := filepath.Glob("testdata/refusals/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for i := 0; i < len(archive.Files); i += 2 {
			f.Add(strings.ReplaceAll(string(archive.Files[i].Data), "hunter2", marker))
		}
	}
	for _, template := range []string{
		"admin_token: %s", "admin_token_file: %s", "admin_token: '%s", "admin_token: {%s}", "admin_token: {%s: x}", "admin_token: [%s",
		"admin_token: !%s x", "admin_token: &%s x", "admin_token: *%s", "admin_token: ${%s", "admin_token: ${%s}", "admin_token: \"\\%s\"",
		"admin_token %s", "%s: x", "? %s\n: x", "%%YAML %s\n---\n", "%%TAG %s\n---\n", "admin_token: |%s\n x", "admin_token: @%s", "- %s", "%s", "a: {b: c} %s",
	} {
		f.Add(fmt.Sprintf(template, marker))
	}
	path := filepath.Join(f.TempDir(), "bellhop.yaml")
	getenv := func(name string) (string, bool) { return marker, name != "UNSET" }
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, getenv)
		if err != nil {
			if strings.Contains(err.Error(), marker) {
				t.Errorf("a fault shows a value: %v", err)
			}
			return
		}
		if warnings := strings.Join(c.Warnings(), "\n"); strings.Contains(warnings, marker) {
			t.Errorf("a warning shows a value: %s", warnings)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("Validate after Load: %v", err)
		}
	})
}
