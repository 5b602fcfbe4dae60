package actors

import (
	"context"
	"errors"

	"github.com/seed53b03582/troupe/conn"
)

// This file is what runs on the caller's side of the actors: it sends the
// messages of one call, in order, and awaits their answers.

// Do sends the request of c and fills a with its answer. It returns when the
// answer is complete, or, for a streamed one, when its head is. A failure is a
// *conn.Error, ErrWrongOrigin or ErrForeignConnection.
func (s *Scheduler) Do(ctx context.Context, c *Call, a *Answer) error {
	if err := ended(ctx); err != nil {
		return &conn.Error{Op: conn.OpQueue, Err: err}
	}
	c.ctx, c.answer = ctx, a
	if c.Reader == nil {
		return s.onSomeConnection(c, nil)
	}
	if s.closing.Load() {
		return &conn.Error{Op: conn.OpQueue, Err: ErrSessionClosed}
	}
	body := startPump(c.Reader, c.Size)
	defer body.stop(c.Quick)
	// The first piece comes before the connection: a body that fails at once, or
	// blocks, holds nobody up.
	switch err := body.next(ctx, s.ctx); {
	case err == nil:
		return s.onSomeConnection(c, body)
	case err == ErrSessionClosed, ended(ctx) != nil:
		return &conn.Error{Op: conn.OpQueue, Err: err}
	default:
		return &conn.Error{Op: conn.OpWrite, Err: err}
	}
}

// onSomeConnection acquires a connection and runs the exchange on it. One that
// turns out dead before a byte was written is replaced.
func (s *Scheduler) onSomeConnection(c *Call, body *pump) error {
	hungUp := 0 // new connections that the server closed at once
	for {
		if err := s.acquireFor(c); err != nil {
			return err
		}
		err := s.exchange(c, body)
		if err != errStale {
			c.answer.Conn, c.answer.Owner = c.conn, c.waiter.owner
			return err
		}
		if !c.waiter.rested {
			hungUp++
		}
		if c.Conn != nil || hungUp > 1 {
			return c.failure(conn.OpWrite, conn.SentNothing, c.deadConnection())
		}
	}
}

func (c *Call) deadConnection() error {
	if err := ended(c.ctx); err != nil {
		return err
	}
	if c.sched.closing.Load() {
		return ErrSessionClosed
	}
	if c.Conn != nil {
		return conn.ErrClosed
	}
	return conn.ErrStale
}

// acquireFor gets c a connection, in c.conn, or tells why there is none.
func (s *Scheduler) acquireFor(c *Call) error {
	w := &c.waiter
	*w = waiter{call: c, key: c.Origin, owner: c.Owner, lease: c.lease}
	switch {
	case c.Conn == nil && s.cfg.Fresh && w.owner == nil:
		w.owner = &Owner{}
	case c.Conn != nil && c.Conn.sched != s:
		return ErrForeignConnection
	case c.Conn != nil:
		w.pin = c.Conn.seat
	}
	c.slot.reset()
	s.mail.PostUserMessage(&c.acquire)
	if !c.slot.wait(c.ctx.Done(), s.over) {
		return s.leave(c)
	}
	if w.err != nil {
		return c.acquireError(w.err)
	}
	c.conn = w.seat.conn
	return nil
}

// leave takes c out of the queue because its context or the session has ended, or
// gives back what was granted in the same moment.
func (s *Scheduler) leave(c *Call) error {
	m := &leave{call: c, done: make(chan struct{})}
	s.mail.PostUserMessage(m)
	select {
	case <-m.done:
		c.slot.collect()
	case <-s.over:
		c.lost = true
		return &conn.Error{Op: conn.OpQueue, Err: ErrSessionClosed}
	}
	w := &c.waiter
	switch {
	case w.seat != nil && s.cfg.Fresh && w.pin == nil:
		w.seat.conn.Close() // it was for this call alone
		return &conn.Error{Op: conn.OpQueue, Err: c.whyGone()}
	case w.seat != nil:
		g := &giveBack{seat: w.seat}
		if w.lease {
			g.owner = w.owner
		}
		s.mail.PostUserMessage(g)
		return &conn.Error{Op: conn.OpQueue, Err: c.whyGone()}
	case w.err != errLeft:
		return c.acquireError(w.err)
	}
	return &conn.Error{Op: w.op(), Err: c.whyGone()}
}

