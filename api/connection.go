package api

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/open"
	"github.com/seed53b03582/troupe/conn"
)

// Connection is a handle to the connection that answered a call. Given as an
// option it pins another call to that connection: the call waits while it is
// busy. From a one-shot call with a Connection header that keeps it alive, and
// from a Lease, it is the caller's own.
//
// It may be used from several goroutines. A nil one is no connection: as an
// option it is not there, and its methods do nothing.
type Connection struct {
	conn  *actors.Conn
	owner *actors.Owner // the right to use it, where it is somebody's own
	lease *Lease        // where that right ends
}

// ID names the connection as Session.Snapshot does.
func (c *Connection) ID() string {
	if c == nil || c.conn == nil {
		return ""
	}
	return c.conn.ID()
}

// RemoteAddr is the server's address.
func (c *Connection) RemoteAddr() net.Addr {
	if c == nil || c.conn == nil {
		return nil
	}
	return c.conn.RemoteAddr()
}

// Requests is how many requests were answered on the connection so far.
func (c *Connection) Requests() int {
	if c == nil || c.conn == nil {
		return 0
	}
	return c.conn.Requests()
}

// Close ends the connection; a call under way on it fails with an *IOError.
// Closing twice does nothing more.
func (c *Connection) Close() error {
	if c == nil || c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

func (c *Connection) apply(r *request) {
	if c == nil {
		return
	}
	if c.conn == nil || r.has(optConnection) {
		r.refuse("Connection", "is not from a Response or a Lease, or is given twice", "give one, as Response.Connection returns it")
		return
	}
	r.given |= optConnection
	r.connection = c
}

// Lease is a connection that was taken out of a session's pool for one caller
// alone. Given as an option, calls go over it, one at a time. It counts against
// the session's limits until it is released or its connection closed.
//
// It may be used from several goroutines. A nil one is no lease.
type Lease struct {
	sched      *actors.Scheduler
	connection Connection
	released   atomic.Bool
	noted      *open.Thing
}

// Lease takes a connection to the URL's origin out of the pool, or opens one,
// under the session's limits as any call. Only the options TLS and Timeout are
// accepted. Release gives it back.
//
// A bad URL or option is an *InputError. What keeps the connection from being
// made is an *HTTPConnectionError.
func (s *Session) Lease(ctx context.Context, url string, opts ...Option) (*Lease, error) {
	if ctx == nil {
		return nil, s.refuse(opts, errNoContext())
	}
	r := s.takeRequest()
	defer r.release()
	defer r.closeBody() // a body is not for Lease
	if err := r.applyAll(opts); err != nil {
		return nil, err
	}
	if extra := r.given &^ (optTLS | optTimeout); extra != 0 {
		return nil, &InputError{Field: extra.String(), Reason: "is not for Lease", Fix: "give it to the calls that use the lease"}
	}
	var err error
	if r.to, err = locate(url); err != nil {
		return nil, err
	}
	if err = r.setOrigin(); err != nil {
		return nil, err
	}
	c, owner, err := s.sched.Lease(r.bound(ctx), r.to.Origin)
	if err != nil {
		return nil, r.explain(err, Trace{Attempts: r.tries})
	}
	l := &Lease{sched: s.sched}
	l.connection = Connection{conn: c, owner: owner, lease: l}
	l.noted = open.Note("Lease", "call its Release", s.noted, l.connection.atWork)
	return l, nil
}

// Connection is the leased connection. Its Close ends it; the lease is then of
// no more use, but Release is still to be called.
func (l *Lease) Connection() *Connection {
	if l == nil {
		return nil
	}
	return &l.connection
}

// Release gives the connection back to the session for others to use. Calls that
// are given the lease, or a Connection of it, fail afterwards. Releasing twice does
// nothing more.
func (l *Lease) Release() {
	if l != nil && l.sched != nil && l.released.CompareAndSwap(false, true) {
		l.sched.Return(l.connection.conn, l.connection.owner)
		l.noted.Closed()
	}
}

func (l *Lease) apply(r *request) {
	if l == nil {
		return
	}
	if l.sched == nil || r.has(optLease) {
		r.refuse("Lease", "is not from Session.Lease, or is given twice", "give one, as Session.Lease returns it")
		return
	}
	r.given |= optLease
	r.connection = &l.connection
}

const errReleased = plainError("the lease of this connection was released")

// pin ties the call to the connection that was given, if any.
func (r *request) pin(call *actors.Call) error {
	c := r.connection
	if c == nil {
		call.Conn, call.Owner = nil, nil
		return nil
	}
	var err error
	switch {
	case c.lease != nil && c.lease.released.Load():
		err = errReleased
	case c.conn.Closed():
		err = conn.ErrClosed
	default:
		call.Conn, call.Owner = c.conn, c.owner
		return nil
	}
	return &IOError{URL: r.to.String(), Op: OpWrite, Sent: SentNothing, RemoteAddr: c.RemoteAddr(), Err: err}
}
