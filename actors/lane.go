package actors

import "time"

// Lane is how choosy a call is about the connection it gets: a server may be
// closing an idle one at the very moment a request is written to it, and then
// nobody can tell whether the request was processed (RFC 9112 §9.3, RFC 9110 §9.2.2).
//
//	lane        takes an idle connection
//	LaneAny     of any age within IdleTimeout and the server's Keep-Alive timeout
//	LaneRecent  used within the last second, or within half of the time after which
//	            its origin is known to close idle ones
//	LaneFresh   never: one just dialled, or straight from another call
type Lane uint8

// The lanes, the least choosy first.
const (
	LaneAny Lane = iota
	LaneRecent
	LaneFresh
)

const (
	// recently is below the shortest idle timeouts in common use (2 s).
	recently = time.Second
	// leastIdleLimit keeps a restarting server, which closes connections of any
	// age, from being taken for one that never keeps any.
	leastIdleLimit = time.Second
)

// takes tells whether w is content with s.
func (w *waiter) takes(now instant, s *seat) bool {
	switch w.lane {
	case LaneAny:
		return true
	case LaneRecent:
		return now.since(s.usedAt) <= s.safelyIdle()
	}
	return now <= s.usedAt
}

// safelyIdle is how long s may have been idle and still be certain, as far as one
// can be, not to be closed by its server at this moment.
func (s *seat) safelyIdle() time.Duration {
	limit := s.keep // what the server said
	if learnt := s.origin.idleLimit; learnt > 0 && (limit == 0 || learnt < limit) {
		limit = learnt
	}
	if limit == 0 {
		return recently
	}
	return limit / 2
}

// learnIdleLimit takes in that the origin closed s while it idled. The FIN came
// some time after the last sweep.
func (o *origin) learnIdleLimit(now instant, s *seat, sweep time.Duration) {
	limit := max(now.since(s.usedAt)-sweep, leastIdleLimit)
	if o.idleLimit == 0 || limit < o.idleLimit {
		o.idleLimit = limit
	}
}

// doubtIdleLimit takes in that s still idles well past the limit that was learnt:
// what had ended that other connection was something else.
func (o *origin) doubtIdleLimit(now instant, s *seat, sweep time.Duration) {
	if o.idleLimit > 0 && now.since(s.usedAt) > o.idleLimit+3*sweep {
		o.idleLimit = 0
	}
}

// renewIdle makes room for dials of o's own where all that idle are too old for
// the calls that wait.
func (p *pool) renewIdle(o *origin) {
	for o.making < o.lacking() && o.idle.len() > 0 {
		p.makeRoom(o, o.idle.front.of)
	}
}
