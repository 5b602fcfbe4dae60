package pool

import "time"

// Waiter is one call's wish for a connection. It belongs to the dispatcher from
// acquire until it is answered.
type Waiter struct {
	Of        any       // whose wish it is: not looked at
	Origin    *Origin   // where it wants to go
	Lease     bool      // take the connection out of the pool for owner
	Freshness Freshness // which idle connections it takes
	Again     bool      // it was counted before
	Shareable bool      // it shares a connection with others

	Rested  bool // with entry: it has been idle
	Served  bool // with entry: it has been granted before
	Probing bool // the breaker waits for how this goes

	Since   Instant
	inQueue Link[*Waiter] // in Origin.waiters, Origin.held or Entry.pinned
	probe   probe         // half-open: to be settled

	Entry   *Entry  // the answer, unless it was refused
	Granted Instant // when

	Extra *Extra // what only some have, or nil
}

// Extra is what only some waiters have: a hundred thousand may wait at once.
type Extra struct {
	Pin      *Entry        // the connection that it wants and no other; nil: any of its origin
	Owner    *Owner        // who may use an owned connection, or will own it
	Patience time.Duration // how long it waits for an origin that takes no calls: see hold.go
	Hold     Hold
	Dial     *Entry // the dial it awaits: its own (Fresh), or, once it has left, the oldest

	Err     error   // why it was refused
	Earlier bool    // err is that of a dial which began before this wish
	RetryAt Instant // refused: when its origin is tried again; 0: unknown
}

// More is the extra of w, to be set.
func (w *Waiter) More() *Extra {
	if w.Extra == nil {
		w.Extra = new(Extra)
	}
	return w.Extra
}

// Pin is the connection that w wants and no other; nil: any of its origin.
func (w *Waiter) Pin() *Entry {
	if w.Extra == nil {
		return nil
	}
	return w.Extra.Pin
}

func (w *Waiter) owner() *Owner {
	if w.Extra == nil {
		return nil
	}
	return w.Extra.Owner
}

// Dial is the dial that w awaits; nil: none of its own.
func (w *Waiter) Dial() *Entry {
	if w.Extra == nil {
		return nil
	}
	return w.Extra.Dial
}

func (w *Waiter) patience() time.Duration {
	if w.Extra == nil {
		return 0
	}
	return w.Extra.Patience
}

// Refused is why w was refused; nil: it was not.
func (w *Waiter) Refused() error {
	if w.Extra == nil {
		return nil
	}
	return w.Extra.Err
}

// entryState is what the scheduler uses a connection for.
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

// Entry is a connection in the eyes of the scheduler, and the slot it takes from
// the limits. Only the dispatcher touches it.
type Entry struct {
	Of     any // the connection: not looked at
	Origin *Origin
	state  entryState
	Born   Instant
	ends   Instant // MaxConnAge, jittered; 0: never

	served    bool // has been granted
	rested    bool // has been idle in the pool: it may have died there
	idleSince Instant
	usedAt    Instant       // when its last exchange, or its dial, ended
	idleUntil Instant       // 0: no bound
	keep      time.Duration // the server's Keep-Alive timeout less a margin; 0: unknown

	owner     *Owner
	pinned    List[*Waiter]
	dialFor   *Waiter // Fresh: the call this dial is for
	probe     probe   // of the exchange under way
	pipelined int     // calls that share it, unanswered
	proven    bool    // it may be shared: see pipeline.go
	silent    bool    // a caller gave up on it, and it has not answered since
	spare     bool    // dialled in place of one that hangs
	hangs     bool    // its dial takes unusually long

	closing  bool    // somebody outside has ended it, and its actor is about to
	reported bool    // what its end says about its origin has been taken in
	room     *Origin // whom its end makes room for

	inOrigin  Link[*Entry] // in origin.dialing or origin.idle
	inIdle    Link[*Entry] // in Pool.idle or pool.owned
	inEntries Link[*Entry] // in Pool.Entries
	inOpen    Link[*Entry] // in origin.open
}

// Owned tells whether the connection is out of the pool, waiting for its owner's next call.
func (e *Entry) Owned() bool { return e.state == entryOwned }

// Origin is the scheduling state of one origin: a plain struct without I/O and, but
// for its breaker's gobreaker, without a clock.
type Origin struct {
	Of      any           // not looked at
	Name    string        // in errors, logs and snapshots
	waiters List[*Waiter] // first come first served
	held    List[*Waiter] // the same, of those that wait until it takes calls again
	idle    List[*Entry]  // oldest first; the youngest is reused
	open    List[*Entry]  // busy with calls that share, and perhaps with room for more
	conns   int           // slots taken, dials included
	dialing List[*Entry]  // of which have no socket yet, oldest first
	hanging int           // of which take unusually long
	making  int           // connections of other origins being ended to make room
	backoff backoff
	breaker *breaker
	budget  budget
	pace    pace

	dialTime time.Duration // usual; 0: unknown
	rounds   uint8         // of dials that hung in a row: see hang.go
	reached  Instant       // when the youngest dial that succeeded had begun

	// idleLimit is after which time the origin was seen to close idle connections;
	// 0: unknown. See freshness.go.
	idleLimit time.Duration

	requests, retries, failures, rejected, dialed, failedDials uint64

	all      Link[*Origin] // in Pool.Origins
	starving Link[*Origin] // in Pool.starving
	empty    Link[*Origin] // in Pool.empty
	emptyAt  Instant
	alarmAt  Instant // the alarm set for it; 0: none
}

// wantsDial tells whether somebody waits for whom no dial is under way, or one that hangs.
func (o *Origin) wantsDial(fresh bool) bool {
	if fresh {
		return o.waiters.Len() > 0
	}
	return o.lacking() > 0
}

// queued is how many wait beyond those a dial is under way for.
func (o *Origin) queued() int { return o.waiters.Len() - o.dialing.Len() }

// inLine is how many wait in the sense of MaxQueuePerOrigin.
func (o *Origin) inLine() int { return max(0, o.queued()) + o.held.Len() }

// deserted tells whether nothing is left to schedule.
func (o *Origin) isEmpty() bool { return o.conns == 0 && o.waiters.Len()+o.held.Len() == 0 }

// usable tells whether an idle connection may be given out at now.
func (e *Entry) usable(now Instant) bool {
	return (e.idleUntil == 0 || now < e.idleUntil) && (e.ends == 0 || now < e.ends)
}

// expires is when an idle connection ends by itself; 0: never.
func (e *Entry) expires() Instant {
	if e.ends != 0 && (e.idleUntil == 0 || e.ends < e.idleUntil) {
		return e.ends
	}
	return e.idleUntil
}

func (o *Origin) Snapshot(now Instant) OriginSnapshot {
	snap := OriginSnapshot{
		Origin:              o.Name,
		Queued:              o.waiters.Len() + o.held.Len(),
		Dialing:             o.dialing.Len(),
		Idle:                o.idle.Len(),
		Busy:                o.conns - o.dialing.Len() - o.idle.Len(),
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
	for _, l := range []*List[*Waiter]{&o.waiters, &o.held} {
		if k := l.Front; k != nil {
			snap.Oldest = max(snap.Oldest, now.Since(k.Of.Since))
		}
	}
	return snap
}

// Owner is the right to use a connection that has been taken out of the pool.
// Its identity is what counts.
type Owner struct{ _ byte }
