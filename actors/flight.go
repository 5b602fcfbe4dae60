package actors

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// This file is a connection while calls share it: the actor writes, a goroutine of the
// crew reads, and what both know is in line.go.

// flushLater runs on a goroutine of the crew. Callers that were woken together post
// together: those that are ready do so before the first of them is written.
func (c *connection) flushLater() {
	defer c.sched.crew.leave()
	runtime.Gosched()
	c.mail.PostUserMessage(&c.line.flush)
}

// flush writes all that are queued.
func (c *connection) flush(ctx actor.Context) {
	l := c.line
	if c.phase == connOpen {
		if !c.io.Alive(c.sched.now().since(c.used)) {
			c.diedIdle = c.answered.Load() > 0 && !c.interrupted()
			c.end(ctx, outcomeNeutral, nil) // its calls move on
			return
		}
		c.io.Pipeline()
		c.phase = connShared
		c.publish(actReading, c.sched.now())
	}
	for {
		piece, read := l.load(c.sched.now())
		if len(piece) == 0 {
			break
		}
		if read && !c.sched.crew.start(l.readOn) {
			c.breaks(ErrSessionClosed)
			return
		}
		n, err := c.io.Send(piece)
		if !l.wrote(n, err, c.io.Unsure()) {
			c.io.GiveUpSoon() // the reader takes what was answered before
			return
		}
	}
	if l.deserted() {
		c.rest()
	}
}

// batch is how many calls are woken at a time.
const batch = 64

// readOn runs on a goroutine of the crew, as long as an answer is due.
func (c *connection) readOn() {
	defer c.sched.crew.leave()
	err := errReadExited
	defer func() {
		if v := recover(); v != nil {
			err = conn.NewPanicError(v)
		}
		if err != nil {
			c.breaks(err)
		}
	}()
	err = c.readAnswers()
}

var (
	errReadExited = errors.New("the goroutine that reads the answers exited (runtime.Goexit)")
	// errNoMore ends a connection in good order: an answer said so, or nobody waits for
	// the next.
	errNoMore = errors.New("the connection ended behind an earlier answer")
)

// readAnswers reads until no answer is due; nil: the connection goes on.
func (c *connection) readAnswers() error {
	var room [batch]*Call
	var first instant // when the answer at hand began
	timeout := c.sched.cfg.ResponseHeaderTimeout
	for next := true; ; {
		if timeout > 0 && next && !c.io.Headed() {
			c.patientUntil(time.Now().Add(timeout))
		}
		begun := c.io.Begun()
		if err := c.io.Receive(); err != nil {
			return err
		}
		now := c.sched.now()
		if !begun {
			first = now
		}
		next = false
		for more := true; more; {
			answered, over, err := c.takeAnswers(room[:0], &first, now)
			more = len(answered) == batch
			next = next || len(answered) > 0
			for _, call := range answered {
				call.slot.complete()
			}
			if over || err != nil && err != http1.ErrNeedMore {
				return err
			}
		}
		if timeout > 0 && c.io.Headed() {
			c.patientUntil(time.Time{})
			next = true
		}
	}
}

// patientUntil is the reader's. It takes back no GiveUpSoon of the actor's, which may
// come at the same time.
func (c *connection) patientUntil(t time.Time) {
	c.io.PatientUntil(t)
	if c.line.unwritable() != nil {
		c.io.GiveUpSoon()
	}
}

// takeAnswers takes what has been received, and reports it. Of the calls that are
// answered now the callers are to be woken. over: no answer is due any more.
func (c *connection) takeAnswers(calls []*Call, first *instant, now instant) (answered []*Call, over bool, err error) {
	l := c.line
	var t landing
	for !over && err == nil && len(calls) < batch {
		l.mu.Lock()
		s := l.front(&t)
		if s == nil { // the session has ended over a driver that did not
			err = errNoMore
		} else if err = c.take(s); err == nil {
			call, a, wrote := s.call, s.answer, s.wrote
			over, err = c.landed(s, &t, now)
			if call != nil {
				call.err, call.done, call.answer = nil, true, a
				call.times.landed(wrote, *first, now)
				a.Times = call.times
				calls = append(calls, call)
			} else {
				c.sched.FreeAnswer(a)
			}
			*first = now
		} else if err == http1.ErrNeedMore && l.awaited == 0 { // those behind have left before
			l.shut, err = true, errNoMore
		}
		l.mu.Unlock()
	}
	c.answered.Add(int64(t.ok + t.failed))
	if over && err == nil {
		c.mail.PostUserMessage(&l.atRest) // which reports: a plain call may come next
		return calls, true, nil
	}
	if err != nil && err != http1.ErrNeedMore {
		c.publish(actClosed, now) // before the dispatcher could give it out again
	}
	if l.tell(t) {
		c.sched.mail.PostUserMessage(&l.report)
	}
	return calls, over, err
}

// take takes what there is of the answer to s; http1.ErrNeedMore: not all of it.
func (c *connection) take(s *spot) (err error) {
	a, call := s.answer, s.call
	switch {
	case !c.io.Begun():
		return http1.ErrNeedMore
	case a == nil: // who waits holds none
		a = c.sched.NewAnswer()
		s.answer = a
		if call != nil {
			a.begin(call, 0)
		}
	case call == nil:
		a.Buf = a.Buf[:0] // nobody wants it
	}
	if !c.io.Headed() {
		if a.Buf, err = c.io.TakeHead(s.method, &a.Head, a.Buf, c.limits()); err != nil {
			return err
		}
		a.BodyAt = len(a.Buf)
	}
	a.Buf, err = c.io.TakeBody(a.Buf, s.max)
	return err
}

