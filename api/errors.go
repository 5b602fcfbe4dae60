package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/uri"
	"github.com/seed53b03582/troupe/conn"
)

// Op is the phase of a call in which something went wrong. It prints as queue,
// dial, tls, write or read.
type Op uint8

// The phases, in the order in which a call passes them. They are those of package conn.
const (
	OpQueue Op = iota // waiting for a connection
	OpDial            // name lookup and connect
	OpTLS             // the TLS handshake
	OpWrite           // sending the request
	OpRead            // awaiting or reading the answer
)

// String gives the name of the phase: queue, dial, tls, write or read.
func (op Op) String() string { return conn.Op(op).String() }

// Sent is how much of a request was handed to the socket when it failed. It
// prints as nothing, part or all. Only what was never sent is known not to have
// been processed (RFC 9110 §9.2.2).
type Sent uint8

// The evidence a failed request leaves. It is that of package conn.
const (
	SentNothing Sent = iota // no byte: the server cannot have seen it
	SentPart                // some bytes, not the whole request
	SentAll                 // the whole request
)

// String gives nothing, part or all.
func (s Sent) String() string { return conn.Sent(s).String() }

var (
	// ErrCircuitOpen tells that the origin's breaker is open and nothing was
	// sent. It comes inside an *HTTPConnectionError whose Op is OpQueue, with its
	// RetryAt.
	ErrCircuitOpen = actors.ErrCircuitOpen
	// ErrDialBackoff tells that the last dial to the origin failed, that the next is
	// not due yet, and that the call does not wait for that: see Retry. It comes with
	// the failed dial's error inside an *HTTPConnectionError whose Op is OpQueue, with
	// its RetryAt. Nothing was sent.
	ErrDialBackoff = actors.ErrDialBackoff
	// ErrRetryBudget comes beside the error of a request that would have been sent
	// once more if that origin's budget of retries had not been used up: see
	// Retry.Budget.
	ErrRetryBudget = errors.New("not tried again: this origin's budget of retries is used up; raise Retry.Budget or Retry.MinBudget, or wait")
	// ErrQueueFull tells that MaxQueuePerOrigin calls wait already. It comes
	// inside an *HTTPConnectionError whose Op is OpQueue.
	ErrQueueFull = actors.ErrQueueFull
	// ErrSessionClosed tells that the session was shut down before the call
	// came, or while it was under way.
	ErrSessionClosed = actors.ErrSessionClosed
	// ErrTooLarge tells that an answer passed MaxHeaderBytes or MaxBodyBytes. It
	// comes inside an *IOError; the connection is closed.
	ErrTooLarge = conn.ErrTooLarge
	// ErrCutOff tells that a pipelined call's connection ended before its answer
	// began, with that of an earlier call. It comes inside an *IOError.
	ErrCutOff = conn.ErrCutOff
	// ErrWrongOrigin tells that the given connection leads to another scheme,
	// host or port, or was made with other TLS settings. Nothing was sent.
	ErrWrongOrigin = actors.ErrWrongOrigin
	// ErrForeignConnection tells that the given connection is another session's.
	// Nothing was sent.
	ErrForeignConnection = actors.ErrForeignConnection
	// ErrReservedHeader comes inside an *InputError: a Host, Content-Length or
	// Transfer-Encoding key among the caller's headers. Nothing was sent.
	ErrReservedHeader = errors.New("this header is derived from the URL and the body")
	// ErrBodyGone tells that a request could not be sent once more, as its body has been
	// read and can't be read from its start again. It comes inside a *RedirectError, and
	// from Response.NotRepeated.
	ErrBodyGone = errors.New("the body has been read and can't be sent again; give one that can: bytes, a string, a File with Seek or ReadAt")
	// ErrTooManyRedirects comes inside a *RedirectError: MaxRedirects were followed
	// already.
	ErrTooManyRedirects = errors.New("too many redirects; raise MaxRedirects, or look at them with NoRedirect")
)

// InputError is a request that can't be sent as it was asked for: a URL, header,
// option or file is wrong. Nothing of it was sent, no connection was taken. It is the
// first one of its call, unless redirects were followed: then a *RedirectError holds it, or
// Config.Proxy has failed for where they led.
type InputError struct {
	Field  string // what is wrong: "URL", "Headers", "JSON" …
	Reason string // why; never the value of a header nor a secret of a URL
	Fix    string // what to do instead; may be empty
	Err    error  // the cause, where there is one
}

