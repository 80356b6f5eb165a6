//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asProgram is the variable that has the tests' binary be the program itself,
// and so its own servers under test.
const asProgram = "BELLHOP_BENCH_TEST_PROGRAM"

// TestMain is the program or its tests.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// newTestBench returns a bench that runs anywhere, is done soon, and has the
// gateway's parts with a log in memory for its gateway.
func newTestBench(t *testing.T) (b *bench, said *bytes.Buffer) {
	t.Helper()
	t.Setenv(asProgram, "1")
	t.Setenv("GORACE", "halt_on_error=1") // a race in a server under test must not go unnoticed
	said = new(bytes.Buffer)
	memory := kind{"memory", []string{os.Args[0], "memory"}}
	b = &bench{
		gateway: memory, memory: memory, floor: kind{"floor", []string{os.Args[0], "floor"}},
		dir: t.TempDir(), scale: 0.005, open: 100, out: said,
	}
	return b, said
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"flood", "steady"}, "flood steady"},
		{[]string{"all"}, "steady burst flood flood-default many idle slow feeds growth storm storm-feeds storm-restart"},
		{[]string{"storm-all"}, "storm-all"},
	} {
		chosen, err := choose(c.args)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range chosen {
			names = append(names, s.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v: got %s, want %s", c.args, got, c.want)
		}
	}
	for _, args := range [][]string{nil, {"steady", "stedy"}} {
		if chosen, err := choose(args); err == nil {
			t.Errorf("%v: got %v, want an error", args, chosen)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-help"}, exitOK, "storm-restart"},
		{[]string{"-run", "3", "steady"}, exitUsage, "-run"},
		{[]string{"nothing"}, exitUsage, `unknown scenario "nothing"`},
		{[]string{"-runs", "0", "steady"}, exitUsage, "one run at least"},
		{[]string{"-bellhop", "/nowhere/bellhop", "steady"}, exitFailed, "make bellhop"},
		{[]string{"floor", "/nowhere/bellhop.yaml"}, exitFailed, "/nowhere/bellhop.yaml"},
	} {
		var out, fault bytes.Buffer
		if code := run(t.Context(), c.args, &out, &fault); code != c.code || !strings.Contains(fault.String(), c.says) {
			t.Errorf("%v: got %d and %q, want %d and %q", c.args, code, fault.String(), c.code, c.says)
		}
	}
}
