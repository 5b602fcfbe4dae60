package conn

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// lookResult is what a look at the receive side finds without taking anything.
type lookResult uint8

const (
	lookQuiet  lookResult = iota // nothing has arrived
	lookBytes                    // bytes wait
	lookClosed                   // FIN or an error
	lookUnable                   // nobody has asked a driver's connection
)

// socket is what lies under a Conn with the two things TLS must not hide: a look at
// what waits without blocking, and whether the peer really closed. One of raw, own and
// under tells how to look.
type socket struct {
	cause atomic.Pointer[error] // why the socket was closed from outside
	raw   syscall.RawConn       // of a socket of package net
	own   *foreign              // a driver's own type
	under *socket               // what the TLS with a proxy lies over
	net.Conn

	// noWait makes Read answer errWouldBlock instead of blocking: a look
	// through the TLS layer. Owner: the connection's goroutine.
	noWait bool
	takes  int // how much a Read takes that has to be begun for a look
	// sawEOF tells that the peer's FIN was read. Over TLS without a
	// close_notify before it, that is an incomplete close (RFC 9112 §9.8).
	sawEOF bool

	alert error  // what a look found that says why the connection is of no use: a TLS alert, a greeting
	taken []byte // what a look had to take to see it

	// A look of the owner's: the function is made once, so that it costs no
	// allocation, and leaves its result in found.
	peek  func(fd uintptr)
	found lookResult
}

// open takes over what Dial or DialThrough gave.
func (s *socket) open(nc net.Conn) {
	s.Conn = nc
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *foreign:
		s.own = nc
	case *proxyTLS:
		s.under = nc.under
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	}
	if sc != nil {
		s.raw, _ = sc.SyscallConn() // fails only for nil
	}
}

// floor is the socket itself, also where the TLS with a proxy lies over it.
func (s *socket) floor() *socket {
	if s.under != nil {
		return s.under
	}
	return s
}

// errWouldBlock says that a look found nothing. crypto/tls keeps its state sound
// over errors that call themselves temporary, and only over those.
var errWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// Read reads from the socket, or, during a look, only what is there already.
func (s *socket) Read(p []byte) (int, error) {
	if s.noWait && s.look() == lookQuiet {
		return 0, errWouldBlock
	}
	n, err := s.Conn.Read(p)
	if err == io.EOF && n == 0 {
		s.sawEOF = true
	}
	return n, err
}

// see looks at the socket and takes nothing. Any goroutine may call it: it uses
// the descriptor without the read lock, which a blocked Read would hold.
func (s *socket) see() lookResult {
	switch s = s.floor(); {
	case s.own != nil:
		return s.own.see()
	case s.raw == nil:
		return lookQuiet
	}
	what := lookClosed
	if err := s.raw.Control(func(fd uintptr) { what = peek(fd) }); err != nil {
		return lookClosed
	}
	return what
}

// look is see for the connection's own goroutine.
func (s *socket) look() lookResult {
	switch {
	case s.own != nil:
		return s.own.look(s.takes)
	case s.raw == nil:
		return lookQuiet
	case s.peek == nil:
		s.peek = func(fd uintptr) { s.found = peek(fd) }
	}
	if err := s.raw.Control(s.peek); err != nil {
		return lookClosed
	}
	return s.found
}

// quiet tells whether the connection r reads from (the socket, or TLS over it)
// is open with nothing unasked for on it. Only for connections that expect
// nothing. Where it is fresh, what had to be taken to see it is kept: a greeting. A driver's
// Read that has to be begun for the look takes so many bytes.
func (s *socket) quiet(r net.Conn, takes int, fresh bool) bool {
	floor := s.floor()
	floor.takes = takes
	if r == net.Conn(s) && floor == s {
		return s.look() == lookQuiet
	}
	// Through TLS: session tickets wait unread on a fresh connection and are no
	// answer (RFC 8446 §4.6.1), an alert is the end. Reading makes TLS eat the
	// first and report the second.
	floor.noWait = true
	defer func() { floor.noWait = false }()
	size := 1
	if fresh {
		size = greetingSize
	}
	seen := make([]byte, size)
	n, err := r.Read(seen)
	if n > 0 && fresh {
		s.taken = seen[:n]
	}
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" { // crypto/tls keeps the type of alerts to itself
		s.alert = err
	}
	return n == 0 && errors.Is(err, errWouldBlock)
}

// unsure tells that more of a request may have been written than was told.
func (s *socket) unsure() bool {
	f := s.floor().own
	return f != nil && f.unsure.Load()
}

// sure begins a request.
func (s *socket) sure() {
	if f := s.floor().own; f != nil {
		f.unsure.Store(false)
	}
}

// interrupt closes the socket from outside, whatever lies over it, and waits for
// nothing; the first cause is kept. A read or write under way returns at once.
func (s *socket) interrupt(cause error) {
	s.cause.CompareAndSwap(nil, &cause)
	s.floor().Conn.Close()
}

// why returns the cause given to interrupt, or err where there was none.
func (s *socket) why(err error) error {
	if cause := s.cause.Load(); cause != nil {
		return *cause
	}
	return err
}