// Error gives the field, the reason and the fix.
func (e *InputError) Error() string {
	s := "troupe: " + e.Field + ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return conn.MaskText(s)
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// inputError is what package uri says of a URL or host, as an error over a field of the call's.
func inputError(field string, err error) error {
	var e *uri.Error
	if !errors.As(err, &e) {
		return err
	}
	return &InputError{Field: field, Reason: e.Reason, Fix: e.Fix, Err: e.Err}
}

// HTTPConnectionError tells that the server can't be contacted: no connection
// could be had within the limits, name lookup, connect or TLS handshake failed,
// or the context ended before all that was done. Nothing of the request was sent.
type HTTPConnectionError struct {
	URL        string    // as it may be shown, see Response.Curl; empty where no URL was involved
	Op         Op        // OpQueue, OpDial or OpTLS
	Sent       Sent      // SentNothing
	RemoteAddr net.Addr  // nil before there is one
	Err        error     // the cause
	Trace      Trace     // when what happened; of the last try
	RetryAt    time.Time // when its origin is tried again, if its breaker or back-off says so; else zero
}

// IOError tells that an established connection failed: it was closed or reset,
// time ran out, the answer was cut short or too large, or a file or Body reader
// gave fewer bytes than announced. OpenFile returns it too.
type IOError struct {
	URL        string   // as it may be shown, see Response.Curl; empty where no URL was involved
	Op         Op       // OpWrite or OpRead
	Sent       Sent     // what the server may have seen
	RemoteAddr net.Addr // nil before there is one
	Err        error    // the cause
	Trace      Trace    // when what happened; of the last try
}

// ProtocolError tells that the server's bytes are not HTTP/1, or leave in doubt
// where a message ends (RFC 9112 §6.3). The connection is closed. Its text quotes up to 80
// characters of them, without the values of secret headers and parameters.
type ProtocolError struct {
	URL        string   // as it may be shown, see Response.Curl
	Op         Op       // OpRead
	Sent       Sent     // what the server may have seen; SentNothing where it spoke before it was asked
	RemoteAddr net.Addr // the server's address
	Err        error    // the codec's complaint, with the RFC's section
	Trace      Trace    // when what happened; of the last try
}

// failure is what the three share, and their methods.
type failure struct {
	URL        string
	Op         Op
	Sent       Sent
	RemoteAddr net.Addr
	Err        error
	Trace      Trace
}

func (f *failure) message(what string) string {
	s := "troupe: "
	if f.URL != "" {
		s += f.URL + ": "
	}
	s += what + " (" + f.Op.String()
	if f.RemoteAddr != nil {
		s += " " + conn.AddrText(f.RemoteAddr)
	}
	s += ", sent " + f.Sent.String() + ")"
	if f.Err == nil {
		return conn.MaskText(s)
	}
	s += ": " + f.Err.Error()
	var pins *PinError
	if errors.As(f.Err, &pins) { // BASE64 may look like the name of a secret, with its = at the end
		if before, after, found := strings.Cut(s, pins.Error()); found {
			return conn.MaskText(before) + pins.Error() + conn.MaskText(after)
		}
	}
	return conn.MaskText(s) // the cause may be a driver's, a proxy's, a server's
}

// Error gives the URL without secrets, the phase, what was sent, and the cause.
func (e *HTTPConnectionError) Error() string {
	return e.failure().message("cannot contact the server")
}

func (e *HTTPConnectionError) failure() *failure {
	return &failure{e.URL, e.Op, e.Sent, e.RemoteAddr, e.Err, e.Trace}
}

// Unwrap returns the cause.
func (e *HTTPConnectionError) Unwrap() error { return e.Err }

// Timeout tells whether time ran out. With Temporary it makes a net.Error.
func (e *HTTPConnectionError) Timeout() bool { return conn.IsTimeout(e.Err) }

// Temporary is what net.Error asks for; it is the same as Timeout.
func (e *HTTPConnectionError) Temporary() bool { return e.Timeout() }

// Error gives the URL without secrets, the phase, what was sent, and the cause.
func (e *IOError) Error() string { return (*failure)(e).message("I/O failed") }

// Unwrap returns the cause.
func (e *IOError) Unwrap() error { return e.Err }

// Timeout tells whether time ran out. With Temporary it makes a net.Error.
func (e *IOError) Timeout() bool { return conn.IsTimeout(e.Err) }

// Temporary is what net.Error asks for; it is the same as Timeout.
func (e *IOError) Temporary() bool { return e.Timeout() }

// Error gives the URL without secrets, the phase, what was sent, and the cause.
func (e *ProtocolError) Error() string {
	return (*failure)(e).message("the answer is not valid HTTP/1")
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// Timeout tells whether time ran out. With Temporary it makes a net.Error.
func (e *ProtocolError) Timeout() bool { return conn.IsTimeout(e.Err) }

// Temporary is what net.Error asks for; it is the same as Timeout.
func (e *ProtocolError) Temporary() bool { return e.Timeout() }

// StatusError is an answer with status 400 or above. Only Response.Err makes it:
// a call that was answered never fails because of the status.
type StatusError struct {
	Code int    // 400 to 999
	URL  string // of the request, as it may be shown, see Response.Curl
}

// Error gives the URL, the code and its name.
func (e *StatusError) Error() string {
	s := "troupe: " + e.URL + ": status " + strconv.Itoa(e.Code)
	if text := http.StatusText(e.Code); text != "" {
		s += " " + text
	}
	return s
}

// explain turns what the scheduler says of a call into what a user decides on, and
// keeps the evidence for the decision over a retry.
func (r *request) explain(err error, t Trace) error {
	var c *conn.Error
	if !errors.As(err, &c) {
		return fmt.Errorf("troupe: %s: %w", &r.to, err)
	}
	r.lost, t.Sent = c, Sent(c.Sent)
	f := failure{URL: r.to.String(), Op: Op(c.Op), Sent: Sent(c.Sent), RemoteAddr: c.RemoteAddr, Err: c.Err, Trace: t}
	switch {
	case f.Op <= OpTLS:
		return &HTTPConnectionError{f.URL, f.Op, f.Sent, f.RemoteAddr, f.Err, f.Trace, c.RetryAt}
	case f.Op == OpRead && c.Protocol() != nil: // in OpWrite it would be a Body reader's own error
		e := ProtocolError(f)
		return &e
	default:
		e := IOError(f)
		return &e
	}
}

// plainError is a constant text as an error.
type plainError string

func (e plainError) Error() string { return string(e) }
