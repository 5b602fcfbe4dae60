package conn

import (
	"fmt"
	"io"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const (
	// firstGrowth bounds how much memory a Content-Length alone can claim: the
	// rest is taken as bytes arrive.
	firstGrowth = 1 << 20

	// maxGrowth is the largest room that is looked for at once, so that it is an int
	// everywhere.
	maxGrowth = 1 << 30

	// bulk is from where on a chunk is read straight into the caller's memory:
	// below it, reading the next chunk's frame along saves a system call.
	bulk = bufferSize / 2
)

// ReadHead reads the final answer's head, skipping interim ones. dst receives its
// bytes, and h refers to them. timeout bounds the wait; 0 means no bound.
func (c *Conn) ReadHead(method string, h *http1.Head, dst []byte, limits http1.Limits, timeout time.Duration) ([]byte, error) {
	c.unwatch()
	if timeout > 0 {
		c.sock.SetReadDeadline(time.Now().Add(timeout))
		defer c.sock.SetReadDeadline(time.Time{})
	}
	c.borrow()
	for {
		n, final, err := c.parseHead(h, limits)
		if err != nil {
			return dst, err
		}
		c.showHead(n)
		if final {
			head := c.buf[c.r : c.r+n]
			dst = append(dst, head...)
			c.r += n
			c.keep = h.KeepAlive()
			return dst, c.startBody(method, h, head)
		}
		c.r += n
	}
}

// SetLenient has answers read leniently (http1.Limits).
func (c *Conn) SetLenient() { c.lenient = true }

// reading are limits with how this connection reads.
func (c *Conn) reading(limits http1.Limits) http1.Limits {
	limits.Lenient, limits.Secret = c.lenient, SecretField
	return limits
}

func (c *Conn) startBody(method string, h *http1.Head, head []byte) error {
	if err := c.body.Start(method, h, head, c.reading(http1.Limits{})); err != nil {
		return err
	}
	if c.body.Framing() == http1.FramingUntilClose {
		c.keep = false
	}
	c.finished = c.body.Done()
	return nil
}

// parseHead parses one head at buf[r:], reading as long as it needs more.
func (c *Conn) parseHead(h *http1.Head, limits http1.Limits) (n int, final bool, err error) {
	h.Reset()
	for {
		if c.r < c.w {
			n, final, err = c.heads.Next(h, c.buf[c.r:c.w], c.reading(limits))
			if err == http1.ErrHeadTooLarge {
				return 0, false, ErrTooLarge
			}
			if err != http1.ErrNeedMore {
				return n, final, err
			}
		}
		if err := c.fill(); err != nil {
			if err != io.EOF {
				return 0, false, err
			}
			if c.r == c.w {
				return 0, false, c.sock.why(ErrServerClosed)
			}
			return 0, false, c.sock.why(http1.ErrTruncated)
		}
	}
}

// fill reads what the socket has into the buffer, making room first. An io.EOF is
// returned bare; other errors carry the cause of an interruption.
func (c *Conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else {
			c.buf = append(c.buf, make([]byte, len(c.buf))...) // only heads get here: they are bounded
			*c.lent = c.buf
		}
	}
	n, err := c.read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return c.readError(err)
}

// read is the only way, but for Ask's, in which bytes of an answer come in.
func (c *Conn) read(p []byte) (int, error) {
	if err := c.pending; err != nil {
		c.pending = nil
		return 0, err
	}
	if c.heard && c.firstAt == 0 && c.clock != nil {
		c.firstAt = c.clock()
	}
	n, err := c.nc.Read(p)
	if n > 0 {
		c.heard = true
	}
	return n, err
}

// readError makes the peer's FIN an io.EOF: the TLS of this connection calls one inside
// a record unexpected. From below, as from a driver's TLS, that is an error.
func (c *Conn) readError(err error) error {
	if (err == io.EOF || c.secure && err == io.ErrUnexpectedEOF) && c.sock.cause.Load() == nil {
		return io.EOF
	}
	return c.sock.why(err)
}

// TakeBuffered appends to dst what of the body has come in already, up to max bytes of it;
// max <= 0 means no bound. It does not wait for more.
func (c *Conn) TakeBuffered(dst []byte, max int64) ([]byte, error) {
	left := int64(c.w - c.r)
	if max > 0 {
		left = min(left, max)
	}
	if left > 0 && !c.finished {
		dst = c.buffers.Grow(dst, int(left), int(left))
	}
	for c.r < c.w && !c.finished && left > 0 {
		n, err := c.readShown(dst[len(dst) : len(dst)+int(left)])
		dst = dst[:len(dst)+n]
		left -= int64(n)
		if err != nil {
			return dst, err
		}
	}
	return dst, c.readFrame()
}

// ReadAll appends the whole body to dst. A body of more than max bytes is
// ErrTooLarge; max <= 0 means no bound.
func (c *Conn) ReadAll(dst []byte, max int64) ([]byte, error) {
	return c.ReadRest(dst, len(dst), max)
}

// ReadRest is ReadAll where dst holds the beginning of the body already, from start on.
func (c *Conn) ReadRest(dst []byte, start int, max int64) ([]byte, error) {
	if max > 0 && c.body.Length() > max {
		return dst, ErrTooLarge
	}
	if c.body.Framing() == http1.FramingLength && !c.finished {
		dst = c.room(dst, firstGrowth, c.body.Want())
	}
	for !c.finished {
		var err error
		if want := c.body.Want(); c.r == c.w && (want >= bulk || c.body.Framing() == http1.FramingLength) {
			dst, err = c.readBulk(dst, want)
		} else {
			dst, err = c.readFramed(dst)
		}
		if err != nil {
			return dst, err
		}
		if max > 0 && int64(len(dst)-start) > max {
			return dst, ErrTooLarge
		}
	}
	return dst, nil
}

