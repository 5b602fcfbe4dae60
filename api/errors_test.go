package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// driver is a Driver made of a function.
type driver func(ctx context.Context, network, address string) (net.Conn, error)

func (d driver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// fails is a call that must fail, and how.
type fails struct {
	name string
	call func(t *testing.T) error
	kind string // connection, io or protocol
	op   Op
	sent Sent
	addr bool // RemoteAddr is known
	is   error
}

// quietServer takes connections and never answers. received gets a value for
// each first read.
func quietServer(t *testing.T) (address string, received chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	received = make(chan struct{}, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			if _, err := c.Read(make([]byte, 4096)); err == nil {
				received <- struct{}{}
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), received
}

func answered(raw string, cfg Config, opts ...Option) func(t *testing.T) error {
	return func(t *testing.T) error {
		server := record(t, func(_ int, req *http.Request) string { req.Close = true; return raw })
		s := newSession(t, cfg)
		resp, err := s.Get(t.Context(), withSecret(server.URL), opts...)
		if resp != nil {
			t.Errorf("a response beside the error: %v", resp.Status())
		}
		return err
	}
}

// inTime is the error of a call in a bubble, which is to come after took.
func inTime(t *testing.T, took time.Duration, cfg Config, opts ...Option) (failure error) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		began := time.Now()
		_, failure = s.Get(t.Context(), withSecret("http://h:1"), opts...)
		if since := time.Since(began); since != took {
			t.Errorf("it came after %v, want %v", since, took)
		}
	})
	return failure
}

func withSecret(url string) string {
	return strings.Replace(url, "://", "://user:secret@", 1) + "/path?q=1#f"
}

