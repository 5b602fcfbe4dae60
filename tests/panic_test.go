package tests

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// errBoom is what the user's code panics with in these tests.
var errBoom = errors.New("boom")

// caught runs call on a goroutine of its own and tells how it ended: by returning
// an error, by a panic, or by runtime.Goexit.
func caught(t testing.TB, call func() error) (panicked any, exited bool, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		exited = true
		defer func() {
			if panicked = recover(); panicked != nil {
				exited = false
			}
		}()
		err = call()
		exited = false
	}()
	receive(t, "a call whose user's code fails", done)
	return panicked, exited, err
}

// wantHarmless runs failing calls beside others, several times over: nobody else
// notices, and the session is as it was. Every failing call ends as wanted.
func wantHarmless(t *testing.T, s *api.Session, o *origin, conns int, fail func() error, wanted func(err error, panicked any, exited bool) bool) {
	t.Helper()
	over := newGate()
	others := start(func() error {
		return callers(4, func(int) error {
			for !over.isOpen() {
				if err := second(s.Get(soon(t), o.URL)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for range 3 * conns { // a lost slot each time would be noticed
		panicked, exited, err := caught(t, fail)
		if !wanted(err, panicked, exited) {
			t.Errorf("the caller got %T %v, panic %v, exit %v", err, err, panicked, exited)
			break
		}
	}
	over.open()
	if err := receive(t, "the others", others); err != nil {
		t.Errorf("others: %v", err)
	}
	wantQuiet(t, s)
	wantCapacity(t, s, o, conns)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// either lets pass what the contract allows: the panic itself, or an error.
func either(err error, panicked any, exited bool) bool {
	return !exited && (panicked == any(errBoom) || errors.Is(err, errBoom))
}

func TestAPanicInAStreamCallbackReachesTheCallerAndHarmsNobody(t *testing.T) {
	for name, size := range map[string]int{"at once": 100, "midway": 40_000, "at the end": 100_000} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			body := o.route("/body", ok(strings.Repeat("x", 100_000)))
			s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
			n := 0
			wantHarmless(t, s, o, 3, func() error {
				n = 0
				return second(s.Get(soon(t), body, api.Stream(func(chunk []byte) error {
					if n += len(chunk); n >= size {
						panic(errBoom)
					}
					return nil
				}, 1000)))
			}, func(_ error, panicked any, _ bool) bool { return panicked == any(errBoom) })
		})
	}
}

func TestGoexitInAStreamCallbackHarmsNobody(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	body := o.route("/body", ok(strings.Repeat("x", 1<<20)))
	s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
	wantHarmless(t, s, o, 3, func() error {
		return second(s.Get(soon(t), body, api.Stream(func([]byte) error { runtime.Goexit(); return nil }, 1000)))
	}, func(_ error, _ any, exited bool) bool { return exited })
}

func TestAnErrorOfAStreamCallbackIsReturnedAndHarmsNobody(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	body := o.route("/body", ok(strings.Repeat("x", 1<<20)))
	s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
	wantHarmless(t, s, o, 3, func() error {
		return second(s.Get(soon(t), body, api.Stream(func([]byte) error { return errBoom }, 1000)))
	}, func(err error, _ any, _ bool) bool { return errors.Is(err, errBoom) })
}

// rude is a body, or a file, that misbehaves in one of its methods.
type rude struct {
	read       func() // before each Read
	size, len  func() int64
	left, done int
}

func (r *rude) Read(p []byte) (int, error) {
	if r.read != nil && r.done > 0 {
		r.read()
	}
	n := min(len(p), r.left, 10_000)
	r.left -= n
	r.done += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

type rudeFile struct{ *rude }

func (f rudeFile) Size() int64 { return f.size() }

type rudeLen struct{ *rude }

func (b rudeLen) Len() int { return int(b.len()) }

func TestBodiesAndFilesThatPanicHarmNobody(t *testing.T) {
	boom := func() { panic(errBoom) }
	boomSize := func() int64 { panic(errBoom) }
	known := func() int64 { return 100_000 }
	for name, call := range map[string]func(*api.Session, context.Context, string) error{
		"a Body's Read": func(s *api.Session, ctx context.Context, url string) error {
			return second(s.Post(ctx, url, api.Body(&rude{read: boom, left: 100_000})))
		},
		"the Read of a Body with a length": func(s *api.Session, ctx context.Context, url string) error {
			return second(s.Post(ctx, url, api.Body(rudeLen{&rude{read: boom, len: known, left: 100_000}})))
		},
		"a Body's Len": func(s *api.Session, ctx context.Context, url string) error {
			return second(s.Post(ctx, url, api.Body(rudeLen{&rude{len: boomSize}})))
		},
		"a File's Read": func(s *api.Session, ctx context.Context, url string) error {
			return second(s.Upload(ctx, url, rudeFile{&rude{read: boom, size: known, left: 100_000}}))
		},
		"a File's Size": func(s *api.Session, ctx context.Context, url string) error {
			return second(s.Upload(ctx, url, rudeFile{&rude{size: boomSize}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			o.route("/", count)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
			wantHarmless(t, s, o, 3, func() error { return call(s, soon(t), o.URL) }, either)
		})
	}
}

func TestABodyThatExitsItsGoroutineHarmsNobody(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	o.route("/", count)
	s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
	wantHarmless(t, s, o, 3, func() error {
		return second(s.Post(soon(t), o.URL, api.Body(&rude{read: runtime.Goexit, left: 100_000})))
	}, func(err error, _ any, exited bool) bool {
		return err != nil && !errors.Is(err, context.DeadlineExceeded) || exited
	})
}

func TestFilesThatLieAboutTheirSizeHarmNobody(t *testing.T) {
	for name, c := range map[string]struct {
		size, left int
		good       bool
	}{"too short": {100_000, 60_000, false}, "empty": {5, 0, false}, "longer": {50_000, 90_000, true}} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			o.route("/", count)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 3})
			wantHarmless(t, s, o, 3, func() error {
				file := rudeFile{&rude{size: func() int64 { return int64(c.size) }, left: c.left}}
				return second(s.Upload(soon(t), o.URL, file))
			}, func(err error, _ any, _ bool) bool {
				_, bad := asError[*api.IOError](err)
				return bad != c.good && (err == nil) == c.good
			})
		})
	}
}

// rudeConn is a Driver's connection that panics, or exits its goroutine, in one
// of its methods, once it has been armed.
type rudeConn struct {
	net.Conn
	in    string
	armed *atomic.Bool
	fail  func()
}

func (c *rudeConn) at(method string) {
	if c.in == method && c.armed.Load() {
		c.fail()
	}
}
func (c *rudeConn) Read(p []byte) (int, error)  { c.at("Read"); return c.Conn.Read(p) }
func (c *rudeConn) Write(p []byte) (int, error) { c.at("Write"); return c.Conn.Write(p) }
func (c *rudeConn) Close() error {
	err := c.Conn.Close() // or the test itself would leak
	c.at("Close")
	return err
}

// TestADriversConnectionThatPanicsHarmsNobody: first on its own, then while it is
// being cut off from outside.
func TestADriversConnectionThatPanicsHarmsNobody(t *testing.T) {
	for _, method := range []string{"Read", "Write", "Close"} {
		for name, fail := range map[string]func(){"panic": func() { panic(errBoom) }, "exit": runtime.Goexit} {
			if method == "Close" && name == "exit" {
				continue // nothing can hold a goroutine that wants to end: here, whose Close it is
			}
			t.Run(method+"/"+name, func(t *testing.T) {
				if !inProcess(t) {
					return
				}
				noLeaks(t)
				good, bad := newOrigin(t), newOrigin(t)
				var armed atomic.Bool
				s := newSession(t, api.Config{
					MaxConnsPerOrigin: 3,
					Breaker:           noBreaker,
					Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := tcp.DialContext(ctx, network, address)
						if err == nil && address == bad.addr {
							c = &rudeConn{c, method, &armed, fail}
						}
						return c, err
					}),
				})
				hold := newGate()
				stalled := bad.route("/stalled", stall(hold))
				closing := bad.route("/closing", ok("ok", "Connection: close"))
				for range 10 {
					armed.Store(true)
					// What the call itself gets does not matter here: that it ends does.
					caught(t, func() error { return second(s.Get(soon(t), closing)) })
					caught(t, func() error {
						ctx, cancel := context.WithTimeout(soon(t), 2*time.Millisecond)
						defer cancel()
						return second(s.Get(ctx, stalled))
					})
					armed.Store(false)
					if _, err := s.Get(soon(t), good.URL); err != nil {
						t.Errorf("another origin: %v", err)
					}
				}
				hold.open()
				wantQuiet(t, s)
				wantCapacity(t, s, bad, 3)
				wantCapacity(t, s, good, 3)
				armed.Store(true)
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

func TestADriverThatPanicsHarmsNobody(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"panic": func() { panic(errBoom) }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			if !inProcess(t) {
				return
			}
			noLeaks(t)
			good, bad := newOrigin(t), newOrigin(t)
			var failing atomic.Bool
			failing.Store(true)
			s := newSession(t, api.Config{
				MaxConnsPerOrigin: 2,
				Breaker:           noBreaker,
				Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
					if address == bad.addr && failing.Load() {
						fail()
					}
					return tcp.DialContext(ctx, network, address)
				}),
			})
			for range 3 {
				_, err := s.Get(soon(t), bad.URL)
				e, is := asError[*api.HTTPConnectionError](err)
				if !is || e.Op != api.OpDial || errors.Is(err, context.DeadlineExceeded) || name == "panic" && !errors.Is(err, errBoom) {
					t.Fatalf("got %T %v", err, err)
				}
				if _, err := s.Get(soon(t), good.URL); err != nil {
					t.Errorf("another origin: %v", err)
				}
			}
			failing.Store(false)
			wantQuiet(t, s)
			wantCapacity(t, s, bad, 2)
		})
	}
}

