package actors

import (
	"cmp"
	"context"
	"crypto/tls"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// connection is the actor of one socket. Its handlers block in I/O, on the goroutine of
// the call that uses it; while it is shared a goroutine of the group reads beside them
// (connection_pipeline.go). What it may do when is in connection_state.go.
type connection struct {
	Conn  // in one piece with what its handlers need: a request finds all of it cold
	phase connState
	io    *conn.Conn // nil while dialing
	used  instant    // last use of the socket

	answerOutcome pool.Outcome // of the answer being read, should the rest of it come
	closeAfter    bool         // the request said Connection: close

	// The report to the dispatcher, sent when the mailbox is free.
	report any
	idle   connIdle
	up     connUp

	watched context.Context // of the call under way
	left    func()          // its end; made once

	tls        *tls.Config // nil: plain
	cancelDial context.CancelFunc
}

func newConnection(s *Scheduler, st *pool.Entry, cfg *tls.Config, id string) *connection {
	c := &connection{tls: cfg}
	c.id, c.sched, c.entry = id, s, st
	c.publish(actDialing, s.now())
	c.mail.group, c.mail.reporter = &s.group, c // without a budget: nobody does another's blocking I/O
	c.up.entry, c.idle.entry = st, st
	if s.cfg.PipelineDepth > 1 {
		c.pipeline = newPipeline(c)
	}
	return c
}

// takeReport is the report, which goes out when the mailbox is free.
func (c *connection) takeReport() any {
	m := c.report
	c.report = nil
	return m
}

func (c *connection) deliver(report any) { c.sched.mail.PostUserMessage(report) }

func (c *connection) failed(err error) { c.sched.logs.failure(c.pid.Id, err) }

// Receive handles one message of the engine's.
func (c *connection) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.pid = ctx.Self()
		c.mail.attach(ctx, c)
		c.dial(ctx)
	case *actor.Stopping:
		c.close()
	case *actor.Stopped:
		c.mail.close()
	default:
		c.handle(ctx, m)
	}
}

// handle handles one message of troupe's.
func (c *connection) handle(ctx actor.Context, message any) bool {
	switch m := message.(type) {
	case *roundTrip:
		if c.accept(evRoundTrip, m) {
			c.roundTrip(ctx, (*Call)(m))
		}
	case *send:
		if c.accept(evSend, m) {
			c.send(ctx, (*Call)(m))
		}
	case *feed:
		if c.accept(evFeed, m) {
			c.feed(ctx, (*Call)(m))
		}
	case *receive:
		if c.accept(evReceive, m) {
			c.receive(ctx, (*Call)(m))
		}
	case *read:
		if c.accept(evRead, m) {
			c.read(ctx, (*Call)(m))
		}
	case *readAll:
		if c.accept(evReadAll, m) {
			c.readAll(ctx, (*Call)(m))
		}
	case *abandon:
		if c.accept(evAbandon, m) {
			c.abandon(ctx, m.drain)
		}
	case *flush:
		if c.accept(evFlush, m) {
			c.flush(ctx)
		}
	case *atRest:
		if c.accept(evAtRest, m) {
			c.endSharing()
		}
	case *broken:
		if c.accept(evBroken, m) {
			c.end(ctx, c.failPipeline(), nil)
		}
	case *look:
		if c.accept(evLook, m) {
			c.look(ctx)
		}
	case *dialed:
		if c.accept(evDialed, m) {
			c.dialed(ctx, m)
		}
	case *gone:
		if c.accept(evGone, m) {
			ctx.Stop(ctx.Self())
		}
	case *stop:
		if c.accept(evStop, m) {
			c.end(ctx, c.out, c.err)
		}
	default:
		return false
	}
	return true
}

func (c *connection) accept(e connEvent, m any) bool {
	if accepts[c.phase][e] {
		return true
	}
	reject(m)
	return false
}

// roundTrip writes a whole request and reads its answer.
func (c *connection) roundTrip(ctx actor.Context, call *Call) {
	short := c.asks(call)
	if !c.ready(ctx, call, short) {
		return
	}
	c.took = 0
	call.began, call.origin = call.waiter.Granted, 0
	unwatch := c.watch(call.ctx)
	err := c.write(call, short)
	if err == nil {
		err = c.answer(call)
	}
	c.settle(ctx, call, err, unwatch())
}

