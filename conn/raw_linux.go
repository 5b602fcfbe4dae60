//go:build (amd64 || arm64) && !race

package conn

import (
	"syscall"
	"unsafe"
)

// The three calls of a small request, on sockets that never block. They go past the
// runtime's bookkeeping for calls that may: telling it costs a tenth of a small request
// (docs/decisions/0006-ask.md). A call here returns within microseconds, so no
// goroutine that shares the thread waits long for it. send and recv know that they are
// for sockets, and pass by what write and read do for files. As syscall's functions
// they leave it to the caller to try again after EINTR.

func rawWrite(fd uintptr, p []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	return result(n, e)
}

func rawRead(fd uintptr, p []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT, 0, 0)
	return result(n, e)
}

// rawPeek reads one byte and leaves it where it is.
func rawPeek(fd uintptr) (int, error) {
	var one [1]byte
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&one)), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return result(n, e)
}

func result(n uintptr, e syscall.Errno) (int, error) {
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
