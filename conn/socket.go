package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// lookWait is how long a look waits at a socket that offers no raw access, where
// only a read with a deadline can tell: long enough to see what has arrived, too
// short to be felt.
const lookWait = 100 * time.Microsecond

// sight is what a look at the receive side finds without taking anything.
type sight uint8

const (
	sightQuiet  sight = iota // nothing has arrived
	sightBytes               // bytes wait
	sightClosed              // FIN or an error
	sightNone                // the socket can't be looked at without reading
)

// socket is the driver's net.Conn with the two things TLS must not hide: a look
// at what waits without blocking, and whether the peer really closed.
type socket struct {
	cause atomic.Pointer[error] // why the socket was closed from outside
	raw   syscall.RawConn       // nil where the driver's conn has none
	net.Conn

	// noWait makes Read answer errWouldBlock instead of blocking: a look
	// through the TLS layer. Owner: the connection's goroutine.
	noWait bool
	// sawEOF tells that the peer's FIN was read. Over TLS without a
	// close_notify before it, that is an incomplete close (RFC 9112 §9.8).
	sawEOF bool

	alert error  // what a look found that says why the connection is of no use: a TLS alert, a greeting
	taken []byte // what a look had to take to see it

	// A look of the owner's: the function is made once, so that it costs no
	// allocation, and leaves its result in found.
	peek  func(fd uintptr)
	found sight
}

// open takes over the driver's conn.
func (s *socket) open(nc net.Conn) {
	s.Conn = nc
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
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
	if s.noWait && s.raw != nil && s.look() == sightQuiet {
		return 0, errWouldBlock
	}
	n, err := s.read(p)
	if err == io.EOF && n == 0 {
		s.sawEOF = true
	} else if err != nil && n == 0 && IsTimeout(err) {
		return 0, s.passing(err)
	}
	return n, err
}

// passing makes a deadline's error one after which TLS can be read on: not every
// driver's is temporary.
func (s *socket) passing(err error) error {
	if s.noWait {
		return errWouldBlock
	}
	if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() { // as crypto/tls asks
		return err
	}
	return timedOut{err}
}

// timedOut is a driver's deadline error.
type timedOut struct{ error }

func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }
func (e timedOut) Unwrap() error { return e.error }

// maxEmptyReads bounds Reads that give neither bytes nor an error. A conn may do
// that now and then; crypto/tls would ask one that keeps doing it for ever.
const maxEmptyReads = 100

func (s *socket) read(p []byte) (n int, err error) {
	for range maxEmptyReads {
		if n, err = s.Conn.Read(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// see looks at the socket and takes nothing. Any goroutine may call it: it uses
// the descriptor without the read lock, which a blocked Read would hold.
func (s *socket) see() sight {
	if s.raw == nil {
		return sightNone
	}
	what := sightClosed
	if err := s.raw.Control(func(fd uintptr) { what = peek(fd) }); err != nil {
		return sightClosed
	}
	return what
}

// look is see for the connection's own goroutine.
func (s *socket) look() sight {
	if s.peek == nil {
		s.peek = func(fd uintptr) { s.found = peek(fd) }
	}
	if err := s.raw.Control(s.peek); err != nil {
		return sightClosed
	}
	return s.found
}

// quiet tells whether the connection r reads from (the socket, or TLS over it)
// is open with nothing unasked for on it. Only for connections that expect
// nothing. Where it is fresh, what had to be taken to see it is kept: a greeting.
func (s *socket) quiet(r net.Conn, fresh bool) bool {
	if r == net.Conn(s) && s.raw != nil {
		return s.look() == sightQuiet
	}
	// Through TLS: session tickets wait unread on a fresh connection and are no
	// answer (RFC 8446 §4.6.1), an alert is the end. Reading makes TLS eat the
	// first and report the second.
	s.noWait = true
	defer func() { s.noWait = false }()
	if s.raw == nil {
		if err := s.SetReadDeadline(time.Now().Add(lookWait)); err != nil {
			// Without deadlines there is no way to look. Any other error means
			// that the socket is not fit for use.
			return errors.Is(err, os.ErrNoDeadline) || errors.Is(err, errors.ErrUnsupported)
		}
		defer s.SetReadDeadline(time.Time{})
	}
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
	var timeout net.Error
	return n == 0 && errors.As(err, &timeout) && timeout.Timeout()
}

// interrupt closes the socket from outside; the first cause is kept. A read or
// write under way returns at once.
func (s *socket) interrupt(cause error) {
	s.cause.CompareAndSwap(nil, &cause)
	s.Close()
}

// Close closes the socket. A driver's own type must not take others along if it
// panics in there, or ends its goroutine.
func (s *socket) Close() error {
	if _, ok := s.Conn.(*net.TCPConn); ok {
		return s.Conn.Close()
	}
	done := make(chan error, 1)
	go func() {
		err := errors.New("the driver's connection did not return from Close")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("the driver's connection panicked in Close: %v", r)
			}
			done <- err
		}()
		err = s.Conn.Close()
	}()
	return <-done
}

// why returns the cause given to interrupt, or err where there was none.
func (s *socket) why(err error) error {
	if cause := s.cause.Load(); cause != nil {
		return *cause
	}
	return err
}
