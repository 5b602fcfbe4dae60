package actors

import (
	"crypto/tls"
	"net"
	"time"
)

// waiter is one call's wish for a connection. It belongs to the dispatcher from
// acquire until it is answered.
type waiter struct {
	call  *Call // whose slot is completed with the answer, or its err
	lease bool  // take the connection out of the pool for the call's Owner
	lane  Lane  // which idle connections it takes
	again bool  // it was counted before
	pipes bool  // it shares a connection with others

	rested  bool // with seat: it has been idle
	served  bool // with seat: it has been granted before
	probing bool // the breaker waits for how this goes

	since  instant
	origin *origin
	place  link[*waiter] // in origin.waiters, origin.held or pin.pinned
	dial   *seat         // the dial it awaits: its own (Fresh), or, once it has left, the oldest
	probe  probe         // half-open: to be settled

	seat    *seat   // the answer, unless call.err is
	granted instant // when
}

// pin is the connection that w wants and no other; nil: any of its origin.
func (w *waiter) pin() *seat {
	if c := w.call.Conn; c != nil {
		return c.seat
	}
	return nil
}

// seatState is what the scheduler uses a connection for.
type seatState uint8

const (
	seatDialing  seatState = iota // a slot is taken, no socket yet
	seatIdle                      // in the pool
	seatBusy                      // granted to one call
	seatLooking                   // taken out for a look at its socket
	seatOwned                     // out of the pool, waiting for its owner's next call
	seatStopping                  // told to end; the slot is freed when it has
	seatGone                      // ended
)

// seat is a connection in the eyes of the scheduler, and the slot it takes from
// the limits. Only the dispatcher touches it.
type seat struct {
	conn   *Conn
	origin *origin
	state  seatState
	born   instant
	ends   instant // MaxConnAge, jittered; 0: never

	served    bool // has been granted
	rested    bool // has been idle in the pool: it may have died there
	idleSince instant
	usedAt    instant       // when its last exchange, or its dial, ended
	idleUntil instant       // 0: no bound
	keep      time.Duration // the server's Keep-Alive timeout less a margin; 0: unknown

	owner  *Owner
	pinned list[*waiter]
	serves *waiter // Fresh: the call this dial is for
	probe  probe   // of the exchange under way
	flying int     // calls that share it, unanswered
	proven bool    // it may be shared: see pipeline.go
	silent bool    // a caller gave up on it, and it has not answered since
	spare  bool    // dialled in place of one that hangs
	hangs  bool    // its dial takes unusually long

	reported bool    // what its end says about its origin has been taken in
	room     *origin // whom its end makes room for

	turn   link[*seat] // in origin.dialing or origin.idle
	oldest link[*seat] // in pool.idle or pool.owned
	all    link[*seat] // in pool.seats
	space  link[*seat] // in origin.open
}

// origin is the scheduling state of one origin: a plain struct without I/O and, but
// for its breaker's gobreaker, without a clock.
type origin struct {
	key     Origin
	name    string        // scheme://host:port
	tls     *tls.Config   // what its connections use; nil until the first, and for http
	waiters list[*waiter] // first come first served
	held    list[*waiter] // the same, of those that wait until it takes calls again
	idle    list[*seat]   // oldest first; the youngest is reused
	open    list[*seat]   // busy with calls that share, and perhaps with room for more
	conns   int           // slots taken, dials included
	dialing list[*seat]   // of which have no socket yet, oldest first
	hanging int           // of which take unusually long
	making  int           // connections of other origins being ended to make room
	backoff backoff
	breaker *breaker
	budget  budget
	pace    pace

	dialTime time.Duration // usual; 0: unknown
	rounds   uint8         // of dials that hung in a row: see hang.go
	reached  instant       // when the youngest dial that succeeded had begun

	// idleLimit is after which time the origin was seen to close idle connections;
	// 0: unknown. See lane.go.
	idleLimit time.Duration

	requests, retries, failures, rejected, dialed, failedDials uint64

	starving link[*origin] // in pool.starving
	empty    link[*origin] // in pool.empty
	emptyAt  instant
	alarmAt  instant // the alarm set for it; 0: none
}

func originName(key Origin) string {
	name := key.Scheme + "://" + net.JoinHostPort(key.Host, key.Port)
	if key.Proxy != nil {
		name += " through " + key.Proxy.String()
	}
	return name
}

// wantsDial tells whether somebody waits for whom no dial is under way, or one that hangs.
func (o *origin) wantsDial(fresh bool) bool {
	if fresh {
		return o.waiters.len() > 0
	}
	return o.lacking() > 0
}

// queued is how many wait beyond those a dial is under way for.
func (o *origin) queued() int { return o.waiters.len() - o.dialing.len() }

// inLine is how many wait in the sense of MaxQueuePerOrigin.
func (o *origin) inLine() int { return max(0, o.queued()) + o.held.len() }

// deserted tells whether nothing is left to schedule.
func (o *origin) deserted() bool { return o.conns == 0 && o.waiters.len()+o.held.len() == 0 }

// usable tells whether an idle connection may be given out at now.
func (s *seat) usable(now instant) bool {
	return (s.idleUntil == 0 || now < s.idleUntil) && (s.ends == 0 || now < s.ends)
}

// expires is when an idle connection ends by itself; 0: never.
func (s *seat) expires() instant {
	if s.ends != 0 && (s.idleUntil == 0 || s.ends < s.idleUntil) {
		return s.ends
	}
	return s.idleUntil
}

func (o *origin) snapshot(now instant) OriginSnapshot {
	snap := OriginSnapshot{
		Origin:              o.name,
		Queued:              o.waiters.len() + o.held.len(),
		Dialing:             o.dialing.len(),
		Idle:                o.idle.len(),
		Busy:                o.conns - o.dialing.len() - o.idle.len(),
		Backoff:             o.backoff.left(now),
		Breaker:             o.breaker.String(),
		ConsecutiveFailures: o.breaker.row,
		Requests:            o.requests,
		Retries:             o.retries,
		IdleLimit:           o.idleLimit,
		Failures:            o.failures,
		Rejected:            o.rejected,
		Dials:               o.dialed,
		FailedDials:         o.failedDials,
	}
	o.breaker.window.roll(now)
	snap.WindowRequests, snap.WindowFailures = o.breaker.window.all, o.breaker.window.failed
	for _, l := range []*list[*waiter]{&o.waiters, &o.held} {
		if k := l.front; k != nil {
			snap.Oldest = max(snap.Oldest, now.since(k.of.since))
		}
	}
	return snap
}
