package actors

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// This file is a connection while calls share it: the actor writes, a goroutine of the
// group reads, and what both know is in pipeline.go.

// flushLater runs on a goroutine of the group. Callers that were woken together post
// together: those that are ready do so before the first of them is written.
func (c *connection) flushLater() {
	defer c.sched.group.leave()
	runtime.Gosched()
	c.mail.PostUserMessage(&c.pipeline.flush)
}

// flush writes all that are queued.
func (c *connection) flush(ctx actor.Context) {
	p := c.pipeline
	if c.phase == connOpen {
		if !c.io.Alive(c.sched.now().Since(c.used)) {
			c.diedIdle = c.answered.Load() > 0 && !c.interrupted()
			c.end(ctx, pool.OutcomeNeutral, nil) // its calls move on
			return
		}
		c.io.Pipeline()
		c.phase = connShared
		c.publish(actReading, c.sched.now())
	}
	for {
		piece, read := p.load(c.sched.now())
		if len(piece) == 0 {
			break
		}
		if read && !c.sched.group.start(p.readOn) {
			c.breaks(ErrSessionClosed)
			return
		}
		n, err := c.io.Send(piece)
		if !p.wrote(n, err, c.io.Unsure()) {
			c.io.GiveUpSoon() // the reader takes what was answered before
			return
		}
	}
	if p.empty() {
		c.endSharing()
	}
}

// batch is how many calls are woken at a time.
const batch = 64

// readOn runs on a goroutine of the group, as long as an answer is due.
func (c *connection) readOn() {
	defer c.sched.group.leave()
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
				call.reply.complete()
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
	if c.pipeline.unwritable() != nil {
		c.io.GiveUpSoon()
	}
}

// takeAnswers takes what has been received, and reports it. Of the calls that are
// answered now the callers are to be woken. over: no answer is due any more.
func (c *connection) takeAnswers(calls []*Call, first *instant, now instant) (answered []*Call, over bool, err error) {
	p := c.pipeline
	var t pool.Report
	for !over && err == nil && len(calls) < batch {
		p.mu.Lock()
		s := p.front(&t)
		if s == nil { // the session has ended over a driver that did not
			err = errNoMore
		} else if err = c.take(s); err == nil {
			call, a, wrote := s.call, s.answer, s.wrote
			over, err = c.endCall(s, &t, now)
			if call != nil {
				call.err, call.done, call.answer = nil, true, a
				call.times.landed(wrote, *first, now)
				a.Times = call.times
				calls = append(calls, call)
			} else {
				c.sched.FreeAnswer(a)
			}
			*first = now
		} else if err == http1.ErrNeedMore && p.awaited == 0 { // those behind have left before
			p.shut, err = true, errNoMore
		}
		p.mu.Unlock()
	}
	c.answered.Add(int64(t.OK + t.Failed))
	if over && err == nil {
		c.mail.PostUserMessage(&p.atRest) // which reports: a plain call may come next
		return calls, true, nil
	}
	if err != nil && err != http1.ErrNeedMore {
		c.publish(actClosed, now) // before the dispatcher could give it out again
	}
	if p.addReport(t) {
		c.sched.mail.PostUserMessage(&p.message)
	}
	return calls, over, err
}

