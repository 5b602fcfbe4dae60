package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

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
		c.free(c.verdict, 0)
		return
	}
	if c.phase == connReading {
		c.end(ctx, c.verdict, nil) // the origin has answered
		return
	}
	c.end(ctx, outcomeNeutral, nil)
}

func (c *connection) look(ctx actor.Context) {
	// Asked because there is something to see: never take it as fresh.
	if c.io.Alive(time.Hour) {
		used := c.used
		c.free(outcomeNeutral, 0)
		c.used = used
		return
	}
	c.diedIdle = !c.interrupted()
	c.end(ctx, outcomeNeutral, nil)
}

// end closes the socket and stops the actor; the dispatcher hears of it when the
// actor has terminated.
func (c *connection) end(ctx actor.Context, out outcome, err error) {
	c.out, c.err = out, err
	c.close()
	ctx.Stop(ctx.Self())
}

// close is idempotent. A driver's conn that panics here must not keep the actor
// from ending.
func (c *connection) close() {
	defer func() { _ = recover() }()
	if c.phase == connClosed {
		return
	}
	c.phase = connClosed
	c.publish(actClosed, c.sched.now())
	if c.cancelDial != nil {
		c.cancelDial()
	}
	switch {
	case c.closeLine():
		c.io.Interrupt(conn.ErrClosed)
	case c.io != nil:
		c.io.Close()
	}
}
