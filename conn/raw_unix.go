//go:build unix && (race || !(linux && (amd64 || arm64)))

package conn

import "syscall"

// The three calls of a small request, where the system or its calling convention
// offers no shorter way. The race detector needs to see them: a handler in the same
// process that runs between a request and its answer has then happened before what
// follows the call. See raw_linux.go.

func rawWrite(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

func rawRead(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

// rawPeek reads one byte and leaves it where it is.
func rawPeek(fd uintptr) (int, error) {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}
