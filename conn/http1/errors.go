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
}

func (e *Error) Error() string {
	return "http1: " + e.Reason + " (" + e.Section + ")"
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

// The peer's faults, made once: a refused answer costs no allocation.
var (
	errNotHTTP    = &Error{"not an HTTP/1 status line", "RFC 9112 §4"}
	errMajor      = &Error{"unsupported HTTP version", "RFC 9110 §2.5"}
	errVersion    = &Error{"malformed HTTP version", "RFC 9112 §2.3"}
	errStatus     = &Error{"status is not three digits from 100 to 999 after one space", "RFC 9112 §4"}
	errReason     = &Error{"control character in the reason phrase", "RFC 9112 §4"}
	errFirstFold  = &Error{"whitespace before the first field", "RFC 9112 §2.2"}
	errNoColon    = &Error{"field line without a colon", "RFC 9112 §5"}
	errNoName     = &Error{"field line without a name", "RFC 9112 §5"}
	errNameSpace  = &Error{"whitespace before a field's colon", "RFC 9112 §5.1"}
	errName       = &Error{"invalid character in a field name", "RFC 9110 §5.1"}
	errValue      = &Error{"control character in a field value", "RFC 9110 §5.5"}
	errLength     = &Error{"malformed Content-Length", "RFC 9112 §6.3"}
	errLengths    = &Error{"Content-Lengths differ", "RFC 9112 §6.3"}
	errCoding     = &Error{"Transfer-Encoding is not chunked alone", "RFC 9112 §6.1"}
	errCodingOld  = &Error{"Transfer-Encoding in HTTP/1.0", "RFC 9112 §6.1"}
	errBoth       = &Error{"both Transfer-Encoding and Content-Length", "RFC 9112 §6.3"}
	errChunkSize  = &Error{"malformed chunk size", "RFC 9112 §7.1"}
	errChunkLarge = &Error{"chunk size too large", "RFC 9112 §7.1"}
	errChunkLine  = &Error{"chunk size line does not end in CRLF", "RFC 9112 §7.1"}
	errChunkEnd   = &Error{"chunk data is not followed by CRLF", "RFC 9112 §7.1"}
	errExt        = &Error{"control character in a chunk extension", "RFC 9112 §7.1.1"}
	errExtLarge   = &Error{"chunk extensions too large", "RFC 9112 §7.1.1"}
	errTrailLine  = &Error{"trailer line does not end in CRLF", "RFC 9112 §7.1.2"}
	errTrailLarge = &Error{"trailers too large", "RFC 9112 §7.1.2"}
)
