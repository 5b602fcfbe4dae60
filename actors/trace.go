package actors

import (
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// Times are the moments of one exchange. The connection's actor notes them in the
// caller's Answer.
type Times struct {
	started instant // of the first try
	asked   instant // for a connection, or earlier: see Body.Began
	granted instant
	wrote   instant  // the last byte of the request
	first   instant  // byte of the answer
	ended   instant  // the whole answer, for a streamed one its head
	opening *opening // of the connection; nil where another call had used it
}

// opening is how long a connection took to be made.
type opening struct {
	dial, tls time.Duration
}

// Span is how long each part of an exchange took. What did not happen is 0.
type Span struct {
	Queued    time.Duration // the wait for the body's first piece and for a connection, without its making
	Dial      time.Duration // name lookup and connect, a proxy's tunnel included; 0 when reused
	TLS       time.Duration // the handshake; 0 when reused
	Write     time.Duration // from the grant of the connection to the last byte of the request
	FirstByte time.Duration // from there to the first byte of the answer
	Total     time.Duration // from first asking for a connection to the end of what is there
	Reused    bool          // the connection had served another call
	Whole     bool          // the last byte of the request was handed to the socket
}

// Moment is a point in time of one Scheduler. The zero value is none.
type Moment struct{ at instant }

// Moment is now.
func (s *Scheduler) Moment() Moment { return Moment{s.now()} }

// Elapsed is how long ago m was; 0 where it is none.
func (s *Scheduler) Elapsed(m Moment) time.Duration {
	if m.at == 0 {
		return 0
	}
	return s.now().Since(m.at)
}

// Since makes the total of t begin at first, or, where that is none, sets it to when t
// began.
func (t *Times) Since(first *Moment) {
	if first.at == 0 {
		first.at = t.asked
	}
	t.started = first.at
}

// failed notes when a try ended that no connection has noted the end of.
func (t *Times) failed(now instant) {
	if t.ended == 0 {
		t.ended = now
	}
	if t.asked == 0 { // it did not come so far
		t.asked = t.ended
	}
}

// Span sums the times up. Where a step was not reached, what follows is 0.
func (t *Times) Span() Span {
	s := Span{Total: t.ended.Since(t.started), Reused: t.granted != 0 && t.opening == nil}
	if t.granted == 0 {
		s.Queued = t.ended.Since(t.asked)
		return s
	}
	s.Queued = t.granted.Since(t.asked)
	if t.opening != nil {
		s.Dial, s.TLS = t.opening.dial, t.opening.tls
		s.Queued = max(0, s.Queued-s.Dial-s.TLS) // another call's dial may have begun before
	}
	if s.Whole = t.wrote != 0; t.wrote > t.granted {
		s.Write = t.wrote.Since(t.granted)
		if t.first > t.wrote {
			s.FirstByte = t.first.Since(t.wrote)
		}
	}
	return s
}

// note takes the moments that the socket's owner saw.
func (t *Times) note(io *conn.Conn, now instant) {
	t.wrote, t.first, t.ended = instant(io.WroteAt()), instant(io.FirstAt()), now
	if t.first == 0 && io.AnswerBegun() {
		t.first = now // it came in one piece
	}
}

// landed notes the moments of a call that shared its connection.
func (t *Times) landed(wrote, first, ended instant) {
	t.wrote, t.first, t.ended = wrote, first, ended
}
