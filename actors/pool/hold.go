package pool

import (
	"fmt"
	"time"
)

// This file is about the calls that wait for an origin which takes none: its breaker is
// open, or its last dial has failed, there is no connection to it, and the next dial is
// not due yet. Which of them wait their Patience says; the others are refused.
//
//	a call is  event                          next         effect
//	-          acquire, the origin takes none held | -     in line behind those held before; or refused
//	waiting    the origin takes none any more held | -     the same, in the order of arrival
//	held       the origin takes calls again   waiting      while the breaker is half-open as many as
//	                                                       it has probes; after a failed dial one, and
//	                                                       the rest when a dial has succeeded
//	held       it takes none once more        held | -     refused if that is beyond its limits
//	held       its Patience is over           -            refused
//	held       leave, drain, cut              -            at once
//
// What may let calls go stirs the origin: its alarm is due at once, and tick does the
// rest. So no event has to mind that it changes the queue it is just walking through.

// holdStep is how far apart Patience is looked at where many calls' ends at different
// moments.
const holdStep = 10 * time.Millisecond

// troubled tells whether a call may not simply go on to the queue.
func (o *Origin) troubled() bool {
	return !o.breaker.closed() || o.backoff.delay > 0 || o.held.Len() > 0
}

// takesNone is until when o is certain to take no call like w; 0: it may take one. For its
// back-off a call without Patience waits in the queue.
func (o *Origin) takesNone(now Instant, w *Waiter) (until Instant) {
	if w.patience() != 0 && o.conns == 0 && now < o.backoff.retryAt {
		until = o.backoff.retryAt
	}
	if b := o.breaker; b.open() && now < b.until {
		until = max(until, b.until)
	}
	return until
}

// refusal is why o takes no calls.
func (o *Origin) refusal() error {
	if !o.breaker.closed() {
		return ErrCircuitOpen
	}
	return &BackoffError{o.backoff.cause}
}

// BackoffError refuses a call because the last dial to its origin failed, with cause, and
// the next is not due yet.
type BackoffError struct{ Cause error }

// Error says so, and why the dial failed.
func (e *BackoffError) Error() string { return fmt.Sprintf("%v: %v", ErrDialBackoff, e.Cause) }

// unproven tells that the last dial of o failed and somebody before w is at the next.
// In half-open the probes are as many as the breaker says.
func (o *Origin) unproven(w *Waiter) bool {
	if o.backoff.delay == 0 || o.conns > o.dialing.Len() || !o.breaker.closed() {
		return false
	}
	k := o.waiters.Front
	return o.dialing.Len() > o.hanging || k != nil && k.Of.Since <= w.Since
}

// retryAt is when a call that o refuses now may be made again; 0: at any time. In
// half-open that is when the next probe goes if the one under way fails now.
func (o *Origin) retryAt(now Instant) Instant {
	var at Instant
	switch b := o.breaker; {
	case b.open():
		at = b.until
	case !b.closed():
		at = now.Add(b.cfg.OpenFor)
	}
	if o.backoff.retryAt > now {
		at = max(at, o.backoff.retryAt)
	}
	return at
}

// Hold is what a call with Patience knows of its waiting.
type Hold struct {
	spent    time.Duration // of its Patience
	since    Instant       // it is held
	Deadline Instant       // of its context
}

// heldUntil is when the Patience of w is over.
func (w *Waiter) heldUntil() Instant {
	h := &w.Extra.Hold
	return h.since.Add(max(0, w.patience()-h.spent))
}

// outlasts tells whether w may be held until t.
func (w *Waiter) outlasts(t Instant) bool { return t <= w.heldUntil() && t < w.Extra.Hold.Deadline }