// send writes the head and the first piece of a body that comes in pieces.
func (c *connection) send(ctx actor.Context, call *Call) {
	if !c.ready(ctx, call, false) {
		return
	}
	c.took = 0
	call.began, call.origin = call.waiter.Granted, 0
	unwatch := c.watch(call.ctx)
	c.closeAfter = call.Close
	var err error
	call.sent, err = c.begin(call, call.Head, call.piece, call.last)
	c.wrote(ctx, call, err, unwatch())
}

// feed writes the next piece.
func (c *connection) feed(ctx actor.Context, call *Call) {
	if !c.resume(ctx, call, conn.OpWrite) {
		return
	}
	unwatch := c.watch(call.ctx)
	var err error
	call.sent, err = c.io.More(call.piece, call.last)
	c.wrote(ctx, call, err, unwatch())
}

// wrote ends a step after which more of the exchange follows.
func (c *connection) wrote(ctx actor.Context, call *Call, err error, undisturbed bool) {
	if err == conn.ErrAnswered {
		call.early, err = true, nil
	}
	call.err = c.writeFailure(call, err)
	switch {
	case call.err == errStale:
		c.endStale(ctx, call)
	case err == nil && undisturbed:
		c.phase = connWriting
		if !call.last && !call.early {
			call.answered = c.io.Answered()
		}
		call.origin += c.sched.now().Since(call.began)
	case err == nil: // the context ended just now: the next step would find a closed socket
		call.err = c.failure(conn.OpWrite, call.sent, Ended(call.ctx))
		fallthrough
	default:
		call.note(c.io, c.sched.now())
		c.end(ctx, c.outcomeFor(call, call.err), nil)
	}
	call.reply.complete()
}

// receive reads the answer to what send and feed have written.
func (c *connection) receive(ctx actor.Context, call *Call) {
	if !c.resume(ctx, call, conn.OpRead) {
		return
	}
	unwatch := c.watch(call.ctx)
	err := c.answer(call)
	c.settle(ctx, call, err, unwatch())
}

// read fills the caller's memory, or its pipe, with the next piece of a streamed body.
func (c *connection) read(ctx actor.Context, call *Call) {
	if !c.resume(ctx, call, conn.OpRead) {
		return
	}
	unwatch := c.watch(call.ctx)
	var err error
	if call.piped = call.pipe != nil && c.io.Splices(call.pipe); call.piped {
		call.n, call.done, err = c.io.Splice(call.pipe)
	} else {
		call.n, call.done, err = c.io.Read(call.into, call.fill)
	}
	c.settle(ctx, call, c.failure(conn.OpRead, conn.SentAll, err), unwatch())
}

// readAll reads the rest of an answer whose head came first.
func (c *connection) readAll(ctx actor.Context, call *Call) {
	if !c.resume(ctx, call, conn.OpRead) {
		return
	}
	unwatch := c.watch(call.ctx)
	a := call.answer
	var err error
	a.Buf, err = c.io.ReadRest(a.Buf, a.BodyAt, call.MaxBody)
	c.settle(ctx, call, c.failure(conn.OpRead, call.sent, err), unwatch())
}

// ready looks at the connection before anything is written, and at whether the
// caller still wants it. short: the look is left to Ask.
func (c *connection) ready(ctx actor.Context, call *Call, short bool) bool {
	now, during := call.waiter.Granted, actWriting // it was a moment ago
	if short {
		during = actReading // a small request is out at once
	}
	if !short && !c.io.Alive(now.Since(c.used)) {
		call.err = errStale
		c.endStale(ctx, call)
	} else if err := Ended(call.ctx); err != nil {
		call.err = c.failure(conn.OpWrite, conn.SentNothing, err)
		if c.sched.cfg.Fresh && call.Conn == nil {
			c.end(ctx, pool.OutcomeNeutral, nil) // it was for this call alone
		} else {
			used := c.used
			c.free(pool.OutcomeNeutral, 0)
			c.used, c.report = used, &giveBack{entry: c.entry} // it is as old as it was
		}
	} else {
		c.publish(during, now)
		return true
	}
	call.reply.complete()
	return false
}

// resume begins a later step of an exchange. Between the steps the call was in
// its caller's own code: a context that ended there is nothing of the origin's.
func (c *connection) resume(ctx actor.Context, call *Call, op conn.Op) bool {
	call.began = c.sched.now()
	err := Ended(call.ctx)
	if err == nil {
		return true
	}
	call.err = c.failure(op, call.sent, err)
	call.note(c.io, call.began)
	c.end(ctx, pool.OutcomeNeutral, nil)
	call.reply.complete()
	return false
}

