package web

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the processor's time that the process has taken.
func processTime() time.Duration {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
