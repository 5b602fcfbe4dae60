package api

import (
	"net"
	"time"

	"github.com/seed53b03582/troupe/actors"
)

// Snapshot is what every actor of a session is doing at one moment. After the session's
// end it is empty.
type Snapshot struct {
	Origins []OriginSnapshot // in order of scheme, host and port
	Conns   []ConnSnapshot   // in order of origin and id
}

// OriginSnapshot is the part of a Snapshot about one origin.
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

// ConnSnapshot is the part of a Snapshot about one connection.
type ConnSnapshot struct {
	ID       string        // as Connection.ID gives it
	Origin   string        // as in OriginSnapshot
	State    string        // dialing, handshaking, idle, leased, writing, reading or closed
	For      time.Duration // how long in that state; writing and reading: since the exchange began
	Peer     net.Addr      // nil while dialing
	Age      time.Duration // since the dial began
	Requests int           // answered
	InFlight int           // given to it and unanswered; above 1 where they are pipelined
}

// Snapshot tells what every actor of the session is doing right now. It asks none
// that may be busy, and is cheap enough for a table redrawn each second.
func (s *Session) Snapshot() Snapshot {
	var snap Snapshot
	of := s.sched.Snapshot()
	for _, o := range of.Origins {
		snap.Origins = append(snap.Origins, OriginSnapshot(o))
	}
	for _, c := range of.Conns {
		snap.Conns = append(snap.Conns, ConnSnapshot(c))
	}
	return snap
}

// String prints the snapshot as two tables.
func (s Snapshot) String() string {
	var of actors.Snapshot
	for _, o := range s.Origins {
		of.Origins = append(of.Origins, actors.OriginSnapshot(o))
	}
	for _, c := range s.Conns {
		of.Conns = append(of.Conns, actors.ConnSnapshot(c))
	}
	return of.String()
}
