//go:build unix

package conn

import (
	"net"
	"os"
	"syscall"
)

// ask is the shortest way through the kernel for a small request on a plain
// socket: look, write, and wait for the answer at once. A Read behind a Write
// would first try in vain, since no answer is ever there that soon, and that costs
// as much as the look does.
//
//	step   does                               then
//	look   peeks at what nobody asked for     stale: over; quiet: write
//	write  writes the request                 not all of it: over; all: the goroutine parks
//	read   reads what has come                nothing yet: parks again; else over
//
// The steps run inside RawConn.Read, which clears the socket's readiness before
// the first: whatever arrives after the look wakes the goroutine up.
type ask struct {
	step  func(fd uintptr) bool // made once
	out   []byte
	asked bool
	stale bool
	n     int   // written
	werr  error // of the write
}

// CanAsk tells whether Ask works on this connection.
func (c *Conn) CanAsk() bool { return c.direct && !c.secure && c.tap == nil }

// Ask sends a whole request at hand and waits until its answer begins, which the
// next ReadHead takes up. A connection that turned out not to be Alive gives
// ErrStale, and nothing was written.
func (c *Conn) Ask(head []byte) (Sent, error) {
	if c.dead || c.sock.cause.Load() != nil {
		return SentNothing, ErrStale
	}
	fresh := !c.begun
	c.start()
	a := &c.ask
	if a.step == nil {
		a.step = c.askStep
	}
	a.out, a.asked, a.stale, a.n, a.werr = head, false, false, 0, nil
	err := c.sock.raw.Read(a.step)
	a.out = nil
	switch {
	case a.stale:
		if c.dead = true; fresh {
			c.hearGreeting()
		}
		return SentNothing, ErrStale
	case a.werr != nil:
		err = &net.OpError{Op: "write", Net: "tcp", Addr: c.remote, Err: os.NewSyscallError("write", a.werr)}
	case !a.asked: // the socket was closed from outside
	case a.n < len(head):
		c.watch.head = isHead(head)
		c.watchOut()
		var k int64
		k, err = c.put(nil, head[a.n:])
		a.n += int(k)
	default:
		c.sentAll = true
		return SentAll, nil // what went wrong afterwards, the next read tells
	}
	return c.sent(int64(a.n), int64(len(head)), true, err)
}

func (c *Conn) askStep(fd uintptr) (over bool) {
	a := &c.ask
	if a.asked {
		return c.askRead(fd)
	}
	if a.stale = peek(fd) != lookQuiet; a.stale {
		return true
	}
	a.asked = true
	n, err := rawWrite(fd, a.out)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return true // net.Conn's Write goes on from here
	}
	a.n, a.werr = max(n, 0), err
	if err != nil || a.n < len(a.out) {
		return true
	}
	c.stamp()
	return false
}

// The buffer is borrowed only now, and so is one that was used a moment ago: those who
// wait hold none.
func (c *Conn) askRead(fd uintptr) (over bool) {
	c.borrow()
	for {
		n, err := rawRead(fd, c.buf)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			c.giveBack()
			return false
		case err != nil:
			c.pending = &net.OpError{Op: "read", Net: "tcp", Addr: c.remote, Err: os.NewSyscallError("read", err)}
			return true
		default:
			c.heard = n > 0
			c.w = n // none: the peer has closed, and the next read says so again
			return true
		}
	}
}
