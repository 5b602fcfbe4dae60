package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// All messages, grouped by who receives them. Commands are verbs, reports are
// facts. Those that travel with every request are the Call itself by another name, or
// a part of the connection they belong to, so that sending one allocates nothing.
//
// They go straight into the mailbox of their receiver, which is never lost: one
// that has closed rejects (see rejectable). A PID would lead a late message to
// the engine's dead letters.

// ---- to the dispatcher, from callers ----

// acquire asks for a connection. Answered through call.reply.
type acquire Call

// leave tells that the caller of an acquire does not wait any more. The acquire
// is answered all the same. done is closed when the dispatcher knows nothing of
// the leave any more: only then may the call be used again.
type leave struct {
	call *Call
	done chan struct{}
}

// giveBack hands back a connection that was granted and not used (owner nil), or
// a leased one.
type giveBack struct {
	entry *pool.Entry
	owner *Owner
}

// askRetry asks whether the budget of an origin lets one more retry through.
type askRetry struct {
	origin Origin
	reply  chan bool // capacity 1
}

// snapshot asks what every actor is doing.
type snapshot struct {
	reply chan Snapshot // capacity 1
}

// drain begins the end: no new calls, nobody waits, idle connections end.
type drain struct{}

// cut ends what drain left under way.
type cut struct{}

// ---- to the dispatcher, from the clock and the sweeper ----

// tick tells that time has passed.
type tick struct{}

// suspicious tells that the sockets of these idle connections have something to
// see.
type suspicious struct {
	which []pool.Suspect
}

// ---- to the dispatcher, from connections ----

// connUp: the dial has succeeded.
type connUp struct {
	entry *pool.Entry
}

// connIdle: the connection is fit for another request, and its mailbox free.
type connIdle struct {
	entry *pool.Entry
	at    instant
	out   pool.Outcome
	keep  time.Duration // how long the server keeps it; 0: it did not say
}

// connAnswered: the head of a streamed answer has come, which is all that a probe of
// the breaker asks. Its body may last for hours.
type connAnswered struct {
	entry *pool.Entry
	out   pool.Outcome
}

// callsEnded: calls that share the connection have been answered, or have left before
// they were written; the pipeline knows how many.
type callsEnded struct {
	entry *pool.Entry
}

// connEnded: the connection is of no more use, and what that says about its origin. Its
// slot is taken until its actor has ended, which a driver's Close may hold up.
type connEnded struct {
	entry *pool.Entry
	out   pool.Outcome
}

// connClosing: somebody outside has closed the connection.
type connClosing struct {
	entry *pool.Entry
}

// connSilent: a caller that shares the connection could wait no longer. Nobody else
// shall join until it answers again.
type connSilent struct {
	entry *pool.Entry
	out   pool.Outcome
	had   time.Duration // how long the origin had, where out is outcomeLate
}

// ---- to a connection, from its dial ----

// dialed brings the socket, or why there is none.
type dialed struct {
	io      *conn.Conn
	opening opening
	err     error
}

// ---- to a connection, from the caller it was granted to ----

// roundTrip: write the whole request and read the answer, or, for a streamed
// one, its head.
type roundTrip Call

// send: write the request's head and the first piece of a body that comes in
// pieces.
type send Call

// feed: write the next piece.
type feed Call

// receive: all is written; read the answer.
type receive Call

// read: fill the caller's memory, or its pipe, with the next piece of the body.
type read Call

// readAll: read what a head-first answer has left of its body.
type readAll Call

// abandon: the caller will not go on with this exchange. Nobody awaits an answer.
type abandon struct {
	drain bool // a small rest of the body may be read to keep the connection
}

// ---- to a connection, from its pipeline ----

// flush: write all that are queued.
type flush struct {
	conn *connection
}

// atRest: no answer is due.
type atRest struct {
	conn *connection
}

// broken: the reader has ended over a connection that can't go on.
type broken struct {
	conn *connection
}

// ---- to a connection, from the dispatcher and from its own end ----

// look: see whether the socket is still good.
type look struct{}

// gone: the driver has closed the connection, or is not waited for any more.
type gone struct{}

// stop: end. The engine's own Stop would be logged where it comes too late.
type stop struct{}

var (
	// errActorGone rejects a message to an actor that has ended.
	errActorGone = errors.New("troupe: the actor has ended")
	// errStale tells the caller's side that an idle connection was found dead
	// before a byte was written: it takes another.
	errStale = errors.New("troupe: the idle connection was dead")
	// errSkipped ends the reading of a body that nobody needs.
	errSkipped = errors.New("troupe: the rest of the body is not worth the wait")
)

func (m *acquire) reject(error)  { (*Call)(m).refused(ErrSessionClosed) }
func (m *leave) reject(error)    { close(m.done) } // the acquire before it is answered by itself
func (m *snapshot) reject(error) { m.reply <- Snapshot{} }
func (m *askRetry) reject(error) { m.reply <- false }

func (m *dialed) reject(error) {
	if m.io != nil {
		m.io.Interrupt(ErrSessionClosed)
	}
}

func (m *roundTrip) reject(reason error) { (*Call)(m).undelivered(reason, true) }
func (m *send) reject(reason error)      { (*Call)(m).undelivered(reason, true) }
func (m *feed) reject(reason error)      { (*Call)(m).undelivered(reason, false) }
func (m *receive) reject(reason error)   { (*Call)(m).undelivered(reason, false) }
func (m *read) reject(reason error)      { (*Call)(m).undelivered(reason, false) }
func (m *readAll) reject(reason error)   { (*Call)(m).undelivered(reason, false) }

func (m *flush) reject(reason error) { m.conn.unflushed(reason) }
func (m *broken) reject(error)       { m.conn.failPipeline() }

// Ended is why ctx has ended, its cause included; nil while it has not.
func Ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}
