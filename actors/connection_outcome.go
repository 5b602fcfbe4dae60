package actors

import (
	"context"
	"errors"
	"io/fs"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// This file is what a connection's failures say: to the caller, and about the origin.

// failure wraps err once with what the connection knows; nil stays nil.
func (c *connection) failure(op conn.Op, sent conn.Sent, err error) error {
	if err == nil {
		return nil
	}
	return &conn.Error{Op: op, Sent: sent, RemoteAddr: c.io.RemoteAddr(), Err: err,
		Reused: c.answered.Load() > 0, Answered: c.io.AnswerBegun(),
		Lost: outcomeOf(err) == pool.OutcomeFailed && !conn.IsTimeout(err)}
}

// outcomeFor is outcomeOf, but for a deadline of the caller's: it says nothing where our
// own queue or the caller's readers and callbacks had the larger share of the call's
// time. Else it depends on how long the origin had.
func (c *connection) outcomeFor(call *Call, err error) pool.Outcome {
	now := c.sched.now()
	had := call.origin + now.Since(call.began)
	var e *conn.Error
	if errors.As(err, &e) && e.Reused && e.Lost && !e.Answered {
		return pool.OutcomeNeutral // how servers end connections; the next dial will tell
	}
	if errors.Is(err, errSkipped) {
		return c.answerOutcome // it has answered
	}
	if errors.Is(err, context.DeadlineExceeded) && call.ctx.Err() != nil {
		if had < now.Since(call.waiter.Since)-had {
			return pool.OutcomeNeutral
		}
		c.had = had
		return pool.OutcomeLate
	}
	return outcomeOf(err)
}

// outcomeOf tells what a failed exchange says about the origin: what the caller,
// this side or its files did says nothing.
func outcomeOf(err error) pool.Outcome {
	var file *fs.PathError
	var short *conn.ShortFileError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, ErrSessionClosed),
		errors.Is(err, conn.ErrClosed), errors.Is(err, conn.ErrTooLarge),
		errors.As(err, &file), errors.As(err, &short):
		return pool.OutcomeNeutral
	}
	return pool.OutcomeFailed
}

// writeFailure is failure for what went wrong while the request was written.
// errStale: nothing of it was, since the connection had died idle; another can
// take the request.
func (c *connection) writeFailure(call *Call, err error) error {
	if err == conn.ErrStale || err != nil && call.sent == conn.SentNothing && c.answered.Load() > 0 && !c.interrupted() {
		if err = Ended(call.ctx); err == nil {
			return errStale
		}
	}
	return c.failure(conn.OpWrite, call.sent, err)
}

// endStale ends a connection that was found dead before anything was written.
func (c *connection) endStale(ctx actor.Context, call *Call) {
	c.diedIdle = call.waiter.Rested && !c.interrupted()
	c.end(ctx, c.staleOutcome(call), nil)
}

// staleOutcome tells what a connection that was found unfit says about its
// origin: nothing where it had been idle, as servers close such ones. A new one
// that is closed, or talked on, before it was asked anything is a failure once the
// call gives up over that.
func (c *connection) staleOutcome(call *Call) pool.Outcome {
	if c.io.Greeted() && !c.interrupted() {
		return pool.OutcomeFailed
	}
	if call.waiter.Rested || call.hungUp < maxHangUps || c.answered.Load() > 0 || c.interrupted() || Ended(call.ctx) != nil {
		return pool.OutcomeNeutral
	}
	return pool.OutcomeFailed
}