// room makes room for payload, of which want bytes are announced and need are worth a
// read.
func (c *Conn) room(dst []byte, need, want int64) []byte {
	if c.body.Framing() != http1.FramingLength {
		want = min(want, int64(max(len(dst), bufferSize))) // doubles: chunks don't tell how many there are
	}
	return c.buffers.Grow(dst, int(min(want, need)), int(min(want, maxGrowth)))
}

// readBulk reads payload that no framing interrupts straight into dst.
func (c *Conn) readBulk(dst []byte, want int64) ([]byte, error) {
	dst = c.room(dst, bulk, want)
	room := dst[len(dst):cap(dst)]
	if int64(len(room)) > want {
		room = room[:want]
	}
	n, err := c.readPayload(room)
	return dst[:len(dst)+n], err
}

// readPayload reads payload that no framing interrupts straight into p.
func (c *Conn) readPayload(p []byte) (int, error) {
	n, err := c.read(p)
	c.showBody(p[:n])
	c.body.Took(n)
	c.finished = c.body.Done()
	if err != nil && !c.finished {
		return n, c.bodyEnd(c.readError(err))
	}
	return n, nil
}

// readFramed takes what the buffer holds through the framing, or fills it.
func (c *Conn) readFramed(dst []byte) ([]byte, error) {
	if c.r < c.w {
		data, n, err := c.body.Next(c.buf[c.r:c.w])
		c.showBody(data)
		c.r += n
		if len(data) > cap(dst)-len(dst) {
			dst = c.buffers.Grow(dst, len(data), max(len(data), len(dst))) // doubles
		}
		dst = append(dst, data...)
		c.finished = c.body.Done()
		if err != http1.ErrNeedMore {
			return dst, err
		}
		if c.finished {
			return dst, nil
		}
	}
	return dst, c.bodyEnd(c.fill())
}

// bodyEnd decides what the peer's FIN means for the body.
func (c *Conn) bodyEnd(err error) error {
	if err != io.EOF {
		return err
	}
	if err := c.body.End(); err != nil {
		return err
	}
	if c.secure && c.sock.sawEOF {
		// RFC 9112 §9.8: without a close_notify the end may be an attacker's.
		return errIncompleteClose
	}
	if c.torn {
		return errTorn
	}
	c.finished = true
	return nil
}

var errIncompleteClose = fmt.Errorf("%w: TLS ended without a close_notify (RFC 9112 §9.8)", http1.ErrTruncated)

// errTorn is of a body until close behind a write that failed. The kernel tells of
// a reset once, and that was the write's error: to the reader it looks like a FIN.
var errTorn = fmt.Errorf("%w: the server reset the connection", http1.ErrTruncated)

// Read reads body bytes into p: what has come, or, with fill, as much as p holds. Done
// tells that the body has ended.
func (c *Conn) Read(p []byte, fill bool) (n int, done bool, err error) {
	for n < len(p) && !c.finished && (fill || n == 0) {
		if c.r == c.w {
			if want := c.body.Want(); want >= bulk && len(p)-n >= bulk {
				room := p[n:]
				if int64(len(room)) > want {
					room = room[:want]
				}
				k, err := c.readPayload(room)
				n += k
				if err != nil {
					return n, false, err
				}
				continue
			}
			if err := c.bodyEnd(c.fill()); err != nil {
				return n, false, err
			}
			continue
		}
		// Next hands over what fits: never more payload than it is shown bytes.
		k, err := c.readShown(p[n:])
		n += k
		if err != nil {
			return n, false, err
		}
	}
	if err := c.readFrame(); err != nil {
		return n, false, err
	}
	return n, c.finished, nil
}

// readShown takes what the buffer holds, showing the codec no more than fits
// into p: payload is never longer than what it came in.
func (c *Conn) readShown(p []byte) (int, error) {
	in := c.buf[c.r:c.w]
	if len(in) > len(p) {
		in = in[:len(p)]
	}
	data, k, err := c.body.Next(in)
	c.showBody(data)
	c.r += k
	c.finished = c.body.Done()
	if err == http1.ErrNeedMore {
		err = nil
	}
	return copy(p, data), err
}

// readFrame reads framing that has arrived already, up to the next payload: the
// last chunk's frame mostly comes with its data, and tells that the body is over.
func (c *Conn) readFrame() error {
	for !c.finished && c.r < c.w && c.body.Want() == 0 {
		_, k, err := c.body.Next(c.buf[c.r : c.r+1])
		if err != nil && err != http1.ErrNeedMore {
			return err
		}
		c.r += k
		c.finished = c.body.Done()
	}
	return nil
}

// Drain reads and drops the rest of a body where that takes no more than max
// bytes and no longer than patience. It reports whether the body is over.
func (c *Conn) Drain(max int64, patience time.Duration) bool {
	if c.body.Framing() != http1.FramingChunked && c.body.Want() > max+int64(c.w-c.r) {
		return false
	}
	c.sock.SetReadDeadline(time.Now().Add(patience))
	defer c.sock.SetReadDeadline(time.Time{})
	lent := c.buffers.get()
	defer c.buffers.put(lent)
	for !c.finished && max > 0 {
		n, _, err := c.Read((*lent)[:min(max, bufferSize)], true)
		if err != nil {
			return false
		}
		max -= int64(n)
	}
	return c.finished
}
