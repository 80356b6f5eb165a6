//go:build !linux

package web

import (
	"syscall"
	"time"
)

// keepAlive leaves connections to package net.
const keepAlive = 0

// socketControl has nothing to set here.
func socketControl(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
