//go:build linux

// Bench is the gateway's load generator. It starts the built gateway on one core
// of this machine and runs on another one itself: the upstream that feeds the
// gateway, in Mews' own dialect, and the browsers, which are raw sockets on one
// epoll loop. Each event bears when it was fed and its number, so that what is
// late, lost, doubled or out of order is known for every stream.
//
// An absolute figure says little on a machine that is shared. So each run puts
// something beside the gateway, a moment before and under the same load: the
// floor, which is one write(2) for each subscriber and nothing else, or the
// gateway's own parts with a log in memory.
//
//	go build -o bellhop . && go run ./web/bench -runs 3 steady flood
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/gateway/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A bench is what all runs have in common.
type bench struct {
	gateway, memory, floor kind

	cores    *cores // nil to run anywhere
	dir      string // for what the servers keep
	hosts    hosts
	scale    float64 // of all numbers of streams and times
	open     int     // the most streams that descriptors allow
	profiles string  // where CPU profiles go, none when empty
	out      io.Writer
}

// count returns a number of something, scaled.
func (b *bench) count(n int) int { return max(int(float64(n)*b.scale), 2) }

// streams returns a number of streams, scaled, as far as descriptors allow.
func (b *bench) streams(n int) int { return min(b.count(n), b.open) }

// settle returns how long everything may come to rest between starting,
// connecting and feeding.
func (b *bench) settle() time.Duration { return b.time(time.Second) }

// time returns for how long something goes on, scaled.
func (b *bench) time(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)*b.scale), 50*time.Millisecond)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	serve := map[string]func(context.Context, *config.Config) error{"floor": runFloor, "memory": runMemory}
	if len(args) == 2 && serve[args[0]] != nil { // one of its own servers under test
		cfg, err := config.Load(args[1], func(string) (string, bool) { return "", false })
		if err == nil {
			err = serve[args[0]](ctx, cfg)
		}
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	err := generate(ctx, args, stdout, stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errSaid):
		return exitUsage
	}
	fmt.Fprintln(stderr, "bench:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// errSaid is a fault of the command line of which package flag has said what it is.
var errSaid = errors.New("wrong flags")

// A usageError is a fault of the command line itself.
type usageError struct{ error }

// generate runs what the command line asks for.
func generate(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { usageText(flags) }
	bellhop := flags.String("bellhop", "bellhop", "the gateway's binary, as 'go build -o bellhop .' or 'make bellhop' leaves it")
	runs := flags.Int("runs", 5, "runs of each scenario; the table has their medians")
	scale := flags.Float64("scale", 1, "multiplies all numbers of streams and all times, to try a scenario out")
	profiles := flags.String("profile", "", "write a CPU profile of the gateway under each load into this folder, that of the last run")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errSaid
	}
	chosen, err := choose(flags.Args())
	if err == nil && (*runs < 1 || *scale <= 0) {
		err = errors.New("want one run at least, and a scale above 0")
	}
	if err != nil {
		return usageError{err}
	}
	b, err := newBench(*bellhop, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.scale, b.profiles = *scale, *profiles
	if b.profiles != "" {
		if err := os.MkdirAll(b.profiles, 0o700); err != nil {
			return err
		}
	}
	return b.all(ctx, chosen, *runs)
}

func usageText(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintln(w, "usage: bench [flags] SCENARIO…\n\nscenarios, or all:")
	for _, s := range scenarios() {
		fmt.Fprintf(w, "  %-14s %s\n", s.name, s.what)
	}
	fmt.Fprintln(w, "\nflags:")
	flags.PrintDefaults()
}

// choose returns the scenarios with these names; "all" is all but the largest.
func choose(names []string) (chosen []scenario, err error) {
	if len(names) == 0 {
		return nil, errors.New("no scenario is named; -help lists them")
	}
	known := scenarios()
	for _, name := range names {
		i := slices.IndexFunc(known, func(s scenario) bool { return s.name == name })
		switch {
		case name == "all":
			chosen = append(chosen, known[:len(known)-1]...)
		case i < 0:
			return nil, fmt.Errorf("unknown scenario %q; -help lists them", name)
		default:
			chosen = append(chosen, known[i])
		}
	}
	return chosen, nil
}

// newBench finds the programs and the cores, and moves this process to its own.
func newBench(bellhop string, out io.Writer) (*bench, error) {
	path, err := filepath.Abs(bellhop)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the gateway's binary, which 'make bellhop' builds: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cores, shared, err := findCores()
	if err != nil {
		return nil, err
	}
	b := &bench{cores: &cores, scale: 1, out: out,
		gateway: kind{"bellhop", []string{path, "serve", "--config"}},
		memory:  kind{"memory", []string{self, "memory"}},
		floor:   kind{"floor", []string{self, "floor"}},
	}
	if shared {
		b.say("This process may use one core only: the gateway shares it with its load. CPU times hold, rates and latencies do not.")
	}
	if b.open, err = openStreams(); err != nil {
		return nil, err
	}
	if err := cores.stay(); err != nil {
		return nil, err
	}
	b.dir, err = os.MkdirTemp("", "bellhop-bench-")
	return b, err
}

// spareDescriptors are for all that is no stream.
const spareDescriptors = 1000

// openStreams returns how many streams a process may hold. The runtime has
// raised the limit as far as it may be raised, and does so in every server, too.
func openStreams() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	return max(1, int(min(limit.Cur, 51_000))-spareDescriptors), nil
}

// all runs the scenarios, one after the other, and prints the table. A run that
// fails does not keep the others from being run.
func (b *bench) all(ctx context.Context, chosen []scenario, runs int) error {
	var medians table
	var failed error
	for _, s := range chosen {
		for i := range runs {
			b.say("%s, run %d of %d: %s", s.name, i+1, runs, s.what)
			figures, err := s.run(b, ctx)
			if err != nil {
				err = fmt.Errorf("%s, run %d: %w", s.name, i+1, err)
				b.say("%v", err)
				failed = errors.Join(failed, err)
			}
			medians.add(s.name, figures)
			if ctx.Err() != nil {
				return failed
			}
		}
	}
	b.say("")
	return errors.Join(medians.print(b.out), failed)
}
