package conn

import (
	"io"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// This file is the connection while several requests are on it (RFC 9112 §9.3.2).
// From Pipeline to Park or Close two goroutines may be at it: one that writes, with
// Send, and one that reads, with Receive, TakeHead and TakeBody. What one of them
// touches the other does not: the socket takes a Read beside a Write.

// shared is where the reading of a pipeline's answers stands. It is the reader's.
type shared struct {
	parsing bool  // the head has been begun
	headed  bool  // it has been taken: the body is next
	size    int64 // of the body so far
}

// Pipeline makes an idle connection ready for it.
func (c *Conn) Pipeline() {
	c.start()
	c.sentAll, c.finished, c.keep = true, true, true // nothing is owed
	c.shared = shared{}
	c.borrow()
}

// Send writes requests. n is how many bytes were handed to the socket.
func (c *Conn) Send(p []byte) (n int, err error) {
	if n, err = c.write(p); err != nil {
		err = c.sock.why(err)
	}
	return n, err
}

// Unsure tells that a Send which failed may have handed over more than it told.
func (c *Conn) Unsure() bool { return c.sock.unsure() }

// GiveUpSoon bounds what is still read behind a Send that failed: what the server had
// answered before is there already.
func (c *Conn) GiveUpSoon() {
	c.sock.SetReadDeadline(time.Now().Add(lookTime))
}

// PatientUntil bounds the reads to come; the zero time does not.
func (c *Conn) PatientUntil(t time.Time) { c.sock.SetReadDeadline(t) }

// Receive reads once. The peer's FIN is an error, unless it ends a body.
func (c *Conn) Receive() error {
	err := c.fill()
	if err == nil {
		return nil
	}
	switch {
	case c.shared.headed:
		return c.bodyEnd(err)
	case err != io.EOF:
		return err
	case c.Begun():
		return c.sock.why(http1.ErrTruncated)
	}
	return c.sock.why(ErrServerClosed)
}

// Begun tells whether some of the next answer has come.
func (c *Conn) Begun() bool { return c.shared.headed || c.heads.Interim() || c.r < c.w }

// Persists tells whether the last answer's head lets the connection live on.
func (c *Conn) Persists() bool { return c.keep }

// Headed tells whether the head of the answer at hand has been taken: its body is due.
func (c *Conn) Headed() bool { return c.shared.headed }

// TakeHead takes the next final answer's head out of what has been received, as
// ReadHead does. http1.ErrNeedMore: it is not there yet; call again with the same h
// after a Receive.
func (c *Conn) TakeHead(method string, h *http1.Head, dst []byte, limits http1.Limits) ([]byte, error) {
	p := &c.shared
	for {
		if !p.parsing {
			h.Reset()
			p.parsing = true
		}
		if c.r == c.w {
			return dst, http1.ErrNeedMore
		}
		n, final, err := c.heads.Next(h, c.buf[c.r:c.w], c.reading(limits))
		if err != nil {
			if err == http1.ErrHeadTooLarge {
				err = ErrTooLarge
			}
			return dst, err
		}
		c.showHead(n)
		if final {
			head := c.buf[c.r : c.r+n]
			dst = append(dst, head...)
			c.r += n
			c.keep = h.KeepAlive()
			p.headed, p.parsing, p.size = true, false, 0
			return dst, c.startBody(method, h, head)
		}
		c.r += n
		p.parsing = false
	}
}

// TakeBody takes what has been received of the body that is due, as ReadAll does.
// http1.ErrNeedMore: that was not all of it.
func (c *Conn) TakeBody(dst []byte, max int64) ([]byte, error) {
	p := &c.shared
	if max > 0 && c.body.Length() > max {
		return dst, ErrTooLarge
	}
	for !c.finished {
		if c.r == c.w {
			return dst, http1.ErrNeedMore
		}
		data, n, err := c.body.Next(c.buf[c.r:c.w])
		c.showBody(data)
		c.r += n
		c.finished = c.body.Done()
		dst = append(dst, data...)
		if p.size += int64(len(data)); max > 0 && p.size > max {
			return dst, ErrTooLarge
		}
		if err != nil && err != http1.ErrNeedMore {
			return dst, err
		}
	}
	p.headed = false
	c.heads.Reset()
	return dst, nil
}