// smallAnswer is how many bytes of an answer most have no more than, where nothing is
// there yet.
const smallAnswer = 512

// begin makes a's memory ready for the answer to call: what it was asked stands before it.
// Fresh memory is made as large as what has come already.
func (a *Answer) begin(call *Call, come int) {
	asked := call.written()
	a.Buf = append(slices.Grow(a.Buf[:0], len(asked)+cmp.Or(come, smallAnswer)), asked...)
	a.HeadAt = len(a.Buf)
}

// answer reads the head and, unless that is to be left for later, the body.
func (c *connection) answer(call *Call) error {
	if c.activity() != actReading {
		c.publish(actReading, c.since()) // for as long as the exchange: no look at the clock
	}
	s, a := c.sched, c.sched.NewAnswer()
	call.answer = a
	var err error
	a.begin(call, c.io.Buffered())
	a.Buf, err = c.io.ReadHead(call.Method, &a.Head, a.Buf, c.limits(), s.cfg.ResponseHeaderTimeout)
	a.BodyAt = len(a.Buf)
	switch {
	case err != nil || call.Stream:
	case call.HeadFirst && a.Head.Status() >= 300:
		a.Buf, err = c.io.TakeBuffered(a.Buf, call.MaxBody)
	default:
		a.Buf, err = c.io.ReadAll(a.Buf, call.MaxBody)
	}
	c.answerOutcome = pool.OutcomeOK
	if s.cfg.Breaker.ServerErrors && err == nil && a.Head.Status() >= 500 {
		c.answerOutcome = pool.OutcomeFailed
	}
	return c.failure(conn.OpRead, call.sent, err)
}

// settle ends a step that may have ended the exchange: the connection is freed
// for the next, goes on streaming, or ends. undisturbed tells that the caller's
// context can't touch it any more.
func (c *connection) settle(ctx actor.Context, call *Call, err error, undisturbed bool) {
	call.err = err
	switch {
	case err == errStale:
		c.endStale(ctx, call)
	case err != nil:
		call.note(c.io, c.sched.now())
		c.end(ctx, c.outcomeFor(call, err), nil)
	case !c.io.Finished():
		c.phase = connReading
		now := c.sched.now()
		call.origin += now.Since(call.began)
		c.answeredAfter(call.origin)
		call.note(c.io, now)
		if call.waiter.Probing {
			call.waiter.Probing = false
			c.report = &connAnswered{c.entry, c.answerOutcome}
		}
		if !undisturbed {
			c.end(ctx, pool.OutcomeNeutral, nil) // the next read is told why
		}
	default:
		call.done = true
		c.answered.Add(1)
		if undisturbed && !c.closeAfter && c.io.Reusable() {
			a := call.answer
			c.free(c.answerOutcome, conn.KeepAlive(a.Get("Keep-Alive")))
			c.answeredAfter(call.origin + c.used.Since(call.began))
			call.note(c.io, c.used)
		} else {
			now := c.sched.now()
			c.answeredAfter(call.origin + now.Since(call.began))
			call.note(c.io, now)
			c.end(ctx, c.answerOutcome, nil)
		}
	}
	call.reply.complete()
}

// answeredAfter notes how long the answer took: a streamed one counts up to its head.
func (c *connection) answeredAfter(d time.Duration) {
	if c.took == 0 {
		c.took = d
	}
}

// free makes the connection idle and reports so.
func (c *connection) free(out pool.Outcome, keep time.Duration) {
	c.io.Park()
	c.phase, c.watched = connOpen, nil // an idle connection holds nobody's context
	c.used = c.sched.now()
	c.publish(actIdle, c.used)
	c.idle.at, c.idle.out, c.idle.keep = c.used, out, keep
	c.report = &c.idle
}

func (c *connection) interrupted() bool { return c.closing.Load() }

// watch makes the end of ctx close the socket, which ends any read or write at
// once. The returned function undoes that; false means that it was too late.
func (c *connection) watch(ctx context.Context) (unwatch func() bool) {
	if ctx.Done() == nil {
		return undisturbed
	}
	if c.left == nil {
		c.left = func() {
			defer c.sched.Recover()
			c.io.Interrupt(Ended(c.watched))
		}
	}
	c.watched = ctx // nobody watches once more behind a watch that ended too late: the connection ends there
	return context.AfterFunc(ctx, c.left)
}

func undisturbed() bool { return true }
