package conn

import (
	"io"
	"net"
	"time"
)

// canned is a server's bytes as a net.Conn. It has no goroutines, and a Read
// never waits: behind the bytes it gives end, or io.EOF.
type canned struct {
	in    []byte
	cut   func() int // size of the next piece; nil: all that fits
	end   error
	loop  []byte // what comes for ever behind in
	again bool   // each Write starts in anew

	read  int // bytes given so far
	ends  int // how often end was given
	room  int // Writes take so many bytes before they fail; below 0 all
	full  error
	wrote int

	deadlines int
	closed    bool
}

func newCanned(in string) *canned { return &canned{in: []byte(in), room: -1} }

func (c *canned) Read(p []byte) (int, error) {
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.cut != nil {
		p = p[:min(len(p), max(1, c.cut()))]
	}
	if c.read < len(c.in) {
		n := copy(p, c.in[c.read:])
		c.read += n
		return n, nil
	}
	if len(c.loop) > 0 {
		n := 0
		for n < len(p) {
			k := copy(p[n:], c.loop[(c.read-len(c.in))%len(c.loop):])
			c.read += k
			n += k
		}
		return n, nil
	}
	c.ends++
	if c.end != nil {
		return 0, c.end
	}
	return 0, io.EOF
}

func (c *canned) Write(p []byte) (int, error) {
	if c.again {
		c.read = 0
	}
	n := len(p)
	if c.room >= 0 && c.wrote+n > c.room {
		n = c.room - c.wrote
		c.wrote += n
		return n, c.full
	}
	c.wrote += n
	return n, nil
}

func (c *canned) Close() error {
	c.closed = true
	return nil
}

func (c *canned) LocalAddr() net.Addr              { return cannedAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return cannedAddr{} }
func (c *canned) SetDeadline(time.Time) error      { c.deadlines++; return nil }
func (c *canned) SetReadDeadline(time.Time) error  { c.deadlines++; return nil }
func (c *canned) SetWriteDeadline(time.Time) error { c.deadlines++; return nil }

type cannedAddr struct{}

func (cannedAddr) Network() string { return "memory" }
func (cannedAddr) String() string  { return "memory:1" }
