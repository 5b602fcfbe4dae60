package conn

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// ErrAnswered tells that a write was ended because the answer is there, or will
// never be: what is left of the request is not to be sent, and ReadHead tells what
// the server said. The connection can't be used again (RFC 9112 §9.5).
var ErrAnswered = errors.New("troupe: the server has answered before the request was whole: stop sending and read the answer")

const (
	// watchAfter is how long an upload lasts before it is watched: one that the
	// socket takes at once costs no goroutine, and of one that takes longer
	// nobody notices that so much more of it went out.
	watchAfter = 5 * time.Millisecond

	// takenAtOnce is how large a head without a body may be that is not worth
	// watching: every socket's buffer takes it, and servers read blocks of no less.
	takenAtOnce = 4 << 10

	// stride is how much of a body is written at a time where a write that was
	// ended can't be taken up again: one stride is what counts as progress. Plain
	// sockets begin with all of it: pieces of this size cost a third more CPU.
	stride = 64 << 10

	// stallTime is how long a stride may take once a 2xx answer has begun. Such a
	// server either still reads, or waits for us to read: then neither side would
	// ever go on. An uplink that needs 5 s for a stride carries 13 KB/s, less than
	// any in use; and servers give up on one after 10 s and more.
	stallTime = 5 * time.Second

	// finishTime is how long an upload may still take once a 2xx answer is whole: such
	// a server has decided without the rest. It is what net/http grants.
	finishTime = 50 * time.Millisecond

	// maxAhead is how much of a 2xx answer is read beside the writing, to see whether
	// it is whole: what comes early is a receipt, and has to be kept in memory here.
	maxAhead = 256 << 10

	// lookTime bounds the look for an answer behind a write that failed. What
	// came before a reset lies in the receive queue; else the read fails at once.
	lookTime = 100 * time.Millisecond
)

// finding is what came in while a request was going out.
type finding uint8

// What follows for the upload:
//
//	unheard  no byte of a final answer               goes on
//	begun    a 2xx, which servers may begin while    goes on as long as it makes progress
//	         they still read
//	whole    all of a 2xx                            goes on for finishTime
//	final    another status, a 2xx that closes the   ends
//	         connection, what is no answer, or
//	         a whole 2xx and its time is over
//	gone     a FIN, or an error of the socket        ends
const (
	unheard finding = iota
	begun
	whole
	final
	gone
)

// watch looks for an answer while a request goes out. Its goroutine has the read
// side of the Conn (the buffer, heard, continued, heads, pending) for as long as
// it runs; the rest belongs to the Conn's owner.
type watch struct {
	timer *time.Timer   // runs Conn.listen on a goroutine of its own; made once
	ended chan struct{} // gets one when that has ended
	told  chan struct{} // gets one when the upload is to end

	// stallTime, lookTime and finishTime, but in tests: those that are not about them must not
	// depend on how fast the machine is, and those that are must not take seconds.
	stall, look, finish time.Duration

	// mu is held while a deadline is set, so that it fits what is found.
	mu      sync.Mutex
	found   finding   // only grows during a request
	long    bool      // the write under way goes on where a deadline has ended it
	leaving bool      // unwatch waits for the goroutine
	until   time.Time // when the time of the upload is over, once its answer is whole

	// The owner's. They stand here for the memory of an idle connection.
	set  bool // the timer, or the goroutine, is on its way
	head bool // the request is a HEAD: its answer has no body
}

// ahead is what of an answer has been read beside the writing. It stays in the buffer.
type ahead struct {
	h    http1.Head
	body http1.Body
	at   int // how much of the buffer has been looked at; 0: the head is not whole
}

// past is a deadline that ends what is under way.
var past = time.Unix(1, 0)

// watchOut has what comes in watched, from a moment later until unwatch.
func (c *Conn) watchOut() {
	w := &c.watch
	c.watched = true
	switch {
	case w.set || w.found != unheard:
		return
	case w.timer != nil:
		w.timer.Reset(watchAfter)
	default:
		w.ended, w.told = make(chan struct{}, 1), make(chan struct{}, 1)
		w.timer = time.AfterFunc(watchAfter, c.listen)
	}
	w.set = true
}

// unwatch ends the watch and waits for that: the read side is the owner's again.
func (c *Conn) unwatch() {
	w := &c.watch
	if !c.watched || !w.set {
		return
	}
	w.set = false
	if w.timer.Stop() {
		return
	}
	w.leave(true, &c.sock)
	<-w.ended
	w.leave(false, &c.sock)
}

