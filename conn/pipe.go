package conn

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Pipe is a way for large bodies from the socket to a file or another socket inside the
// kernel, without a copy through this process. It stands between the two: a Conn fills
// it with Splice, and its owner empties it with Flush, so that neither ever waits for
// the other. Close it after use.
//
//	state   event                      next    effect
//	new     Splices: large payload     open    a pipe of the kernel's is made
//	new     Splices: none can be had   closed
//	open    Flush: splice is refused   closed  what the pipe holds goes through memory
//	any     Close                      closed
type Pipe struct {
	dst  io.Writer
	raw  syscall.RawConn // dst's
	open bool
	r, w int // descriptors, while open
	size int // how many bytes a Splice may bring
	held int // bytes in it

	// One splice of either end. The functions are made once, and leave their results in
	// moved and failed.
	in, out func(fd uintptr) (over bool)
	most    int
	moved   int
	failed  error
}

const (
	// spliceFrom is how much payload has to come next for a pipe to be made: measured to
	// a file, below 512 KiB making it costs more than it saves, and from 1 MiB on less.
	spliceFrom = 1 << 20

	// spliceOn is the same once there is a pipe.
	spliceOn = 64 << 10
)

// NewPipe is a pipe to dst; nil where dst is nothing that the kernel can write to, or
// the system knows no splice. A type that embeds a file or a socket has a Write of its
// own, which must not be passed by.
func NewPipe(dst io.Writer) *Pipe {
	var sc syscall.Conn
	switch dst := dst.(type) {
	case *os.File:
		sc = dst
	case *net.TCPConn:
		sc = dst
	case *net.UnixConn:
		sc = dst
	}
	if sc == nil || !canSplice {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil { // closed, or nil: its Write says so
		return nil
	}
	return &Pipe{dst: dst, raw: raw}
}

// Splices tells whether what comes next of the body is for Splice, and not for Read: the
// head of a long piece that no framing interrupts, of which nothing has been read, over
// a socket that nothing lies over.
func (c *Conn) Splices(p *Pipe) bool {
	least := int64(spliceFrom)
	if p.open {
		least = spliceOn
	}
	if !c.direct || c.secure || c.tap != nil || c.pending != nil || c.r < c.w || c.body.Want() < least {
		return false
	}
	return p.ready()
}

// Splice moves what has come of the body into p, which must be empty, waiting for the
// first of it. Done tells that the body has ended. A splice that the system refuses
// closes the pipe and is no error: n is 0, and Read goes on.
func (c *Conn) Splice(p *Pipe) (n int, done bool, err error) {
	want := min(c.body.Want(), int64(p.size))
	n, err = p.fill(c.sock.raw, int(want))
	c.body.Took(n)
	c.finished = c.body.Done()
	switch {
	case err == nil:
	case !p.open:
		err = nil
	case !c.finished:
		err = c.bodyEnd(c.readError(err))
	}
	return n, c.finished, err
}

// Flush writes what p holds, with buf's help where the kernel can't. The error is the
// writer's own.
func (p *Pipe) Flush(buf []byte) (n int, err error) {
	if n = p.empty(); p.held == 0 {
		return n, nil
	}
	defer p.Close() // it would be refused again
	for p.held > 0 {
		k, err := p.read(buf)
		if err != nil {
			return n, err
		}
		p.held -= k
		k, err = WriteAll(p.dst, buf[:k]) // works, or says what is wrong in the writer's words
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

// WriteAll is dst.Write, but that it holds dst to io.Writer's contract.
func WriteAll(dst io.Writer, p []byte) (int, error) {
	n, err := dst.Write(p)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	return max(0, min(n, len(p))), err
}