func TestATLSCallbackThatPanicsHarmsNobody(t *testing.T) {
	cert := newCertificate(t)
	for name, fail := range map[string]func(){"panic": func() { panic(errBoom) }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			if !inProcess(t) {
				return
			}
			noLeaks(t)
			o := newOriginTLS(t, cert.server())
			settings := cert.client()
			s := newSession(t, api.Config{TLS: settings, MaxConnsPerOrigin: 3, Breaker: noBreaker})
			wantHarmless(t, s, o, 3, func() error {
				rude := settings.Clone() // an origin of its own each time, without a back-off
				rude.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { fail(); return nil }
				return second(s.Get(soon(t), o.URL, api.TLS(rude)))
			}, func(err error, _ any, _ bool) bool {
				e, is := asError[*api.HTTPConnectionError](err)
				return is && e.Op == api.OpTLS && !errors.Is(err, context.DeadlineExceeded) && (name == "exit" || errors.Is(err, errBoom))
			})
		})
	}
}

// TestALogHandlerThatPanicsHarmsNobody: breakers change their state, and the log
// they are told to fails.
func TestALogHandlerThatPanicsHarmsNobody(t *testing.T) {
	if !inProcess(t) {
		return
	}
	noLeaks(t)
	good, bad := newOrigin(t), newOrigin(t)
	bad.route("/", reset)
	h := panickingHandler{failed: new(atomic.Int64)}
	s := newSession(t, api.Config{Logger: slog.New(h), Breaker: api.Breaker{Failures: 1, OpenFor: time.Millisecond}})
	eventually(t, "the handler is called, again and again", func() bool {
		if _, err := s.Get(soon(t), bad.URL); err == nil {
			t.Error("answered")
		}
		if _, err := s.Get(soon(t), good.URL); err != nil {
			t.Errorf("another origin: %v", err)
		}
		return h.failed.Load() > 3
	})
}

