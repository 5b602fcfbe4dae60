package api

import (
	"net"
	"strconv"
	"time"

	"github.com/seed53b03582/troupe/actors"
)

// Trace is how long each part of a request took, and over what it went. A part that
// was not reached, or not needed, is 0. It begins when the call does: what a JSON value
// takes to be encoded, a File to be opened, or a Body reader to give its first piece is part of
// Queued, since nothing is asked for before that, and where the call ends meanwhile its Op
// is OpQueue. After redirects it is about the last request;
// each Response of the History has its own.
type Trace struct {
	Queued    time.Duration // the wait for the call's own body and for a connection, without the making of one
	Dial      time.Duration // name lookup and connect, a proxy's tunnel included; 0 where Reused
	TLS       time.Duration // the handshake; 0 where Reused
	Write     time.Duration // until the last byte of the request was handed to the socket; 0 where it was not
	FirstByte time.Duration // from there to the first byte of the answer
	Total     time.Duration // from the call's beginning, of all tries and the waits between them, to the last byte; StreamBody: to the latest read

	Sent         Sent     // SentPart where the answer came before the whole request had gone out
	Attempts     int      // how often the request was sent; 1 for most
	Reused       bool     // the connection had served another call
	Peer         net.Addr // nil where there was no connection
	Protocol     string   // HTTP/1.1 or HTTP/1.0, as the answer says; empty without one
	ConnectionID string   // as in Snapshot
}

// Trace tells what took how long, for this Response's own request. First asked for
// after Release, it is empty. It is not to be called while another goroutine reads a
// StreamBody.
func (r *Response) Trace() Trace {
	a := r.answer.Load()
	if a == nil {
		return Trace{Attempts: int(r.tries)}
	}
	t := trace(&a.Times, a.Conn, int(r.tries))
	if t.Sent == SentNothing { // it was answered
		t.Sent = SentPart
	}
	t.Protocol = "HTTP/1." + strconv.Itoa(a.Head.Minor())
	return t
}

func trace(times *actors.Times, c *actors.Conn, tries int) Trace {
	s := times.Span()
	t := Trace{
		Queued: s.Queued, Dial: s.Dial, TLS: s.TLS, Write: s.Write, FirstByte: s.FirstByte, Total: s.Total,
		Attempts: tries, Reused: s.Reused,
	}
	if s.Whole {
		t.Sent = SentAll
	}
	if c != nil {
		t.Peer, t.ConnectionID = c.RemoteAddr(), c.ID()
	}
	return t
}
