package actors

import "time"

// This file is the life of an entry, in the pool's eyes:
//
//	state     event              next             effect
//	-         dial               dialing          a slot is taken, its actor started
//	dialing   connUp             idle | busy      given to who waits longest
//	dialing   tick, it hangs     dialing          who waits for it gets another (pool_hang.go)
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

func (p *pool) dial(now instant, o *origin) {
	e := &entry{origin: o, born: now, state: entryDialing, spare: o.waiters.len() <= o.dialing.len()}
	o.conns++
	o.dialed++
	o.dialing.pushBack(&e.inOrigin, e)
	p.entries.pushBack(&e.inEntries, e)
	if !p.cfg.Fresh {
		p.alarm(o, now.add(o.hangsAfter()))
	} else {
		w := o.waiters.front.of
		w.inQueue.remove()
		w.more().dial, e.dialFor, e.owner = e, w, w.owner()
	}
	p.do(effDial, nil, e)
}

// connUp: a dial has succeeded.
func (p *pool) connUp(now instant, e *entry) {
	if e.state != entryDialing {
		return // told to stop meanwhile
	}
	e.inOrigin.remove()
	e.unhang()
	o := e.origin
	o.backoff.succeeded()
	o.learnDialTime(now.since(max(e.born, p.stalled)))
	o.reached = max(o.reached, e.born)
	e.idleSince, e.usedAt = now, now
	if age := p.cfg.MaxConnAge; age > 0 {
		e.ends = now.add(age - age/10).add(time.Duration(p.random() * float64(age/5)))
	}
	if w := e.dialFor; w != nil {
		e.dialFor, w.extra.dial = nil, nil
		p.grant(now, e, w)
		return
	}
	p.offer(now, e)
	p.serve(now, o) // the end of the backoff, or a free place among the dials
	p.stir(now, o)
}

// connIdle: an exchange, or a look, has left the connection fit for another.
// keep is how long the server said it keeps it, and took how long the last answer took; 0:
// unknown.
func (p *pool) connIdle(now instant, e *entry, out outcome, keep, took time.Duration) {
	switch e.state {
	case entryBusy:
		e.idleSince, e.usedAt = now, now
		if keep > 0 {
			e.keep = keep
		}
		if out != outcomeNeutral {
			e.origin.pace.answered(took)
		}
		p.report(now, e.origin, out, &e.probe)
	case entryLooking:
	default:
		return // told to stop meanwhile
	}
	p.offer(now, e)
}

// answered: the origin has answered a probe whose body goes on.
func (p *pool) answered(now instant, e *entry, out outcome) {
	if e.state == entryBusy && e.probe != nil {
		p.report(now, e.origin, out, &e.probe)
	}
}

// report tells the breaker, and, where that opens it, all who wait.
func (p *pool) report(now instant, o *origin, out outcome, pr *probe) {
	opened := o.breaker.report(now, out, *pr)
	*pr = nil
	if out == outcomeFailed {
		o.failures++
	}
	if opened {
		p.suspend(now, o)
	}
	p.stir(now, o)
}

