package actors

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
func (p *pool) takeOpen(now instant, o *origin, w *waiter) *entry {
	if !w.shareable || w.probe != nil || o.queued() > 0 {
		return nil
	}
	for k := o.open.front; k != nil; k = o.open.front {
		if p.hasRoom(now, k.of, w) {
			return k.of
		}
		k.remove() // until it has answered again
	}
	return nil
}

func (p *pool) hasRoom(now instant, e *entry, w *waiter) bool {
	return e.state == entryBusy && e.pipelined > 0 && e.pipelined < p.cfg.PipelineDepth &&
		e.proven && !e.silent && e.probe == nil && e.owner == nil && e.pinned.len() == 0 &&
		(e.ends == 0 || now < e.ends) && !e.closing && p.starvingBefore(e, w) == nil
}

// joinPipeline counts w in on e.
func (p *pool) joinPipeline(e *entry, w *waiter) {
	if !w.shareable {
		return
	}
	e.pipelined++
	if e.inOpen.in == nil && e.proven {
		e.origin.open.pushBack(&e.inOpen, e)
	}
}

// fillPipeline gives e to those of its origin's calls that may share it, in the order in which
// they came. They pass plain calls for which a dial is under way, and no others.
func (p *pool) fillPipeline(now instant, e *entry) {
	o, passed := e.origin, 0
	for k := o.waiters.front; k != nil; {
		w := k.of
		k = k.next
		switch {
		case !w.shareable || w.probe != nil:
			if passed++; passed > o.dialing.len() {
				return
			}
		case !p.hasRoom(now, e, w):
			return
		default:
			p.grant(now, e, w)
		}
	}
}

// callsEnded: calls that share e have been answered.
func (p *pool) callsEnded(now instant, e *entry, t pipelineReport) {
	if e.state != entryBusy {
		return // told to stop meanwhile
	}
	if t.ok+t.failed > 0 {
		e.idleSince, e.usedAt, e.silent = now, now, false
		e.proven = e.proven || t.proven
	}
	if t.keep > 0 {
		e.keep = t.keep
	}
	if t.ok+t.failed > 0 {
		e.origin.pace.answered(t.took)
	}
	p.reportAll(now, e, t)
	p.leftPipeline(now, e, t.n)
}

// reportAll tells the breaker of each answer. Their order is lost but for the last
// failures in a row; those before were not in one.
func (p *pool) reportAll(now instant, e *entry, t pipelineReport) {
	for failed := t.failed - t.row; t.ok > 0 || failed > 0; {
		if failed > 0 {
			p.report(now, e.origin, outcomeFailed, &e.probe)
			failed--
		}
		if t.ok > 0 {
			p.report(now, e.origin, outcomeOK, &e.probe)
			t.ok--
		}
	}
	for range t.row {
		p.report(now, e.origin, outcomeFailed, &e.probe)
	}
}

// leftPipeline: n of those that share e have gone.
func (p *pool) leftPipeline(now instant, e *entry, n int) {
	e.pipelined -= n
	switch {
	case e.pipelined <= 0:
		e.pipelined = 0
		e.inOpen.remove()
		p.spare(now, e.origin, &e.probe) // it left before it was sent
		p.offer(now, e)
	default:
		if e.inOpen.in == nil && e.proven {
			e.origin.open.pushBack(&e.inOpen, e)
		}
		p.fillPipeline(now, e)
	}
}

// connSilent: a caller that shares e could wait no longer.
func (p *pool) connSilent(now instant, e *entry, out outcome, had time.Duration) {
	if e.state != entryBusy || e.pipelined == 0 {
		return
	}
	e.silent = true
	e.inOpen.remove()
	if out == outcomeLate {
		out = e.origin.pace.judge(now, had)
	}
	var none probe
	p.report(now, e.origin, out, &none)
}

// inFlight is how many calls use e.
func (e *entry) inFlight() int {
	if e.state == entryBusy {
		return max(e.pipelined, 1)
	}
	return 0
}
