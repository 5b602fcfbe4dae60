package pool

import "time"

// This file is the life of an entry, in the pool's eyes:
//
//	state     event              next             effect
//	-         dial               dialing          a slot is taken, its actor started
//	dialing   connUp             idle | busy      given to who waits longest
//	dialing   tick, it hangs     dialing          who waits for it gets another (hang.go)
//	dialing   closed             gone             the longest waiting call gets the error
//	idle      acquire            busy             granted, the youngest first
//	idle      suspicious         looking          its actor looks at the socket
//	idle      time over, room    stopping         its actor ends
//	busy      connIdle           idle | busy      given to who waits longest
//	busy      callsEnded         idle | busy      shared: when all are answered (pipeline.go)
//	looking   connIdle           idle | busy      keeps its place among the idle ones
//	busy      giveBack           idle | busy      it was not used after all
//	idle      acquire for lease  owned            out of the pool
//	owned     acquire by owner   busy             granted
//	owned     giveBack           idle | busy      back in the pool
//	idle      close              stopping         its actor ends
//	any       stop               stopping         its actor ends
//	busy      connEnded          stopping         the same, and what that says is known already
//	any       closed             gone             the slot is free for who starves or waits

func (p *Pool) dial(now Instant, o *Origin) {
	e := &Entry{Origin: o, Born: now, state: entryDialing, spare: o.waiters.Len() <= o.dialing.Len()}
	o.conns++
	o.dialed++
	o.dialing.pushBack(&e.inOrigin, e)
	p.Entries.pushBack(&e.inEntries, e)
	if !p.cfg.Fresh {
		p.alarm(o, now.Add(o.hangsAfter()))
	} else {
		w := o.waiters.Front.Of
		w.inQueue.remove()
		w.More().Dial, e.dialFor, e.owner = e, w, w.owner()
	}
	p.do(EffDial, nil, e)
}

// ConnUp: a dial has succeeded.
func (p *Pool) ConnUp(now Instant, e *Entry) {
	if e.state != entryDialing {
		return // told to stop meanwhile
	}
	e.inOrigin.remove()
	e.unhang()
	o := e.Origin
	o.backoff.succeeded()
	o.learnDialTime(now.Since(max(e.Born, p.stalled)))
	o.reached = max(o.reached, e.Born)
	e.idleSince, e.usedAt = now, now
	if age := p.cfg.MaxConnAge; age > 0 {
		e.ends = now.Add(age - age/10).Add(time.Duration(p.random() * float64(age/5)))
	}
	if w := e.dialFor; w != nil {
		e.dialFor, w.Extra.Dial = nil, nil
		p.grant(now, e, w)
		return
	}
	p.offer(now, e)
	p.serve(now, o) // the end of the backoff, or a free place among the dials
	p.stir(now, o)
}

// ConnIdle: an exchange, or a look, has left the connection fit for another.
// keep is how long the server said it keeps it, and took how long the last answer took; 0:
// unknown.
func (p *Pool) ConnIdle(now Instant, e *Entry, out Outcome, keep, took time.Duration) {
	switch e.state {
	case entryBusy:
		e.idleSince, e.usedAt = now, now
		if keep > 0 {
			e.keep = keep
		}
		if out != OutcomeNeutral {
			e.Origin.pace.answered(took)
		}
		p.report(now, e.Origin, out, &e.probe)
	case entryLooking:
	default:
		return // told to stop meanwhile
	}
	p.offer(now, e)
}

// Answered: the origin has answered a probe whose body goes on.
func (p *Pool) Answered(now Instant, e *Entry, out Outcome) {
	if e.state == entryBusy && e.probe != nil {
		p.report(now, e.Origin, out, &e.probe)
	}
}

// report tells the breaker, and, where that opens it, all who wait.
func (p *Pool) report(now Instant, o *Origin, out Outcome, pr *probe) {
	opened := o.breaker.report(now, out, *pr)
	*pr = nil
	if out == OutcomeFailed {
		o.failures++
	}
	if opened {
		p.suspend(now, o)
	}
	p.stir(now, o)
}

