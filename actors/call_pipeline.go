package actors

import (
	"context"
	"errors"
	"time"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// This file is the caller's side of a pipeline.

// shareable tells whether the call may share a connection: nothing but a head goes out, the
// answer is taken as a whole, and it is a first try (RFC 9112 §9.3.2: what is repeated
// after a connection was lost goes alone).
func (c *Call) shareable() bool {
	r := &c.Request
	return r.Pipeline && c.sched.cfg.PipelineDepth > 1 && !c.alone && !r.Again && r.Freshness != FreshnessNew &&
		r.Conn == nil && r.Owner == nil && !c.lease && !c.sched.cfg.Fresh && !r.Close && !r.Stream &&
		r.Body.inMemory() && len(r.Body.bytes()) == 0
}

// sendPipelined runs c on a connection that others use at the same time.
func (s *Scheduler) sendPipelined(c *Call) error {
	c.alone = true // should it come back
	c.err = nil
	c.reply.reset()
	p := c.conn.pipeline
	begin, ok := p.post(c)
	if !ok {
		return errStale
	}
	if begin && !s.group.start(p.flushLater) {
		p.flush.reject(ErrSessionClosed) // not on this goroutine: it is one caller's, and the requests are many's
	}
	if c.reply.wait(c.ctx.Done(), nil) { // the session's end comes through the pipeline
		return c.err
	}
	d, ok := p.leave(c)
	if !ok {
		c.reply.collect()
		return c.err
	}
	return s.leavePipeline(c, d)
}

// leavePipeline returns a caller whose time is over. Its connection goes on for the others;
// where there are none it ends, as that of a call of its own would.
func (s *Scheduler) leavePipeline(c *Call, d pipelineLeave) error {
	why, out, had := c.whyGone(), pool.OutcomeNeutral, time.Duration(0)
	if d.first { // those behind it waited for the same
		out, had = c.lateOutcome()
	}
	switch {
	case d.alone:
		c.conn.pipeline.endAs(out, had)
		if io := c.conn.socket.Load(); io != nil {
			io.Interrupt(why)
		}
	case d.first:
		s.mail.PostUserMessage(&connSilent{c.conn.entry, out, had})
	}
	op := conn.OpRead
	if d.sent != conn.SentAll {
		op = conn.OpWrite
	}
	return c.failure(op, d.sent, why)
}

// lateOutcome is outcomeFor for a caller that has left, and how long the origin had.
func (c *Call) lateOutcome() (pool.Outcome, time.Duration) {
	w := &c.waiter
	had := c.sched.now().Since(w.Granted)
	if !errors.Is(c.ctx.Err(), context.DeadlineExceeded) || had < w.Granted.Since(w.Since) {
		return pool.OutcomeNeutral, 0
	}
	return pool.OutcomeLate, had
}

// endAs sets what the end of the connection says about its origin.
func (p *pipeline) endAs(out pool.Outcome, had time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned, p.ending, p.had = true, out, had
}