// offer gives a free connection to whoever is next, or idles it.
func (p *pool) offer(now instant, e *entry) {
	if e.closing || (e.ends != 0 && now >= e.ends) {
		p.stop(e)
		return
	}
	w := p.next(now, e)
	if w == nil && p.draining {
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
	if e.state == entryIdle && e.origin.waiters.len() > 0 {
		p.serve(now, e.origin) // those who wait find it too old: their dial needs its slot
	}
}

// starvingBefore is an origin that starves and that e has to make room for, though w of
// its own origin waits: who has waited longest comes first, across origins too. A
// connection that has just been made for its own origin serves that first.
func (p *pool) starvingBefore(e *entry, w *waiter) *origin {
	if e.owner != nil || e.pinned.len() > 0 || w != nil && !e.served {
		return nil
	}
	k := p.starving.front
	for k != nil && (k.of == e.origin || k.of.making >= k.of.lacking()) {
		k = k.next // served by e itself, or about to be served
	}
	if k == nil || w != nil && w.since < k.of.waiters.front.of.since {
		return nil
	}
	return k.of
}

// next is who has waited longest for e: pinned to it, or for any of its origin
// and content with it.
func (p *pool) next(now instant, e *entry) *waiter {
	var w *waiter
	for k := e.pinned.front; k != nil; k = k.next {
		if e.owner == nil || k.of.owner() == e.owner {
			w = k.of
			break
		}
	}
	if e.owner != nil {
		return w
	}
	k := e.origin.waiters.front
	for k != nil && !k.of.takes(now, e) {
		k = k.next
	}
	if k != nil && (w == nil || k.of.since < w.since) {
		w = k.of
	}
	return w
}

// becomeIdle puts a connection that nobody waits for where it is found again. The youngest
// idle one is in no list until another decision needs the lists, or there is a younger
// one: mostly its caller comes back first, and two lists' neighbours are memory that
// nobody else has touched for long.
func (p *pool) becomeIdle(now instant, e *entry) {
	e.rested = true
	e.idleUntil = 0
	if p.cfg.IdleTimeout > 0 {
		e.idleUntil = e.idleSince.add(p.cfg.IdleTimeout)
	}
	if e.keep > 0 {
		if until := e.idleSince.add(e.keep); e.idleUntil == 0 || until < e.idleUntil {
			e.idleUntil = until
		}
	}
	switch {
	case e.owner == nil && e.state == entryLooking:
		e.state = entryIdle
		p.list(e) // it keeps its place
	case e.owner == nil:
		e.state = entryIdle
		p.listMostRecent()
		p.mostRecent = e
	case p.cfg.Fresh:
		e.state = entryOwned
		insertByIdle(&p.owned, &e.inIdle, e)
	default:
		e.state = entryOwned
		return // leased: its owner hands it back
	}
	if p.sweepAt == 0 {
		p.sweepAt = now.add(p.sweepInterval())
		p.wakeAt(p.sweepAt)
	}
	if at := e.expires(); at != 0 && at < p.expiry {
		p.expiry = at
		p.wakeAt(at)
	}
}

// listMostRecent lists the youngest idle connection.
func (p *pool) listMostRecent() {
	if e := p.mostRecent; e != nil {
		p.mostRecent = nil
		p.list(e)
	}
}

func (p *pool) list(e *entry) {
	insertByIdle(&e.origin.idle, &e.inOrigin, e)
	insertByIdle(&p.idle, &e.inIdle, e)
}

// insertByIdle keeps l in the order of idleSince. Only a connection back from a
// look is not the youngest.
func insertByIdle(l *list[*entry], k *link[*entry], e *entry) {
	at := l.back
	for at != nil && at.of.idleSince > e.idleSince {
		at = at.prev
	}
	l.insertAfter(at, k, e)
}

// stop ends a connection. Its slot is free once its actor has ended.
func (p *pool) stop(e *entry) {
	if e.state >= entryStopping {
		return
	}
	p.unlist(e)
	e.state = entryStopping
	p.do(effStop, nil, e)
}

// end is what is known of a connection that has ended.
type end struct {
	out      outcome       // what it says about the origin
	err      error         // of a dial: why it failed
	timedOut bool          // err is a timeout
	took     time.Duration // what it answered last; 0: unknown
	had      time.Duration // how long the origin had, where out is outcomeLate
	diedIdle bool          // its server closed it while it idled
}

// close: somebody outside has closed the connection. Its actor is about to end.
func (p *pool) close(e *entry) {
	if e.closing = true; e.state == entryIdle {
		p.stop(e)
	}
}

// closed: the actor of e has ended, and its socket is closed.
func (p *pool) closed(now instant, e *entry, x end) {
	if e.state == entryGone {
		return
	}
	o, was := e.origin, e.state
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

// connEnded: the connection of e takes no more calls. Its slot is free once its actor has
// ended.
func (p *pool) connEnded(now instant, e *entry, x end) {
	if e.state == entryGone || e.state == entryDialing {
		return // of a dial, closed tells with its error
	}
	p.unlist(e)
	e.state = entryStopping
	p.ended(now, e, x)
}

// ended: a connection has, and what that says about its origin.
func (p *pool) ended(now instant, e *entry, x end) {
	if e.reported {
		return
	}
	e.reported = true
	for k := e.pinned.front; k != nil; k = e.pinned.front {
		p.dismiss(now, k.of, errGone)
	}
	o, out := e.origin, x.out
	switch out {
	case outcomeOK:
		o.pace.answered(x.took)
	case outcomeLate:
		out = o.pace.judge(now, x.had)
	}
	p.report(now, o, out, &e.probe)
	if x.diedIdle {
		o.learnIdleLimit(now, e, p.sweepInterval())
	}
}

// dialFailed: the call that has waited longest gets the error, the origin backs
// off, and the breaker hears of it once. Nothing says a dial that timed out where a
// younger one has succeeded, nor one in place of another that fails nobody.
func (p *pool) dialFailed(now instant, e *entry, x end) {
	o, out := e.origin, x.out
	o.failedDials++
	w := e.dialFor
	if !p.cfg.Fresh {
		if e.born < o.reached && x.timedOut {
			return
		}
		o.backoff.failed(&p.cfg.DialBackoff, e.born, now, p.random())
		o.backoff.cause = x.err
		w = o.loser(e)
		if w == nil && e.spare {
			out = outcomeNeutral
		}
	}
	var pr probe
	if w != nil {
		p.unqueue(w)
		pr, w.probe = w.probe, nil
		w.more().earlier = e.born < w.since
		p.refuse(w, x.err)
	}
	p.report(now, o, out, &pr)
	if w != nil {
		w.more().retryAt = o.retryAt(now)
	}
}
