package pool

import "time"

// This file is which calls share a connection. One that may (Call.shareable) is granted
// a busy connection of its origin where that
//   - is used by such calls only, and by fewer than PipelineDepth of them,
//   - has answered one in HTTP/1.1 and gone on: an older server may take what
//     comes behind the first request for part of it (RFC 9112 §9.3.2),
//   - has not let a caller down since its last answer,
//   - carries no probe of the breaker, has no call pinned to it, and is not to end,
//   - and where nobody waits without a dial under way for him: a plain call that did
//     would never find it free.

// takeOpen finds a busy connection for w to share.
func (p *Pool) takeOpen(now Instant, o *Origin, w *Waiter) *Entry {
	if !w.Shareable || w.probe != nil || o.queued() > 0 {
		return nil
	}
	for k := o.open.Front; k != nil; k = o.open.Front {
		if p.hasRoom(now, k.Of, w) {
			return k.Of
		}
		k.remove() // until it has answered again
	}
	return nil
}

func (p *Pool) hasRoom(now Instant, e *Entry, w *Waiter) bool {
	return e.state == entryBusy && e.pipelined > 0 && e.pipelined < p.cfg.PipelineDepth &&
		e.proven && !e.silent && e.probe == nil && e.owner == nil && e.pinned.Len() == 0 &&
		(e.ends == 0 || now < e.ends) && !e.closing && p.starvingBefore(e, w) == nil
}

// joinPipeline counts w in on e.
func (p *Pool) joinPipeline(e *Entry, w *Waiter) {
	if !w.Shareable {
		return
	}
	e.pipelined++
	if e.inOpen.in == nil && e.proven {
		e.Origin.open.pushBack(&e.inOpen, e)
	}
}

// fillPipeline gives e to those of its origin's calls that may share it, in the order in which
// they came. They pass plain calls for which a dial is under way, and no others.
func (p *Pool) fillPipeline(now Instant, e *Entry) {
	o, passed := e.Origin, 0
	for k := o.waiters.Front; k != nil; {
		w := k.Of
		k = k.Next
		switch {
		case !w.Shareable || w.probe != nil:
			if passed++; passed > o.dialing.Len() {
				return
			}
		case !p.hasRoom(now, e, w):
			return
		default:
			p.grant(now, e, w)
		}
	}
}

// CallsEnded: calls that share e have been answered.
func (p *Pool) CallsEnded(now Instant, e *Entry, t Report) {
	if e.state != entryBusy {
		return // told to stop meanwhile
	}
	if t.OK+t.Failed > 0 {
		e.idleSince, e.usedAt, e.silent = now, now, false
		e.proven = e.proven || t.Proven
	}
	if t.Keep > 0 {
		e.keep = t.Keep
	}
	if t.OK+t.Failed > 0 {
		e.Origin.pace.answered(t.Took)
	}
	p.reportAll(now, e, t)
	p.leftPipeline(now, e, t.N)
}

// reportAll tells the breaker of each answer. Their order is lost but for the last
// failures in a row; those before were not in one.
func (p *Pool) reportAll(now Instant, e *Entry, t Report) {
	for failed := t.Failed - t.Row; t.OK > 0 || failed > 0; {
		if failed > 0 {
			p.report(now, e.Origin, OutcomeFailed, &e.probe)
			failed--
		}
		if t.OK > 0 {
			p.report(now, e.Origin, OutcomeOK, &e.probe)
			t.OK--
		}
	}
	for range t.Row {
		p.report(now, e.Origin, OutcomeFailed, &e.probe)
	}
}

// leftPipeline: n of those that share e have gone.
func (p *Pool) leftPipeline(now Instant, e *Entry, n int) {
	e.pipelined -= n
	switch {
	case e.pipelined <= 0:
		e.pipelined = 0
		e.inOpen.remove()
		p.spare(now, e.Origin, &e.probe) // it left before it was sent
		p.offer(now, e)
	default:
		if e.inOpen.in == nil && e.proven {
			e.Origin.open.pushBack(&e.inOpen, e)
		}
		p.fillPipeline(now, e)
	}
}

// ConnSilent: a caller that shares e could wait no longer.
func (p *Pool) ConnSilent(now Instant, e *Entry, out Outcome, had time.Duration) {
	if e.state != entryBusy || e.pipelined == 0 {
		return
	}
	e.silent = true
	e.inOpen.remove()
	if out == OutcomeLate {
		out = e.Origin.pace.judge(now, had)
	}
	var none probe
	p.report(now, e.Origin, out, &none)
}

// InFlight is how many calls use e.
func (e *Entry) InFlight() int {
	if e.state == entryBusy {
		return max(e.pipelined, 1)
	}
	return 0
}

// Report is what has become of calls since the last report.
type Report struct {
	N, OK, Failed int           // no longer in the pipeline; of which were answered so
	Row           int           // failed since the last that was ok
	Keep          time.Duration // how long the server keeps the connection; 0: it did not say
	At            Instant
	Took          time.Duration // the last answer; 0: unknown
	Proven        bool          // it has answered in HTTP/1.1, and goes on
}

func (t *Report) Add(u Report) {
	t.N, t.OK, t.Failed = t.N+u.N, t.OK+u.OK, t.Failed+u.Failed
	if t.Row += u.Row; u.OK > 0 {
		t.Row = u.Row
	}
	t.Proven = t.Proven || u.Proven
	if u.At > t.At {
		t.At, t.Keep, t.Took = u.At, u.Keep, u.Took
	}
}
