package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Op is the phase of a request in which something went wrong.
type Op uint8

// The phases, in the order in which a request passes them.
const (
	OpQueue Op = iota // waiting for a connection
	OpDial            // name lookup and connect
	OpTLS             // the TLS handshake
	OpWrite           // sending the request
	OpRead            // awaiting or reading the answer
)

// String gives the name of the phase: queue, dial, tls, write or read.
func (op Op) String() string {
	switch op {
	case OpQueue:
		return "queue"
	case OpDial:
		return "dial"
	case OpTLS:
		return "tls"
	case OpWrite:
		return "write"
	case OpRead:
		return "read"
	}
	return fmt.Sprintf("Op(%d)", uint8(op))
}

// Sent is how much of a request was handed to the socket when it ended.
// What was handed over may have been processed by the server, whatever came
// afterwards (RFC 9110 §9.2.2).
type Sent uint8

// The evidence a failed request leaves.
const (
	SentNothing Sent = iota // no byte: the server cannot have seen it
	SentPart                // some bytes, not the whole request
	SentAll                 // the whole request
)

// String gives nothing, part or all.
func (s Sent) String() string {
	switch s {
	case SentNothing:
		return "nothing"
	case SentPart:
		return "part"
	case SentAll:
		return "all"
	}
	return fmt.Sprintf("Sent(%d)", uint8(s))
}

var (
	// ErrDriverNotStarted is the answer of a Driver that is dialled before its
	// Start or after its Stop.
	ErrDriverNotStarted = errors.New("troupe: the net driver is not started: dial only between its Start and its Stop")

	// ErrTooLarge tells that the answer's head passed MaxHeaderBytes, or its
	// body MaxBodyBytes.
	ErrTooLarge = errors.New("troupe: the answer is larger than the configured limit")

	// ErrClosed tells that the connection was closed on this side.
	ErrClosed = errors.New("troupe: the connection is closed")

	// ErrStale tells that a connection was found unfit for a request before
	// anything of it was sent.
	ErrStale = errors.New("troupe: the server closed the connection, or sent what nobody asked for, before the request was sent")

	// ErrServerClosed tells that the server ended the connection where an
	// answer was due.
	ErrServerClosed = errors.New("troupe: the server closed the connection without an answer")

	// ErrCutOff tells that a pipelined request's connection ended with an earlier
	// one: of its own answer no byte had come.
	ErrCutOff = errors.New("troupe: the connection ended before the answers to earlier requests on it were through")
)

// ShortFileError tells that a request body ended before the length that the
// request's head had promised. The connection can't be used any more.
type ShortFileError struct{ Want, Got int64 }

// Error gives both lengths in bytes.
func (e *ShortFileError) Error() string {
	return fmt.Sprintf("the body ended after %d of %d bytes", e.Got, e.Want)
}

// Unwrap returns io.ErrUnexpectedEOF.
func (e *ShortFileError) Unwrap() error { return io.ErrUnexpectedEOF }

// Error is a failure of one request with what its connection knows about it.
// It wraps the cause.
type Error struct {
	Op         Op
	Sent       Sent
	RemoteAddr net.Addr // nil before there is one
	Err        error

	// The rest of the evidence, for who decides whether to send it once more.
	Reused   bool // the connection had answered other requests before
	Answered bool // some byte of an answer had come
	Lost     bool // the connection broke: not time, nor the caller, nor this side's files

	// RetryAt is when an origin that takes no calls is tried again; zero: unknown.
	RetryAt time.Time
}

// Error says in which phase what happened.
func (e *Error) Error() string {
	if e.RemoteAddr == nil {
		return e.Op.String() + ": " + e.Err.Error()
	}
	return e.Op.String() + " " + AddrText(e.RemoteAddr) + ": " + e.Err.Error()
}

// AddrText is a.String(), but that a driver's own type which panics in there takes nobody
// along.
func AddrText(a net.Addr) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("(no address: the driver's panicked: %v)", v)
		}
	}()
	return a.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout tells whether time ran out.
func (e *Error) Timeout() bool { return IsTimeout(e.Err) }

// Protocol returns the codec's complaint when the server's bytes were the
// cause, else nil.
func (e *Error) Protocol() *http1.Error {
	var p *http1.Error
	if errors.As(e.Err, &p) {
		return p
	}
	return nil
}

// IsTimeout tells whether err says that time ran out, whoever says it: a
// context, a socket's deadline, or a name lookup.
func IsTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
