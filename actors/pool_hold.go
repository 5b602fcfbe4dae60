package actors

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
func (o *origin) troubled() bool {
	return !o.breaker.closed() || o.backoff.delay > 0 || o.held.len() > 0
}

// takesNone is until when o is certain to take no call like w; 0: it may take one. For its
// back-off a call without Patience waits in the queue.
func (o *origin) takesNone(now instant, w *waiter) (until instant) {
	if w.patience() != 0 && o.conns == 0 && now < o.backoff.retryAt {
		until = o.backoff.retryAt
	}
	if b := o.breaker; b.open() && now < b.until {
		until = max(until, b.until)
	}
	return until
}

// refusal is why o takes no calls.
func (o *origin) refusal() error {
	if !o.breaker.closed() {
		return ErrCircuitOpen
	}
	return &backoffError{o.backoff.cause}
}

// backoffError refuses a call because the last dial to its origin failed, with cause, and
// the next is not due yet.
type backoffError struct{ cause error }

// Error says so, and why the dial failed.
func (e *backoffError) Error() string { return fmt.Sprintf("%v: %v", ErrDialBackoff, e.cause) }

// unproven tells that the last dial of o failed and somebody before w is at the next.
// In half-open the probes are as many as the breaker says.
func (o *origin) unproven(w *waiter) bool {
	if o.backoff.delay == 0 || o.conns > o.dialing.len() || !o.breaker.closed() {
		return false
	}
	k := o.waiters.front
	return o.dialing.len() > o.hanging || k != nil && k.of.since <= w.since
}

// retryAt is when a call that o refuses now may be made again; 0: at any time. In
// half-open that is when the next probe goes if the one under way fails now.
func (o *origin) retryAt(now instant) instant {
	var at instant
	switch b := o.breaker; {
	case b.open():
		at = b.until
	case !b.closed():
		at = now.add(b.cfg.OpenFor)
	}
	if o.backoff.retryAt > now {
		at = max(at, o.backoff.retryAt)
	}
	return at
}

// hold is what a call with Patience knows of its waiting.
type hold struct {
	spent    time.Duration // of its Patience
	since    instant       // it is held
	deadline instant       // of its context
}

// heldUntil is when the Patience of w is over.
func (w *waiter) heldUntil() instant {
	h := &w.extra.hold
	return h.since.add(max(0, w.patience()-h.spent))
}

// outlasts tells whether w may be held until t.
func (w *waiter) outlasts(t instant) bool { return t <= w.heldUntil() && t < w.extra.hold.deadline }

// admits decides over a new call to an origin in trouble: whether it goes on to the
// queue, perhaps as a probe. Else it is held or refused.
func (p *pool) admits(now instant, o *origin, w *waiter) bool {
	p.release(now, o)
	until := o.takesNone(now, w)
	if until == 0 && w.patience() > 0 && (o.held.len() > 0 || o.unproven(w)) {
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
func (p *pool) hold(now instant, w *waiter, until instant) {
	o := w.origin
	if w.patience() <= 0 || p.draining {
		p.giveUp(now, w)
		return
	}
	if w.extra.hold.since = now; !w.outlasts(until) {
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
func queue(l *list[*waiter], w *waiter) {
	at := l.back
	for at != nil && at.of.since > w.since {
		at = at.prev
	}
	l.insertAfter(at, &w.inQueue, w)
}

// giveUp refuses w because its origin takes no calls.
func (p *pool) giveUp(now instant, w *waiter) {
	w.origin.rejected++
	w.more().retryAt = w.origin.retryAt(now)
	p.dismiss(now, w, w.origin.refusal())
}

// suspend: o takes no calls any more, or for longer. Those that wait are held or refused.
func (p *pool) suspend(now instant, o *origin) {
	for k := o.waiters.front; k != nil; {
		w := k.of
		k = k.next
		if until := o.takesNone(now, w); until != 0 {
			p.unqueue(w)
			p.spare(now, o, &w.probe)
			p.hold(now, w, until)
		}
	}
	for k := o.held.front; k != nil; {
		w := k.of
		k = k.next
		if until := o.takesNone(now, w); !w.outlasts(until) {
			p.giveUp(now, w)
		} else if until != 0 {
			p.alarm(o, until)
		}
	}
}

// release lets those go that o takes.
func (p *pool) release(now instant, o *origin) {
	released := false
	for k := o.held.front; k != nil; k = o.held.front {
		w := k.of
		if o.takesNone(now, w) != 0 || o.unproven(w) {
			break
		}
		var err error
		if w.probe, err = o.breaker.admit(now); err != nil {
			break
		}
		w.inQueue.remove()
		w.extra.hold.spent += now.since(w.extra.hold.since)
		if !w.again {
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
func (p *pool) expire(now instant, o *origin) {
	next := never
	for k := o.held.front; k != nil; {
		w := k.of
		k = k.next
		if end := w.heldUntil(); now < end {
			next = min(next, end)
			continue
		}
		p.giveUp(now, w)
	}
	if k := o.held.front; k != nil {
		p.alarm(o, max(next, now.add(holdStep)))
		if until := o.takesNone(now, k.of); until != 0 {
			p.alarm(o, until)
		}
	}
}

// stir makes tick attend to o, where calls are held that may now go.
func (p *pool) stir(now instant, o *origin) {
	if k := o.held.front; k != nil && !p.draining && o.takesNone(now, k.of) == 0 {
		p.alarm(o, now)
	}
}

// spare gives a probe's place back that is not used.
func (p *pool) spare(now instant, o *origin, pr *probe) {
	if *pr != nil {
		pr.settle(outcomeNeutral)
		*pr = nil
		p.stir(now, o)
	}
}
