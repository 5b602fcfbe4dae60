package pool

import "time"

// OriginSnapshot is the scheduling state of one origin.
type OriginSnapshot struct {
	Origin  string        // scheme://host:port, and the proxy on the way
	Queued  int           // calls waiting for a connection, or for the origin to take calls again
	Oldest  time.Duration // how long the first of them has waited
	Dialing int           // dials under way
	Idle    int           // connections nobody uses
	Busy    int           // connections in use, leased ones included
	Backoff time.Duration // until the next dial may start; 0: now
	// IdleLimit is after which time the origin was seen to close idle connections;
	// 0: not seen so far.
	IdleLimit time.Duration

	Breaker             string // closed, open, half-open or disabled
	ConsecutiveFailures int
	WindowRequests      int // finished within the breaker's window
	WindowFailures      int

	// Totals since the origin was first seen.
	Requests    uint64 // exchanges that were given a connection
	Retries     uint64 // of which repeated a failed one
	Failures    uint64 // of which the origin failed, and failed dials
	Rejected    uint64 // turned away: queue full, breaker open or back-off not over
	Dials       uint64
	FailedDials uint64
}