// offer gives a free connection to whoever is next, or idles it.
func (p *Pool) offer(now Instant, e *Entry) {
	if e.closing || (e.ends != 0 && now >= e.ends) {
		p.stop(e)
		return
	}
	w := p.next(now, e)
	if w == nil && p.Draining {
		p.stop(e)
		return
	}
	if o := p.starvingBefore(e, w); o != nil {
		p.makeRoom(o, e)
		return
	}
	if w != nil {
		p.grant(now, e, w)
		p.fillPipeline(now, e)
		return
	}
	p.becomeIdle(now, e)
	if e.state == entryIdle && e.Origin.waiters.Len() > 0 {
		p.serve(now, e.Origin) // those who wait find it too old: their dial needs its slot
	}
}

// starvingBefore is an origin that starves and that e has to make room for, though w of
// its own origin waits: who has waited longest comes first, across origins too. A
// connection that has just been made for its own origin serves that first.
func (p *Pool) starvingBefore(e *Entry, w *Waiter) *Origin {
	if e.owner != nil || e.pinned.Len() > 0 || w != nil && !e.served {
		return nil
	}
	k := p.starving.Front
	for k != nil && (k.Of == e.Origin || k.Of.making >= k.Of.lacking()) {
		k = k.Next // served by e itself, or about to be served
	}
	if k == nil || w != nil && w.Since < k.Of.waiters.Front.Of.Since {
		return nil
	}
	return k.Of
}

// next is who has waited longest for e: pinned to it, or for any of its origin
// and content with it.
func (p *Pool) next(now Instant, e *Entry) *Waiter {
	var w *Waiter
	for k := e.pinned.Front; k != nil; k = k.Next {
		if e.owner == nil || k.Of.owner() == e.owner {
			w = k.Of
			break
		}
	}
	if e.owner != nil {
		return w
	}
	k := e.Origin.waiters.Front
	for k != nil && !k.Of.takes(now, e) {
		k = k.Next
	}
	if k != nil && (w == nil || k.Of.Since < w.Since) {
		w = k.Of
	}
	return w
}

// becomeIdle puts a connection that nobody waits for where it is found again. The youngest
// idle one is in no list until another decision needs the lists, or there is a younger
// one: mostly its caller comes back first, and two lists' neighbours are memory that
// nobody else has touched for long.
func (p *Pool) becomeIdle(now Instant, e *Entry) {
	e.rested = true
	e.idleUntil = 0
	if p.cfg.IdleTimeout > 0 {
		e.idleUntil = e.idleSince.Add(p.cfg.IdleTimeout)
	}
	if e.keep > 0 {
		if until := e.idleSince.Add(e.keep); e.idleUntil == 0 || until < e.idleUntil {
			e.idleUntil = until
		}
	}
	switch {
	case e.owner == nil && e.state == entryLooking:
		e.state = entryIdle
		p.list(e) // it keeps its place
	case e.owner == nil:
		e.state = entryIdle
		p.ListMostRecent()
		p.mostRecent = e
	case p.cfg.Fresh:
		e.state = entryOwned
		insertByIdle(&p.owned, &e.inIdle, e)
	default:
		e.state = entryOwned
		return // leased: its owner hands it back
	}
	if p.sweepAt == 0 {
		p.sweepAt = now.Add(p.sweepInterval())
		p.wakeAt(p.sweepAt)
	}
	if at := e.expires(); at != 0 && at < p.expiry {
		p.expiry = at
		p.wakeAt(at)
	}
}

// ListMostRecent lists the youngest idle connection.
func (p *Pool) ListMostRecent() {
	if e := p.mostRecent; e != nil {
		p.mostRecent = nil
		p.list(e)
	}
}

func (p *Pool) list(e *Entry) {
	insertByIdle(&e.Origin.idle, &e.inOrigin, e)
	insertByIdle(&p.idle, &e.inIdle, e)
}