// TestManyPanicsAtOnce: 200 callers whose bodies, streams and connections fail.
func TestManyPanicsAtOnce(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	o.route("/", count)
	body := o.route("/body", ok(strings.Repeat("x", 50_000)))
	s := newSession(t, api.Config{MaxConnsPerOrigin: 10, Breaker: noBreaker})
	if err := callers(200, func(i int) error {
		panicked, exited, err := caught(t, func() error {
			switch i % 4 {
			case 0:
				return second(s.Get(soon(t), body, api.Stream(func([]byte) error { panic(errBoom) }, 100)))
			case 1:
				return second(s.Post(soon(t), o.URL, api.Body(&rude{read: func() { panic(errBoom) }, left: 50_000})))
			case 2:
				return second(s.Get(soon(t), body, api.Stream(func([]byte) error { runtime.Goexit(); return nil }, 100)))
			}
			return second(s.Put(soon(t), o.URL, api.Body(bytes.NewReader([]byte("good")))))
		})
		switch {
		case i%4 == 0 && panicked != any(errBoom), i%4 == 1 && !either(err, panicked, exited), i%4 == 2 && !exited, i%4 == 3 && err != nil:
			t.Errorf("caller %d: %v, panic %v, exit %v", i, err, panicked, exited)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	wantQuiet(t, s)
	wantCapacity(t, s, o, 10)
}
