package actors

import "time"

// This file is which calls share a connection. One that may (Call.pipes) is granted
// a busy connection of its origin where that
//   - is used by such calls only, and by fewer than PipelineDepth of them,
//   - has answered one in HTTP/1.1 and gone on: an older server may take what
//     comes behind the first request for part of it (RFC 9112 §9.3.2),
//   - has not let a caller down since its last answer,
//   - carries no probe of the breaker, has no call pinned to it, and is not to end,
//   - and where nobody waits without a dial under way for him: a plain call that did
//     would never find it free.

// takeOpen finds a busy connection for w to share.
func (p *pool) takeOpen(now instant, o *origin, w *waiter) *seat {
	if !w.pipes || w.probe != nil || o.queued() > 0 {
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

func (p *pool) hasRoom(now instant, s *seat, w *waiter) bool {
	return s.state == seatBusy && s.flying > 0 && s.flying < p.cfg.PipelineDepth &&
		s.proven && !s.silent && s.probe == nil && s.owner == nil && s.pinned.len() == 0 &&
		(s.ends == 0 || now < s.ends) && !s.conn.Closed() && p.hungrier(s, w) == nil
}

// flies counts w in on s.
func (p *pool) flies(s *seat, w *waiter) {
	if !w.pipes {
		return
	}
	s.flying++
	if s.space.in == nil && s.proven {
		s.origin.open.pushBack(&s.space, s)
	}
}

// share gives s to those of its origin's calls that may share it, in the order in which
// they came. They pass plain calls for which a dial is under way, and no others.
func (p *pool) share(now instant, s *seat) {
	o, passed := s.origin, 0
	for k := o.waiters.front; k != nil; {
		w := k.of
		k = k.next
		switch {
		case !w.pipes || w.probe != nil:
			if passed++; passed > o.dialing.len() {
				return
			}
		case !p.hasRoom(now, s, w):
			return
		default:
			p.grant(now, s, w)
		}
	}
}

// connLanded: calls that share s have been answered.
func (p *pool) connLanded(now instant, s *seat, t landing) {
	if s.state != seatBusy {
		return // told to stop meanwhile
	}
	if t.ok+t.failed > 0 {
		s.idleSince, s.usedAt, s.silent = now, now, false
		s.proven = s.proven || t.proven
	}
	if t.keep > 0 {
		s.keep = t.keep
	}
	if t.ok+t.failed > 0 {
		s.origin.pace.answered(t.took)
	}
	p.reportAll(now, s, t)
	p.landed(now, s, t.n)
}

// reportAll tells the breaker of each answer. Their order is lost but for the last
// failures in a row; those before were not in one.
func (p *pool) reportAll(now instant, s *seat, t landing) {
	for failed := t.failed - t.row; t.ok > 0 || failed > 0; {
		if failed > 0 {
			p.report(now, s.origin, outcomeFailed, &s.probe)
			failed--
		}
		if t.ok > 0 {
			p.report(now, s.origin, outcomeOK, &s.probe)
			t.ok--
		}
	}
	for range t.row {
		p.report(now, s.origin, outcomeFailed, &s.probe)
	}
}

// landed: n of those that share s have gone.
func (p *pool) landed(now instant, s *seat, n int) {
	s.flying -= n
	switch {
	case s.flying <= 0:
		s.flying = 0
		s.space.remove()
		p.spare(now, s.origin, &s.probe) // it left before it was sent
		p.offer(now, s)
	default:
		if s.space.in == nil && s.proven {
			s.origin.open.pushBack(&s.space, s)
		}
		p.share(now, s)
	}
}

// connSilent: a caller that shares s could wait no longer.
func (p *pool) connSilent(now instant, s *seat, out outcome, had time.Duration) {
	if s.state != seatBusy || s.flying == 0 {
		return
	}
	s.silent = true
	s.space.remove()
	if out == outcomeLate {
		out = s.origin.pace.judge(now, had)
	}
	var none probe
	p.report(now, s.origin, out, &none)
}

// inFlight is how many calls use s.
func (s *seat) inFlight() int {
	if s.state == seatBusy {
		return max(s.flying, 1)
	}
	return 0
}