// admits decides over a new call to an origin in trouble: whether it goes on to the
// queue, perhaps as a probe. Else it is held or refused.
func (p *Pool) admits(now Instant, o *Origin, w *Waiter) bool {
	p.release(now, o)
	until := o.takesNone(now, w)
	if until == 0 && w.patience() > 0 && (o.held.Len() > 0 || o.unproven(w)) {
		until = now // behind those who came first
	}
	if until == 0 {
		var err error
		if w.probe, err = o.breaker.admit(now); err == nil {
			return true
		}
		until = now
	}
	if o.inLine() >= p.cfg.MaxQueuePerOrigin && w.patience() > 0 {
		o.rejected++
		p.refuse(w, ErrQueueFull)
		return false
	}
	p.hold(now, w, until)
	return false
}

// hold puts w, which is in no queue, among those held, or refuses it.
func (p *Pool) hold(now Instant, w *Waiter, until Instant) {
	o := w.Origin
	if w.patience() <= 0 || p.Draining {
		p.giveUp(now, w)
		return
	}
	if w.Extra.Hold.since = now; !w.outlasts(until) {
		p.giveUp(now, w)
		return
	}
	queue(&o.held, w)
	p.alarm(o, w.heldUntil())
	if until > now {
		p.alarm(o, until)
	}
}

// queue keeps a queue in the order of arrival.
func queue(l *List[*Waiter], w *Waiter) {
	at := l.back
	for at != nil && at.Of.Since > w.Since {
		at = at.prev
	}
	l.insertAfter(at, &w.inQueue, w)
}

// giveUp refuses w because its origin takes no calls.
func (p *Pool) giveUp(now Instant, w *Waiter) {
	w.Origin.rejected++
	w.More().RetryAt = w.Origin.retryAt(now)
	p.dismiss(now, w, w.Origin.refusal())
}

// suspend: o takes no calls any more, or for longer. Those that wait are held or refused.
func (p *Pool) suspend(now Instant, o *Origin) {
	for k := o.waiters.Front; k != nil; {
		w := k.Of
		k = k.Next
		if until := o.takesNone(now, w); until != 0 {
			p.unqueue(w)
			p.spare(now, o, &w.probe)
			p.hold(now, w, until)
		}
	}
	for k := o.held.Front; k != nil; {
		w := k.Of
		k = k.Next
		if until := o.takesNone(now, w); !w.outlasts(until) {
			p.giveUp(now, w)
		} else if until != 0 {
			p.alarm(o, until)
		}
	}
}

// release lets those go that o takes.
func (p *Pool) release(now Instant, o *Origin) {
	released := false
	for k := o.held.Front; k != nil; k = o.held.Front {
		w := k.Of
		if o.takesNone(now, w) != 0 || o.unproven(w) {
			break
		}
		var err error
		if w.probe, err = o.breaker.admit(now); err != nil {
			break
		}
		w.inQueue.remove()
		w.Extra.Hold.spent += now.Since(w.Extra.Hold.since)
		if !w.Again {
			o.budget.request(now)
		}
		queue(&o.waiters, w)
		released = true
	}
	if released {
		p.serve(now, o)
	}
}

// expire refuses those whose Patience is over, and sets the alarm for the others.
func (p *Pool) expire(now Instant, o *Origin) {
	next := Never
	for k := o.held.Front; k != nil; {
		w := k.Of
		k = k.Next
		if end := w.heldUntil(); now < end {
			next = min(next, end)
			continue
		}
		p.giveUp(now, w)
	}
	if k := o.held.Front; k != nil {
		p.alarm(o, max(next, now.Add(holdStep)))
		if until := o.takesNone(now, k.Of); until != 0 {
			p.alarm(o, until)
		}
	}
}

// stir makes tick attend to o, where calls are held that may now go.
func (p *Pool) stir(now Instant, o *Origin) {
	if k := o.held.Front; k != nil && !p.Draining && o.takesNone(now, k.Of) == 0 {
		p.alarm(o, now)
	}
}

// spare gives a probe's place back that is not used.
func (p *Pool) spare(now Instant, o *Origin, pr *probe) {
	if *pr != nil {
		pr.settle(OutcomeNeutral)
		*pr = nil
		p.stir(now, o)
	}
}