// landed takes an answered call out of the line. errNoMore: the connection ends here.
func (c *connection) landed(s *spot, t *landing, now instant) (over bool, err error) {
	l, a, wanted := c.line, s.answer, s.call != nil
	t.n, t.at, t.took = t.n+1, now, 0
	if wanted {
		t.took = now.since(s.call.waiter.granted)
	}
	if c.sched.cfg.Breaker.ServerErrors && a.Head.Status() >= 500 {
		t.failed, t.row = t.failed+1, t.row+1
	} else {
		t.ok, t.row = t.ok+1, 0
	}
	t.proven = t.proven || a.Head.Minor() > 0
	l.doubted = false
	l.pop()
	over = l.front(t) == nil
	if !c.io.Persists() || over && (l.shut || !c.io.Reusable()) {
		l.shut = true
		return over, errNoMore
	}
	if over {
		if wanted {
			t.keep = conn.KeepAlive(a.Get("Keep-Alive"))
		}
		l.reading = false
		l.last.add(*t)
	}
	return over, nil
}

// rest ends the sharing once every call is answered, and reports the last of them.
func (c *connection) rest() {
	t, quiet := c.line.settled()
	if quiet && c.phase == connShared {
		if c.sched.cfg.ResponseHeaderTimeout > 0 {
			c.io.PatientUntil(time.Time{})
		}
		c.io.Park()
		c.phase = connOpen
		c.used = c.sched.now()
		c.publish(actIdle, c.used)
	}
	if c.line.tell(t) {
		c.report = &c.line.report
	}
}

// breaks ends the reading, and with it the connection: what is being written ends too.
func (c *connection) breaks(why error) {
	l := c.line
	l.mu.Lock()
	l.shut, l.reading = true, false
	if why != errNoMore {
		l.fault, l.begun = why, c.io.Begun()
	}
	l.mu.Unlock()
	c.publish(actClosed, c.sched.now())
	c.io.Interrupt(conn.ErrClosed)
	c.mail.PostUserMessage(&l.broken)
}

// failLine tells every call that is left in the line what is known of it, once nobody
// reads or writes any more, and gives what that says about the origin.
func (c *connection) failLine() outcome {
	l := c.line
	c.sched.lines.remove(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	if l.fault == nil {
		l.fault = l.werr
	}
	out := outcomeNeutral
	for head := true; l.first != l.next; {
		s, sent := l.at(l.first), l.evidence(l.first)
		if s.void {
			l.pop()
			continue
		}
		err := c.unanswered(sent, head)
		if head && l.fault != nil {
			out = verdictOnLine(err)
		}
		head = false
		call, a := s.call, s.answer
		l.pop()
		if a != nil {
			c.sched.FreeAnswer(a)
		}
		if call != nil {
			call.err = err
			call.slot.complete()
		}
	}
	if l.abandoned {
		c.had = l.had
		return l.ending
	}
	return out
}

// unanswered is the error of a call whose connection ended before its answer: for the
// first in line what went wrong, for those behind it that they were cut off. What was
// not sent at all goes to another connection.
func (c *connection) unanswered(sent conn.Sent, head bool) error {
	l, op := c.line, conn.OpRead
	if sent == conn.SentNothing {
		return errStale
	}
	if sent == conn.SentPart {
		op = conn.OpWrite
	}
	e := &conn.Error{Op: op, Sent: sent, RemoteAddr: c.io.RemoteAddr(), Reused: c.answered.Load() > 0}
	switch {
	case l.fault == nil:
		e.Err, e.Lost = conn.ErrCutOff, true
	case c.interrupted():
		e.Err = l.fault // this side's doing
	case head:
		e.Err, e.Answered = l.fault, l.begun
		if l.werr != nil && (sent != conn.SentAll || conn.IsTimeout(l.fault)) {
			e.Err = l.werr // what came of it says less
		}
		e.Lost = verdictOf(e.Err) == outcomeFailed && !conn.IsTimeout(e.Err)
	default:
		e.Err, e.Lost = fmt.Errorf("%w (%v)", conn.ErrCutOff, l.fault), true
	}
	return e
}

// verdictOnLine is verdictOn for the call that was first in line.
func verdictOnLine(err error) outcome {
	var e *conn.Error
	if !errors.As(err, &e) || e.Reused && e.Lost && !e.Answered {
		return outcomeNeutral
	}
	return verdictOf(err)
}

// unflushed is a flush that the actor did not run, or not to its end.
func (c *connection) unflushed(reason error) {
	l := c.line
	l.mu.Lock()
	l.shut = true
	if l.writing && l.werr == nil {
		l.werr = reason // a panic: more may have been written than was reported
	}
	l.mu.Unlock()
	if c.closeLine() {
		c.io.Interrupt(conn.ErrClosed)
	}
}

// closeLine ends the sharing with the connection. Where a reader is at the socket, it
// is interrupted, and the calls are failed once it has ended.
func (c *connection) closeLine() (read bool) {
	if c.line == nil {
		return false
	}
	c.line.mu.Lock()
	c.line.shut = true
	read = c.line.reading
	c.line.mu.Unlock()
	if !read {
		c.failLine()
	}
	return read
}
