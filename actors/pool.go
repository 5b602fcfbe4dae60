package actors

import (
	"errors"
	"math"
	"time"

	"github.com/sony/gobreaker/v2"
)

// pool decides over every connection of a scheduler: it is the dispatcher's
// state, without I/O and, but for the breakers' gobreaker, without a clock. Each
// method takes in one event, at now, and appends what has to be done to effects.
// Reserving is part of deciding, so limits hold exactly.
//
// A call that wants a connection:
//  1. shares a busy one of its origin, where it may (pool_pipeline.go);
//  2. else gets the youngest idle one, unless it wants a younger one (pool_freshness.go);
//  3. else waits, and where the limits and the origin's backoff allow, a dial is
//     started (for whoever is first when it is done);
//  4. or is rejected: breaker open (unless it is held, see pool_hold.go), queue full, session
//     closed.
//
// When MaxConns stands in the way, the oldest idle connection of another origin
// is ended; where there is none, the origin starves until a slot or a connection
// becomes free, in order.
type pool struct {
	cfg        Config
	random     func() float64                            // jitter, in [0, 1)
	changed    func(o *origin, from, to gobreaker.State) // a breaker's state
	origins    list[*origin]                             // all
	entries    list[*entry]                              // all whose slot is taken
	idle       list[*entry]                              // of all origins, the longest idle first
	mostRecent *entry                                    // idle, and not listed yet: see becomeIdle
	owned      list[*entry]                              // Fresh: waiting for their owner, the longest idle first
	starving   list[*origin]                             // in the order in which they came to need a slot
	empty      list[*origin]                             // nothing to schedule, the longest empty first

	draining bool
	over     bool // cut off
	alarms   alarms
	stalled  instant // when it was last seen that this process had stood still
	sweepAt  instant // 0: none due
	expiry   instant // no idle connection ends before
	wake     instant // when tick wants to be called
	effects  []effect
	suspects []suspect
	dropped  []*origin // forgotten since the effects were last carried out
}

// effect is something for the dispatcher to do.
type effect struct {
	kind   effectKind
	waiter *waiter
	entry  *entry
}

type effectKind uint8

const (
	effGrant  effectKind = iota // tell w that it has e
	effRefuse                   // tell w of its err
	effDial                     // start an actor for e, which dials
	effStop                     // end the actor of e
	effCut                      // the same, and its socket at once
	effLook                     // let the actor of e look at its socket
)

// suspect is an idle connection whose socket is to be peeked at, and since when
// it was idle then.
type suspect struct {
	entry *entry
	since instant
}

var (
	// errLeft answers a caller that has left.
	errLeft = errors.New("troupe: the caller has left")
	// errGone tells that the connection a call wanted, and no other, has ended.
	errGone = errors.New("troupe: the connection has ended")
)

const (
	never = instant(math.MaxInt64)

	// An origin is forgotten this long after its last connection ended, or
	// earlier where more than maxEmpty of them are kept.
	forgetAfter = 5 * time.Minute
	maxEmpty    = 4096

	// Sockets of idle connections are looked at so often, or four times within
	// IdleTimeout or MaxConnAge where those are short.
	sweepEvery   = 2 * time.Second
	sweepAtLeast = 10 * time.Millisecond
)

func newPool(cfg Config, random func() float64, changed func(*origin, gobreaker.State, gobreaker.State)) *pool {
	return &pool{cfg: cfg, random: random, changed: changed, wake: never, expiry: never}
}

func (p *pool) do(kind effectKind, w *waiter, e *entry) {
	p.effects = append(p.effects, effect{kind, w, e})
}

func (p *pool) wakeAt(t instant) { p.wake = min(p.wake, t) }

// add takes in an origin that was not known. It is in no list of empty ones yet: whoever
// adds it has a use for it.
func (p *pool) add(o *origin, name string) {
	o.name = name
	o.budget = newBudget(p.cfg.Budget)
	o.breaker = newBreaker(p.cfg.Breaker, o.name, func(from, to gobreaker.State) { p.changed(o, from, to) })
	p.origins.pushBack(&o.all, o)
}

// acquire: a call wants a connection.
func (p *pool) acquire(now instant, w *waiter) {
	w.since = now
	if p.over || p.draining && !w.again {
		p.refuse(w, ErrSessionClosed)
		return
	}
	if w.pin() != nil {
		p.acquirePinned(now, w)
		return
	}
	o := w.origin
	o.empty.remove()
	if o.troubled() && !p.admits(now, o, w) {
		return
	}
	if !w.again {
		o.budget.request(now)
	}
	if e := p.takeOpen(now, o, w); e != nil {
		p.grant(now, e, w)
		return
	}
	// Where others wait and a connection idles all the same, it is too old for them.
	if e := p.takeIdle(now, o, w); e != nil {
		p.grant(now, e, w)
		return
	}
	o.waiters.pushBack(&w.inQueue, w)
	p.serve(now, o)
	if w.inQueue.in != nil && o.inLine() > p.cfg.MaxQueuePerOrigin {
		o.rejected++
		p.dismiss(now, w, ErrQueueFull)
	}
}

