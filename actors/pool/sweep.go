package pool

import (
	"container/heap"
	"time"
)

// alarm makes tick attend to o at that moment, if not before.
func (p *Pool) alarm(o *Origin, at Instant) {
	if at == Never || o.alarmAt != 0 && o.alarmAt <= at {
		return
	}
	o.alarmAt = at
	heap.Push(&p.alarms, alarm{at, o})
	p.wakeAt(at)
}

// Tick: time has passed. It does what was due and sets wake to when it wants to
// be called again.
func (p *Pool) Tick(now Instant) {
	p.Wake = Never
	for len(p.alarms) > 0 && p.alarms[0].at <= now {
		a := heap.Pop(&p.alarms).(alarm)
		if a.o.alarmAt == a.at {
			p.noticeStall(now, a.at)
			a.o.alarmAt = 0
			p.release(now, a.o)
			p.expire(now, a.o)
			p.serve(now, a.o)
		}
	}
	if len(p.alarms) > 0 {
		p.wakeAt(p.alarms[0].at)
	}
	p.sweep(now)
	p.forget(now)
}

// sweep ends idle connections whose time is over and, when it is due, lists the
// rest for a look at their sockets.
func (p *Pool) sweep(now Instant) {
	due := p.sweepAt != 0 && p.sweepAt <= now
	if !due && now < p.expiry {
		p.wakeAt(p.expiry)
		if p.sweepAt != 0 {
			p.wakeAt(p.sweepAt)
		}
		return
	}
	p.expiry = Never
	p.ListMostRecent()
	for _, l := range []*List[*Entry]{&p.idle, &p.owned} {
		for k := l.Front; k != nil; {
			e := k.Of
			k = k.Next
			switch {
			case !e.usable(now):
				p.stop(e)
				continue
			case due:
				e.Origin.doubtIdleLimit(now, e, p.sweepInterval())
				p.Suspects = append(p.Suspects, Suspect{e, e.idleSince})
			}
			if at := e.expires(); at != 0 {
				p.expiry = min(p.expiry, at)
			}
		}
	}
	p.wakeAt(p.expiry)
	switch {
	case p.idle.Len()+p.owned.Len() == 0:
		p.sweepAt = 0
	case due:
		p.sweepAt = now.Add(p.sweepInterval())
	}
	if p.sweepAt != 0 {
		p.wakeAt(p.sweepAt)
	}
}

func (p *Pool) sweepInterval() time.Duration {
	every := sweepEvery
	for _, d := range []time.Duration{p.cfg.IdleTimeout, p.cfg.MaxConnAge} {
		if d > 0 {
			every = min(every, d/4)
		}
	}
	return max(every, sweepAtLeast)
}

// Suspicious: the socket of a connection that had been idle since since has
// something to see. If it has not been used in between, its actor shall look.
func (p *Pool) Suspicious(e *Entry, since Instant) {
	idle := e.state == entryIdle || e.state == entryOwned && e.inIdle.in == &p.owned
	if !idle || e.idleSince != since {
		return
	}
	p.unlist(e)
	e.state = entryLooking
	p.do(EffLook, nil, e)
}

// noteEmpty remembers since when an origin has nothing to schedule.
func (p *Pool) noteEmpty(now Instant, o *Origin) {
	if !o.isEmpty() {
		return
	}
	o.empty.remove()
	o.emptyAt = now
	p.empty.pushBack(&o.empty, o)
	p.wakeAt(now.Add(forgetAfter))
	for p.empty.Len() > maxEmpty {
		p.drop(p.empty.Front.Of)
	}
}

// forget drops the origins that have been empty for long.
func (p *Pool) forget(now Instant) {
	for k := p.empty.Front; k != nil; k = p.empty.Front {
		due := k.Of.emptyAt.Add(forgetAfter)
		if now < due {
			p.wakeAt(due)
			return
		}
		p.drop(k.Of)
	}
}

func (p *Pool) drop(o *Origin) {
	o.empty.remove()
	o.starving.remove()
	o.all.remove()
	p.Dropped = append(p.Dropped, o)
}

// alarm is when an origin wants to be served again.
type alarm struct {
	at Instant
	o  *Origin
}

// alarms is a heap, the earliest first.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(v any)        { *a = append(*a, v.(alarm)) }
func (a *alarms) Pop() any {
	old := *a
	v := old[len(old)-1]
	old[len(old)-1] = alarm{}
	*a = old[:len(old)-1]
	return v
}
