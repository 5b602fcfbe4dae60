package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// This file is what runs on the caller's side of the actors: it sends the
// messages of one call, in order, and awaits their answers.

// Do sends the request of c and gives its answer. It returns when the answer is
// complete, or, for a streamed one, when its head is. A failure is a *conn.Error,
// ErrWrongOrigin or ErrForeignConnection.
func (s *Scheduler) Do(ctx context.Context, c *Call) (*Answer, error) {
	c.ctx, c.answer, c.times = ctx, nil, Times{}
	if c.Body != nil {
		c.times.asked = c.Body.Began.at
	}
	var err error
	switch {
	case ctx.Err() != nil:
		err = endedBefore(ctx)
	case c.Body != nil && c.Body.Reader != nil:
		err = s.doReading(c)
	default:
		err = s.onSomeConnection(c, nil)
	}
	if err != nil {
		s.noteFailure(c)
		return nil, err
	}
	return c.answer, nil
}

// Not inlined, as others here that are rare: what they need would be room on the stack of
// every call that waits.
//
//go:noinline
func endedBefore(ctx context.Context) error { return &conn.Error{Op: conn.OpQueue, Err: Ended(ctx)} }

// noteFailure notes when a call failed, and takes back what there is of an answer.
func (s *Scheduler) noteFailure(c *Call) {
	if c.lost {
		return
	}
	c.times.failed(s.now())
	if a := c.answer; a != nil {
		c.answer = nil
		s.FreeAnswer(a)
	}
}

// doReading is Do where the body comes from a Reader.
func (s *Scheduler) doReading(c *Call) error {
	ctx := c.ctx
	if s.closing.Load() {
		return &conn.Error{Op: conn.OpQueue, Err: ErrSessionClosed}
	}
	if c.times.asked == 0 { // the wait for the body's first piece is the call's too
		c.times.asked = s.now()
	}
	body := newPump(c.Body, &s.readers)
	c.inParts()
	c.reading = body.done
	defer body.stop(c.Body.Quick)
	defer func() { c.unread = !body.started }()
	if c.Body.Expect > 0 { // nothing is read that the server may not want
		return s.onSomeConnection(c, body)
	}
	body.start()
	// The first piece comes before the connection: a body that fails at once, or
	// blocks, holds nobody up.
	switch _, err := body.next(ctx, s.ctx, nil); {
	case err == nil:
		return s.onSomeConnection(c, body)
	case err == ErrSessionClosed, Ended(ctx) != nil:
		return &conn.Error{Op: conn.OpQueue, Err: err}
	default:
		return &conn.Error{Op: conn.OpWrite, Err: err}
	}
}

// maxHangUps is how many new connections in a row a call moves on from that the server
// closed before it was asked anything: the old processes of a server that reloads do so
// with what they have just accepted.
const maxHangUps = 3

// onSomeConnection acquires a connection and runs the exchange on it. One that
// turns out dead before a byte was written is replaced.
func (s *Scheduler) onSomeConnection(c *Call, body *pump) error {
	for c.hungUp, c.alone = 0, false; ; {
		err := s.acquireFor(c)
		if c.noteAsked(); err != nil {
			return err
		}
		c.noteGrant()
		err = s.exchange(c, body)
		if err == nil {
			c.answer.Conn, c.answer.Owner = c.conn, c.Owner
			return nil
		}
		if err != errStale {
			return err
		}
		if !c.waiter.Rested && !c.waiter.Shareable {
			c.hungUp++
		}
		if c.Conn != nil || c.hungUp > maxHangUps || c.refusedByAlert() {
			return c.failure(c.deadOp(), conn.SentNothing, c.deadConnection())
		}
	}
}

// noteAsked notes when a connection was first asked for, unless the wait had begun before.
func (c *Call) noteAsked() {
	if t := &c.times; t.asked == 0 && !c.lost {
		t.asked = c.waiter.Since
	}
}

// noteGrant notes the end of the wait for a connection.
func (c *Call) noteGrant() {
	t, w := &c.times, &c.waiter
	t.granted, t.opening = w.Granted, nil
	if !w.Served {
		t.opening = &connOf(w.Entry).opening
	}
}

func (c *Call) deadConnection() error {
	if err := Ended(c.ctx); err != nil {
		return err
	}
	if c.sched.closing.Load() {
		return ErrSessionClosed
	}
	if c.Conn != nil {
		return conn.ErrClosed
	}
	if cause := c.conn.socket.Load().Complaint(); cause != nil {
		return fmt.Errorf("%w: %w", conn.ErrStale, cause)
	}
	return conn.ErrStale
}