// insertByIdle keeps l in the order of idleSince. Only a connection back from a
// look is not the youngest.
func insertByIdle(l *List[*Entry], k *Link[*Entry], e *Entry) {
	at := l.back
	for at != nil && at.Of.idleSince > e.idleSince {
		at = at.prev
	}
	l.insertAfter(at, k, e)
}

// stop ends a connection. Its slot is free once its actor has ended.
func (p *Pool) stop(e *Entry) {
	if e.state >= entryStopping {
		return
	}
	p.unlist(e)
	e.state = entryStopping
	p.do(EffStop, nil, e)
}

// End is what is known of a connection that has ended.
type End struct {
	Outcome  Outcome       // what it says about the origin
	Err      error         // of a dial: why it failed
	TimedOut bool          // err is a timeout
	Took     time.Duration // what it answered last; 0: unknown
	Had      time.Duration // how long the origin had, where out is outcomeLate
	DiedIdle bool          // its server closed it while it idled
}

// Close: somebody outside has closed the connection. Its actor is about to end.
func (p *Pool) Close(e *Entry) {
	if e.closing = true; e.state == entryIdle {
		p.stop(e)
	}
}

// Closed: the actor of e has ended, and its socket is closed.
func (p *Pool) Closed(now Instant, e *Entry, x End) {
	if e.state == entryGone {
		return
	}
	o, was := e.Origin, e.state
	p.unlist(e)
	e.inEntries.remove()
	e.state = entryGone
	o.conns--
	if r := e.room; r != nil {
		r.making--
		e.room = nil
		if r.starving.in != nil { // the slot is for nobody else
			r.starving.remove()
			p.starving.insertAfter(nil, &r.starving, r)
		}
	}
	if was == entryDialing {
		p.dialFailed(now, e, x)
	} else {
		p.ended(now, e, x)
	}
	if o.conns == 0 && now < o.backoff.retryAt {
		p.suspend(now, o)
	}
	p.serveStarving(now) // in the order in which they came to need a slot
	p.serve(now, o)
	p.noteEmpty(now, o)
}

// ConnEnded: the connection of e takes no more calls. Its slot is free once its actor has
// ended.
func (p *Pool) ConnEnded(now Instant, e *Entry, x End) {
	if e.state == entryGone || e.state == entryDialing {
		return // of a dial, closed tells with its error
	}
	p.unlist(e)
	e.state = entryStopping
	p.ended(now, e, x)
}

// ended: a connection has, and what that says about its origin.
func (p *Pool) ended(now Instant, e *Entry, x End) {
	if e.reported {
		return
	}
	e.reported = true
	for k := e.pinned.Front; k != nil; k = e.pinned.Front {
		p.dismiss(now, k.Of, ErrGone)
	}
	o, out := e.Origin, x.Outcome
	switch out {
	case OutcomeOK:
		o.pace.answered(x.Took)
	case OutcomeLate:
		out = o.pace.judge(now, x.Had)
	}
	p.report(now, o, out, &e.probe)
	if x.DiedIdle {
		o.learnIdleLimit(now, e, p.sweepInterval())
	}
}

// dialFailed: the call that has waited longest gets the error, the origin backs
// off, and the breaker hears of it once. Nothing says a dial that timed out where a
// younger one has succeeded, nor one in place of another that fails nobody.
func (p *Pool) dialFailed(now Instant, e *Entry, x End) {
	o, out := e.Origin, x.Outcome
	o.failedDials++
	w := e.dialFor
	if !p.cfg.Fresh {
		if e.Born < o.reached && x.TimedOut {
			return
		}
		o.backoff.failed(&p.cfg.DialBackoff, e.Born, now, p.random())
		o.backoff.cause = x.Err
		w = o.loser(e)
		if w == nil && e.spare {
			out = OutcomeNeutral
		}
	}
	var pr probe
	if w != nil {
		p.unqueue(w)
		pr, w.probe = w.probe, nil
		w.More().Earlier = e.Born < w.Since
		p.refuse(w, x.Err)
	}
	p.report(now, o, out, &pr)
	if w != nil {
		w.More().RetryAt = o.retryAt(now)
	}
}
