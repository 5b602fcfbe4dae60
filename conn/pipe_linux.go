package conn

import (
	"io"
	"net"
	"os"
	"syscall"
)

const (
	canSplice = true

	// sendfileResumes tells that a sendfile which a deadline ends says how much went out.
	sendfileResumes = true

	// pipeSize is what a pipe is to hold. It is what an unprivileged process may ask
	// for (/proc/sys/fs/pipe-max-size); one that has too many pipes gets less.
	pipeSize = 1 << 20

	setPipeSize = 1031      // F_SETPIPE_SZ, which package syscall leaves out
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE, SPLICE_F_NONBLOCK
)

// ready opens the pipe where that has not been tried.
func (p *Pipe) ready() bool {
	if p.open || p.raw == nil {
		return p.open
	}
	var fds [2]int
	if syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		p.raw = nil // out of descriptors: memory will do
		return false
	}
	p.r, p.w, p.open = fds[0], fds[1], true
	p.size = 64 << 10 // the system's default
	if n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(p.w), setPipeSize, pipeSize); errno == 0 {
		p.size = int(n)
	}
	p.in = func(fd uintptr) (over bool) { return p.splice(int(fd), p.w, p.most) }
	p.out = func(fd uintptr) (over bool) { return p.splice(p.r, int(fd), p.held) }
	return true
}

// Close is idempotent. What the pipe holds is lost.
func (p *Pipe) Close() {
	if p.open {
		syscall.Close(p.r)
		syscall.Close(p.w)
	}
	p.open, p.raw = false, nil
}

// fill moves up to n bytes from a socket into the pipe, waiting for the first of them.
// io.EOF is the peer's FIN. After an error that is not the socket's the pipe is closed.
func (p *Pipe) fill(from syscall.RawConn, n int) (int, error) {
	p.most = n
	err := from.Read(p.in) // the pipe is empty: only the socket may have to be waited for
	got, failed := p.moved, p.failed
	switch {
	case err != nil:
		return 0, err
	case failed == nil && got == 0:
		return 0, io.EOF
	case failed == syscall.ECONNRESET, failed == syscall.ETIMEDOUT, failed == syscall.EPIPE,
		failed == syscall.EHOSTUNREACH, failed == syscall.ENETUNREACH:
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("splice", failed)}
	case failed != nil: // a sandbox, say: a Read will tell what is wrong, if anything is
		p.Close()
		return 0, failed
	}
	p.held = got
	return got, nil
}

// empty moves what the pipe holds on to its destination, and leaves in it what that did
// not take.
func (p *Pipe) empty() (n int) {
	for p.held > 0 && p.open {
		if err := p.raw.Write(p.out); err != nil || p.failed != nil || p.moved == 0 {
			break
		}
		n += p.moved
		p.held -= p.moved
	}
	return n
}

// read takes what the pipe holds into memory.
func (p *Pipe) read(buf []byte) (int, error) {
	for {
		n, err := syscall.Read(p.r, buf[:min(len(buf), p.held)])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		default:
			return n, nil
		}
	}
}

// splice moves up to n bytes. It is over unless one of the two is to be waited for.
func (p *Pipe) splice(from, to, n int) (over bool) {
	for {
		k, err := syscall.Splice(from, nil, to, nil, n, spliceFlags)
		if err == syscall.EINTR {
			continue
		}
		p.moved, p.failed = max(int(k), 0), err
		return err != syscall.EAGAIN
	}
}
