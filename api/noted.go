package api

import (
	"fmt"
	"strings"

	"github.com/seed53b03582/troupe/api/internal/open"
)

// This file is what is told of things that a test has forgotten to close. It runs only
// where package apitest asks.

// atWork tells what keeps a session that nobody has closed. Its actors are not to be asked
// from outside of its bubble.
func (s *Session) atWork(here bool) string {
	if !here {
		return "in a bubble of time, from outside"
	}
	snap := s.Snapshot()
	queued := 0
	for _, o := range snap.Origins {
		queued += o.Queued
	}
	states := map[string]int{}
	var order []string
	for _, c := range snap.Conns {
		if states[c.State]++; states[c.State] == 1 {
			order = append(order, c.State)
		}
	}
	parts := []string{fmt.Sprintf("connections: %d", len(snap.Conns))}
	for _, state := range order {
		parts = append(parts, fmt.Sprintf("%d %s", states[state], state))
	}
	return strings.Join(append(parts, fmt.Sprintf("calls waiting: %d", queued)), ", ")
}

// atWork tells where a lease leads; "" where its connection has ended, and so nothing is left.
func (c *Connection) atWork(bool) string {
	if c.conn.Closed() {
		return ""
	}
	return fmt.Sprintf("its connection %s to %v, after %d answers", c.ID(), c.RemoteAddr(), c.Requests())
}

// noteKept notes that a one-shot call has left its connection to its caller.
//
//go:noinline
func noteKept(kept *Connection) {
	c := *kept
	open.Note("kept connection", "call Close on the Response's Connection", nil, func(bool) string {
		if c.conn.Closed() {
			return ""
		}
		return fmt.Sprintf("to %v, after %d answers", c.RemoteAddr(), c.Requests())
	})
}