func failures() []fails {
	dialError := errors.New("no route to mars")
	return []fails{
		{"refused", func(t *testing.T) error {
			return second(newSession(t, Config{}).Get(t.Context(), withSecret("http://"+unused(t))))
		}, "connection", OpDial, SentNothing, false, syscall.ECONNREFUSED},
		{"refused, one-shot", func(t *testing.T) error {
			return second(Get(t.Context(), withSecret("http://"+unused(t))))
		}, "connection", OpDial, SentNothing, false, syscall.ECONNREFUSED},
		{"driver's error", func(t *testing.T) error {
			d := driver(func(context.Context, string, string) (net.Conn, error) { return nil, dialError })
			return second(newSession(t, Config{Driver: d}).Get(t.Context(), withSecret("http://h:1")))
		}, "connection", OpDial, SentNothing, false, dialError},
		{"driver not started", func(t *testing.T) error {
			d := driver(func(context.Context, string, string) (net.Conn, error) { return nil, conn.ErrDriverNotStarted })
			return second(newSession(t, Config{Driver: d}).Get(t.Context(), withSecret("http://h:1")))
		}, "connection", OpDial, SentNothing, false, conn.ErrDriverNotStarted},
		{"dial timeout", func(t *testing.T) error {
			d := driver(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
			return inTime(t, time.Second, Config{Driver: d, DialTimeout: time.Second})
		}, "connection", OpDial, SentNothing, false, context.DeadlineExceeded},
		{"certificate", func(t *testing.T) error {
			s := httptest.NewTLSServer(http.NotFoundHandler())
			s.Config.ErrorLog = discard()
			t.Cleanup(s.Close)
			return second(newSession(t, Config{}).Get(t.Context(), withSecret(s.URL)))
		}, "connection", OpTLS, SentNothing, true, nil},
		{"not TLS", func(t *testing.T) error {
			s := record(t, nil)
			return second(newSession(t, Config{}).Get(t.Context(), withSecret(strings.Replace(s.URL, "http", "https", 1)), TLS(&tls.Config{InsecureSkipVerify: true})))
		}, "connection", OpTLS, SentNothing, true, nil},
		{"context ended before", func(t *testing.T) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return second(newSession(t, Config{}).Get(ctx, withSecret("http://"+unused(t))))
		}, "connection", OpQueue, SentNothing, false, context.Canceled},
		{"deadline passed before", func(t *testing.T) error {
			ctx, cancel := context.WithTimeout(t.Context(), -1)
			defer cancel()
			return second(Get(ctx, withSecret("http://"+unused(t))))
		}, "connection", OpQueue, SentNothing, false, context.DeadlineExceeded},
		{"session closed", func(t *testing.T) error {
			s := newSession(t, Config{})
			s.Close()
			return second(s.Get(t.Context(), withSecret("http://h")))
		}, "connection", OpQueue, SentNothing, false, ErrSessionClosed},
		{"no answer", answered("", Config{}), "io", OpRead, SentAll, true, conn.ErrServerClosed},
		{"cut in the head", answered("HTTP/1.1 200 OK\r\nContent-", Config{}), "io", OpRead, SentAll, true, http1.ErrTruncated},
		{"cut in the body", answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", Config{}), "io", OpRead, SentAll, true, http1.ErrTruncated},
		{"cut in a chunk", answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", Config{}), "io", OpRead, SentAll, true, http1.ErrTruncated},
		{"head too large", answered("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2000)+"\r\n\r\n", Config{MaxHeaderBytes: 1000}), "io", OpRead, SentAll, true, ErrTooLarge},
		{"body too large", answered(withLength("12345678901"), Config{MaxBodyBytes: 10}), "io", OpRead, SentAll, true, ErrTooLarge},
		{"chunked body too large", answered(chunked("123456", "78901"), Config{MaxBodyBytes: 10}), "io", OpRead, SentAll, true, ErrTooLarge},
		{"timeout in reading", func(t *testing.T) error {
			return inTime(t, time.Second, Config{Driver: unanswering()}, Timeout(time.Second))
		}, "io", OpRead, SentAll, true, context.DeadlineExceeded},
		{"response header timeout", func(t *testing.T) error {
			return inTime(t, time.Second, Config{Driver: unanswering(), ResponseHeaderTimeout: time.Second})
		}, "io", OpRead, SentAll, true, nil},
		{"cancelled in reading", func(t *testing.T) error {
			address, received := quietServer(t)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-received; cancel() }()
			return second(newSession(t, Config{}).Get(ctx, withSecret("http://"+address)))
		}, "io", OpRead, SentAll, true, context.Canceled},
		{"session closed in reading", func(t *testing.T) error {
			address, received := quietServer(t)
			s := newSession(t, Config{})
			closed := make(chan struct{})
			go func() { defer close(closed); <-received; s.Close() }()
			err := second(s.Get(t.Context(), withSecret("http://"+address)))
			<-closed
			return err
		}, "io", OpRead, SentAll, true, ErrSessionClosed},
		{"file ends early", func(t *testing.T) error {
			s := record(t, nil)
			return second(newSession(t, Config{}).Upload(t.Context(), withSecret(s.URL), sized(strings.NewReader("abc"), 5)))
		}, "io", OpWrite, SentPart, true, io.ErrUnexpectedEOF},
		{"not HTTP", answered("SSH-2.0-OpenSSH\r\n", Config{}), "protocol", OpRead, SentAll, true, nil},
		{"ambiguous framing", answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Config{}), "protocol", OpRead, SentAll, true, nil},
		{"bad chunk", answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Config{}), "protocol", OpRead, SentAll, true, nil},
		{"bad chunk in a stream", answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Config{}, Stream(func([]byte) error { return nil }, 1)), "protocol", OpRead, SentAll, true, nil},
		{"101", answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Config{}, Headers{"Upgrade": "x"}), "protocol", OpRead, SentAll, true, nil},
	}
}