// acquirePinned: a call wants one connection and no other. It waits while that
// one is busy; the breaker has no say, since no other connection would be opened.
func (p *pool) acquirePinned(now instant, w *waiter) {
	e := w.pin()
	o, wanted := e.origin, w.origin
	w.origin = o
	switch {
	case o != wanted:
		p.refuse(w, ErrWrongOrigin)
	case e.state >= entryStopping || e.closing:
		p.refuse(w, errGone)
	case e.state == entryIdle, e.state == entryOwned && e.owner == w.owner():
		p.unlist(e)
		p.grant(now, e, w)
	case e.pinned.len() >= p.cfg.MaxQueuePerOrigin:
		o.rejected++
		p.refuse(w, ErrQueueFull)
	default:
		e.pinned.pushBack(&w.inQueue, w)
	}
}

// leave: a caller has gone. Whatever happens, it is answered; where it had been
// already, nothing happens.
func (p *pool) leave(now instant, w *waiter) {
	switch {
	case w.entry != nil || w.refused() != nil:
	case w.dial() != nil: // Fresh: the dial was for it alone
		w.dial().dialFor = nil
		p.stop(w.dial())
		p.dismiss(now, w, errLeft)
	default:
		o := w.origin
		if k := o.dialing.front; k != nil && w.inQueue.in == &o.waiters {
			w.more().dial = k.of
		}
		if o.dialing.len() == 0 && w.pin() == nil {
			w.more().retryAt = o.retryAt(now)
		}
		p.dismiss(now, w, errLeft)
	}
}

// dismiss takes a waiter out of its queue and refuses it.
func (p *pool) dismiss(now instant, w *waiter, err error) {
	o := w.origin
	waited := w.inQueue.in == &o.waiters
	p.unqueue(w)
	p.spare(now, o, &w.probe)
	p.refuse(w, err)
	p.noteEmpty(now, o)
	if waited {
		p.stir(now, o) // the first of those held may go instead
	}
}

// unqueue takes a waiter out of its queue. An origin that wants no more slots
// then stands in nobody's way.
func (p *pool) unqueue(w *waiter) {
	w.inQueue.remove()
	if o := w.origin; o.starving.in != nil && !o.wantsDial(p.cfg.Fresh) {
		o.starving.remove()
	}
}

func (p *pool) refuse(w *waiter, err error) {
	w.more().err = err
	p.do(effRefuse, w, nil)
}

func (p *pool) grant(now instant, e *entry, w *waiter) {
	p.unqueue(w)
	w.entry, w.rested, w.served, w.granted = e, e.rested, e.served, now
	e.served = true
	if w.lease {
		e.owner = w.owner()
		e.state = entryOwned
		p.spare(now, e.origin, &w.probe) // a lease is no request
	} else {
		e.state = entryBusy
		e.probe = w.probe
		e.origin.requests++
		p.joinPipeline(e, w)
	}
	w.probe, w.probing = nil, e.probe != nil
	p.do(effGrant, w, e)
}

// takeIdle takes the youngest idle connection of o out of the pool, if w takes
// that, ending those that may not be used any more.
func (p *pool) takeIdle(now instant, o *origin, w *waiter) *entry {
	if e := p.mostRecent; e != nil && e.origin == o {
		if w.takes(now, e) && e.usable(now) {
			p.mostRecent = nil
			return e
		}
		p.listMostRecent()
	}
	for k := o.idle.back; k != nil; k = o.idle.back {
		e := k.of
		if !w.takes(now, e) {
			return nil
		}
		p.unlist(e)
		if e.usable(now) {
			return e
		}
		p.stop(e)
	}
	return nil
}

func (p *pool) unlist(e *entry) {
	if p.mostRecent == e {
		p.mostRecent = nil
		return // it is in no list
	}
	e.inOrigin.remove()
	e.unhang()
	e.inIdle.remove()
	e.inOpen.remove()
}

// serve gives waiting calls of o what there is: idle connections, then dials.
func (p *pool) serve(now instant, o *origin) {
	p.listMostRecent()
	p.noticeHanging(now, o)
	for k := o.waiters.front; k != nil && o.idle.len() > 0; {
		w := k.of
		k = k.next
		if e := p.takeIdle(now, o, w); e != nil {
			p.grant(now, e, w)
		}
	}
	if p.dialWhatMay(now, o) {
		p.starve(o)
	} else {
		o.starving.remove()
	}
}

