//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cores are where the server under test and the generator run. Each has its own;
// where this process may use only one, they share that.
type cores struct{ server, generator unix.CPUSet }

// findCores picks the first two cores that this process may use.
func findCores() (c cores, shared bool, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return c, false, os.NewSyscallError("sched_getaffinity", err)
	}
	found := 0
	for cpu := 0; found < 2 && cpu < len(all)*strconv.IntSize; cpu++ {
		if !all.IsSet(cpu) {
			continue
		}
		if found++; found == 1 {
			c.server.Set(cpu)
		}
		c.generator.Zero()
		c.generator.Set(cpu)
	}
	return c, found < 2, nil
}

// stay moves this process, with all its threads, to the generator's core.
func (c *cores) stay() error {
	// One of the threads may be waiting in a system call, which keeps it from its
	// turn: the loop waits while the feed goes on.
	runtime.GOMAXPROCS(4)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads { // later ones take after that which begins them
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &c.generator); err != nil {
			return fmt.Errorf("stay on one core: %w", err)
		}
	}
	return nil
}

// begin calls start, which starts a process, on the server's core: the process
// takes after the thread that starts it.
func (c *cores) begin(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if err := unix.SchedSetaffinity(0, &c.server); err != nil {
		return fmt.Errorf("start on another core: %w", err)
	}
	return errors.Join(start(), unix.SchedSetaffinity(0, &own))
}
