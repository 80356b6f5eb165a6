package pump

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Descriptor returns the connection's socket as a descriptor of its own, which
// does not block: the connection can be closed then, and nothing of the runtime
// stays with the socket.
func Descriptor(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	fd := -1
	var dupErr error
	// File() of a connection would make the socket block for all who share it.
	if err := raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if dupErr != nil {
		return -1, fmt.Errorf("socket: %w", dupErr)
	}
	return fd, nil
}
