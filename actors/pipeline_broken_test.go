package actors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// TestBrokenLine: calls that were answered stay so, the first that was not gets the
// precise error, and those behind it that they were cut off.
func TestBrokenLine(t *testing.T) {
	const calls = 4
	garbage := "nonsense\r\n\r\n"
	for _, tt := range []struct {
		name     string
		cfg      Config
		end      string // sent behind the whole answers
		hold     bool   // the connection stays open
		err      error  // of the first that is unanswered; nil: as of the others
		answered bool
		lost     bool
	}{
		{name: "closed", err: conn.ErrServerClosed, lost: true},
		{name: "within a head", end: "HTTP/1.1 2", err: http1.ErrTruncated, answered: true, lost: true},
		{name: "within a body", end: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", err: http1.ErrTruncated, answered: true, lost: true},
		{name: "behind an interim answer", end: "HTTP/1.1 103 Early Hints\r\n\r\n", err: http1.ErrTruncated, answered: true, lost: true},
		{name: "garbage", end: garbage, hold: true, err: new(http1.Error), answered: true, lost: true},
		{name: "switched protocols", end: "HTTP/1.1 101 Switching Protocols\r\n\r\n", hold: true, err: new(http1.Error), answered: true, lost: true},
		{name: "too large", end: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", hold: true, err: conn.ErrTooLarge, answered: true},
		{name: "chunks too large", end: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + strings.Repeat("x", 255), hold: true, err: conn.ErrTooLarge, answered: true},
		{name: "head too large", cfg: Config{MaxHeaderBytes: 64}, end: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64), hold: true, err: conn.ErrTooLarge, answered: true},
		{name: "silent", cfg: Config{ResponseHeaderTimeout: time.Second}, hold: true, err: context.DeadlineExceeded},
		{name: "silent within a head", cfg: Config{ResponseHeaderTimeout: time.Second}, end: "HTTP/1.1 2", hold: true, err: context.DeadlineExceeded, answered: true},
		{name: "closes as it says", end: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", hold: true},
		{name: "HTTP/1.0", end: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", hold: true},
		{name: "a body until close", end: "HTTP/1.1 200 OK\r\n\r\n"},
	} {
		for answered := range calls {
			t.Run(fmt.Sprintf("%s/%d", tt.name, answered), func(t *testing.T) {
				in(t, func(t *testing.T) {
					over := make(chan struct{})
					defer close(over)
					cfg := tt.cfg
					cfg.MaxConnsPerOrigin = 1
					f := newFlight(t, cfg, calls, func(nc net.Conn) {
						text := ""
						for i := range answered {
							text += saying(fmt.Sprint(i))
						}
						io.WriteString(nc, text+tt.end)
						if tt.hold {
							<-over
						}
					})
					for range calls {
						f.send(t.Context(), func(r *Request) { r.MaxBody = 100 })
					}
					began := time.Now()
					first := answered
					if tt.err == nil && tt.end != "" { // the end is an answer too
						first++
						answered++
						f.wantBody(t, first-1, "")
					}
					for i := range calls {
						switch {
						case i < answered-b2i(tt.err == nil && tt.end != ""):
							f.wantBody(t, i, fmt.Sprint(i))
						case i < answered:
						case i == first && tt.err != nil:
							wantCut(t, f.result(i).err, tt.err, tt.answered, tt.lost)
						default:
							wantCut(t, f.result(i).err, conn.ErrCutOff, false, true)
						}
					}
					if d := time.Since(began); d > tt.cfg.ResponseHeaderTimeout {
						t.Errorf("took %v", d)
					}
					wantQuiet(t, f.s)
					if n := len(f.s.Snapshot().Conns); n != 0 {
						t.Errorf("%d connections are left", n)
					}
				})
			})
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wantCut compares the evidence of a call on a connection that had answered others.
func wantCut(t *testing.T, err, cause error, answered, lost bool) {
	t.Helper()
	var e *conn.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a *conn.Error", err)
		return
	}
	var protocol *http1.Error
	ok := errors.Is(err, cause)
	switch {
	case errors.As(cause, &protocol):
		ok = e.Protocol() != nil
	case cause == context.DeadlineExceeded:
		ok = e.Timeout()
	}
	if !ok || e.Op != conn.OpRead || e.Sent != conn.SentAll || !e.Reused || e.Answered != answered || e.Lost != lost {
		t.Errorf("got %+v, want %v, answered %v, lost %v", e, cause, answered, lost)
	}
}

func TestUnsentCallsMoveOn(t *testing.T) {
	in(t, func(t *testing.T) {
		hangUp := make(chan struct{})
		f := newFlight(t, Config{}, 0, func(net.Conn) { <-hangUp }) // does not read
		f.send(t.Context())                                         // in a write that waits
		for range 3 {
			f.send(t.Context())
		}
		close(hangUp)
		for i := range 4 {
			f.wantBody(t, i, fmt.Sprintf("/%d", i)) // nothing of the first was taken either
		}
	})
}

func TestPartOfALineSent(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFlight(t, Config{}, 1, nil)
		proceed := make(chan struct{})
		f.then = func(nc net.Conn) {
			<-proceed
			nc.Read(make([]byte, 10))
		}
		f.send(t.Context()) // out, and never answered
		f.send(t.Context()) // in the write
		f.send(t.Context())
		close(proceed)
		wantCut(t, f.result(0).err, conn.ErrServerClosed, false, true)
		var e *conn.Error
		if err := f.result(1).err; !errors.As(err, &e) || e.Sent != conn.SentPart || e.Op != conn.OpWrite || !e.Lost || e.Answered {
			t.Errorf("got %v", err)
		}
		f.wantBody(t, 2, "/2")
	})
}

func TestAnswersBeforeAFailedWriteCount(t *testing.T) {
	in(t, func(t *testing.T) {
		var broken atomic.Bool
		f := &flight{}
		f.pipes = pipes{
			serve: func(nc net.Conn) {
				if f.dials.Load() > 1 {
					answering(echo)(nc)
					return
				}
				br := bufio.NewReader(nc)
				readRequest(br)
				io.WriteString(nc, hello)
				readRequest(br)
				time.Sleep(50 * time.Millisecond)
				io.WriteString(nc, saying("late"))
				time.Sleep(time.Hour)
			},
			wrap: func(nc net.Conn) net.Conn {
				return &brokenWrites{Conn: nc, broken: &broken}
			},
		}
		f.s = f.start(t, Config{PipelineDepth: 8})
		get(t.Context(), f.s, piped)
		synctest.Wait()
		f.send(t.Context())
		broken.Store(true)
		f.send(t.Context())
		broken.Store(false)
		f.wantBody(t, 0, "late")
		f.wantBody(t, 1, "/1")
	})
}

// brokenWrites fails writes while broken, and lets reads be.
type brokenWrites struct {
	net.Conn
	broken *atomic.Bool
}

func (c *brokenWrites) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errBoom
	}
	return c.Conn.Write(p)
}

// TestDriverThatFailsInsideALine: every call returns, and the next ones are answered.
func TestDriverThatFailsInsideALine(t *testing.T) {
	for how, fail := range map[string]func(){"panics": func() { panic(errBoom) }, "exits": runtime.Goexit} {
		for _, where := range []string{"Read", "Write"} {
			t.Run(how+" in "+where, func(t *testing.T) {
				in(t, func(t *testing.T) {
					var on atomic.Bool
					once := func() {
						if on.CompareAndSwap(true, false) {
							fail()
						}
					}
					f := newBadFlight(t, func(c *badConn) {
						if where == "Read" {
							c.read = once
						} else {
							c.write = once
						}
					}, func(m *pipes) *Scheduler { return m.start(t, badConfig) })
					on.Store(true)
					for range 3 {
						f.send(t.Context())
					}
					for i := range 3 {
						if r := f.result(i); r.err == nil && r.body != fmt.Sprintf("/%d", i) {
							t.Errorf("call %d: got %q", i, r.body)
						}
					}
					if on.Load() {
						t.Error("nothing has failed")
					}
					wantQuiet(t, f.s)
					f.send(t.Context())
					f.wantBody(t, 3, "/3")
				})
			})
		}
	}
}

var badConfig = Config{PipelineDepth: 8, MaxConnsPerOrigin: 1, Breaker: Breaker{Disabled: true}}

// newBadFlight is a server that echoes over connections that are bad on this side.
func newBadFlight(t *testing.T, bad func(*badConn), start func(*pipes) *Scheduler) *flight {
	f := &flight{}
	f.pipes = pipes{serve: answering(echo), wrap: func(nc net.Conn) net.Conn {
		c := &badConn{Conn: nc}
		bad(c)
		return c
	}}
	f.s = start(&f.pipes)
	if _, err := get(t.Context(), f.s, piped); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return f
}

// TestSessionEndsOverADriverThatDoesNot: a Read and a Write that ignore Close hold
// nobody up for longer than Close is patient.
func TestSessionEndsOverADriverThatDoesNot(t *testing.T) {
	for _, stuck := range []string{"Read", "Write"} {
		t.Run(stuck, func(t *testing.T) {
			in(t, func(t *testing.T) {
				var on atomic.Bool
				free := make(chan struct{})
				hang := func() {
					if on.Load() {
						<-free
					}
				}
				f := newBadFlight(t, func(c *badConn) {
					if stuck == "Read" {
						c.read = hang
					} else {
						c.write = hang
					}
				}, func(m *pipes) *Scheduler {
					cfg := badConfig
					cfg.Driver = m
					s, err := Start(cfg)
					if err != nil {
						t.Fatal(err)
					}
					return s
				})
				on.Store(true)
				for range 3 {
					f.send(t.Context())
				}
				if err := f.s.Close(); err == nil {
					t.Error("Close has nothing to complain of")
				}
				for i := range 3 {
					if r := f.result(i); !errors.Is(r.err, ErrSessionClosed) {
						t.Errorf("call %d: got %q, %v", i, r.body, r.err)
					}
				}
				close(free)
				synctest.Wait()
			})
		})
	}
}

// halfDead is a driver's conn that can't be written to any more, and of which nothing
// comes in.
type halfDead struct {
	net.Conn
	broken      *atomic.Bool
	noDeadlines bool
}

var errHalfDead = errors.New("half dead")

func (c halfDead) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errHalfDead
	}
	return c.Conn.Write(p)
}

