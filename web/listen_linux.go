package web

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// notSentLowat is how much a connection may hold that the network has not taken:
// without a bound the kernel swallows megabytes for each reader that stalls.
const notSentLowat = 128 << 10

// socketControl sets, on the listening socket, what its connections inherit. A
// dead link otherwise takes heartbeats into its buffer for a quarter of an hour.
func socketControl(writeTimeout time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		controlErr := c.Control(func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds())),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat),
			)
		})
		return errors.Join(controlErr, err)
	}
}
