package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		value fmt.Stringer
		want  string
	}{
		{OpQueue, "queue"}, {OpDial, "dial"}, {OpTLS, "tls"}, {OpWrite, "write"}, {OpRead, "read"}, {Op(9), "Op(9)"},
		{SentNothing, "nothing"}, {SentPart, "part"}, {SentAll, "all"}, {Sent(7), "Sent(7)"},
	} {
		if got := tc.value.String(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&Error{Op: OpDial, Err: io.EOF}, "dial: EOF"},
		{&Error{Op: OpRead, RemoteAddr: addr, Err: http1.ErrTruncated}, "read 127.0.0.1:80: http1: body cut short (RFC 9112 §8)"},
		{&ShortFileError{Want: 9, Got: 5}, "the body ended after 5 of 9 bytes"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestErrorChain(t *testing.T) {
	complaint := &http1.Error{Reason: "bad", Section: "RFC 9112 §4"}
	err := error(&Error{Op: OpRead, Sent: SentAll, Err: fmt.Errorf("wrapped: %w", complaint)})
	var e *Error
	if !errors.As(err, &e) || e.Protocol() != complaint || e.Timeout() {
		t.Errorf("protocol %v, timeout %t", e.Protocol(), e.Timeout())
	}
	e = &Error{Op: OpRead, Err: os.ErrDeadlineExceeded}
	if e.Protocol() != nil || !e.Timeout() {
		t.Errorf("protocol %v, timeout %t", e.Protocol(), e.Timeout())
	}
	wantError(t, e, os.ErrDeadlineExceeded)
	wantError(t, &ShortFileError{}, io.ErrUnexpectedEOF)
	wantError(t, errIncompleteClose, http1.ErrTruncated)
}

func TestIsTimeout(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, true},
		{os.ErrDeadlineExceeded, true},
		{fmt.Errorf("reading: %w", os.ErrDeadlineExceeded), true},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, true},
		{&net.DNSError{Err: "slow", IsTimeout: true}, true},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, false},
		{errWouldBlock, true},
		{&Error{Op: OpDial, Err: context.DeadlineExceeded}, true},
	} {
		if got := IsTimeout(tc.err); got != tc.want {
			t.Errorf("%v: %t", tc.err, got)
		}
	}
}

// This machine's own faults say nothing about an origin.
func TestLocal(t *testing.T) {
	dial := func(e syscall.Errno) error {
		return &Error{Op: OpDial, Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", e)}}
	}
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{dial(syscall.EMFILE), true},
		{dial(syscall.ENFILE), true},
		{dial(syscall.EADDRNOTAVAIL), true},
		{dial(syscall.ENOMEM), true},
		{dial(syscall.ENOBUFS), true},
		{&Error{Op: OpDial, Err: ErrDriverNotStarted}, true},
		{fmt.Errorf("my driver: %w", ErrDriverNotStarted), true},
		{dial(syscall.ECONNREFUSED), false},
		{dial(syscall.EHOSTUNREACH), false},
		{dial(syscall.ENETUNREACH), false},
		{&Error{Op: OpDial, Err: context.DeadlineExceeded}, false},
	} {
		if got := Local(tc.err); got != tc.want {
			t.Errorf("%v: %t", tc.err, got)
		}
	}
}
