package http1

import (
	"errors"
	"strconv"
)

// ErrNeedMore is the value Parse and Next return when the input ends early. It is not a failure: read
// more and call again.
var ErrNeedMore = errors.New("http1: need more input")

// ErrHeadTooLarge is what Parse returns when a head passes a bound of its [Limits].
var ErrHeadTooLarge = errors.New("http1: response head too large")

// ErrTruncated is what [Body.End] returns for a body that the peer's close cut short (RFC 9112 §8). What
// came of it must not be taken for the whole.
var ErrTruncated = errors.New("http1: body cut short (RFC 9112 §8)")

// Error says that the peer's bytes are not HTTP/1, or leave in doubt where a message ends. The
// connection they came from can't be used again.
type Error struct {
	Reason  string // what is wrong, without the peer's bytes
	Section string // where that is written: "RFC 9112 §6.3"
	Found   string // the bytes that are wrong, as Quote writes them; empty where none came
}

// Error gives the reason, what was found, and the section.
func (e *Error) Error() string {
	if e.Found == "" {
		return "http1: " + e.Reason + " (" + e.Section + ")"
	}
	return "http1: " + e.Reason + ": " + e.Found + " (" + e.Section + ")"
}

// Is makes errors alike that differ in what was found only, where target has nothing of that.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Found == "" && t.Reason == e.Reason && t.Section == e.Section
}

// FieldError says that a part of the caller's own request can't be sent. It never holds a header's
// value nor a target, as both may be secrets.
type FieldError struct {
	What   string // "method", "target", "header name" or "header value"
	Name   string // the header's name as far as it is valid, or the method likewise; empty for a target
	Reason string
}

func (e *FieldError) Error() string {
	s := "http1: invalid " + e.What
	if e.Name != "" {
		s += " " + strconv.Quote(e.Name)
	}
	return s + ": " + e.Reason
}

// The peer's faults, as they are before it is known what was found.
var (
	errTLS        = &Error{Reason: "the server speaks TLS on this port; use https", Section: "RFC 8446 §5.1"}
	errHTTP2      = &Error{Reason: "the server speaks HTTP/2 only on this port", Section: "RFC 9113 §3.4"}
	errNotHTTP    = &Error{Reason: "not an HTTP/1 status line", Section: "RFC 9112 §4"}
	errMajor      = &Error{Reason: "unsupported HTTP version", Section: "RFC 9110 §2.5"}
	errVersion    = &Error{Reason: "malformed HTTP version", Section: "RFC 9112 §2.3"}
	errStatus     = &Error{Reason: "status is not three digits from 100 to 999 after one space", Section: "RFC 9112 §4"}
	errReason     = &Error{Reason: "control character in the reason phrase", Section: "RFC 9112 §4"}
	errFirstFold  = &Error{Reason: "whitespace before the first field", Section: "RFC 9112 §2.2"}
	errNoColon    = &Error{Reason: "field line without a colon", Section: "RFC 9112 §5"}
	errNoName     = &Error{Reason: "field line without a name", Section: "RFC 9112 §5"}
	errNameSpace  = &Error{Reason: "whitespace before a field's colon", Section: "RFC 9112 §5.1"}
	errName       = &Error{Reason: "invalid character in a field name", Section: "RFC 9110 §5.1"}
	errValue      = &Error{Reason: "control character in a field value", Section: "RFC 9110 §5.5"}
	errLength     = &Error{Reason: "malformed Content-Length", Section: "RFC 9112 §6.3"}
	errLengths    = &Error{Reason: "Content-Lengths differ", Section: "RFC 9112 §6.3"}
	errCoding     = &Error{Reason: "Transfer-Encoding is not chunked alone", Section: "RFC 9112 §6.1"}
	errCodingOld  = &Error{Reason: "Transfer-Encoding in HTTP/1.0", Section: "RFC 9112 §6.1"}
	errBoth       = &Error{Reason: "both Transfer-Encoding and Content-Length", Section: "RFC 9112 §6.3"}
	errChunkSize  = &Error{Reason: "malformed chunk size", Section: "RFC 9112 §7.1"}
	errChunkLarge = &Error{Reason: "chunk size too large", Section: "RFC 9112 §7.1"}
	errChunkLine  = &Error{Reason: "chunk size line does not end in CRLF", Section: "RFC 9112 §7.1"}
	errChunkEnd   = &Error{Reason: "chunk data is not followed by CRLF", Section: "RFC 9112 §7.1"}
	errExt        = &Error{Reason: "control character in a chunk extension", Section: "RFC 9112 §7.1.1"}
	errExtLarge   = &Error{Reason: "chunk extensions too large", Section: "RFC 9112 §7.1.1"}
	errTrailLine  = &Error{Reason: "trailer line does not end in CRLF", Section: "RFC 9112 §7.1.2"}
	errTrailLarge = &Error{Reason: "trailers too large", Section: "RFC 9112 §7.1.2"}
)
