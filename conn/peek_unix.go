//go:build unix

package conn

import "syscall"

// peek looks at the first byte in the receive queue. It costs about 0.4 µs.
func peek(fd uintptr) sight {
	var one [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return sightQuiet
		case err == nil && n > 0:
			return sightBytes
		default:
			return sightClosed
		}
	}
}