func (c halfDead) SetReadDeadline(t time.Time) error {
	if c.noDeadlines {
		return os.ErrNoDeadline
	}
	return c.Conn.SetReadDeadline(t)
}

// TestFailedWriteEndsALine: whatever the reader was told to wait for before, and also
// where it can't be told at all.
func TestFailedWriteEndsALine(t *testing.T) {
	for _, tt := range []struct {
		name        string
		cfg         Config
		out         int // calls before the write fails
		noDeadlines bool
	}{
		{name: "no reader yet"},
		{name: "beside a reader", out: 1},
		{name: "no reader yet, patient", cfg: Config{ResponseHeaderTimeout: time.Minute}},
		{name: "beside a reader, patient", cfg: Config{ResponseHeaderTimeout: time.Minute}, out: 1},
		{name: "no reader yet, no deadlines", noDeadlines: true},
		{name: "beside a reader, no deadlines", noDeadlines: true, out: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				var broken atomic.Bool
				var conns, dials atomic.Int64
				m := &pipes{
					serve: func(nc net.Conn) {
						if conns.Add(1) > 1 {
							answering(echo)(nc)
							return
						}
						readRequest(bufio.NewReader(nc))
						io.WriteString(nc, hello)
						io.Copy(io.Discard, nc)
					},
					wrap: func(nc net.Conn) net.Conn {
						if dials.Add(1) > 1 {
							return nc
						}
						return halfDead{nc, &broken, tt.noDeadlines}
					},
				}
				tt.cfg.PipelineDepth = 64
				f := &flight{s: m.start(t, tt.cfg)}
				get(t.Context(), f.s, piped)
				synctest.Wait()
				for range tt.out {
					f.send(t.Context())
				}
				broken.Store(true)
				began := time.Now()
				f.send(t.Context())
				for i := range tt.out {
					if r := f.result(i); !errors.Is(r.err, errHalfDead) {
						t.Errorf("call %d: got %q, %v", i, r.body, r.err)
					}
				}
				f.wantBody(t, tt.out, fmt.Sprintf("/%d", tt.out)) // nothing of it was written
				if d := time.Since(began); d > time.Second {
					t.Errorf("took %v", d)
				}
				wantQuiet(t, f.s)
			})
		})
	}
}
