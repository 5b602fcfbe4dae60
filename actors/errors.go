package actors

import (
	"errors"

	"github.com/seed53b03582/troupe/actors/pool"
)

var (
	// ErrCircuitOpen tells that the origin's breaker is open: nothing was sent.
	ErrCircuitOpen = pool.ErrCircuitOpen
	// ErrDialBackoff tells that the last dial to this origin failed, with the error that
	// it comes with, and that the next is not due yet: nothing was sent.
	ErrDialBackoff = pool.ErrDialBackoff
	// ErrQueueFull tells that too many calls wait for this origin already.
	ErrQueueFull = pool.ErrQueueFull
	// ErrSessionClosed tells that the session has been shut down.
	ErrSessionClosed = pool.ErrSessionClosed
	// ErrWrongOrigin tells that a call was pinned to a connection to another origin.
	ErrWrongOrigin = pool.ErrWrongOrigin
	// ErrForeignConnection tells that a connection belongs to another session.
	ErrForeignConnection = errors.New("troupe: the connection belongs to another session: nothing was sent")
)