// leave ends the goroutine's Read, or takes that back.
func (w *watch) leave(now bool, s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leaving = now; now {
		s.SetReadDeadline(past)
	} else {
		s.SetReadDeadline(time.Time{})
	}
}

// listen is the watch's goroutine.
func (c *Conn) listen() {
	defer func() { c.watch.ended <- struct{}{} }()
	defer func() {
		if v := recover(); v != nil {
			c.pending = besidePanic(v)
		}
	}()
	var a ahead
	for over := false; !over; {
		var found finding
		found, over = c.hearMore(&a)
		c.watch.note(found, &c.sock)
	}
}

// note keeps what was found and has the writer mind it.
func (w *watch) note(found finding, s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if found <= w.found {
		return
	}
	w.found = found
	switch {
	case found == whole:
		w.until = time.Now().Add(w.finish)
		s.SetWriteDeadline(w.until)
		if !w.leaving {
			s.SetReadDeadline(w.until)
		}
	case found == begun && !w.long:
		s.SetWriteDeadline(time.Now().Add(w.stall))
	default:
		s.SetWriteDeadline(past)
	}
	if found > whole {
		select {
		case w.told <- struct{}{}:
		default:
		}
	}
}

// Answered gets a value when the server answers between two pieces of a body in such
// a way that no more are to be sent: More would say so. It is good for one request.
func (c *Conn) Answered() <-chan struct{} { return c.watch.told }

// hearMore reads once where what is there tells nothing. over says that nothing
// is left to be found. A Tap that panics ends the connection, as it does on the
// owner's goroutine, and not the program.
func (c *Conn) hearMore(a *ahead) (found finding, over bool) {
	defer func() {
		if v := recover(); v != nil {
			c.pending = besidePanic(v)
			found, over = gone, true
		}
	}()
	c.borrow()
	seen, over := c.hearAnswer(a)
	if over {
		return seen, true
	}
	switch err := c.fill(); {
	case err == nil && seen == whole: // what nobody asked for
		return final, true
	case err == nil:
		return c.hearAnswer(a)
	case IsTimeout(err):
		return c.watch.outOfTime(seen), true
	default:
		c.pending = err
		return gone, true
	}
}

// outOfTime tells what follows when a Read beside the writing was ended: by unwatch, or, once
// the answer is whole, because the upload's time is over.
func (w *watch) outOfTime(seen finding) finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seen == whole && !w.leaving {
		return final
	}
	return seen
}

// hearAnswer is hear, and looks for the end of a 2xx answer behind its head.
func (c *Conn) hearAnswer(a *ahead) (found finding, over bool) {
	if a.at == 0 {
		if found, over = c.hear(&a.h, http1.Limits{}); found != begun || !over {
			return found, over
		}
		method := "GET"
		if c.watch.head {
			method = "HEAD"
		}
		n, _ := a.h.Parse(c.buf[c.r:c.w], c.reading(http1.Limits{}))
		if a.body.Start(method, &a.h, c.buf[c.r:c.r+n], c.reading(http1.Limits{})) != nil {
			return final, true
		}
		a.at = n
	}
	for !a.body.Done() {
		_, n, err := a.body.Next(c.buf[c.r+a.at : c.w])
		a.at += n
		switch {
		case err == http1.ErrNeedMore:
			return begun, a.at >= maxAhead
		case err != nil:
			return final, true
		}
	}
	if c.r+a.at < c.w { // what nobody asked for
		return final, true
	}
	return whole, false
}

func besidePanic(v any) error {
	return fmt.Errorf("reading beside the writing panicked: %w", NewPanicError(v))
}

// statusAt is where a status line has its code.
const statusAt = len("HTTP/1.1 ")

// hear classifies what is in the buffer, and takes interim answers out of it. h
// must be the same while the same answer grows. over says that no more bytes can
// change the finding.
func (c *Conn) hear(h *http1.Head, limits http1.Limits) (found finding, over bool) {
	for c.r < c.w {
		in := c.buf[c.r:c.w]
		if len(in) > statusAt && in[statusAt] > '2' {
			return final, true
		}
		n, whole, err := c.heads.Next(h, in, c.reading(limits))
		if err == http1.ErrNeedMore {
			if len(in) > statusAt && in[statusAt] == '2' {
				return begun, false
			}
			return unheard, false
		}
		switch {
		case err != nil: // ReadHead says so
			return final, true
		case !whole:
			c.continued = c.continued || h.Status() == 100
			c.showHead(n)
			c.r += n
			h.Reset()
		case h.Minor() > 0 && !h.KeepAlive(): // HTTP/1.0 servers close in any case
			return final, true
		default:
			return begun, true
		}
	}
	return unheard, false
}

