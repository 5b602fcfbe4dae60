//go:build unix

package conn

import "syscall"

// canPeek tells that a socket can be looked at without reading.
const canPeek = true

// peek looks at the first byte in the receive queue. It costs little more than a
// call into the kernel does.
func peek(fd uintptr) lookResult {
	for {
		n, err := rawPeek(fd)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return lookQuiet
		case err == nil && n > 0:
			return lookBytes
		default:
			return lookClosed
		}
	}
}
