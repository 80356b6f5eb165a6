//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A usage is what a process has taken so far.
type usage struct {
	cpu       time.Duration
	rss, peak int64 // KiB
}

// usageOf returns the usage of a process. Its CPU time is that of its clock, to
// the nanosecond and with that of threads that have ended.
func usageOf(pid int) (u usage, err error) {
	var cpu unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedClock, &cpu); err != nil {
		return u, fmt.Errorf("read the clock of process %d: %w", pid, err)
	}
	u.cpu = time.Duration(cpu.Nano())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "VmRSS":
			u.rss, err = kibibytes(value)
		case "VmHWM":
			u.peak, err = kibibytes(value)
		}
		if err != nil {
			return u, err
		}
	}
	return u, nil
}

// A spell is a time of which this process knows how much of a core it took.
type spell struct {
	start time.Time
	cpu   time.Duration
}

func beginSpell() (s spell, err error) {
	own, err := usageOf(os.Getpid())
	return spell{time.Now(), own.cpu}, err
}

// busy returns the share of a core that this process has taken since; where it
// is about 1, what is measured is this process.
func (s spell) busy() (float64, error) {
	own, err := usageOf(os.Getpid())
	return (own.cpu - s.cpu).Seconds() / time.Since(s.start).Seconds(), err
}

// schedClock is CPUCLOCK_SCHED: a process's clock is named by its inverted id,
// shifted, and this.
const schedClock = 2

func kibibytes(value string) (int64, error) {
	return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
}

// forgetPeak has the peak of a process's memory begin anew.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
