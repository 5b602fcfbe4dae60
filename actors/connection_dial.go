package actors

import (
	"context"
	"errors"
	"math"
	"net"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// dialGrace is how long after DialTimeout a driver that ignores its context is
// given up: its own error, if it comes, says more than ours.
const dialGrace = 100 * time.Millisecond

// dial starts to open the socket, on a goroutine of the group and with the
// session's context: a caller that leaves does not waste it.
func (c *connection) dial(actx actor.Context) {
	s := c.sched
	ctx, cancel := s.ctx, context.CancelFunc(nil)
	if s.cfg.DialTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.cfg.DialTimeout)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	c.cancelDial = cancel
	key := targetOf(c.entry.Origin).key // immutable
	late := s.giveUpDial(&c.Conn)
	started := s.group.runErrand(&errand{"its dial does not return though its context has ended", &c.Conn}, func() {
		m := &dialed{}
		defer func() { // even where the driver ends the goroutine
			cancel()
			if late != nil {
				late.Stop()
			}
			c.mail.PostUserMessage(m)
		}()
		c.open(ctx, key, m)
	})
	if !started {
		c.end(actx, pool.OutcomeNeutral, &conn.Error{Op: conn.OpDial, Err: ErrSessionClosed})
	}
}

// giveUpDial tells the connection that its dial has failed if the driver is
// still at it long after its time.
func (s *Scheduler) giveUpDial(c *Conn) *time.Timer {
	if s.cfg.DialTimeout <= 0 {
		return nil
	}
	return time.AfterFunc(min(s.cfg.DialTimeout, math.MaxInt64-dialGrace)+dialGrace, func() {
		if s.group.enter() {
			defer s.group.leave()
			c.mail.PostUserMessage(&dialed{err: &conn.Error{Op: conn.OpDial, Err: context.DeadlineExceeded}})
		}
	})
}

// open runs the driver and the TLS handshake, both of which are the user's code
// in part: a panic there is this dial's error, and so is runtime.Goexit.
func (c *connection) open(ctx context.Context, key Origin, m *dialed) {
	op := conn.OpDial
	address, began := net.JoinHostPort(key.Host, key.Port), c.sched.now()
	var nc net.Conn
	returned := false
	defer func() {
		if returned {
			return
		}
		var reason any = "the dialling goroutine exited"
		if r := recover(); r != nil {
			reason = r
		}
		if nc != nil {
			m.io = conn.New(nc, &c.sched.buffers)
			m.io.Close()
		}
		m.err = &conn.Error{Op: op, Err: conn.NewPanicError(reason)}
	}()
	if key.Proxy == nil {
		nc, m.err = conn.Dial(ctx, c.sched.cfg.Driver, address, c.keeper())
	} else {
		nc, m.err = conn.DialThrough(ctx, c.sched.cfg.Driver, key.Proxy, key.Scheme, address, c.keeper())
	}
	if m.err == nil {
		m.io = conn.New(nc, &c.sched.buffers)
		connected := c.sched.now()
		m.opening.dial = connected.Since(began)
		if c.tls != nil {
			op = conn.OpTLS
			c.publish(actHandshaking, connected)
			m.err = m.io.Secure(ctx, c.tls)
			m.opening.tls = c.sched.now().Since(connected)
		}
	}
	returned = true
}

// keeper is what a connection of the driver's own type gets from this one.
func (c *connection) keeper() *conn.Keeper {
	crew := &c.sched.group
	return &conn.Keeper{
		Buffers: &c.sched.buffers,
		Run:     crew.also,
		End: func(fn func()) bool {
			return crew.alsoErrand(&errand{"a Read, Write or Close of the Driver's connection does not return though it was closed", &c.Conn}, fn)
		},
		Failed: c.failed,
	}
}

// timedOut is the error of a dial that another call had begun, for one that waited for it
// too: a timeout, but not the end of this call's own context.
type timedOut struct{ err error }

// notOfThisCall keeps err from being taken for the end of a context that had nothing to
// do with it.
func notOfThisCall(err error) error {
	e, ok := err.(*conn.Error)
	switch {
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		return err
	case ok:
		told := *e
		told.Err = timedOut{e.Err}
		return &told
	}
	return timedOut{err}
}

// Error is that of the dial.
func (e timedOut) Error() string { return "a dial that began before this call: " + e.err.Error() }

// Timeout tells that time ran out.
func (e timedOut) Timeout() bool { return conn.IsTimeout(e.err) }

// Is and As find all in the dial's error but a context's end. There is no Unwrap, which
// would find that too.
func (e timedOut) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.err, target)
}

// As is As of the dial's error.
func (e timedOut) As(target any) bool { return errors.As(e.err, target) }

// dialed takes over the socket, or ends with the dial's error.
func (c *connection) dialed(ctx actor.Context, m *dialed) {
	if m.err != nil {
		out, err := pool.OutcomeFailed, m.err
		switch {
		case c.sched.ctx.Err() != nil: // the driver knows no more than that its context ended
			out, err = pool.OutcomeNeutral, &conn.Error{Op: conn.OpDial, Err: ErrSessionClosed}
		case conn.Local(err):
			out = pool.OutcomeNeutral
		}
		c.io = m.io // closed, or nil
		c.end(ctx, out, err)
		return
	}
	c.cancelDial = nil // the context it belongs to is not to be held for as long as the socket
	c.io, c.opening = m.io, m.opening
	c.io.SetClock(c.sched.clock)
	if c.sched.cfg.Lenient {
		c.io.SetLenient()
	}
	if tap := c.sched.wire.tap(c.id, c.entry.Origin.Name); tap != nil {
		c.io.Tap(tap)
	}
	c.socket.Store(m.io)
	c.err = nil
	c.phase = connOpen
	c.used = c.sched.now()
	c.publish(actIdle, c.used)
	c.report = &c.up
}
