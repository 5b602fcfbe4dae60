package pool

import "errors"

// Why a call is refused.
var (
	// ErrCircuitOpen tells that the origin's breaker is open: nothing was sent.
	ErrCircuitOpen = errors.New("troupe: the origin's circuit breaker is open: nothing was sent; try again at RetryAt")
	// ErrDialBackoff tells that the last dial to this origin failed, with the error that
	// it comes with, and that the next is not due yet: nothing was sent.
	ErrDialBackoff = errors.New("troupe: the last dial to this origin failed and the next is not due yet: nothing was sent; try again at RetryAt")
	// ErrQueueFull tells that too many calls wait for this origin already.
	ErrQueueFull = errors.New("troupe: too many calls wait for this origin: raise MaxQueuePerOrigin or MaxConnsPerOrigin, or send fewer at once")
	// ErrSessionClosed tells that the session has been shut down.
	ErrSessionClosed = errors.New("troupe: the session is closed")
	// ErrWrongOrigin tells that a call was pinned to a connection to another origin.
	ErrWrongOrigin = errors.New("troupe: the connection leads to another origin: nothing was sent")
)