// dialWhatMay starts the dials that o wants and may have. It reports true when
// only MaxConns stands in the way of more.
func (p *pool) dialWhatMay(now instant, o *origin) bool {
	for o.wantsDial(p.cfg.Fresh) {
		switch {
		case o.dialing.len() >= p.cfg.MaxDialsPerOrigin:
			return false
		case o.conns >= p.cfg.MaxConnsPerOrigin:
			p.renewIdle(o)
			return false
		case now < o.backoff.retryAt:
			p.alarm(o, o.backoff.retryAt)
			return false
		case p.entries.len() >= p.cfg.MaxConns:
			return true
		}
		p.dial(now, o)
	}
	return false
}

// starve queues o for a slot of MaxConns, and makes room where others idle.
func (p *pool) starve(o *origin) {
	if o.starving.in == nil {
		p.starving.pushBack(&o.starving, o)
	}
	for o.making < o.lacking() && p.idle.len() > 0 {
		p.makeRoom(o, p.idle.front.of)
	}
}

func (p *pool) makeRoom(o *origin, e *entry) {
	e.room = o
	o.making++
	p.stop(e)
}

func (p *pool) serveStarving(now instant) {
	for p.entries.len() < p.cfg.MaxConns && p.starving.front != nil {
		o, before := p.starving.front.of, p.entries.len()
		p.serve(now, o)
		if p.entries.len() == before && o.starving.in != nil {
			return
		}
	}
}

// askRetry: a call wants to be sent once more.
func (p *pool) askRetry(now instant, o *origin) bool {
	o.empty.remove()
	ok := o.budget.retry(now)
	if ok {
		o.retries++
	}
	p.noteEmpty(now, o)
	return ok
}

// giveBack: a lease has ended, or a call did not need its connection after all.
func (p *pool) giveBack(now instant, e *entry, owner *Owner) {
	switch {
	case e.state == entryOwned && e.owner == owner && owner != nil:
		e.owner = nil
		e.idleSince = now
		p.offer(now, e)
	case e.state == entryBusy && e.owner == owner && owner != nil:
		e.owner = nil // the call under way reports it idle
	case e.state == entryBusy && owner == nil:
		e.origin.requests--
		p.leftPipeline(now, e, min(e.pipelined, 1))
	}
}

// drain: no new calls; those that wait are refused, but for calls that have sent a
// request before and are to finish; what idles ends.
func (p *pool) drain(now instant) {
	p.draining = true
	for k := p.origins.front; k != nil; {
		o := k.of
		k = k.next
		p.dismissNew(now, &o.waiters)
		p.dismissAll(now, &o.held)
	}
	for k := p.entries.front; k != nil; k = k.next {
		e := k.of
		p.dismissNew(now, &e.pinned)
		if w := e.dialFor; w != nil && !w.again {
			e.dialFor, w.extra.dial = nil, nil
			p.dismiss(now, w, ErrSessionClosed)
		}
		switch e.state {
		case entryDialing:
			if e.dialFor == nil && e.origin.waiters.len() == 0 {
				p.stop(e)
			}
		case entryIdle, entryOwned:
			p.stop(e)
		}
	}
}

func (p *pool) dismissNew(now instant, l *list[*waiter]) {
	for k := l.front; k != nil; {
		w := k.of
		k = k.next
		if !w.again {
			p.dismiss(now, w, ErrSessionClosed)
		}
	}
}

// cut: whatever is still under way ends now, and nobody waits any more. So those who
// do need not mind the session's end themselves: a channel that all of them watch is
// one lock for all of them.
func (p *pool) cut(now instant) {
	p.draining, p.over = true, true
	for k := p.origins.front; k != nil; {
		o := k.of
		k = k.next
		p.dismissAll(now, &o.waiters)
		p.dismissAll(now, &o.held)
	}
	for k := p.entries.front; k != nil; k = k.next {
		e := k.of
		p.dismissAll(now, &e.pinned)
		if w := e.dialFor; w != nil {
			e.dialFor, w.extra.dial = nil, nil
			p.dismiss(now, w, ErrSessionClosed)
		}
		p.unlist(e)
		e.state = entryStopping
		p.do(effCut, nil, e)
	}
}

func (p *pool) dismissAll(now instant, l *list[*waiter]) {
	for k := l.front; k != nil; k = l.front {
		p.dismiss(now, k.of, ErrSessionClosed)
	}
}
