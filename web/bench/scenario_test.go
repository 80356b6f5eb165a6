//go:build linux

package main

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestScenarios runs each scenario with a handful of streams. What they measure
// says nothing here; that each stream is given exactly what it is owed is held by
// the scenarios themselves.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios() {
		if s.name == "storm-restart" {
			continue // a log in memory does not survive; see TestGateway
		}
		t.Run(s.name, func(t *testing.T) {
			b, said := newTestBench(t)
			figures, err := s.run(b, t.Context())
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			if len(figures) == 0 {
				t.Error("no figures")
			}
			for _, f := range figures {
				if f.name == "" || math.IsNaN(f.value) || math.IsInf(f.value, 0) {
					t.Errorf("figure %+v", f)
				}
			}
		})
	}
}

// TestGateway has the whole command run, on cores of its own, and in its long form
// the gateway itself survive being killed.
func TestGateway(t *testing.T) {
	b, said := newTestBench(t)
	path := filepath.Join(t.TempDir(), "bellhop")
	if out, err := exec.Command("go", "build", "-race", "-o", path, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	b.gateway = kind{"bellhop", []string{path, "serve", "--config"}}
	if os.Getenv("BELLHOP_TEST_LONG") != "" {
		if _, err := b.stormRestart(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	command := exec.Command(os.Args[0], "-bellhop", path, "-runs", "2", "-scale", "0.005", "idle", "steady")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`idle, run 2 of 2`, `(?m)^idle +memory of a stream .* 2$`, `(?m)^steady +CPU of a delivery .*\(floor\).* 2$`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestStormNoticesLoss has a log forget everything as it starts again.
func TestStormNoticesLoss(t *testing.T) {
	b, _ := newTestBench(t)
	_, err := b.stormRestart(t.Context())
	if err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestFloorDelivers(t *testing.T) {
	b, _ := newTestBench(t)
	r, err := b.carry(t.Context(), b.floor, "floor", load{
		sources: 1, entities: 10, streams: 7, pace: pace{batch: 10, events: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.delivered != 700 || r.fed != 100 || r.latency.total == 0 || r.cpu <= 0 {
		t.Errorf("got %+v, want 700 deliveries of 100 events, measured", r)
	}
}

// TestServerEnds has a server that ends at once, and one that never gets ready.
func TestServerEnds(t *testing.T) {
	b, _ := newTestBench(t)
	nothing := func(context.Context, *trial) error { return nil }
	ends := kind{"ends", []string{"sh", "-c", "echo out of order; exit 1"}}
	if err := b.try(t.Context(), ends, "ends", load{sources: 1}, nothing); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got %v, want what the server said", err)
	}
	late := errors.New("late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, late)
	defer cancel()
	hangs := kind{"hangs", []string{"sh", "-c", "exec sleep 600"}}
	if err := b.try(ctx, hangs, "hangs", load{sources: 1}, nothing); !errors.Is(err, late) {
		t.Errorf("got %v, want %v", err, late)
	}
}

func TestProfile(t *testing.T) {
	b, _ := newTestBench(t)
	b.profiles = t.TempDir()
	if _, err := b.carry(t.Context(), b.gateway, "tiny", load{
		sources: 1, entities: 10, streams: 3, pace: pace{rate: 100, time: 100 * time.Millisecond},
	}); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(b.profiles, "tiny-3.prof")); len(found) != 1 {
		t.Errorf("got %v, want one profile", found)
	}
}
