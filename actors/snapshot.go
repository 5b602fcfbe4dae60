package actors

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// Snapshot is what every actor of a session is doing at one moment.
type Snapshot struct {
	Origins []OriginSnapshot // in order of scheme, host and port
	Conns   []ConnSnapshot   // in order of origin and id
}

// ConnSnapshot is one connection actor.
type ConnSnapshot struct {
	ID       string
	Origin   string
	State    string        // dialing, handshaking, idle, leased, writing, reading or closed
	For      time.Duration // how long in that state; writing and reading: since the exchange began
	Peer     net.Addr      // nil while dialing
	Age      time.Duration // since the dial began
	Requests int           // answered
	InFlight int           // given to it and unanswered; above 1 where they are pipelined
}

// String prints the snapshot as two tables.
func (s Snapshot) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ORIGIN\tQUEUED\tOLDEST\tDIALING\tIDLE\tBUSY\tBREAKER\tREQUESTS\tFAILURES\tREJECTED\tDIALS")
	for _, o := range s.Origins {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\n", o.Origin, o.Queued, round(o.Oldest),
			o.Dialing, o.Idle, o.Busy, o.Breaker, o.Requests, o.Failures, o.Rejected, o.Dials)
	}
	w.Flush()
	b.WriteByte('\n')
	fmt.Fprintln(w, "CONNECTION\tORIGIN\tSTATE\tFOR\tPEER\tAGE\tREQUESTS")
	for _, c := range s.Conns {
		peer := "-"
		if c.Peer != nil {
			peer = conn.AddrText(c.Peer)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", c.ID, c.Origin, c.State, round(c.For), peer, round(c.Age), c.Requests)
	}
	w.Flush()
	return b.String()
}

// round keeps three or four telling digits.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