// pace is asked before each write of a body. resumes says that the write can go on
// behind a deadline; long, that it may be of more than a stride.
func (c *Conn) pace(resumes bool) (long bool, err error) {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.long = resumes && w.found != begun
	switch {
	case w.found == begun:
		c.sock.SetWriteDeadline(time.Now().Add(w.stall))
	case w.found == whole:
		c.sock.SetWriteDeadline(w.until)
	case w.found > whole:
		return false, ErrAnswered
	}
	return w.long, nil
}

// woken tells whether a long write was ended only to go on: in strides, or for as long as a
// whole answer leaves it.
func (c *Conn) woken(err error) bool {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	return IsTimeout(err) && (w.found == begun || w.found == whole && time.Now().Before(w.until))
}

// wholeOut is called when the last byte of a request was handed over.
func (c *Conn) wholeOut() {
	c.stamp()
	c.unwatch()
	if c.watch.found != unheard {
		c.sock.SetWriteDeadline(time.Time{}) // the watch, or pace, has set one
	}
	c.sentAll = true
}

// cutShort makes the error of a write that did not end its request. Of that the
// server has seen something, and it may have answered.
func (c *Conn) cutShort(err error) error {
	c.unwatch()
	found, ended := c.watch.found, err == ErrAnswered
	switch {
	case ended, found != unheard && IsTimeout(err): // the watch ended it
		err = ErrAnswered
	case found == begun, found == whole, found == final, found == unheard && c.lookBehind():
		err, c.torn = ErrAnswered, true
	}
	if err == ErrAnswered {
		c.watched, c.watch.found = true, max(found, final) // nothing more is to be sent
	}
	return c.sock.why(err)
}

// refused makes the error of a write of which no byte went out.
func (c *Conn) refused(err error) error {
	c.unwatch()
	if err == ErrAnswered || c.watch.found != unheard && IsTimeout(err) {
		err, c.dead = ErrStale, true // what came is no answer to this request
	}
	return c.sock.why(err)
}

// lookBehind tells whether an answer lies behind a write that failed: servers
// that refuse a body answer and close, and the reset that follows leaves what came
// before it readable.
func (c *Conn) lookBehind() bool {
	c.sock.SetReadDeadline(time.Now().Add(c.watch.look))
	defer c.sock.SetReadDeadline(time.Time{})
	c.borrow()
	var h http1.Head
	for {
		if found, _ := c.hear(&h, http1.Limits{}); found != unheard {
			return true
		}
		if c.fill() != nil {
			return false
		}
	}
}

// AwaitContinue waits, behind a head that expects 100-continue and of which no
// body was sent, for the server's leave to send that (RFC 9110 §10.1.1). It is
// given by a 100, and also when patience is over, as servers need not know of it. Where proceed is false without an error, ReadHead tells what came
// instead. The error is the cause of an interruption.
func (c *Conn) AwaitContinue(patience time.Duration, limits http1.Limits) (proceed bool, err error) {
	c.unwatch()
	c.sock.SetReadDeadline(time.Now().Add(patience))
	defer c.sock.SetReadDeadline(time.Time{})
	c.borrow()
	var h http1.Head
	for {
		found, _ := c.hear(&h, limits)
		switch {
		case found != unheard:
			return false, nil
		case c.continued:
			return true, nil
		}
		err := c.fill()
		switch {
		case err == nil:
		case c.sock.cause.Load() != nil:
			return false, c.sock.why(err)
		case IsTimeout(err):
			return true, nil
		default:
			c.pending = err
			return false, nil
		}
	}
}

// AnswerBegun tells whether any byte has come in since the request began, of a
// final answer, an interim one, or of what is none. The end of the connection is
// no byte of an answer.
func (c *Conn) AnswerBegun() bool {
	c.unwatch()
	return c.heard
}

// SetClock has the end of each request's writing noted with now, and, where an answer
// takes more than one read, its beginning. It must return at once.
func (c *Conn) SetClock(now func() int64) { c.clock = now }

// WroteAt is what the clock said right after the last byte of the request was
// handed over; 0 where that has not happened, or without a clock.
func (c *Conn) WroteAt() int64 { return c.wroteAt }

// FirstAt is what the clock said when the first bytes had come in since the request
// began; 0 where nothing was awaited after them: then they came just now.
func (c *Conn) FirstAt() int64 { return c.firstAt }

func (c *Conn) stamp() {
	if c.clock != nil {
		c.wroteAt = c.clock()
	}
}
