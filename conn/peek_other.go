//go:build !unix

package conn

// canPeek tells that a socket can be looked at. Where it can't, all are used as a
// driver's own type is.
const canPeek = false

func peek(uintptr) lookResult { return lookClosed }