// op is the phase a waiter was in when it left.
func (w *waiter) op() conn.Op {
	switch {
	case w.dial == nil || w.dial.conn == nil:
		return conn.OpQueue
	case activity(w.dial.conn.activity.Load()) == actHandshaking:
		return conn.OpTLS
	}
	return conn.OpDial
}

// acquireError wraps what the pool answered, where that is needed.
func (c *Call) acquireError(err error) error {
	var dial *conn.Error
	switch {
	case errors.As(err, &dial), err == ErrWrongOrigin:
		return err
	case err == conn.ErrClosed:
		return &conn.Error{Op: conn.OpWrite, RemoteAddr: c.Conn.RemoteAddr(), Err: err}
	}
	return &conn.Error{Op: conn.OpQueue, Err: err}
}

// exchange runs c on the connection it was granted.
func (s *Scheduler) exchange(c *Call, body *pump) error {
	c.sent, c.done = conn.SentNothing, false
	if body == nil {
		return s.step(c, &c.roundTrip)
	}
	c.piece, c.last = body.piece, body.last
	err := s.step(c, &c.send)
	for err == nil && !c.last {
		if err := body.next(c.ctx, s.ctx); err != nil {
			if s.closing.Load() {
				err = ErrSessionClosed
			}
			c.conn.mail.PostUserMessage(&abandon{})
			return c.failure(conn.OpWrite, c.sent, err)
		}
		c.piece, c.last = body.piece, body.last
		err = s.step(c, &c.feed)
	}
	if err != nil {
		return err
	}
	return s.step(c, &c.receive)
}

// step sends one message to the connection and returns how it ended. The
// connection itself minds the context.
func (s *Scheduler) step(c *Call, message any) error {
	c.err = nil
	c.slot.reset()
	c.conn.mail.PostUserMessage(message)
	if !c.slot.wait(nil, s.over) {
		c.lost = true
		return c.failure(conn.OpRead, c.sent, ErrSessionClosed)
	}
	return c.err
}

// Read fills p with the next bytes of a streamed body, under the context of Do. It
// gives fewer only where the body ends: then done is true, and the connection has
// been freed.
func (s *Scheduler) Read(c *Call, p []byte) (n int, done bool, err error) {
	if c.done {
		return 0, true, nil
	}
	c.into, c.n = p, 0
	err = s.step(c, &c.read)
	return c.n, c.done, err
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
	c.conn.mail.PostUserMessage(&abandon{drain: ended(c.ctx) == nil})
}

// Lease takes a connection to o out of the pool for the owner that is returned
// with it. Give both back with Return.
func (s *Scheduler) Lease(ctx context.Context, o Origin) (*Conn, *Owner, error) {
	if err := ended(ctx); err != nil {
		return nil, nil, &conn.Error{Op: conn.OpQueue, Err: err}
	}
	c := s.NewCall()
	defer s.Free(c)
	c.ctx, c.Origin, c.lease = ctx, o, true
	for {
		c.Owner = &Owner{}
		if err := s.acquireFor(c); err != nil {
			return nil, nil, err
		}
		if !c.waiter.rested || !c.conn.spoiled() {
			return c.conn, c.Owner, nil
		}
		c.conn.Close() // it died idle
	}
}

// Return puts a leased connection back into the pool, once the call under way on
// it has ended. It is safe to call twice.
func (s *Scheduler) Return(c *Conn, owner *Owner) {
	s.mail.PostUserMessage(&giveBack{seat: c.seat, owner: owner})
}
