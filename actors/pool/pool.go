// Package pool decides which call gets which connection, and when a connection is made or
// ended. It does no I/O, starts no goroutine, holds no lock and looks at no clock: its
// methods take in one event at a time, with the moment it happened, and leave Effects for
// the dispatcher to carry out. What it must know of a call or a connection is told to it. Its
// one companion with a clock is gobreaker.
package pool

import (
	"errors"
	"math"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Pool decides over every connection of a scheduler: it is the dispatcher's state. Each
// method takes in one event, at now, and appends what has to be done to Effects.
// Reserving is part of deciding, so limits hold exactly.
//
// A call that wants a connection:
//  1. shares a busy one of its origin, where it may (pipeline.go);
//  2. else gets the youngest idle one, unless it wants a younger one (freshness.go);
//  3. else waits, and where the limits and the origin's backoff allow, a dial is
//     started (for whoever is first when it is done);
//  4. or is rejected: breaker open (unless it is held, see hold.go), queue full, session
//     closed.
//
// When MaxConns stands in the way, the oldest idle connection of another origin
// is ended; where there is none, the origin starves until a slot or a connection
// becomes free, in order.
type Pool struct {
	cfg        Config
	random     func() float64                            // jitter, in [0, 1)
	changed    func(o *Origin, from, to gobreaker.State) // a breaker's state
	Origins    List[*Origin]                             // all
	Entries    List[*Entry]                              // all whose slot is taken
	idle       List[*Entry]                              // of all origins, the longest idle first
	mostRecent *Entry                                    // idle, and not listed yet: see becomeIdle
	owned      List[*Entry]                              // Fresh: waiting for their owner, the longest idle first
	starving   List[*Origin]                             // in the order in which they came to need a slot
	empty      List[*Origin]                             // nothing to schedule, the longest empty first

	Draining bool
	Over     bool // cut off
	alarms   alarms
	stalled  Instant // when it was last seen that this process had stood still
	sweepAt  Instant // 0: none due
	expiry   Instant // no idle connection ends before
	Wake     Instant // when Tick wants to be called
	Effects  []Effect
	Suspects []Suspect
	Dropped  []*Origin // forgotten since the effects were last carried out
}

// Effect is something for the dispatcher to do.
type Effect struct {
	Kind   effectKind
	Waiter *Waiter
	Entry  *Entry
}

type effectKind uint8

const (
	EffGrant  effectKind = iota // tell the waiter that it has the entry
	EffRefuse                   // tell the waiter why not
	EffDial                     // start an actor for the entry, which dials
	EffStop                     // end the actor of the entry
	EffCut                      // the same, and its socket at once
	EffLook                     // let the actor of the entry look at its socket
)

// Suspect is an idle connection whose socket is to be peeked at, and since when
// it was idle then.
type Suspect struct {
	Entry *Entry
	Since Instant
}

var (
	// ErrLeft answers a caller that has left.
	ErrLeft = errors.New("troupe: the caller has left")
	// ErrGone tells that the connection a call wanted, and no other, has ended.
	ErrGone = errors.New("troupe: the connection has ended")
)

// Never is a moment that does not come.
const Never = Instant(math.MaxInt64)

const (
	// An origin is forgotten this long after its last connection ended, or
	// earlier where more than maxEmpty of them are kept.
	forgetAfter = 5 * time.Minute
	maxEmpty    = 4096

	// Sockets of idle connections are looked at so often, or four times within
	// IdleTimeout or MaxConnAge where those are short.
	sweepEvery   = 2 * time.Second
	sweepAtLeast = 10 * time.Millisecond
)

// New makes a pool. random draws the jitter, in [0, 1); changed is told of each change of a
// breaker's state, and must not call the pool.
func New(cfg Config, random func() float64, changed func(*Origin, gobreaker.State, gobreaker.State)) *Pool {
	cfg = cfg.withDefaults()
	return &Pool{cfg: cfg, random: random, changed: changed, Wake: Never, expiry: Never}
}

func (p *Pool) do(kind effectKind, w *Waiter, e *Entry) {
	p.Effects = append(p.Effects, Effect{kind, w, e})
}

func (p *Pool) wakeAt(t Instant) { p.Wake = min(p.Wake, t) }

// Add takes in an origin that was not known. It is in no list of empty ones yet: whoever
// adds it has a use for it.
func (p *Pool) Add(o *Origin, name string) {
	o.Name = name
	o.budget = newBudget(p.cfg.Budget)
	o.breaker = newBreaker(p.cfg.Breaker, o.Name, func(from, to gobreaker.State) { p.changed(o, from, to) })
	p.Origins.pushBack(&o.all, o)
}

// Acquire: a call wants a connection.
func (p *Pool) Acquire(now Instant, w *Waiter) {
	w.Since = now
	if p.Over || p.Draining && !w.Again {
		p.refuse(w, ErrSessionClosed)
		return
	}
	if w.Pin() != nil {
		p.acquirePinned(now, w)
		return
	}
	o := w.Origin
	o.empty.remove()
	if o.troubled() && !p.admits(now, o, w) {
		return
	}
	if !w.Again {
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
func (p *Pool) acquirePinned(now Instant, w *Waiter) {
	e := w.Pin()
	o, wanted := e.Origin, w.Origin
	w.Origin = o
	switch {
	case o != wanted:
		p.refuse(w, ErrWrongOrigin)
	case e.state >= entryStopping || e.closing:
		p.refuse(w, ErrGone)
	case e.state == entryIdle, e.state == entryOwned && e.owner == w.owner():
		p.unlist(e)
		p.grant(now, e, w)
	case e.pinned.Len() >= p.cfg.MaxQueuePerOrigin:
		o.rejected++
		p.refuse(w, ErrQueueFull)
	default:
		e.pinned.pushBack(&w.inQueue, w)
	}
}

// Leave: a caller has gone. Whatever happens, it is answered; where it had been
// already, nothing happens.
func (p *Pool) Leave(now Instant, w *Waiter) {
	switch {
	case w.Entry != nil || w.Refused() != nil:
	case w.Dial() != nil: // Fresh: the dial was for it alone
		w.Dial().dialFor = nil
		p.stop(w.Dial())
		p.dismiss(now, w, ErrLeft)
	default:
		o := w.Origin
		if k := o.dialing.Front; k != nil && w.inQueue.in == &o.waiters {
			w.More().Dial = k.Of
		}
		if o.dialing.Len() == 0 && w.Pin() == nil {
			w.More().RetryAt = o.retryAt(now)
		}
		p.dismiss(now, w, ErrLeft)
	}
}

// dismiss takes a waiter out of its queue and refuses it.
func (p *Pool) dismiss(now Instant, w *Waiter, err error) {
	o := w.Origin
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
func (p *Pool) unqueue(w *Waiter) {
	w.inQueue.remove()
	if o := w.Origin; o.starving.in != nil && !o.wantsDial(p.cfg.Fresh) {
		o.starving.remove()
	}
}

func (p *Pool) refuse(w *Waiter, err error) {
	w.More().Err = err
	p.do(EffRefuse, w, nil)
}

func (p *Pool) grant(now Instant, e *Entry, w *Waiter) {
	p.unqueue(w)
	w.Entry, w.Rested, w.Served, w.Granted = e, e.rested, e.served, now
	e.served = true
	if w.Lease {
		e.owner = w.owner()
		e.state = entryOwned
		p.spare(now, e.Origin, &w.probe) // a lease is no request
	} else {
		e.state = entryBusy
		e.probe = w.probe
		e.Origin.requests++
		p.joinPipeline(e, w)
	}
	w.probe, w.Probing = nil, e.probe != nil
	p.do(EffGrant, w, e)
}

// takeIdle takes the youngest idle connection of o out of the pool, if w takes
// that, ending those that may not be used any more.
func (p *Pool) takeIdle(now Instant, o *Origin, w *Waiter) *Entry {
	if e := p.mostRecent; e != nil && e.Origin == o {
		if w.takes(now, e) && e.usable(now) {
			p.mostRecent = nil
			return e
		}
		p.ListMostRecent()
	}
	for k := o.idle.back; k != nil; k = o.idle.back {
		e := k.Of
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

func (p *Pool) unlist(e *Entry) {
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
func (p *Pool) serve(now Instant, o *Origin) {
	p.ListMostRecent()
	p.noticeHanging(now, o)
	for k := o.waiters.Front; k != nil && o.idle.Len() > 0; {
		w := k.Of
		k = k.Next
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
func (p *Pool) dialWhatMay(now Instant, o *Origin) bool {
	for o.wantsDial(p.cfg.Fresh) {
		switch {
		case o.dialing.Len() >= p.cfg.MaxDialsPerOrigin:
			return false
		case o.conns >= p.cfg.MaxConnsPerOrigin:
			p.renewIdle(o)
			return false
		case now < o.backoff.retryAt:
			p.alarm(o, o.backoff.retryAt)
			return false
		case p.Entries.Len() >= p.cfg.MaxConns:
			return true
		}
		p.dial(now, o)
	}
	return false
}

// starve queues o for a slot of MaxConns, and makes room where others idle.
func (p *Pool) starve(o *Origin) {
	if o.starving.in == nil {
		p.starving.pushBack(&o.starving, o)
	}
	for o.making < o.lacking() && p.idle.Len() > 0 {
		p.makeRoom(o, p.idle.Front.Of)
	}
}

func (p *Pool) makeRoom(o *Origin, e *Entry) {
	e.room = o
	o.making++
	p.stop(e)
}

func (p *Pool) serveStarving(now Instant) {
	for p.Entries.Len() < p.cfg.MaxConns && p.starving.Front != nil {
		o, before := p.starving.Front.Of, p.Entries.Len()
		p.serve(now, o)
		if p.Entries.Len() == before && o.starving.in != nil {
			return
		}
	}
}

// AskRetry: a call wants to be sent once more.
func (p *Pool) AskRetry(now Instant, o *Origin) bool {
	o.empty.remove()
	ok := o.budget.retry(now)
	if ok {
		o.retries++
	}
	p.noteEmpty(now, o)
	return ok
}

// GiveBack: a lease has ended, or a call did not need its connection after all.
func (p *Pool) GiveBack(now Instant, e *Entry, owner *Owner) {
	switch {
	case e.state == entryOwned && e.owner == owner && owner != nil:
		e.owner = nil
		e.idleSince = now
		p.offer(now, e)
	case e.state == entryBusy && e.owner == owner && owner != nil:
		e.owner = nil // the call under way reports it idle
	case e.state == entryBusy && owner == nil:
		e.Origin.requests--
		p.leftPipeline(now, e, min(e.pipelined, 1))
	}
}

// Drain: no new calls; those that wait are refused, but for calls that have sent a
// request before and are to finish; what idles ends.
func (p *Pool) Drain(now Instant) {
	p.Draining = true
	for k := p.Origins.Front; k != nil; {
		o := k.Of
		k = k.Next
		p.dismissNew(now, &o.waiters)
		p.dismissAll(now, &o.held)
	}
	for k := p.Entries.Front; k != nil; k = k.Next {
		e := k.Of
		p.dismissNew(now, &e.pinned)
		if w := e.dialFor; w != nil && !w.Again {
			e.dialFor, w.Extra.Dial = nil, nil
			p.dismiss(now, w, ErrSessionClosed)
		}
		switch e.state {
		case entryDialing:
			if e.dialFor == nil && e.Origin.waiters.Len() == 0 {
				p.stop(e)
			}
		case entryIdle, entryOwned:
			p.stop(e)
		}
	}
}

func (p *Pool) dismissNew(now Instant, l *List[*Waiter]) {
	for k := l.Front; k != nil; {
		w := k.Of
		k = k.Next
		if !w.Again {
			p.dismiss(now, w, ErrSessionClosed)
		}
	}
}

// Cut: whatever is still under way ends now, and nobody waits any more. So those who
// do need not mind the session's end themselves: a channel that all of them watch is
// one lock for all of them.
func (p *Pool) Cut(now Instant) {
	p.Draining, p.Over = true, true
	for k := p.Origins.Front; k != nil; {
		o := k.Of
		k = k.Next
		p.dismissAll(now, &o.waiters)
		p.dismissAll(now, &o.held)
	}
	for k := p.Entries.Front; k != nil; k = k.Next {
		e := k.Of
		p.dismissAll(now, &e.pinned)
		if w := e.dialFor; w != nil {
			e.dialFor, w.Extra.Dial = nil, nil
			p.dismiss(now, w, ErrSessionClosed)
		}
		p.unlist(e)
		e.state = entryStopping
		p.do(EffCut, nil, e)
	}
}

func (p *Pool) dismissAll(now Instant, l *List[*Waiter]) {
	for k := l.Front; k != nil; k = l.Front {
		p.dismiss(now, k.Of, ErrSessionClosed)
	}
}
