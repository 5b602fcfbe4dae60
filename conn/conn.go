package conn

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Conn is one connection. See the package comment for who may call what.
type Conn struct {
	sock   *socket
	nc     net.Conn // what is read and written: sock, or TLS over it
	remote net.Addr

	buffers *Buffers
	lent    *[]byte // nil while idle
	buf     []byte  // *lent
	r, w    int     // buf[r:w] has been read from the socket and not been used

	body     http1.Body
	begun    bool // a request was
	sentAll  bool // the whole request went out
	keep     bool // the answer's head allows reuse
	finished bool // the whole answer came in
	unseen   bool // the last read left no room: more may wait behind it
	dead     bool // a look said so, and may have taken what it saw

	direct bool // a socket of package net, whose descriptor may be used behind its back
	ask    ask
}

// New takes over nc, a freshly opened socket.
func New(nc net.Conn, buffers *Buffers) *Conn {
	s := newSocket(nc)
	c := &Conn{sock: s, nc: s, remote: nc.RemoteAddr(), buffers: buffers}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.direct = s.raw != nil
	}
	return c
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// secure tells whether TLS lies over the socket.
func (c *Conn) secure() bool { return c.nc != net.Conn(c.sock) }

// Interrupt ends the connection from any goroutine: what is being read or
// written returns at once, and every error from then on wraps cause. Only the
// first cause counts.
func (c *Conn) Interrupt(cause error) { c.sock.interrupt(cause) }

// Close ends the connection. Over TLS it says so to the peer where that can't
// block for long (RFC 9112 §9.8).
func (c *Conn) Close() {
	if t, ok := c.nc.(*tls.Conn); ok && c.Reusable() && c.sock.cause.Load() == nil {
		t.Close()
	}
	c.sock.Close()
	c.giveBack()
}

// Write sends a request's head and the body behind it, in one system call where
// the socket can. whole tells that nothing more of the request follows.
func (c *Conn) Write(head, body []byte, whole bool) (Sent, error) {
	c.begun, c.sentAll, c.keep, c.finished = true, false, false, false
	var n int64
	var err error
	if len(body) == 0 {
		var k int
		k, err = c.nc.Write(head)
		n = int64(k)
	} else {
		parts := net.Buffers{head, body}
		n, err = parts.WriteTo(c.gatherer())
	}
	return c.sent(n, int64(len(head)+len(body)), whole, err)
}

// gatherer is where several pieces are written to. Only the sockets of package
// net know writev; a driver's conn that embeds one would have its own Write passed
// by.
func (c *Conn) gatherer() net.Conn {
	if c.secure() {
		return c.nc
	}
	if c.direct {
		return c.sock.Conn
	}
	return c.nc
}

// More sends a further piece of the body. whole tells that it is the last, which
// may be empty.
func (c *Conn) More(p []byte, whole bool) (Sent, error) {
	if len(p) > 0 { // TLS would send an empty record
		if _, err := c.nc.Write(p); err != nil {
			return SentPart, c.sock.why(err)
		}
	}
	c.sentAll = whole
	return c.evidence(), nil
}

// SendFile sends size bytes of f from its offset, as the last of the body. Over
// a plain TCP socket the kernel does it.
func (c *Conn) SendFile(f *os.File, size int64) (Sent, error) {
	src := &io.LimitedReader{R: f, N: size}
	var n int64
	var err error
	if rf, ok := c.sock.Conn.(io.ReaderFrom); ok && !c.secure() {
		n, err = rf.ReadFrom(src)
	} else {
		lent := c.buffers.get()
		n, err = io.CopyBuffer(struct{ io.Writer }{c.nc}, struct{ io.Reader }{src}, *lent)
		c.buffers.put(lent)
	}
	if err == nil && n < size {
		err = &ShortFileError{Want: size, Got: n}
	}
	if err != nil {
		return SentPart, c.sock.why(err)
	}
	c.sentAll = true
	return SentAll, nil
}

// sent turns the outcome of writing n of total bytes into evidence.
func (c *Conn) sent(n, total int64, whole bool, err error) (Sent, error) {
	switch {
	case err == nil:
		c.sentAll = whole
		return c.evidence(), nil
	case n == 0:
		return SentNothing, c.sock.why(err)
	case n < total || !whole:
		return SentPart, c.sock.why(err)
	}
	return SentAll, c.sock.why(err)
}

func (c *Conn) evidence() Sent {
	if c.sentAll {
		return SentAll
	}
	return SentPart
}

// Reusable tells whether another request may follow: the whole request went
// out, the whole answer came in, both sides want to go on, and nothing is left
// over (RFC 9112 §9.3, §9.5). A connection that was never used is reusable.
func (c *Conn) Reusable() bool {
	switch {
	case c.dead:
		return false
	case !c.begun:
		return true
	}
	return c.sentAll && c.finished && c.keep && c.r == c.w
}

// Finished tells whether the whole answer came in.
func (c *Conn) Finished() bool { return c.finished }

// Park gives the read buffer back while nothing is due.
func (c *Conn) Park() {
	if c.r < c.w {
		c.keep = false // what is left over goes, that it was there stays
	}
	c.giveBack()
}

// borrow takes a read buffer, for as long as an answer is due.
func (c *Conn) borrow() {
	if c.lent == nil {
		c.lent = c.buffers.get()
		c.buf = *c.lent
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
}

func (c *Conn) giveBack() {
	if c.lent == nil {
		return
	}
	c.buffers.put(c.lent)
	c.lent, c.buf, c.r, c.w = nil, nil, 0, 0
}

// freshFor is how long after its last use a connection that can't be looked at
// without waiting is taken as alive. What came with the last answer has been seen
// in the buffer already.
const freshFor = time.Millisecond

// Alive looks at an idle connection before it is used again: a FIN or bytes that
// nobody asked for make it useless (RFC 9112 §9.2). idle is how long it has been
// unused.
func (c *Conn) Alive(idle time.Duration) bool {
	if c.dead || c.sock.cause.Load() != nil {
		return false
	}
	if !c.secure() && c.sock.raw == nil && !c.unseen && idle < freshFor {
		return true
	}
	c.dead = !c.sock.quiet(c.nc)
	return !c.dead
}

// Suspect tells whether an idle connection is worth a call to Alive. Any
// goroutine may ask; the answer means something only if the connection was idle
// before and after.
func (c *Conn) Suspect() bool { return c.sock.see() != sightQuiet }

// Spoiled tells whether a look without waiting finds that an idle connection is
// closed or has bytes that nobody asked for. Any goroutine may ask, as with
// Suspect. Over TLS the bytes may have been no more than session tickets.
func (c *Conn) Spoiled() bool {
	what := c.sock.see()
	return what == sightBytes || what == sightClosed
}