// deadOp is the phase in which the last connection turned out to be of no use: where what
// came on it is no HTTP, that was read.
func (c *Call) deadOp() conn.Op {
	if c.Conn == nil && c.conn.socket.Load().Greeted() {
		return conn.OpRead
	}
	return conn.OpWrite
}

// refusedByAlert tells whether the server ended the connection with a TLS alert, as it
// does where it wants a client certificate, or greeted it in another protocol: another
// connection would end the same way.
func (c *Call) refusedByAlert() bool {
	return !c.waiter.Rested && c.conn.socket.Load().Complaint() != nil
}

// acquireFor gets c a connection, in c.conn, or tells why there is none.
func (s *Scheduler) acquireFor(c *Call) error {
	c.conn, c.err = nil, nil
	w := &c.waiter
	if x := w.Extra; x != nil {
		*x = pool.Extra{Hold: x.Hold} // its Patience is for all tries together
	}
	*w = pool.Waiter{Of: c, Lease: c.lease, Freshness: c.Freshness, Again: c.Again, Shareable: c.shareable(), Extra: w.Extra}
	if c.Patience > 0 {
		w.More().Hold.Deadline = s.deadlineOf(c.ctx)
	}
	switch {
	case c.Conn == nil && s.cfg.Fresh && c.Owner == nil:
		c.Owner = &Owner{}
	case c.Conn != nil && c.Conn.sched != s:
		return ErrForeignConnection
	case c.Conn != nil:
		w.More().Pin = c.Conn.entry
	}
	if c.Owner != nil || c.Patience != 0 {
		x := w.More()
		x.Owner, x.Patience = c.Owner, c.Patience
	}
	c.reply.reset()
	s.mail.PostUserMessage((*acquire)(c))
	if !c.reply.wait(c.ctx.Done(), nil) {
		return s.leave(c)
	}
	if err := w.Refused(); err != nil {
		c.err = err
		return c.acquireError(err)
	}
	c.conn = connOf(w.Entry)
	return nil
}

// leave takes c out of the queue because its context or the session has ended, or
// gives back what was granted in the same moment.
func (s *Scheduler) leave(c *Call) error {
	m := &leave{call: c, done: make(chan struct{})}
	s.mail.PostUserMessage(m)
	select {
	case <-m.done:
		c.reply.collect()
	case <-s.over:
		c.lost = true
		return &conn.Error{Op: conn.OpQueue, Err: ErrSessionClosed}
	}
	w := &c.waiter
	switch {
	case w.Entry != nil && s.cfg.Fresh && c.Conn == nil:
		connOf(w.Entry).Close() // it was for this call alone
		return &conn.Error{Op: conn.OpQueue, Err: c.whyGone()}
	case w.Entry != nil:
		g := &giveBack{entry: w.Entry}
		if w.Lease {
			g.owner = c.Owner
		}
		s.mail.PostUserMessage(g)
		return &conn.Error{Op: conn.OpQueue, Err: c.whyGone()}
	case w.Refused() != pool.ErrLeft:
		c.err = w.Refused()
		return c.acquireError(c.err)
	}
	return &conn.Error{Op: opOf(w), Err: c.whyGone(), RetryAt: c.retryTime()}
}

// deadlineOf is asked of the context on the caller's side: it may be the user's own.
//
//go:noinline
func (s *Scheduler) deadlineOf(ctx context.Context) instant {
	if at, ok := ctx.Deadline(); ok {
		return instant(at.Sub(s.began))
	}
	return pool.Never
}

// retryTime is when an origin that has refused the call is tried again.
func (c *Call) retryTime() time.Time {
	x := c.waiter.Extra
	if x == nil || x.RetryAt == 0 {
		return time.Time{}
	}
	return c.sched.began.Add(time.Duration(x.RetryAt))
}

// opOf is the phase a waiter was in when it left.
func opOf(w *pool.Waiter) conn.Op {
	e := w.Dial()
	switch {
	case e == nil || e.Of == nil:
		return conn.OpQueue
	case connOf(e).activity() == actHandshaking:
		return conn.OpTLS
	}
	return conn.OpDial
}

