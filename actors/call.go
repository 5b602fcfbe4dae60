package actors

import (
	"context"
	"crypto/tls"
	"io"
	"os"
	"time"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// Origin names where a request goes and how: scheme, host, port, TLS settings and
// proxy together. Two calls share connections only when all are alike.
type Origin struct {
	Scheme string      // "http" or "https"
	Host   string      // lower case; an IPv6 literal without brackets
	Port   string      // decimal, never empty
	TLS    *tls.Config // by identity; nil means the scheduler's
	Proxy  *conn.Proxy // by identity; nil means none
}

// Request is what a call sends.
type Request struct {
	Origin *Origin // read until Do has returned
	Method string  // decides how the answer is framed (HEAD has no body)

	// Head is the whole request head, its empty line included. The call may
	// append to it.
	Head []byte
	// Body follows the head; nil: none does. It is read until Do has returned.
	Body *Body
	// MaxBody bounds the answer's body where that is not streamed, in bytes; <= 0: no bound.
	MaxBody int64

	// Conn pins the call to one connection: it waits while that one is busy.
	Conn *Conn
	// Owner must be the connection's owner where it has one (a lease, or a
	// one-shot call's own connection); nil for a plain pin. Do sets it where it is nil
	// and the connection becomes the call's own (Config.Fresh).
	Owner *Owner

	// Close tells that Head says Connection: close: nothing is sent on the
	// connection afterwards (RFC 9112 §9.6).
	Close bool
	// Again tells that its caller has sent a request before: this is another try, which
	// MayRetry has counted, or what a redirect led to. It may finish during a Shutdown.
	Again bool
	// Freshness is which idle connections will do.
	Freshness Freshness
	// Patience bounds how long the call waits, over all its tries, for an origin that
	// takes no calls: it is refused at once where that would last longer, or pass its
	// context's deadline. Zero: it waits for the back-off, with no bound, and not for
	// the breaker. Negative: for neither.
	Patience time.Duration

	// Pipeline tells that it may share a connection with others, where
	// Config.PipelineDepth says so and the rest of it allows that.
	Pipeline bool
	// Stream leaves the body on the connection: Do returns after the head and
	// Read takes the body in pieces.
	Stream bool
	// HeadFirst does so with answers of 300 and above, but for what has come with the
	// head, since a call may want no more of them: Rest or Skip reads on. On a shared
	// connection the whole answer is read all the same.
	HeadFirst bool
}

// Body is what a request carries. Exactly one of Bytes, File and Reader holds it, or,
// where it is empty, none does.
type Body struct {
	// Bytes is a body in memory. It goes out with the head and is only read.
	Bytes []byte
	// File is a body on disk: Size bytes from its current offset, sent by the
	// kernel where that is possible.
	File *os.File
	// Reader is a body of the caller's making. It is read on a goroutine of its
	// own, so that a Read that blocks or panics harms this call alone.
	Reader io.Reader
	// Size is how many bytes File or Reader give: fewer are an error, more are
	// left unread. -1 (Reader only) means until io.EOF, sent in chunks.
	Size int64
	// Quick tells that Reader gives memory of the caller's and never blocks: Do
	// then does not return before it has read the last of it.
	Quick bool
	// Began is when the making of the body began: the call's wait counts from there. The
	// zero Moment: with Do.
	Began Moment
	// Expect is how long the server may take to ask for the body before it is sent
	// unasked (the head says Expect: 100-continue); 0: the body follows at once.
	Expect time.Duration
}

// bytes is what of the body goes out with the head.
func (b *Body) bytes() []byte {
	if b == nil {
		return nil
	}
	return b.Bytes
}

// inMemory tells whether the body, if any, is at hand and may go out at once.
func (b *Body) inMemory() bool {
	return b == nil || b.File == nil && b.Reader == nil && b.Expect == 0
}

// Answer is what came back. It is the caller's, who may hand it back with FreeAnswer.
type Answer struct {
	Head http1.Head // offsets into Buf[HeadAt:]; see Get
	// Buf holds the request as it was sent (its head, and a small body), the answer's
	// head, and, unless streamed, its body.
	Buf            []byte
	HeadAt, BodyAt int
	// Conn is the connection that answered.
	Conn *Conn
	// Owner is set when the connection is now the caller's own (Config.Fresh).
	Owner *Owner
	// Times is when what happened.
	Times Times
}

// NewAnswer gives an empty answer, for its memory.
func (s *Scheduler) NewAnswer() *Answer {
	if a, ok := s.answers.Get().(*Answer); ok {
		return a
	}
	return new(Answer)
}

// FreeAnswer takes an answer back, for the next one, and its memory, where that is
// much, for the next that needs as much. It must not be used afterwards, nor freed twice.
func (s *Scheduler) FreeAnswer(a *Answer) {
	if s.buffers.Keep(a.Buf) {
		a.Buf = nil
	}
	a.Head.Reset()
	a.Buf, a.HeadAt, a.BodyAt, a.Conn, a.Owner = a.Buf[:0], 0, 0, nil, nil
	a.Times = Times{}
	s.answers.Put(a)
}

// Grow gives dst room for want more bytes, as conn.Buffers does. FreeAnswer takes an
// Answer's memory back, KeepMemory any other.
func (s *Scheduler) Grow(dst []byte, need, want int) []byte { return s.buffers.Grow(dst, need, want) }

// KeepMemory takes memory back that Grow gave.
func (s *Scheduler) KeepMemory(p []byte) { s.buffers.Keep(p) }

// Body returns the answer's body: a slice of Buf, empty when streamed.
func (a *Answer) Body() []byte { return a.Buf[a.BodyAt:] }

// Request is the head of the request as it was sent, and a small body behind it.
func (a *Answer) Request() []byte { return a.Buf[:a.HeadAt] }

// Field is the i-th header field, as http1.Head.Field gives it.
func (a *Answer) Field(i int) (name, value []byte) { return a.Head.Field(a.Buf[a.HeadAt:], i) }

// Get is the first value of a header field, nil where there is none.
func (a *Answer) Get(name string) []byte { return a.Head.Get(a.Buf[a.HeadAt:], name) }

// Values are all values of a header field.
func (a *Answer) Values(name string) [][]byte { return a.Head.Values(a.Buf[a.HeadAt:], name) }

// Call is one request on its way. It is every message that travels for it, so
// that a request sends them without allocating. It comes from NewCall, belongs
// to one goroutine, and serves one request after another. A hundred thousand may wait
// at once: what only some need is behind a pointer.
type Call struct {
	Request

	sched  *Scheduler
	ctx    context.Context
	times  Times
	answer *Answer // from when the first of it is there: who waits holds none

	reply  reply
	waiter pool.Waiter
	conn   *Conn  // granted
	place  uint64 // in its pipeline

	lease  bool
	lost   bool // an actor may still know it: not to be used again
	alone  bool // it has shared a connection: the next it has for itself
	hungUp int8 // new connections so far that the server closed at once

	// One step of the exchange.
	done   bool // the answer is complete
	sent   conn.Sent
	joined uint16        // bytes of the body that went out in one piece with the head
	began  instant       // of the step
	origin time.Duration // how long earlier steps had the origin at work
	err    error         // of it, or why no connection was granted
	*parts               // nil until inParts
}

// parts is what a call needs whose body comes in pieces, or whose answer is taken so.
type parts struct {
	piece []byte // to write: with send and feed
	last  bool   // piece is the last
	early bool   // the server has answered: it wants no more pieces
	// answered is closed when the server answers between two pieces.
	answered <-chan struct{}
	unread   bool            // nothing of Reader was
	reading  <-chan struct{} // closed when nobody reads Reader any more

	into  []byte     // to read into: with read
	fill  bool       // all of it
	n     int        // read
	pipe  *conn.Pipe // to fill instead, where that can be; nil: none
	piped bool       // it was
}

// inParts makes room for parts, which is kept for the calls to come.
func (c *Call) inParts() {
	if c.parts == nil {
		c.parts = new(parts)
	}
}

// Lost tells that an actor may still be at work on the call, after the session's end:
// nothing of it may be touched any more.
func (c *Call) Lost() bool { return c.lost }

// Times is when what happened in the last Do.
func (c *Call) Times() *Times { return &c.times }

// Used is the connection the last Do was sent on; nil where there was none.
func (c *Call) Used() *Conn { return c.conn }

// note takes the moments of the exchange so far from its connection.
func (c *Call) note(io *conn.Conn, now instant) {
	c.times.note(io, now)
	if a := c.answer; a != nil {
		started := a.Times.started
		a.Times = c.times
		a.Times.started = started
	}
}

// Finished tells whether the whole answer has come.
func (c *Call) Finished() bool { return c.done }

// keepBody is up to where a request's body is kept with its head, for who wants to see
// what was sent.
const keepBody = 2 << 10

// written is what the request began with: its head, and a small body.
func (c *Call) written() []byte {
	if c.joined > keepBody {
		return c.Head
	}
	return c.Head[:len(c.Head)+int(c.joined)]
}

// NewCall gives an empty call.
func (s *Scheduler) NewCall() *Call {
	return &Call{sched: s, reply: reply{ch: make(chan struct{}, 1)}}
}

// maxKeptHead keeps one large request from holding its memory for ever.
const maxKeptHead = 64 << 10

// Reset empties a call that is not Lost, for the next request.
func (c *Call) Reset() {
	c.Request = Request{Head: c.Head[:0]}
	if cap(c.Head) > maxKeptHead {
		c.Head = nil
	}
	c.ctx, c.answer, c.conn, c.err = nil, nil, nil, nil
	c.lease, c.done, c.joined = false, false, 0
	c.times = Times{}
	x := c.waiter.Extra
	if x != nil {
		*x = pool.Extra{}
	}
	c.waiter = pool.Waiter{Extra: x} // nobody else's memory is held, its own is kept
	if c.parts != nil {
		*c.parts = parts{}
	}
}

// refused answers an acquire that reached no dispatcher.
func (c *Call) refused(err error) {
	c.waiter.More().Err = err
	c.reply.complete()
}

// undelivered answers a step that the connection did not finish. begin tells
// that the step was the first, before which nothing was written.
func (c *Call) undelivered(reason error, begin bool) {
	op := conn.OpRead
	if c.sent != conn.SentAll {
		op = conn.OpWrite
	}
	switch {
	case reason == errActorGone && begin:
		c.err = errStale
	case reason == errActorGone:
		c.err = c.failure(op, c.sent, c.whyGone())
	default: // a panic: more may have been written than was reported
		c.err = c.failure(op, max(c.sent, conn.SentPart), reason)
	}
	c.reply.complete()
}

// whyGone is why a call that waited, or had a connection, has none any more.
func (c *Call) whyGone() error {
	if err := Ended(c.ctx); err != nil {
		return err
	}
	if c.sched.closing.Load() {
		return ErrSessionClosed
	}
	return conn.ErrClosed
}

func (c *Call) failure(op conn.Op, sent conn.Sent, err error) error {
	return &conn.Error{Op: op, Sent: sent, RemoteAddr: c.conn.RemoteAddr(), Err: err, Reused: c.conn.Requests() > 0}
}
