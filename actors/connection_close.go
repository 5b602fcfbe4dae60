package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// This file is how a connection ends, and what may save it from that.

// The rest of an answer that nobody wants is read where it is no more than this,
// to keep the connection (RFC 9112 §9.3); else closing is cheaper.
const (
	drainBytes = 64 << 10
	drainTime  = 50 * time.Millisecond
)

func (c *connection) abandon(ctx actor.Context, drain bool) {
	if c.phase == connReading && drain && !c.closeAfter && !c.interrupted() &&
		c.io.Drain(drainBytes, drainTime) && c.io.Reusable() {
		c.answered.Add(1)
		c.free(c.answerOutcome, 0)
		return
	}
	if c.phase == connReading {
		c.end(ctx, c.answerOutcome, nil) // the origin has answered
		return
	}
	c.end(ctx, pool.OutcomeNeutral, nil)
}

func (c *connection) look(ctx actor.Context) {
	if c.io.StillAlive() {
		used := c.used
		c.free(pool.OutcomeNeutral, 0)
		c.used = used
		return
	}
	c.diedIdle = !c.interrupted()
	c.end(ctx, pool.OutcomeNeutral, nil)
}

// closePatience is how long a driver's connection may take to close before its slot is
// given to another. Closing takes microseconds, but the machine may be slow.
const closePatience = 3 * time.Second

// end closes the socket and stops the actor. The dispatcher hears at once what that says about
// the origin; the slot is free when the actor has terminated.
func (c *connection) end(ctx actor.Context, out pool.Outcome, err error) {
	c.out, c.err = out, err
	c.close()
	if c.io != nil && c.report == nil {
		// What is known waits neither for a driver nor for the mailbox to be free: the caller
		// of the exchange is told next, and what it asks then comes behind this.
		c.deliver(&connEnded{c.entry, out})
	}
	if c.io != nil && c.io.Gone() != nil && c.sched.group.run(c.awaitGone) {
		return
	}
	ctx.Stop(ctx.Self())
}

// awaitGone runs on a goroutine of the group: where a driver's Close blocks, no actor does.
func (c *connection) awaitGone() {
	waitFor(c.io.Gone(), closePatience)
	c.mail.PostUserMessage(&gone{})
}

// close is idempotent. A panic in here must not keep the actor from ending.
func (c *connection) close() {
	defer func() {
		if v := recover(); v != nil {
			c.failed(conn.NewPanicError(v))
		}
	}()
	if c.phase == connClosed {
		return
	}
	c.phase = connClosed
	c.publish(actClosed, c.sched.now())
	if c.cancelDial != nil {
		c.cancelDial()
	}
	switch {
	case c.closePipeline():
		c.io.Interrupt(conn.ErrClosed)
	case c.io != nil:
		c.io.Close()
	}
}