// acquireError wraps what the pool answered, where that is needed.
func (c *Call) acquireError(err error) error {
	var backoff *pool.BackoffError
	if errors.As(err, &backoff) {
		cause := backoff.Cause
		var dial *conn.Error
		if errors.As(cause, &dial) {
			cause = dial.Err
		}
		err = &conn.Error{Op: conn.OpQueue, Err: fmt.Errorf("%w: %w", ErrDialBackoff, notOfThisCall(cause))}
	}
	if c.waiter.Extra.Earlier {
		err = notOfThisCall(err)
	}
	if e, ok := err.(*conn.Error); ok {
		told := *e // a refusal may be that of many
		told.RetryAt = c.retryTime()
		return &told
	}
	var dial *conn.Error
	switch {
	case errors.As(err, &dial), err == ErrWrongOrigin:
		return err
	case err == pool.ErrGone:
		return &conn.Error{Op: conn.OpWrite, RemoteAddr: c.Conn.RemoteAddr(), Err: conn.ErrClosed}
	}
	return &conn.Error{Op: conn.OpQueue, Err: err, RetryAt: c.retryTime()}
}

// exchange runs c on the connection it was granted.
func (s *Scheduler) exchange(c *Call, body *pump) error {
	c.sent, c.done, c.joined = conn.SentNothing, false, 0
	if c.waiter.Shareable {
		return s.sendPipelined(c)
	}
	if body == nil {
		return s.step(c, (*roundTrip)(c))
	}
	c.piece, c.last, c.early = body.piece, body.last, false
	if err := s.step(c, (*send)(c)); err != nil {
		return err
	}
	if !c.early {
		body.start()
	}
	for !c.last && !c.early {
		if err := s.feed(c, body); err != nil {
			return err
		}
	}
	return s.step(c, (*receive)(c))
}

// feed sends the next piece of a body, unless the server answers before there is
// one.
func (s *Scheduler) feed(c *Call, body *pump) error {
	got, err := body.next(c.ctx, s.ctx, c.answered)
	switch {
	case err != nil:
		if s.closing.Load() {
			err = ErrSessionClosed
		}
		c.conn.mail.PostUserMessage(&abandon{})
		return c.failure(conn.OpWrite, c.sent, err)
	case !got:
		c.early = true
		return nil
	}
	c.piece, c.last = body.piece, body.last
	return s.step(c, (*feed)(c))
}

// step sends one message to the connection and returns how it ended. The
// connection itself minds the context.
func (s *Scheduler) step(c *Call, message any) error {
	c.err = nil
	c.reply.reset()
	c.conn.mail.PostUserMessage(message)
	if !c.reply.wait(nil, s.over) {
		return c.lose()
	}
	return c.err
}

// lose gives up a call that the session's end left with an actor.
//
//go:noinline
func (c *Call) lose() error {
	c.lost = true
	return c.failure(conn.OpRead, c.sent, ErrSessionClosed)
}

// AwaitReader waits until nobody reads the body of c's last Do any more, so that it
// can be sent from its start again.
func (s *Scheduler) AwaitReader(ctx context.Context, c *Call) error {
	if c.parts == nil || c.reading == nil {
		return nil
	}
	select {
	case <-c.reading:
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	case <-s.ctx.Done():
		return ErrSessionClosed
	}
}

// Sleep waits for d, or less where ctx or the scheduler ends: then it gives the reason.
func (s *Scheduler) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	case <-s.ctx.Done():
		return ErrSessionClosed
	}
}

// Halted is why a call can't go on that is on no connection: ctx or the scheduler has
// ended. nil: it can.
func (s *Scheduler) Halted(ctx context.Context) error {
	if err := Ended(ctx); err != nil {
		return err
	}
	if s.closing.Load() {
		return ErrSessionClosed
	}
	return nil
}

// Unread tells that the last Do has read nothing of the body's Reader: the server did
// not ask for it.
func (c *Call) Unread() bool { return c.parts != nil && c.unread }

// Abort ends a streamed call from any goroutine, for a cause that its next Read is
// told. The connection is closed.
func (s *Scheduler) Abort(c *Call, cause error) { c.conn.Abort(cause) }

// Lease takes a connection to o out of the pool for the owner that is returned
// with it. Give both back with Return.
func (s *Scheduler) Lease(ctx context.Context, o Origin) (*Conn, *Owner, error) {
	if err := Ended(ctx); err != nil {
		return nil, nil, &conn.Error{Op: conn.OpQueue, Err: err}
	}
	c := s.NewCall()
	c.ctx, c.Origin, c.lease, c.Patience = ctx, &o, true, s.cfg.LeasePatience
	for {
		c.Owner = &Owner{}
		if err := s.acquireFor(c); err != nil {
			return nil, nil, err
		}
		if !c.waiter.Rested || !c.conn.spoiled() {
			return c.conn, c.Owner, nil
		}
		c.conn.Close() // it died idle
	}
}

// Return puts a leased connection back into the pool, once the call under way on
// it has ended. It is safe to call twice.
func (s *Scheduler) Return(c *Conn, owner *Owner) {
	s.mail.PostUserMessage(&giveBack{entry: c.entry, owner: owner})
}