func TestErrors(t *testing.T) {
	for _, c := range failures() {
		t.Run(c.name, func(t *testing.T) {
			err := c.call(t)
			if err == nil {
				t.Fatal("no error")
			}
			var f *failure
			var e1 *HTTPConnectionError
			var e2 *IOError
			var e3 *ProtocolError
			kind := ""
			if errors.As(err, &e1) {
				kind, f = "connection", e1.failure()
			}
			if errors.As(err, &e2) {
				kind, f = kind+"io", (*failure)(e2)
			}
			if errors.As(err, &e3) {
				kind, f = kind+"protocol", (*failure)(e3)
			}
			if kind != c.kind {
				t.Fatalf("got a %q %T %v, want %q", kind, err, err, c.kind)
			}
			if f.Op != c.op || f.Sent != c.sent || (f.RemoteAddr != nil) != c.addr {
				t.Errorf("op %v, sent %v, address %v; want %v, %v, %v", f.Op, f.Sent, f.RemoteAddr, c.op, c.sent, c.addr)
			}
			if f.Err == nil || errors.Unwrap(err) != f.Err || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v wraps %v, want %v", err, f.Err, c.is)
			}
			if !strings.HasSuffix(f.URL, "/path?q=1") {
				t.Errorf("URL %q", f.URL)
			}
			if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(f.URL, "user") || !strings.Contains(s, f.Op.String()) || !strings.Contains(s, f.Sent.String()) {
				t.Errorf("message %q", s)
			}
			var ne net.Error
			timeout := strings.Contains(c.name, "timeout") || c.is == context.DeadlineExceeded
			if !errors.As(err, &ne) || ne.Timeout() != timeout {
				t.Errorf("Timeout() of %v", err)
			}
			if kind == "protocol" && !strings.Contains(err.Error(), "RFC 9") {
				t.Errorf("no section in %q", err)
			}
		})
	}
}

func TestErrQueueFull(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{MaxConnsPerOrigin: 1, MaxQueuePerOrigin: 1})
	lease, err := session.Lease(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for range 2 { // one waits, the other is one too many
		go func() { done <- second(session.Get(t.Context(), withSecret(server.URL))) }()
	}
	err = <-done
	var no *HTTPConnectionError
	if !errors.Is(err, ErrQueueFull) || !errors.As(err, &no) || no.Op != OpQueue || no.Sent != SentNothing || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	lease.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestErrCircuitOpen(t *testing.T) {
	session := newSession(t, Config{Breaker: Breaker{Failures: 1, OpenFor: time.Hour}})
	url := withSecret("http://" + unused(t))
	if _, err := session.Get(t.Context(), url); errors.Is(err, ErrCircuitOpen) || err == nil {
		t.Errorf("got %v", err)
	}
	_, err := session.Get(t.Context(), url)
	var no *HTTPConnectionError
	if !errors.Is(err, ErrCircuitOpen) || !errors.As(err, &no) || no.Op != OpQueue || no.Sent != SentNothing || no.Timeout() || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestOneShotHasNoBreaker: each failure comes from a dial of the call's own.
func TestOneShotHasNoBreaker(t *testing.T) {
	url := "http://" + unused(t)
	for range 30 {
		var no *HTTPConnectionError
		if _, err := Get(t.Context(), url); !errors.As(err, &no) || no.Op != OpDial || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestErrorNames(t *testing.T) {
	for op, want := range map[Op]string{OpQueue: "queue", OpDial: "dial", OpTLS: "tls", OpWrite: "write", OpRead: "read"} {
		if op.String() != want {
			t.Errorf("%v, want %s", op, want)
		}
	}
	for sent, want := range map[Sent]string{SentNothing: "nothing", SentPart: "part", SentAll: "all"} {
		if sent.String() != want {
			t.Errorf("%v, want %s", sent, want)
		}
	}
	for _, err := range []net.Error{&HTTPConnectionError{Err: io.EOF}, &IOError{Err: io.EOF}, &ProtocolError{Err: io.EOF}, &IOError{}} {
		if err.Timeout() || err.Error() == "" || err.(interface{ Temporary() bool }).Temporary() {
			t.Errorf("%T", err)
		}
	}
}
