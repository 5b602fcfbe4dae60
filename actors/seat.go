package actors

import (
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// This file is the life of a seat, in the pool's eyes:
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
//	busy      connLanded         idle | busy      shared: when all are answered (pipeline.go)
//	looking   connIdle           idle | busy      keeps its place among the idle ones
//	busy      giveBack           idle | busy      it was not used after all
//	idle      acquire for lease  owned            out of the pool
//	owned     acquire by owner   busy             granted
//	owned     giveBack           idle | busy      back in the pool
//	any       stop               stopping         its actor ends
//	busy      connEnded          stopping         the same, and what that says is known already
//	any       closed             gone             the slot is free for who starves or waits

func (p *pool) dial(now instant, o *origin) {
	s := &seat{origin: o, born: now, state: seatDialing, spare: o.waiters.len() <= o.dialing.len()}
	o.conns++
	o.dialed++
	o.dialing.pushBack(&s.turn, s)
	p.seats.pushBack(&s.all, s)
	if !p.cfg.Fresh {
		p.alarm(o, now.add(o.hangsAfter()))
	} else {
		w := o.waiters.front.of
		w.place.remove()
		w.dial, s.serves, s.owner = s, w, w.call.Owner
	}
	p.do(effDial, nil, s)
}

// connUp: a dial has succeeded.
func (p *pool) connUp(now instant, s *seat) {
	if s.state != seatDialing {
		return // told to stop meanwhile
	}
	s.turn.remove()
	s.unhang()
	o := s.origin
	o.backoff.succeeded()
	o.learnDialTime(now.since(max(s.born, p.stalled)))
	o.reached = max(o.reached, s.born)
	s.idleSince, s.usedAt = now, now
	if age := p.cfg.MaxConnAge; age > 0 {
		s.ends = now.add(age - age/10).add(time.Duration(p.random() * float64(age/5)))
	}
	if w := s.serves; w != nil {
		s.serves, w.dial = nil, nil
		p.grant(now, s, w)
		return
	}
	p.offer(now, s)
	p.serve(now, o) // the end of the backoff, or a free place among the dials
	p.stir(now, o)
}

// connIdle: an exchange, or a look, has left the connection fit for another.
// keep is how long the server said it keeps it; 0: it did not say.
func (p *pool) connIdle(now instant, s *seat, out outcome, keep time.Duration) {
	switch s.state {
	case seatBusy:
		s.idleSince, s.usedAt = now, now
		if keep > 0 {
			s.keep = keep
		}
		if out != outcomeNeutral {
			s.origin.pace.answered(s.conn.took)
		}
		p.report(now, s.origin, out, &s.probe)
	case seatLooking:
	default:
		return // told to stop meanwhile
	}
	p.offer(now, s)
}

// answered: the origin has answered a probe whose body goes on.
func (p *pool) answered(now instant, s *seat, out outcome) {
	if s.state == seatBusy && s.probe != nil {
		p.report(now, s.origin, out, &s.probe)
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
func (p *pool) offer(now instant, s *seat) {
	if s.conn.Closed() || (s.ends != 0 && now >= s.ends) {
		p.stop(s)
		return
	}
	w := p.next(now, s)
	if w == nil && p.draining {
		p.stop(s)
		return
	}
	if o := p.hungrier(s, w); o != nil {
		p.makeRoom(o, s)
		return
	}
	if w != nil {
		p.grant(now, s, w)
		p.share(now, s)
		return
	}
	p.rest(now, s)
	if s.state == seatIdle && s.origin.waiters.len() > 0 {
		p.serve(now, s.origin) // those who wait find it too old: their dial needs its slot
	}
}

// hungrier is an origin that starves and that s has to make room for, though w of
// its own origin waits: who has waited longest comes first, across origins too. A
// connection that has just been made for its own origin serves that first.
func (p *pool) hungrier(s *seat, w *waiter) *origin {
	if s.owner != nil || s.pinned.len() > 0 || w != nil && !s.served {
		return nil
	}
	k := p.starving.front
	for k != nil && (k.of == s.origin || k.of.making >= k.of.lacking()) {
		k = k.next // served by s itself, or about to be served
	}
	if k == nil || w != nil && w.since < k.of.waiters.front.of.since {
		return nil
	}
	return k.of
}

// next is who has waited longest for s: pinned to it, or for any of its origin
// and content with it.
func (p *pool) next(now instant, s *seat) *waiter {
	var w *waiter
	for k := s.pinned.front; k != nil; k = k.next {
		if s.owner == nil || k.of.call.Owner == s.owner {
			w = k.of
			break
		}
	}
	if s.owner != nil {
		return w
	}
	k := s.origin.waiters.front
	for k != nil && !k.of.takes(now, s) {
		k = k.next
	}
	if k != nil && (w == nil || k.of.since < w.since) {
		w = k.of
	}
	return w
}

// rest puts a connection that nobody waits for where it is found again. The youngest
// idle one is in no list until another decision needs the lists, or there is a younger
// one: mostly its caller comes back first, and two lists' neighbours are memory that
// nobody else has touched for long.
func (p *pool) rest(now instant, s *seat) {
	s.rested = true
	s.idleUntil = 0
	if p.cfg.IdleTimeout > 0 {
		s.idleUntil = s.idleSince.add(p.cfg.IdleTimeout)
	}
	if s.keep > 0 {
		if until := s.idleSince.add(s.keep); s.idleUntil == 0 || until < s.idleUntil {
			s.idleUntil = until
		}
	}
	switch {
	case s.owner == nil && s.state == seatLooking:
		s.state = seatIdle
		p.list(s) // it keeps its place
	case s.owner == nil:
		s.state = seatIdle
		p.shelve()
		p.warm = s
	case p.cfg.Fresh:
		s.state = seatOwned
		insertByIdle(&p.owned, &s.oldest, s)
	default:
		s.state = seatOwned
		return // leased: its owner hands it back
	}
	if p.sweepAt == 0 {
		p.sweepAt = now.add(p.sweepInterval())
		p.wakeAt(p.sweepAt)
	}
	if e := s.expires(); e != 0 && e < p.expiry {
		p.expiry = e
		p.wakeAt(e)
	}
}

// shelve lists the youngest idle connection.
func (p *pool) shelve() {
	if s := p.warm; s != nil {
		p.warm = nil
		p.list(s)
	}
}

func (p *pool) list(s *seat) {
	insertByIdle(&s.origin.idle, &s.turn, s)
	insertByIdle(&p.idle, &s.oldest, s)
}

// insertByIdle keeps l in the order of idleSince. Only a connection back from a
// look is not the youngest.
func insertByIdle(l *list[*seat], k *link[*seat], s *seat) {
	at := l.back
	for at != nil && at.of.idleSince > s.idleSince {
		at = at.prev
	}
	l.insertAfter(at, k, s)
}

// stop ends a connection. Its slot is free once its actor has ended.
func (p *pool) stop(s *seat) {
	if s.state >= seatStopping {
		return
	}
	p.unlist(s)
	s.state = seatStopping
	p.do(effStop, nil, s)
}

// closed: the actor of s has ended, and its socket is closed. For a dial that
// failed err says why.
func (p *pool) closed(now instant, s *seat, out outcome, err error) {
	if s.state == seatGone {
		return
	}
	o, was := s.origin, s.state
	p.unlist(s)
	s.all.remove()
	s.state = seatGone
	o.conns--
	if r := s.room; r != nil {
		r.making--
		s.room = nil
		if r.starving.in != nil { // the slot is for nobody else
			r.starving.remove()
			p.starving.insertAfter(nil, &r.starving, r)
		}
	}
	if was == seatDialing {
		p.dialFailed(now, s, out, err)
	} else {
		p.ended(now, s, out)
	}
	if o.conns == 0 && now < o.backoff.retryAt {
		p.suspend(now, o)
	}
	p.serveStarving(now) // in the order in which they came to need a slot
	p.serve(now, o)
	p.noteEmpty(now, o)
}

// connEnded: the connection of s takes no more calls. Its slot is free once its actor has
// ended.
func (p *pool) connEnded(now instant, s *seat, out outcome) {
	if s.state == seatGone || s.state == seatDialing {
		return // of a dial, closed tells with its error
	}
	p.unlist(s)
	s.state = seatStopping
	p.ended(now, s, out)
}

// ended: a connection has, and what that says about its origin.
func (p *pool) ended(now instant, s *seat, out outcome) {
	if s.reported {
		return
	}
	s.reported = true
	for k := s.pinned.front; k != nil; k = s.pinned.front {
		p.dismiss(now, k.of, conn.ErrClosed)
	}
	o := s.origin
	switch out {
	case outcomeOK:
		o.pace.answered(s.conn.took)
	case outcomeLate:
		out = o.pace.judge(now, s.conn.had)
	}
	p.report(now, o, out, &s.probe)
	if s.conn.diedIdle {
		o.learnIdleLimit(now, s, p.sweepInterval())
	}
}

// dialFailed: the call that has waited longest gets the error, the origin backs
// off, and the breaker hears of it once. Nothing says a dial that timed out where a
// younger one has succeeded, nor one in place of another that fails nobody.
func (p *pool) dialFailed(now instant, s *seat, out outcome, err error) {
	o := s.origin
	o.failedDials++
	w := s.serves
	if !p.cfg.Fresh {
		if s.born < o.reached && conn.IsTimeout(err) {
			return
		}
		o.backoff.failed(&p.cfg.DialBackoff, s.born, now, p.random())
		o.backoff.cause = err
		w = o.loser(s)
		if w == nil && s.spare {
			out = outcomeNeutral
		}
	}
	var pr probe
	if w != nil {
		p.unqueue(w)
		pr, w.probe = w.probe, nil
		if s.born < w.since {
			err = notOfThisCall(err)
		}
		p.refuse(w, err)
	}
	p.report(now, o, out, &pr)
	if w != nil {
		w.call.retryAt = o.retryAt(now)
	}
}
