package pump

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Send writes to a socket, which does not block. What it does not take now is no
// error.
//
// The call is made without telling the scheduler, as for one that cannot block
// and returns within microseconds. Otherwise each of the thousands in a row looks
// like the beginning of a wait to the runtime's monitor, which then wakes every
// 20 µs to look and, where there is one processor, interrupts what it looks
// after: an eighth of the time. And it is send(2), not write(2), to pass over
// what is for files.
func Send(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// writable reports whether a socket would be told to take more.
func writable(fd int) bool {
	look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(look, 0)
	return err == nil && n > 0 && look[0].Revents&unix.POLLOUT != 0
}
