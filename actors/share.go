package actors

import (
	"context"
	"errors"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// This file is the caller's side of a line.

// pipes tells whether the call may share a connection: nothing but a head goes out, the
// answer is taken as a whole, and it is a first try (RFC 9112 §9.3.2: what is repeated
// after a connection was lost goes alone).
func (c *Call) pipes() bool {
	r := &c.Request
	return r.Pipeline && c.sched.cfg.PipelineDepth > 1 && !c.alone && !r.Again && r.Lane != LaneFresh &&
		r.Conn == nil && r.Owner == nil && !c.lease && !c.sched.cfg.Fresh && !r.Close && !r.Stream &&
		r.Body.inMemory() && len(r.Body.bytes()) == 0
}

// share runs c on a connection that others use at the same time.
func (s *Scheduler) share(c *Call) error {
	c.alone = true // should it come back
	c.err = nil
	c.slot.reset()
	l := c.conn.line
	begin, ok := l.post(c)
	if !ok {
		return errStale
	}
	if begin && !s.crew.start(l.flushLater) {
		l.flush.reject(ErrSessionClosed) // not on this goroutine: it is one caller's, and the requests are many's
	}
	if c.slot.wait(c.ctx.Done(), nil) { // the session's end comes through the line
		return c.err
	}
	d, ok := l.leave(c)
	if !ok {
		c.slot.collect()
		return c.err
	}
	return s.leaveLine(c, d)
}

// leaveLine returns a caller whose time is over. Its connection goes on for the others;
// where there are none it ends, as that of a call of its own would.
func (s *Scheduler) leaveLine(c *Call, d departure) error {
	why, out, had := c.whyGone(), outcomeNeutral, time.Duration(0)
	if d.first { // those behind it waited for the same
		out, had = c.lateVerdict()
	}
	switch {
	case d.alone:
		c.conn.line.endAs(out, had)
		if io := c.conn.socket.Load(); io != nil {
			io.Interrupt(why)
		}
	case d.first:
		s.mail.PostUserMessage(&connSilent{c.conn.seat, out, had})
	}
	op := conn.OpRead
	if d.sent != conn.SentAll {
		op = conn.OpWrite
	}
	return c.failure(op, d.sent, why)
}

// lateVerdict is verdictOn for a caller that has left, and how long the origin had.
func (c *Call) lateVerdict() (outcome, time.Duration) {
	w := &c.waiter
	had := c.sched.now().since(w.granted)
	if !errors.Is(c.ctx.Err(), context.DeadlineExceeded) || had < w.granted.since(w.since) {
		return outcomeNeutral, 0
	}
	return outcomeLate, had
}

// endAs sets what the end of the connection says about its origin.
func (l *line) endAs(out outcome, had time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abandoned, l.ending, l.had = true, out, had
}
