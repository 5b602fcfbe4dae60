package actors

import (
	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// This file is how a connection sends a request that is at hand as a whole.

// asks tells whether the call takes the short way: one that looks at the socket
// itself.
func (c *connection) asks(call *Call) bool {
	return c.io.CanAsk() && call.Body.inMemory() && len(call.Body.bytes()) <= joinUpTo && c.sched.cfg.ResponseHeaderTimeout <= 0
}

// joinUpTo is the size of a body that is copied behind its head to go out with
// it in one write; a larger one goes through writev.
const joinUpTo = 16 << 10

// write sends a request that is at hand as a whole, the short way or another.
func (c *connection) write(call *Call, short bool) error {
	c.closeAfter = call.Close
	head, body := call.Head, call.Body.bytes()
	if len(body) > 0 && len(body) <= joinUpTo && call.Body.Expect == 0 {
		head, body = append(head, body...), nil
		call.joined = uint16(len(head) - len(call.Head)) // joinUpTo at most
		call.Head = head[:len(call.Head)]                // the memory, not the body: another try joins anew
	}
	var err error
	fromFile := call.Body != nil && call.Body.File != nil
	if short {
		call.sent, err = c.io.Ask(head)
	} else {
		call.sent, err = c.begin(call, head, body, !fromFile)
	}
	if err == nil && fromFile {
		call.sent, err = c.io.SendFile(call.Body.File, call.Body.Size)
	}
	if err == nil || err == conn.ErrAnswered { // stop sending, read the answer (RFC 9112 §9.5)
		return nil
	}
	return c.writeFailure(call, err)
}

// begin writes the head and what is at hand of the body: together, or, where the
// head says Expect: 100-continue, when the server has asked for the body or has had
// its time to (RFC 9110 §10.1.1). conn.ErrAnswered: it does not want it.
func (c *connection) begin(call *Call, head, body []byte, whole bool) (conn.Sent, error) {
	if call.Body == nil || call.Body.Expect == 0 {
		return c.io.Write(head, body, whole)
	}
	sent, err := c.io.Write(head, nil, false)
	if err != nil {
		return sent, err
	}
	proceed, err := c.io.AwaitContinue(call.Body.Expect, c.limits())
	switch {
	case err != nil:
		return sent, err
	case !proceed:
		return sent, conn.ErrAnswered
	}
	return c.io.More(body, whole)
}

func (c *connection) limits() http1.Limits { return http1.Limits{Bytes: c.sched.cfg.MaxHeaderBytes} }
