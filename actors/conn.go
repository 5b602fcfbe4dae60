package actors

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// Conn is one connection in the hands of callers: what its actor publishes, and
// the ways to end it from outside. It is never reused for another socket.
type Conn struct {
	state    atomic.Uint64 // activity, and since when
	answered atomic.Int64
	closing  atomic.Bool // somebody outside has ended it
	mail     mailbox
	sched    *Scheduler
	entry    *pool.Entry // the dispatcher's
	socket   atomic.Pointer[conn.Conn]

	id       string
	pid      *actor.PID // set by the actor's Started, before anybody else has the Conn
	opening  opening    // written before the first report
	pipeline *pipeline  // nil where nothing is pipelined

	// How it ended: written by the actor before it ends, read after that.
	out      pool.Outcome
	err      error
	diedIdle bool // the server closed it while it idled

	// How long the origin was at work: written by the actor before the report that the
	// dispatcher takes it from.
	took time.Duration // with what it answered last; 0: unknown
	had  time.Duration // with what its caller's deadline ended
}

// ID names the connection within its session.
func (c *Conn) ID() string { return c.id }

// RemoteAddr is the peer's address; nil while there is none.
func (c *Conn) RemoteAddr() net.Addr {
	if s := c.socket.Load(); s != nil {
		return s.RemoteAddr()
	}
	return nil
}

// Requests is how many requests it has answered so far.
func (c *Conn) Requests() int { return int(c.answered.Load()) }

// Closed tells whether it has ended, or was told to.
func (c *Conn) Closed() bool {
	return c.closing.Load() || c.activity() == actClosed
}

// Abort is Close with a cause for the call under way.
func (c *Conn) Abort(cause error) {
	c.interrupt(cause)
	c.sched.mail.PostUserMessage(&connClosing{c.entry})
	c.mail.PostUserMessage(&stop{})
}

// Close ends the connection now. A call under way on it fails with
// conn.ErrClosed. It is safe to call twice.
func (c *Conn) Close() error {
	c.Abort(conn.ErrClosed)
	return nil
}

// interrupt closes the socket from outside, with a cause for whoever uses it.
func (c *Conn) interrupt(cause error) {
	c.closing.Store(true)
	if s := c.socket.Load(); s != nil {
		s.Interrupt(cause)
	}
}

// suspect tells whether its idle socket is worth a look.
func (c *Conn) suspect() bool {
	s := c.socket.Load()
	return s != nil && s.Suspect()
}

// spoiled tells whether its idle socket is seen to be unfit for use.
func (c *Conn) spoiled() bool {
	s := c.socket.Load()
	return s == nil || s.Spoiled()
}

// foreign tells that its socket is of a driver's own type.
func (c *Conn) foreign() bool {
	s := c.socket.Load()
	return s != nil && s.Foreign()
}

// publish shows what the connection is doing, and since when: in one word, which is
// stored several times a request.
func (c *Conn) publish(a activity, now instant) {
	c.state.Store(uint64(now)<<activityBits | uint64(a))
}

func (c *Conn) activity() activity { return activity(c.state.Load() & (1<<activityBits - 1)) }

func (c *Conn) since() instant { return instant(c.state.Load() >> activityBits) }

var errDialLost = errors.New("troupe: the connection's actor failed while dialling")

// howEnded is what the ended connection says about its origin, and, for a dial,
// why it failed.
func (c *Conn) howEnded() pool.End {
	if c.err == nil && c.socket.Load() == nil {
		return c.ending(c.out, &conn.Error{Op: conn.OpDial, Err: errDialLost})
	}
	return c.ending(c.out, c.err)
}

func (c *Conn) ending(out pool.Outcome, err error) pool.End {
	return pool.End{Outcome: out, Err: err, TimedOut: conn.IsTimeout(err), Took: c.took, Had: c.had, DiedIdle: c.diedIdle}
}

func (c *Conn) snapshot(now instant) ConnSnapshot {
	return ConnSnapshot{
		ID:       c.id,
		State:    c.activity().String(),
		For:      max(0, now.Since(c.since())),
		Peer:     c.RemoteAddr(),
		Requests: c.Requests(),
	}
}
