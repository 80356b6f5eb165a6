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

// keepAlive has package net leave alone what the listening socket has already
// said: four system calls for each connection.
const keepAlive = -1

// keepAliveEvery is how often a silent connection is probed, in seconds, and
// keepAliveTries how many unanswered probes it outlives; as package net has it.
const (
	keepAliveEvery = 15
	keepAliveTries = 9
)

// socketControl sets, on the listening socket, what its connections inherit. A
// dead link otherwise takes heartbeats into its buffer for a quarter of an hour.
// Connections are accepted when their first bytes have come, or after a second.
func socketControl(writeTimeout time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		controlErr := c.Control(func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds())),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveEvery),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveEvery),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveTries),
			)
		})
		return errors.Join(controlErr, err)
	}
}
