package pool

import "time"

// This file is about dials that hang: a lost packet, or one of several addresses that
// does not answer, must not be the fate of all who wait. A dial that takes unusually
// long is not counted on any more: whoever waits for it has another one started, within
// the limits, and is served by whichever comes first.

const (
	// leastHang is above what a dial takes to the other side of the world, and below
	// the second after which TCP sends its first packet again (RFC 6298 §2.1).
	leastHang = 250 * time.Millisecond
	// timesUsual is how much longer than usual a dial takes that hangs.
	timesUsual = 4
	// mostRounds bounds how often the time is doubled while no dial succeeds.
	mostRounds = 5
	// overdue is how late an alarm is where this process stood still: its dials may be
	// done, and their reports on the way.
	overdue = 50 * time.Millisecond
)

// hangsAfter is how long a dial to o may take before it is taken for one that hangs:
// twice as long each time that those started instead have hung too.
func (o *Origin) hangsAfter() time.Duration {
	return max(leastHang, timesUsual*o.dialTime) << o.rounds
}

// learnDialTime takes in that a dial took so long.
func (o *Origin) learnDialTime(took time.Duration) {
	if o.dialTime == 0 {
		o.dialTime = took
	}
	o.dialTime += (took - o.dialTime) / 8
	o.rounds = 0
}

// noticeHanging marks the dials that hang, where somebody waits.
func (p *Pool) noticeHanging(now Instant, o *Origin) {
	if p.cfg.Fresh || o.dialing.Len() == o.hanging || o.waiters.Len()+o.held.Len() == 0 {
		return
	}
	if o.hanging == 0 {
		o.rounds = 0
	}
	p.noticeStall(now, o.alarmAt)
	before, after := o.hanging, o.hangsAfter()
	for k := o.dialing.Front; k != nil; k = k.Next {
		e := k.Of
		if e.hangs {
			continue
		}
		if due := max(e.Born, p.stalled).Add(after); now < due {
			p.alarm(o, due)
			break
		}
		e.hangs = true
		o.hanging++
	}
	if o.hanging > before {
		o.rounds = min(o.rounds+1, mostRounds)
	}
}

// noticeStall takes in when an alarm was due.
func (p *Pool) noticeStall(now, due Instant) {
	if due != 0 && now.Since(due) > overdue {
		p.stalled = now
	}
}

// unhang: the dial of e is over.
func (e *Entry) unhang() {
	if e.hangs {
		e.hangs = false
		e.Origin.hanging--
	}
}

// lacking is how many wait beyond those for whom there is a dial that may soon be done.
func (o *Origin) lacking() int { return o.waiters.Len() - (o.dialing.Len() - o.hanging) }

// loser is the call that a failed dial of e fails: the one that has waited longest. nil
// where that came later, and dials that were started since are under way for all who wait.
func (o *Origin) loser(e *Entry) *Waiter {
	k := o.waiters.Front
	switch {
	case k == nil:
		return nil
	case k.Of.Since <= e.Born:
		return k.Of
	}
	younger := 0
	for d := o.dialing.back; d != nil && d.Of.Born > e.Born; d = d.prev {
		younger++
	}
	if younger >= o.waiters.Len() {
		return nil
	}
	return k.Of
}
