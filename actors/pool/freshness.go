package pool

import "time"

// Freshness is how choosy a call is about the connection it gets: a server may be
// closing an idle one at the very moment a request is written to it, and then
// nobody can tell whether the request was processed (RFC 9112 §9.3, RFC 9110 §9.2.2).
//
//	freshness        takes an idle connection
//	FreshnessAny     of any age within IdleTimeout and the server's Keep-Alive timeout
//	FreshnessRecent  used within the last second, or within half of the time after which
//	            its origin is known to close idle ones
//	FreshnessNew     never: one just dialled, or straight from another call
type Freshness uint8

// From the least choosy on.
const (
	FreshnessAny Freshness = iota
	FreshnessRecent
	FreshnessNew
)

const (
	// recently is below the shortest idle timeouts in common use (2 s).
	recently = time.Second
	// leastIdleLimit keeps a restarting server, which closes connections of any
	// age, from being taken for one that never keeps any.
	leastIdleLimit = time.Second
)

// takes tells whether w is content with e.
func (w *Waiter) takes(now Instant, e *Entry) bool {
	switch w.Freshness {
	case FreshnessAny:
		return true
	case FreshnessRecent:
		return now.Since(e.usedAt) <= e.safelyIdle()
	}
	return now <= e.usedAt
}

// safelyIdle is how long e may have been idle and still be certain, as far as one
// can be, not to be closed by its server at this moment.
func (e *Entry) safelyIdle() time.Duration {
	limit := e.keep // what the server said
	if learnt := e.Origin.idleLimit; learnt > 0 && (limit == 0 || learnt < limit) {
		limit = learnt
	}
	if limit == 0 {
		return recently
	}
	return limit / 2
}

// learnIdleLimit takes in that the origin closed e while it idled. The FIN came
// some time after the last sweep.
func (o *Origin) learnIdleLimit(now Instant, e *Entry, sweep time.Duration) {
	limit := max(now.Since(e.usedAt)-sweep, leastIdleLimit)
	if o.idleLimit == 0 || limit < o.idleLimit {
		o.idleLimit = limit
	}
}

// doubtIdleLimit takes in that e still idles well past the limit that was learnt:
// what had ended that other connection was something else.
func (o *Origin) doubtIdleLimit(now Instant, e *Entry, sweep time.Duration) {
	if o.idleLimit > 0 && now.Since(e.usedAt) > o.idleLimit+3*sweep {
		o.idleLimit = 0
	}
}

// renewIdle makes room for dials of o's own where all that idle are too old for
// the calls that wait.
func (p *Pool) renewIdle(o *Origin) {
	for o.making < o.lacking() && o.idle.Len() > 0 {
		p.makeRoom(o, o.idle.Front.Of)
	}
}
