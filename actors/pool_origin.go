package actors

import "time"

// waiter is one call's wish for a connection. It belongs to the dispatcher from
// acquire until it is answered.
type waiter struct {
	of        any       // whose wish it is: not looked at
	origin    *origin   // where it wants to go
	lease     bool      // take the connection out of the pool for owner
	freshness Freshness // which idle connections it takes
	again     bool      // it was counted before
	shareable bool      // it shares a connection with others

	rested  bool // with entry: it has been idle
	served  bool // with entry: it has been granted before
	probing bool // the breaker waits for how this goes

	since   instant
	inQueue link[*waiter] // in origin.waiters, origin.held or pin.pinned
	probe   probe         // half-open: to be settled

	entry   *entry  // the answer, unless it was refused
	granted instant // when

	extra *extra // what only some have, or nil
}

// extra is what only some waiters have: a hundred thousand may wait at once.
type extra struct {
	pin      *entry        // the connection that it wants and no other; nil: any of its origin
	owner    *Owner        // who may use an owned connection, or will own it
	patience time.Duration // how long it waits for an origin that takes no calls: see pool_hold.go
	hold     hold
	dial     *entry // the dial it awaits: its own (Fresh), or, once it has left, the oldest

	err     error   // why it was refused
	earlier bool    // err is that of a dial which began before this wish
	retryAt instant // refused: when its origin is tried again; 0: unknown
}

// more is the extra of w, to be set.
func (w *waiter) more() *extra {
	if w.extra == nil {
		w.extra = new(extra)
	}
	return w.extra
}

func (w *waiter) pin() *entry {
	if w.extra == nil {
		return nil
	}
	return w.extra.pin
}

func (w *waiter) owner() *Owner {
	if w.extra == nil {
		return nil
	}
	return w.extra.owner
}

func (w *waiter) dial() *entry {
	if w.extra == nil {
		return nil
	}
	return w.extra.dial
}

func (w *waiter) patience() time.Duration {
	if w.extra == nil {
		return 0
	}
	return w.extra.patience
}

// refused is why w was refused; nil: it was not.
func (w *waiter) refused() error {
	if w.extra == nil {
		return nil
	}
	return w.extra.err
}

// seatState is what the scheduler uses a connection for.
type entryState uint8

const (
	entryDialing  entryState = iota // a slot is taken, no socket yet
	entryIdle                       // in the pool
	entryBusy                       // granted to one call
	entryLooking                    // taken out for a look at its socket
	entryOwned                      // out of the pool, waiting for its owner's next call
	entryStopping                   // told to end; the slot is freed when it has
	entryGone                       // ended
)

// entry is a connection in the eyes of the scheduler, and the slot it takes from
// the limits. Only the dispatcher touches it.
type entry struct {
	of     any // the connection: not looked at
	origin *origin
	state  entryState
	born   instant
	ends   instant // MaxConnAge, jittered; 0: never

	served    bool // has been granted
	rested    bool // has been idle in the pool: it may have died there
	idleSince instant
	usedAt    instant       // when its last exchange, or its dial, ended
	idleUntil instant       // 0: no bound
	keep      time.Duration // the server's Keep-Alive timeout less a margin; 0: unknown

	owner     *Owner
	pinned    list[*waiter]
	dialFor   *waiter // Fresh: the call this dial is for
	probe     probe   // of the exchange under way
	pipelined int     // calls that share it, unanswered
	proven    bool    // it may be shared: see pool_pipeline.go
	silent    bool    // a caller gave up on it, and it has not answered since
	spare     bool    // dialled in place of one that hangs
	hangs     bool    // its dial takes unusually long

	closing  bool    // somebody outside has ended it, and its actor is about to
	reported bool    // what its end says about its origin has been taken in
	room     *origin // whom its end makes room for

	inOrigin  link[*entry] // in origin.dialing or origin.idle
	inIdle    link[*entry] // in pool.idle or pool.owned
	inEntries link[*entry] // in pool.entries
	inOpen    link[*entry] // in origin.open
}

// origin is the scheduling state of one origin: a plain struct without I/O and, but
// for its breaker's gobreaker, without a clock.
type origin struct {
	of      any           // not looked at
	name    string        // in errors, logs and snapshots
	waiters list[*waiter] // first come first served
	held    list[*waiter] // the same, of those that wait until it takes calls again
	idle    list[*entry]  // oldest first; the youngest is reused
	open    list[*entry]  // busy with calls that share, and perhaps with room for more
	conns   int           // slots taken, dials included
	dialing list[*entry]  // of which have no socket yet, oldest first
	hanging int           // of which take unusually long
	making  int           // connections of other origins being ended to make room
	backoff backoff
	breaker *breaker
	budget  budget
	pace    pace

	dialTime time.Duration // usual; 0: unknown
	rounds   uint8         // of dials that hung in a row: see pool_hang.go
	reached  instant       // when the youngest dial that succeeded had begun

	// idleLimit is after which time the origin was seen to close idle connections;
	// 0: unknown. See pool_freshness.go.
	idleLimit time.Duration

	requests, retries, failures, rejected, dialed, failedDials uint64

	all      link[*origin] // in pool.origins
	starving link[*origin] // in pool.starving
	empty    link[*origin] // in pool.empty
	emptyAt  instant
	alarmAt  instant // the alarm set for it; 0: none
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
func (o *origin) isEmpty() bool { return o.conns == 0 && o.waiters.len()+o.held.len() == 0 }

// usable tells whether an idle connection may be given out at now.
func (e *entry) usable(now instant) bool {
	return (e.idleUntil == 0 || now < e.idleUntil) && (e.ends == 0 || now < e.ends)
}

// expires is when an idle connection ends by itself; 0: never.
func (e *entry) expires() instant {
	if e.ends != 0 && (e.idleUntil == 0 || e.ends < e.idleUntil) {
		return e.ends
	}
	return e.idleUntil
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