// take takes what there is of the answer to s; http1.ErrNeedMore: not all of it.
func (c *connection) take(s *pipelinedCall) (err error) {
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

// endCall takes an answered call out of the pipeline. errNoMore: the connection ends here.
func (c *connection) endCall(s *pipelinedCall, t *pool.Report, now instant) (over bool, err error) {
	p, a, wanted := c.pipeline, s.answer, s.call != nil
	t.N, t.At, t.Took = t.N+1, now, 0
	if wanted {
		t.Took = now.Since(s.call.waiter.Granted)
	}
	if c.sched.cfg.Breaker.ServerErrors && a.Head.Status() >= 500 {
		t.Failed, t.Row = t.Failed+1, t.Row+1
	} else {
		t.OK, t.Row = t.OK+1, 0
	}
	t.Proven = t.Proven || a.Head.Minor() > 0
	p.doubted = false
	p.pop()
	over = p.front(t) == nil
	if !c.io.Persists() || over && (p.shut || !c.io.Reusable()) {
		p.shut = true
		return over, errNoMore
	}
	if over {
		if wanted {
			t.Keep = conn.KeepAlive(a.Get("Keep-Alive"))
		}
		p.reading = false
		p.restReport.Add(*t)
	}
	return over, nil
}

// endSharing ends the sharing once every call is answered, and reports the last of them.
func (c *connection) endSharing() {
	t, quiet := c.pipeline.endRest()
	if quiet && c.phase == connShared {
		if c.sched.cfg.ResponseHeaderTimeout > 0 {
			c.io.PatientUntil(time.Time{})
		}
		c.io.Park()
		c.phase = connOpen
		c.used = c.sched.now()
		c.publish(actIdle, c.used)
	}
	if c.pipeline.addReport(t) {
		c.report = &c.pipeline.message
	}
}

// breaks ends the reading, and with it the connection: what is being written ends too.
func (c *connection) breaks(why error) {
	p := c.pipeline
	p.mu.Lock()
	p.shut, p.reading = true, false
	if why != errNoMore {
		p.fault, p.begun = why, c.io.Begun()
	}
	p.mu.Unlock()
	c.publish(actClosed, c.sched.now())
	c.io.Interrupt(conn.ErrClosed)
	c.mail.PostUserMessage(&p.broken)
}

// failPipeline tells every call that is left in the pipeline what is known of it, once nobody
// reads or writes any more, and gives what that says about the origin.
func (c *connection) failPipeline() pool.Outcome {
	p := c.pipeline
	c.sched.pipelines.remove(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.fault == nil {
		p.fault = p.werr
	}
	out := pool.OutcomeNeutral
	for head := true; p.first != p.next; {
		s, sent := p.at(p.first), p.evidence(p.first)
		if s.void {
			p.pop()
			continue
		}
		err := c.unanswered(sent, head)
		if head && p.fault != nil {
			out = pipelineOutcome(err)
		}
		head = false
		call, a := s.call, s.answer
		p.pop()
		if a != nil {
			c.sched.FreeAnswer(a)
		}
		if call != nil {
			call.err = err
			call.reply.complete()
		}
	}
	if p.abandoned {
		c.had = p.had
		return p.ending
	}
	return out
}

// unanswered is the error of a call whose connection ended before its answer: for the
// first in the pipeline what went wrong, for those behind it that they were cut off. What was
// not sent at all goes to another connection.
func (c *connection) unanswered(sent conn.Sent, head bool) error {
	p, op := c.pipeline, conn.OpRead
	if sent == conn.SentNothing {
		return errStale
	}
	if sent == conn.SentPart {
		op = conn.OpWrite
	}
	e := &conn.Error{Op: op, Sent: sent, RemoteAddr: c.io.RemoteAddr(), Reused: c.answered.Load() > 0}
	switch {
	case p.fault == nil:
		e.Err, e.Lost = conn.ErrCutOff, true
	case c.interrupted():
		e.Err = p.fault // this side's doing
	case head:
		e.Err, e.Answered = p.fault, p.begun
		if p.werr != nil && (sent != conn.SentAll || conn.IsTimeout(p.fault)) {
			e.Err = p.werr // what came of it says less
		}
		e.Lost = outcomeOf(e.Err) == pool.OutcomeFailed && !conn.IsTimeout(e.Err)
	default:
		e.Err, e.Lost = fmt.Errorf("%w (%v)", conn.ErrCutOff, p.fault), true
	}
	return e
}

// pipelineOutcome is outcomeFor for the call that was first in the pipeline.
func pipelineOutcome(err error) pool.Outcome {
	var e *conn.Error
	if !errors.As(err, &e) || e.Reused && e.Lost && !e.Answered {
		return pool.OutcomeNeutral
	}
	return outcomeOf(err)
}

// unflushed is a flush that the actor did not run, or not to its end.
func (c *connection) unflushed(reason error) {
	p := c.pipeline
	p.mu.Lock()
	p.shut = true
	if p.writing && p.werr == nil {
		p.werr = reason // a panic: more may have been written than was reported
	}
	p.mu.Unlock()
	if c.closePipeline() {
		c.io.Interrupt(conn.ErrClosed)
	}
}

// closePipeline ends the sharing with the connection. Where a reader is at the socket, it
// is interrupted, and the calls are failed once it has ended.
func (c *connection) closePipeline() (read bool) {
	if c.pipeline == nil {
		return false
	}
	c.pipeline.mu.Lock()
	c.pipeline.shut = true
	read = c.pipeline.reading
	c.pipeline.mu.Unlock()
	if !read {
		c.failPipeline()
	}
	return read
}
