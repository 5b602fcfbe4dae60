package actors

import (
	"context"
	"slices"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// This file is the caller's side of an answer whose head has come: its body is read piece
// by piece, taken whole, skipped, or given up.

// Read reads the next bytes of a streamed body into p, under the context of Do: what
// has come, or, with fill, as much as p holds. When done is true the body has ended and
// the connection been freed.
func (s *Scheduler) Read(c *Call, p []byte, fill bool) (n int, done bool, err error) {
	if c.done {
		return 0, true, nil
	}
	c.inParts()
	c.into, c.fill, c.n, c.pipe = p, fill, 0, nil
	err = s.step(c, (*read)(c))
	return c.n, c.done, err
}

// Splice is Read, but that it fills pipe instead of p where the kernel can move the
// next bytes. piped tells that it did so. The pipe must be empty.
func (s *Scheduler) Splice(c *Call, p []byte, pipe *conn.Pipe) (n int, piped, done bool, err error) {
	if c.done {
		return 0, false, true, nil
	}
	c.inParts()
	c.into, c.fill, c.n, c.pipe, c.piped = p, false, 0, pipe, false
	err = s.step(c, (*read)(c))
	c.pipe = nil
	return c.n, c.piped, c.done, err
}

// Rest reads the body of a head-first answer to its end, under the context of Do.
func (s *Scheduler) Rest(c *Call) error {
	if c.done {
		return nil
	}
	return s.step(c, (*readAll)(c))
}

// Skip ends a call whose answer is not wanted. It reads on, until max bytes of the body are
// there or patience is over: where the body ends before that, its connection serves others
// (RFC 9112 §9.3), else it is closed. Of the body the answer keeps what has come, up to max
// bytes; whole tells that this is all of it. Only the end of the call, by its context or
// with the scheduler, is an error.
func (s *Scheduler) Skip(c *Call, max int, patience time.Duration) (whole bool, _ error) {
	a := c.answer
	if !c.done {
		s.skim(c, max, patience)
		if c.err != nil && s.Halted(c.ctx) != nil {
			return false, c.err
		}
	}
	whole = c.done && len(a.Body()) <= max
	if !c.done && c.err == nil {
		c.conn.mail.PostUserMessage(&abandon{})
	}
	c.done = true
	a.Buf = a.Buf[:min(len(a.Buf), a.BodyAt+max)]
	if small := cap(a.Buf); small > keepSkipped+len(a.Buf) { // it came whole, before anybody could tell
		kept := slices.Clone(a.Buf)
		s.buffers.Keep(a.Buf)
		a.Buf = kept
	}
	return whole, nil
}

// keepSkipped is how much more memory than it needs an answer may hold on to, in bytes.
const keepSkipped = 128 << 10

// skim reads for Skip: one byte more than max tells that there is more. Its own end of the
// call's context closes the connection also where that knows no deadlines.
func (s *Scheduler) skim(c *Call, max int, patience time.Duration) {
	outer := c.ctx
	ctx, cancel := context.WithCancelCause(outer)
	c.ctx = ctx
	over := time.AfterFunc(patience, func() { cancel(errSkipped) })
	a := c.answer
	for err := error(nil); err == nil && !c.done && len(a.Body()) <= max; {
		room := max + 1 - len(a.Body())
		a.Buf = s.Grow(a.Buf, 1, min(room, len(a.Buf)+smallAnswer)) // doubles
		from, n := len(a.Buf), 0
		n, _, err = s.Read(c, a.Buf[from:min(cap(a.Buf), from+room)], true)
		a.Buf = a.Buf[:from+n]
	}
	over.Stop()
	cancel(nil)
	c.ctx = outer
}

// Abandon ends a streamed call whose answer its caller does not want. After done
// or an error it does nothing, but that a one-shot call's connection, which would
// be nobody's, is closed in any case.
func (s *Scheduler) Abandon(c *Call) {
	switch {
	case c.conn == nil:
		return
	case s.cfg.Fresh && c.Conn == nil:
		c.done = true
		c.conn.Close()
		return
	case c.done || c.err != nil:
		return
	}
	c.done = true
	c.conn.mail.PostUserMessage(&abandon{drain: Ended(c.ctx) == nil})
}
